/**
 * How long is a message of 64 bytes on its way to another process through a ring, against a bare cache line and a futex in C,
 * a Unix socket, iceoryx2, Aeron, and `postMessage` to a thread?
 * The bars: spinning at most 1.4 times the cache line, asleep no slower than the socket.
 */
import { ByteSocket } from './support/byte-socket.js'
import { addMatch, type Other } from './support/matches.js'
import { messageBytes, writeMessage } from './support/messages.js'
import { aeronProbe } from './support/java-probe.js'
import { parseOptions, roundsFor } from './support/options.js'
import { openRingPair, type RingPair, type WaitKind } from './support/our-ring-latency.js'
import { Partner } from './support/partner.js'
import { Probe, rustProbe } from './support/probe.js'
import { Report } from './support/report.js'
import { summarize } from './support/statistics.js'
import { idleWakes, pingPong, playSocket, playWorker } from './support/wakes.js'
import { WorkerPartner } from './support/worker-partner.js'

const options = parseOptions()
const report = new Report('ring-latency', 'A message through a ring, one way: how many times a cache line, a futex and a socket?', options)
const spinRounds = options.quick ? 10_000 : 200_000
const sleepRounds = options.quick ? 500 : 4000
const idleMessages = options.quick ? 10 : 40
/** Longer than a partner is ever away. */
const neverSleepMicros = 1_000_000

async function compareAll(ring: RingPair): Promise<void> {
  const cacheLine = new Probe('cache-line')
  const futex = new Probe('futex-hand-over')
  const iceoryx = rustProbe('peers/iceoryx2')
  const rust = rustProbe('probes/ring-rust')
  const aeron = aeronProbe()
  if (typeof iceoryx === 'string') report.skip('iceoryx2', iceoryx)
  if (typeof rust === 'string') report.skip('our ring in Rust', rust)
  if (typeof aeron === 'string') report.skip('Aeron', aeron)
  const partner = new Partner('socket-waiter')
  const socket = new ByteSocket(partner.socket)
  const worker = new WorkerPartner('message-worker')
  const rounds = roundsFor(options)
  const ours = (count: number, wait: WaitKind) => ({ name: 'Ring', side: () => ring.pingPong(count, wait) })
  try {
    const spinning: Other[] = [{ name: 'cache line in C', side: () => cacheLine.measure({ name: 'ping-pong', iterations: spinRounds }), limit: 1.4 }]
    const loan = { name: 'ping-pong', iterations: spinRounds, subject: '16', sizeBytes: messageBytes }
    if (typeof iceoryx !== 'string') spinning.push({ name: 'iceoryx2 in Rust', side: () => iceoryx.measure(loan) })
    if (typeof aeron !== 'string') spinning.push({ name: 'Aeron IPC in Java', side: () => aeron.measure({ ...loan, iterations: spinRounds / 2 }) })
    const spins = ours(spinRounds, { blocks: true, spinMicros: neverSleepMicros })
    await addMatch(report, { subject: 'spins only', unit: 'ns', ours: spins, others: spinning }, rounds)
    if (typeof rust !== 'string') {
      const inRust = { name: 'Ring, both ends in Rust', side: () => rust.measure(loan) }
      await addMatch(report, { subject: 'spins only', unit: 'ns', ours: inRust, others: spinning.map(({ name, side }) => ({ name, side })) }, rounds)
    }

    const overSocket = async (): Promise<number> => pingPong(partner, ['socket echo'], (count) => playSocket(socket, count), sleepRounds)
    const overWorker = async (): Promise<number> => pingPong(worker, ['echo'], (count) => playWorker(worker, count), sleepRounds)
    const sleeping: Other[] = [
      { name: 'Unix socket', side: overSocket, limit: 1 },
      { name: 'futex in C', side: () => futex.measure({ name: 'sleep', iterations: sleepRounds }) },
    ]
    const blocks = ours(sleepRounds, { blocks: true, spinMicros: 0 })
    await addMatch(report, { subject: 'sleeps at once, blocking', unit: 'ns', ours: blocks, others: sleeping }, rounds)
    const promises = ours(sleepRounds, { blocks: false, spinMicros: 0 })
    await addMatch(report, { subject: 'sleeps at once, promise', unit: 'ns', ours: promises, others: [...sleeping.slice(0, 1), { name: 'worker postMessage', side: overWorker }] }, rounds)

    const idle = { name: 'Ring', side: async () => summarize(await ring.idle(idleMessages)).median }
    const idleSocket = async (): Promise<number> => summarize(await idleWakes(partner, ['socket arrivals'], () => socket.send(), idleMessages)).median
    const words = new Uint32Array(messageBytes / Uint32Array.BYTES_PER_ELEMENT)
    const post = (sequence: number): void => {
      writeMessage(words, sequence)
      worker.post(words)
    }
    const idleWorker = async (): Promise<number> => summarize(await idleWakes(worker, ['arrivals'], post, idleMessages)).median
    const others = [{ name: 'Unix socket', side: idleSocket, limit: 1 }, { name: 'worker postMessage', side: idleWorker }]
    await addMatch(report, { subject: 'idle, promise', unit: 'ns', ours: idle, others }, rounds)
  } finally {
    cacheLine.close()
    futex.close()
    for (const probe of [iceoryx, rust, aeron]) if (typeof probe !== 'string') probe.close()
    partner.close()
    worker.close()
  }
}

const ring = openRingPair(`shmem-bench-${process.pid}`)
try {
  await compareAll(ring)
} finally {
  ring.close()
}
report.remark('Two processes send each other a message in turns, through a ring for each way; half of a round is shown. The socket carries one byte; postMessage goes to a thread of the same process.')
report.remark('Idle: both processes slept in their event loops; a sample is the median of its messages, from the same clock in both.')
report.finish()
