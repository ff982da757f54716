/**
 * How fast do messages go from one process to another through a ring of one producer and one consumer, written and read in
 * place, against the same in C, `process.send`, a Unix socket, iceoryx2, Aeron, and `postMessage` to a thread?
 * The bars: 64 bytes: 0.2 times C with a publication each and 0.5 times in batches, 200 times `process.send`; 1 MiB by `send`:
 * 0.8 times memcpy.
 */
import { addMatch, type Match, type Other } from './support/matches.js'
import { messageBytes, MessageWay } from './support/messages.js'
import { aeronProbe } from './support/java-probe.js'
import { parseOptions, roundsFor } from './support/options.js'
import { openOurRing, type OurRing, type Stream } from './support/our-ring.js'
import type { Side } from './support/pairing.js'
import { Probe, rustProbe } from './support/probe.js'
import { Report } from './support/report.js'

const options = parseOptions()
const report = new Report('ring', 'Messages to another process through a ring: how many times C, process.send and iceoryx2?', options)
const smallSlots = 1024
const largeBytes = 1024 * 1024
const largeSlots = 8
const scale = options.quick ? 0.05 : 1
const small = { payload: 'words', messageBytes, slots: smallSlots, count: 1_000_000 * scale } as const
const middle = { payload: 'words', messageBytes: 1024, slots: smallSlots, batch: 1, count: 100_000 * scale } as const
const large = { messageBytes: largeBytes, slots: largeSlots, batch: 1, count: 400 * scale } as const
const loans = { ...large, payload: 'ends', count: 200_000 * scale } as const

const c = new Probe('ring-one-one')

function inC(stream: Stream, name: string = stream.payload): Side {
  const subject = `${stream.slots}/${stream.batch}`
  return () => c.measure({ name, iterations: stream.count, subject, sizeBytes: stream.messageBytes })
}

/** Two processes in Rust, through iceoryx2 or a ring of ours, or in Java, through Aeron. */
function inProbe(probe: Probe, stream: Stream, divisor: number): Side {
  const { payload, messageBytes: sizeBytes, slots } = stream
  return () => probe.measure({ name: payload, iterations: Math.ceil(stream.count / divisor), subject: String(slots), sizeBytes })
}

/** All sides answer nanoseconds a message: shown as millions of messages a second, or as their bytes in GB/s. */
async function compare(ours: Match['ours'], subject: string, unit: 'M/s' | 'GB/s', stream: Stream, others: readonly Other[]): Promise<void> {
  const convert = (ns: number): number => (unit === 'GB/s' ? stream.messageBytes : 1000) / ns
  await addMatch(report, { subject, unit, ours, others, convert }, roundsFor(options))
}

async function compareAll(ring: OurRing): Promise<void> {
  const channel = MessageWay.overChannel('json')
  const socket = MessageWay.overSocket()
  const worker = MessageWay.overWorker()
  const iceoryx = rustProbe('peers/iceoryx2')
  const rust = rustProbe('probes/ring-rust')
  const aeron = aeronProbe()
  if (typeof iceoryx === 'string') report.skip('iceoryx2', iceoryx)
  if (typeof rust === 'string') report.skip('our ring in Rust', rust)
  if (typeof aeron === 'string') report.skip('Aeron', aeron)
  const inNode = (stream: Stream): Match['ours'] => ({ name: 'Ring', side: () => ring.stream(stream) })
  const besideIceoryx = (stream: Stream, divisor: number): Other[] =>
    typeof iceoryx === 'string' ? [] : [{ name: 'iceoryx2 in Rust', side: inProbe(iceoryx, stream, divisor) }]
  const besideAeron = (stream: Stream): Other[] =>
    typeof aeron === 'string' ? [] : [{ name: 'Aeron IPC in Java', side: inProbe(aeron, stream, 2) }]
  try {
    const each = { ...small, batch: 1 }
    await compare(inNode(each), '64 B, published each', 'M/s', each, [
      { name: 'C', side: inC(each), limit: 0.2 },
      { name: channel.name, side: () => channel.stream(small.count / 200), limit: 200 },
      { name: socket.name, side: () => socket.stream(small.count / 50) },
      { name: worker.name, side: () => worker.stream(small.count / 50) },
      ...besideIceoryx(each, 10),
      ...besideAeron(each),
    ])
    if (typeof rust !== 'string') {
      const ours = { name: 'Ring, both ends in Rust', side: inProbe(rust, each, 1) }
      await compare(ours, '64 B, published each', 'M/s', each, [{ name: 'C', side: inC(each) }, ...besideIceoryx(each, 10)])
    }
    for (const batch of [8, 64]) {
      const batched = { ...small, batch }
      await compare(inNode(batched), `64 B, batches of ${batch}`, 'M/s', batched, [{ name: 'C', side: inC(batched), limit: 0.5 }])
    }
    await compare(inNode(middle), '1 KiB in place', 'GB/s', middle, [{ name: 'C', side: inC(middle) }])
    const inPlace = { ...large, payload: 'words' } as const
    await compare(inNode(inPlace), '1 MiB in place', 'GB/s', inPlace, [{ name: 'C', side: inC(inPlace) }, ...besideIceoryx(inPlace, 1)])
    await compare(inNode(loans), '1 MiB by loan', 'M/s', loans, [{ name: 'C', side: inC(loans) }, ...besideIceoryx(loans, 2)])
    // Some 100 ms: in less, where the scheduler puts the two processes decides.
    const copied = { ...large, payload: 'copy', count: large.count * 10 } as const
    await compare(inNode(copied), '1 MiB by send', 'GB/s', copied, [
      { name: 'memcpy in C', side: inC(copied, 'memcpy'), limit: 0.8 },
      { name: 'ring in C', side: inC(copied) },
    ])
  } finally {
    channel.close()
    socket.close()
    worker.close()
    for (const probe of [iceoryx, rust, aeron]) if (typeof probe !== 'string') probe.close()
  }
}

const ring = openOurRing(`shmem-bench-${process.pid}`)
try {
  await compareAll(ring)
} finally {
  ring.close()
}
c.close()
report.remark('In place: every word of a message is written, read, summed and compared with its place in the sequence; larger is better.')
report.remark('By loan: only the first and the last word, as when the bytes are already where they belong. By send: one copy.')
report.remark(`Rings of ${smallSlots} messages, of 1 MiB ${largeSlots}. process.send, the socket and postMessage take one message at a time.`)
report.remark('postMessage goes to a thread of the same process, not to another one.')
report.finish()
