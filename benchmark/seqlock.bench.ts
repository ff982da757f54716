/**
 * What does it cost to read and write a record of 64 bytes under a sequence lock that nobody fights for?
 * The bar: a read takes at most 60 ns. What the same copy takes without any lock stands beside it.
 */
import { ManagedSegment } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave, nanosecondsPerCall } from './support/pairing.js'
import { Report } from './support/report.js'
import { summarize } from './support/statistics.js'

const recordBytes = 64
const readLimitNs = 60

const options = parseOptions()
const report = new Report('seqlock', 'Read and write a record of 64 bytes under a SeqLock: how long, and how many times a bare copy?', options)
const iterations = options.quick ? 100_000 : 1_000_000
const segment = ManagedSegment.openOrCreate(`shmem-bench-${process.pid}`, { size: '4MiB' })

try {
  const record = segment.seqlock('record', { bytes: recordBytes })
  const source = new Uint8Array(recordBytes)
  const target = new Uint8Array(recordBytes)
  const bare = new Uint8Array(recordBytes)
  let fill = 0
  /** Each sample reads bytes that no sample before it had. */
  const refill = (): void => {
    fill = (fill + 1) & 0xff
    source.fill(fill)
    record.write(source)
    bare.set(source)
  }
  const timed = (operation: () => void): number => {
    refill()
    const sample = nanosecondsPerCall(operation, iterations)
    record.read(target)
    if (target.some((byte) => byte !== fill)) throw new Error('the record has other bytes')
    return sample
  }
  const { read, copyOut, write, copyIn } = await interleave(
    {
      read: () => timed(() => record.read(target)),
      copyOut: () => timed(() => target.set(bare)),
      write: () => timed(() => record.write(source)),
      copyIn: () => timed(() => bare.set(source)),
    },
    roundsFor(options),
  )
  const bar = { text: `≤ ${readLimitNs} ns`, holds: summarize(read).median <= readLimitNs }
  const copy = (samples: number[]) => ({ name: 'Uint8Array.set', samples })
  report.add({ subject: 'read', unit: 'ns', ours: { name: 'SeqLock', samples: read }, other: copy(copyOut), bar })
  report.add({ subject: 'write', unit: 'ns', ours: { name: 'SeqLock', samples: write }, other: copy(copyIn) })
} finally {
  segment.remove()
  segment.close()
}
report.finish()
