/**
 * What does it cost to open a segment that exists, map it and close it again, against the same calls in C?
 * The bar is twice C and the cost of one external ArrayBuffer, which C does not need; that is measured beside it.
 */
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSegment, PosixSegment, SysvSegment, type Segment } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave, nanosecondsPerCall } from './support/pairing.js'
import { compileProbe, Probe } from './support/probe.js'
import { Report } from './support/report.js'
import { ratios, summarize } from './support/statistics.js'

const size = 64 * 1024
const name = `/shmem-bench-${process.pid}`
const path = join(tmpdir(), `shmem-bench-${process.pid}`)
const key = 0x5e000000 + process.pid

const kinds = [
  {
    subject: 'POSIX',
    name: 'posix',
    where: name,
    create: () => PosixSegment.create(name, { size }),
    open: () => PosixSegment.open(name),
  },
  {
    subject: 'System V',
    name: 'sysv',
    where: String(key),
    create: () => SysvSegment.create(key, { size }),
    open: () => SysvSegment.open(key),
  },
  {
    subject: 'file',
    name: 'file',
    where: path,
    create: () => FileSegment.create(path, { size }),
    open: () => FileSegment.open(path),
  },
]

/** What is opened must be the memory that was created. */
function checkSharing(created: Segment, open: () => Segment): void {
  created.bytes.fill(0x5a)
  const opened = open()
  const isRight = opened.size === size && opened.bytes[size - 1] === 0x5a
  opened.close()
  if (!isRight) throw new Error(`an opened ${created.kind} segment shows other bytes`)
}

const options = parseOptions()
const report = new Report('open-close', 'Open, map and close an existing segment of 64 KiB: how many times C?', options)
const probe = new Probe('open-close')
const iterations = options.quick ? 500 : 4000
const createAndDetach = createRequire(import.meta.url)(compileProbe('array-buffer', ['-shared', '-fPIC'])) as () => ArrayBuffer

for (const kind of kinds) {
  const created = kind.create()
  try {
    checkSharing(created, kind.open)
    const { ours, c, arrayBuffer } = await interleave(
      {
        ours: () => nanosecondsPerCall(() => kind.open().close(), iterations) / 1000,
        c: async () => (await probe.measure({ name: kind.name, iterations, subject: kind.where })) / 1000,
        arrayBuffer: () => nanosecondsPerCall(createAndDetach, iterations) / 1000,
      },
      roundsFor(options),
    )
    const allowed = c.map((microseconds, round) => 2 * microseconds + (arrayBuffer[round] ?? 0))
    const bar = { text: `≤ ${summarize(allowed).median.toPrecision(3)} µs`, holds: summarize(ratios(ours, allowed)).median <= 1 }
    report.add({ subject: kind.subject, unit: 'µs', ours: { name: 'shmem', samples: ours }, other: { name: 'C', samples: c }, bar })
    const { median, min, max } = summarize(arrayBuffer)
    const spread = `${min.toPrecision(3)}–${max.toPrecision(3)}`
    report.remark(`${kind.subject}: one external ArrayBuffer took ${median.toPrecision(3)} µs (${spread}) in the same rounds.`)
  } finally {
    created.remove()
    created.close()
  }
}
probe.close()
report.remark('The bar is twice C and one external ArrayBuffer (created, detached and finalized), within each round.')
report.finish()
