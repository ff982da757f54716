/**
 * What do huge pages give? Random reads, each of which waits for the one before, over 1 GiB and 4 GiB of a memfd: in base pages, in transparent huge
 * pages, and in 2 MiB pages of the pool; in Node and, over the same pages, in C.
 */
import { MemfdSegment, type ShmError } from 'shmem'
import { availableBytes, withPool } from './support/huge-pages.js'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave } from './support/pairing.js'
import { Probe } from './support/probe.js'
import { Report } from './support/report.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
/** What is left to others. */
const SPARE_BYTES = GIB
/** In every word, so that the walk is known without the memory. */
const WORD = 0x9e3779b9 | 0

const options = parseOptions()
const reads = options.quick ? 100_000 : 2_000_000
const sizes = options.quick ? [256 * MIB, GIB] : [GIB, 4 * GIB]
const question = 'Dependent random reads: what do huge pages give, and what does Node add to C?'
const report = new Report('placement', question, options)
const probe = new Probe('placement')

let place = 1

function step(x: number): number {
  x ^= x << 13
  x ^= x >>> 17
  return x ^ (x << 5)
}

/** Nanoseconds a read. */
function walk(words: Int32Array, mask: number): number {
  let expected = place
  for (let count = 0; count < reads; count += 1) expected = (step(expected) + WORD) | 0
  const started = process.hrtime.bigint()
  let at = place
  for (let count = 0; count < reads; count += 1) {
    const next = step(at)
    at = (next + (words[next & mask] as number)) | 0
  }
  const took = Number(process.hrtime.bigint() - started)
  if (at !== expected) throw new Error('other words were read')
  place = at
  return took / reads
}

/** Measures one kind of page; answers Node's samples. */
async function measure(size: number, name: string, how: 'base' | 'huge', segment: MemfdSegment): Promise<number[]> {
  const words = new Int32Array(segment.buffer, 0, size / 4)
  words.fill(WORD)
  if (how === 'huge') segment.collapse()
  const { hugePages } = segment.stat({ pages: true })
  const got = hugePages.bytes / size
  if ((name === base) !== (got === 0) || (name !== base && got < 1)) report.remark(`${label(size)}, ${name}: ${(got * 100).toFixed(0)} % of it was on huge pages.`)
  const subject = `/proc/${process.pid}/fd/${segment.fd}`
  const { node, c } = await interleave(
    { node: () => walk(words, words.length - 1), c: () => probe.measure({ name: how, iterations: reads, subject, sizeBytes: size }) },
    roundsFor(options),
  )
  await probe.measure({ name: 'leave', iterations: 1 })
  report.add({ subject: `${label(size)}, ${name}`, unit: 'ns', ours: { name: 'Node', samples: node }, other: { name: 'C', samples: c } })
  return node
}

/** Beside base pages, which were measured before: the rounds are not of the same moment. */
function compare(size: number, name: string, huge: number[], plain: number[]): void {
  report.add({ subject: `${label(size)}, ${name}`, unit: 'ns', ours: { name: 'Node', samples: huge }, other: { name: `Node, ${base}`, samples: plain } })
}

const label = (size: number): string => (size >= GIB ? `${size / GIB} GiB` : `${size / MIB} MiB`)
const base = '4 KiB pages'
const transparent = 'transparent huge pages'
const pool = '2 MiB pages of the pool'

function sparse(size: number): MemfdSegment {
  return MemfdSegment.create('shmem-bench', { size, reserve: false })
}

async function measureSize(size: number): Promise<void> {
  let plain: number[] = []
  {
    using segment = sparse(size)
    // Where the machine gives huge pages to all shared memory; it must come before the first touch.
    segment.advise(undefined, 'nohugepage')
    plain = await measure(size, base, 'base', segment)
  }
  try {
    using segment = sparse(size)
    compare(size, transparent, await measure(size, transparent, 'huge', segment), plain)
  } catch (error) {
    if ((error as ShmError).syscall !== 'madvise') throw error
    report.skip(`${label(size)}, ${transparent}`, `${(error as Error).message}.`)
  }
  const whyNoPool = await withPool(size, async () => {
    using segment = MemfdSegment.create('shmem-bench', { size, hugePages: 'require' })
    compare(size, pool, await measure(size, pool, 'base', segment), plain)
  })
  if (whyNoPool !== undefined) report.skip(`${label(size)}, ${pool}`, `${whyNoPool}.`)
}

try {
  for (const size of sizes) {
    const left = availableBytes()
    if (left >= size + SPARE_BYTES) await measureSize(size)
    else report.skip(label(size), `only ${(left / GIB).toFixed(1)} GiB are free, and ${label(SPARE_BYTES)} is left to others.`)
  }
} finally {
  probe.close()
}
report.remark('Each read needs the word before it, so nothing overlaps: this is the time of one access, with the walk through the page tables where the TLB has no entry.')
report.remark('Transparent huge pages are made by collapse() (MADV_COLLAPSE), which does so whatever shmem_enabled says.')
report.remark('Both sides read the same pages in turns; kinds of pages come one after another, since they would not fit beside each other.')
report.finish()
