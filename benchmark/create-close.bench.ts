/**
 * What does a segment's whole life cost: create, map, close and remove 64 KiB, against the same calls in C?
 * The bar is twice C.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, SysvSegment, type Segment } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave, nanosecondsPerCall } from './support/pairing.js'
import { Probe } from './support/probe.js'
import { atMost, Report } from './support/report.js'

const size = 64 * 1024
const name = `/shmem-bench-${process.pid}`
const path = join(tmpdir(), `shmem-bench-${process.pid}`)

const kinds = [
  { subject: 'POSIX', name: 'posix', where: `${name}-c`, create: () => PosixSegment.create(name, { size }) },
  { subject: 'System V', name: 'sysv', where: '-', create: () => SysvSegment.create(IPC_PRIVATE, { size }) },
  { subject: 'memfd', name: 'memfd', where: 'bench', create: () => MemfdSegment.create('bench', { size }) },
  { subject: 'file', name: 'file', where: `${path}-c`, create: () => FileSegment.create(path, { size }) },
]

/** A memfd has no name to remove. */
function liveOnce(create: () => Segment): void {
  const segment = create()
  if (segment.kind !== 'memfd') segment.remove()
  segment.close()
}

/** A life that leaves no usable memory would be cheap. */
function checkMemory(create: () => Segment): void {
  const segment = create()
  segment.bytes.fill(0xa5)
  const isRight = segment.bytes.length === size && segment.read(size - 1, 1)[0] === 0xa5
  if (segment.kind !== 'memfd') segment.remove()
  segment.close()
  if (!isRight) throw new Error(`a fresh ${segment.kind} segment does not hold its bytes`)
}

const options = parseOptions()
const report = new Report('create-close', 'Create, map, close and remove a segment of 64 KiB: how many times C?', options)
const probe = new Probe('create-close')
const iterations = options.quick ? 200 : 1000

for (const kind of kinds) {
  checkMemory(kind.create)
  const { ours, c } = await interleave(
    {
      ours: () => nanosecondsPerCall(() => liveOnce(kind.create), iterations) / 1000,
      c: async () => (await probe.measure({ name: kind.name, iterations, subject: kind.where, sizeBytes: size })) / 1000,
    },
    roundsFor(options),
  )
  const sides = { ours: { name: 'shmem', samples: ours }, other: { name: 'C', samples: c } }
  report.add({ subject: kind.subject, unit: 'µs', ...sides, bar: atMost(2, ours, c) })
}
probe.close()
report.remark(`Files are in ${tmpdir()}, on whatever disk that is.`)
report.remark('Both sides reserve the memory (fallocate), except System V, where the kernel cannot.')
report.finish()
