/**
 * What does it cost to write a value of which others only want the newest, and to read it, against a `SeqLock` and a bare copy?
 * The bar: a read of 64 bytes takes at most 60 ns.
 */
import { ManagedSegment } from 'shmem'
import { addMatch } from './support/matches.js'
import { parseOptions, roundsFor } from './support/options.js'
import { openLatest, type LatestValue } from './support/our-latest.js'
import { nanosecondsPerCall } from './support/pairing.js'
import { Report } from './support/report.js'
import { summarize } from './support/statistics.js'

type Way = Pick<LatestValue, 'read' | 'write'>
type Verb = (typeof verbs)[number]

const verbs = ['read unchanged', 'read new', 'write'] as const
/** Of the loops with and without a read in a sample. */
const turns = 10
const smallBytes = 64
const largeBytes = 1024 * 1024
const readLimitNs = 60

const options = parseOptions()
const rounds = roundsFor(options)
const report = new Report('latest', 'Write and read the newest value: how long, and how many times a SeqLock and a bare copy?', options)
const name = `shmem-bench-${process.pid}`

/** The three ways to the same bytes; each sample reads bytes that no sample before it had. */
async function compare(size: string, bytes: number, iterations: number, limitNs?: number): Promise<void> {
  const latest = openLatest(`${name}-${bytes}`, bytes)
  const segment = ManagedSegment.openOrCreate(name, { size: 4 * largeBytes })
  try {
    const record = segment.seqlock(`record ${bytes}`, { bytes })
    const bare = new Uint8Array(bytes)
    const ways: Record<'ours' | 'seqlock' | 'bare', Way> = {
      ours: latest,
      seqlock: { read: (target) => record.read(target), write: (source) => record.write(source) },
      bare: { read: (target) => target.set(bare), write: (source) => bare.set(source) },
    }
    const source = new Uint8Array(bytes)
    const target = new Uint8Array(bytes)
    let fill = 0
    const perCall: Record<Verb, (way: Way) => number> = {
      'read unchanged': ({ read }) => nanosecondsPerCall(() => read(target), iterations),
      // A write, which is taken off again, makes each value new to the reader; in turns, as a pause in one alone would spoil the difference.
      'read new': ({ read, write }) => {
        const writes: number[] = []
        const both: number[] = []
        for (let turn = 0; turn < turns; turn += 1) {
          writes.push(nanosecondsPerCall(() => write(source), iterations / turns))
          both.push(nanosecondsPerCall(() => (write(source), read(target)), iterations / turns))
        }
        return summarize(both).median - summarize(writes).median
      },
      write: ({ write }) => nanosecondsPerCall(() => write(source), iterations),
    }
    const timed = (side: keyof typeof ways, verb: Verb): (() => number) => {
      const way = ways[side]
      return () => {
        fill = (fill + 1) & 0xff
        source.fill(fill)
        way.write(source)
        const sample = perCall[verb](way)
        way.read(target)
        if (target.some((byte) => byte !== fill)) throw new Error(`${side} has other bytes`)
        return sample
      }
    }
    for (const verb of verbs) {
      const ours = { name: 'Latest', side: timed('ours', verb) }
      const others = [{ name: 'SeqLock', side: timed('seqlock', verb) }, { name: 'Uint8Array.set', side: timed('bare', verb) }]
      const limit = verb === 'write' || limitNs === undefined ? {} : { limitNs }
      await addMatch(report, { subject: `${verb}, ${size}`, unit: 'ns', ours, others, ...limit }, rounds)
    }
  } finally {
    latest.close()
    segment.remove()
    segment.close()
  }
}

await compare('64 B', smallBytes, options.quick ? 100_000 : 1_000_000, readLimitNs)
await compare('1 MiB', largeBytes, options.quick ? 100 : 1000)
report.remark('Read new: another value is written before each read, and the time of the write alone is subtracted: medians of loops in turns.')
report.finish()
