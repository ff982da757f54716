/**
 * How fast do `write` and `read` copy, against `Uint8Array.set` and against C's memcpy on the very same pages?
 * The bar: 1 MiB at 90 % of memcpy or better.
 */
import { PosixSegment } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave, nanosecondsPerCall } from './support/pairing.js'
import { Probe } from './support/probe.js'
import { atLeast, Report, type Comparison } from './support/report.js'

const roomBytes = 1024 * 1024
const sizes = [
  { label: '64 B', sizeBytes: 64, iterations: 400_000 },
  { label: '4 KiB', sizeBytes: 4096, iterations: 100_000 },
  { label: '1 MiB', sizeBytes: roomBytes, iterations: 600 },
]

const options = parseOptions()
const rounds = roundsFor(options)
const report = new Report('copy', 'write() and read() of a segment: how fast beside Uint8Array.set and memcpy?', options)
const segment = PosixSegment.create(`/shmem-bench-${process.pid}`, { size: roomBytes, prefault: true })

/** The bytes that were copied must have arrived, and no others. */
function check(what: string, target: Uint8Array, byte: number): void {
  if (target.some((value) => value !== byte)) throw new Error(`${what} copied other bytes`)
}

/** Names both sides of one comparison; the samples are rates. */
function compare(subject: string, ours: [string, number[]], other: [string, number[]], bar?: Comparison['bar']): void {
  const sides = { ours: { name: ours[0], samples: ours[1] }, other: { name: other[0], samples: other[1] } }
  const comparison: Comparison = { subject, unit: 'GB/s', ...sides }
  report.add(bar === undefined ? comparison : { ...comparison, bar })
}

async function measureWrites(label: string, sizeBytes: number, iterations: number, probe: Probe): Promise<void> {
  const source = Buffer.alloc(sizeBytes, 0x3a)
  const target = segment.bytes.subarray(0, sizeBytes)
  const rate = (operation: () => void): number => sizeBytes / nanosecondsPerCall(operation, iterations)
  const { write, set, memcpy } = await interleave(
    {
      write: () => {
        target.fill(0)
        const sample = rate(() => segment.write(0, source))
        check('write', target, 0x3a)
        return sample
      },
      set: () => {
        target.fill(0)
        const sample = rate(() => target.set(source))
        check('set', target, 0x3a)
        return sample
      },
      memcpy: async () => sizeBytes / (await probe.measure({ name: 'write', iterations, sizeBytes, subject: segment.name })),
    },
    rounds,
  )
  const bar = sizeBytes === roomBytes ? atLeast(0.9, write, memcpy) : undefined
  compare(`write ${label}`, ['write', write], ['memcpy', memcpy], bar)
  compare(`write ${label}`, ['write', write], ['Uint8Array.set', set])
}

async function measureReads(label: string, sizeBytes: number, iterations: number, probe: Probe): Promise<void> {
  const source = segment.bytes.subarray(0, sizeBytes)
  const target = Buffer.alloc(sizeBytes)
  const rate = (operation: () => void): number => sizeBytes / nanosecondsPerCall(operation, iterations)
  const checked = (what: string, operation: () => void): number => {
    source.fill(0x7e)
    target.fill(0)
    const sample = rate(operation)
    check(what, target, 0x7e)
    return sample
  }
  let fresh = segment.read(0, sizeBytes)
  const { read, readFresh, set, memcpy } = await interleave(
    {
      read: () => checked('read', () => segment.read(0, target)),
      readFresh: () => {
        source.fill(0x7e)
        const sample = rate(() => {
          fresh = segment.read(0, sizeBytes)
        })
        check('read', fresh, 0x7e)
        return sample
      },
      set: () => checked('set', () => target.set(source)),
      memcpy: async () => sizeBytes / (await probe.measure({ name: 'read', iterations, sizeBytes, subject: segment.name })),
    },
    rounds,
  )
  const bar = sizeBytes === roomBytes ? atLeast(0.9, read, memcpy) : undefined
  compare(`read ${label}`, ['read(offset, target)', read], ['memcpy', memcpy], bar)
  compare(`read ${label}`, ['read(offset, target)', read], ['Uint8Array.set', set])
  compare(`read ${label}`, ['read(offset, length)', readFresh], ['Uint8Array.set', set])
}

const probe = new Probe('copy')
try {
  for (const { label, sizeBytes, iterations } of sizes) {
    const count = options.quick ? Math.ceil(iterations / 10) : iterations
    await measureWrites(label, sizeBytes, count, probe)
    await measureReads(label, sizeBytes, count, probe)
  }
} finally {
  probe.close()
  segment.remove()
  segment.close()
}
report.remark('All sides copy between private memory and the same 1 MiB of a POSIX segment, which stays in the cache.')
report.remark('read(offset, length) allocates its result; the others copy to memory that is there.')
report.finish()
