/**
 * What does the first touch of memory cost, and what do prefault and locking: a GiB of a memfd, time and page faults, against the same in C?
 */
import { MemfdSegment, type ShmError } from 'shmem'
import { availableBytes, whyNotTransparent } from './support/huge-pages.js'
import { parseOptions, type BenchmarkOptions } from './support/options.js'
import { interleave, type Rounds } from './support/pairing.js'
import { Probe } from './support/probe.js'
import { Report } from './support/report.js'

const GIB = 2 ** 30
const PAGE_BYTES = 4096

const options = parseOptions()
const size = options.quick ? GIB / 4 : GIB
const report = new Report('first-touch', `The first touch of ${size / GIB} GiB: how long, how many page faults, and what does Node add to C?`, options)
const probe = new Probe('first-touch')

/** Each sample takes a gigabyte and gives it back. */
function rounds({ quick }: BenchmarkOptions): Rounds {
  return quick ? { rounds: 3, warmUps: 1 } : { rounds: 11, warmUps: 2 }
}

interface Way {
  subject: string
  /** The probe's case. */
  name: string
  act(segment: MemfdSegment): void
}

const ways: Way[] = [
  { subject: 'touched page by page', name: 'touch', act: touch },
  { subject: 'prefault()', name: 'populate', act: (segment: MemfdSegment) => void segment.prefault() },
  { subject: 'lockMemory()', name: 'lock', act: (segment: MemfdSegment) => segment.lockMemory() },
]

const collapsing: Way = { subject: 'prefault() and collapse()', name: 'collapse', act: collapse }

function collapse(segment: MemfdSegment): void {
  segment.prefault()
  segment.collapse()
}

function touch(segment: MemfdSegment): void {
  const bytes = new Uint8Array(segment.buffer)
  for (let at = 0; at < size; at += PAGE_BYTES) bytes[at] = 1
}

/** Milliseconds, and page faults of this process. Creation and end are outside the clock. */
function live(act: (segment: MemfdSegment) => void, advice: 'hugepage' | 'nohugepage' | undefined): { milliseconds: number; faults: number } {
  using segment = MemfdSegment.create('shmem-bench', { size, reserve: false })
  if (advice !== undefined) segment.advise(undefined, advice)
  // The buffer is made before, as it would be by then.
  if (segment.buffer.byteLength !== size) throw new Error('the segment has no buffer of its size')
  const faultsBefore = pageFaults()
  const started = process.hrtime.bigint()
  act(segment)
  const milliseconds = Number(process.hrtime.bigint() - started) / 1e6
  const faults = pageFaults() - faultsBefore
  if (segment.residency().residentBytes !== size) throw new Error('not all of it is in memory')
  return { milliseconds, faults }
}

function pageFaults(): number {
  const { minorPageFault, majorPageFault } = process.resourceUsage()
  return minorPageFault + majorPageFault
}

async function measure({ subject, name, act }: Way, isHuge: boolean): Promise<void> {
  const what = `${subject}, ${isHuge ? 'transparent huge pages' : '4 KiB pages'}`
  const advice = name === 'collapse' ? undefined : isHuge ? 'hugepage' : 'nohugepage'
  const which = advice === 'hugepage' ? `${name}-huge` : name
  const faults: { ours: number[]; c: number[] } = { ours: [], c: [] }
  const { rounds: counted, warmUps } = rounds(options)
  const { ours, c } = await interleave(
    {
      ours: () => {
        const sample = live(act, advice)
        faults.ours.push(sample.faults)
        return sample.milliseconds
      },
      c: async () => {
        const milliseconds = await probe.measure({ name: which, iterations: 1, subject: 'shmem-bench', sizeBytes: size })
        faults.c.push(await probe.measure({ name: 'faults', iterations: 1 }))
        return milliseconds
      },
    },
    { rounds: counted, warmUps },
  )
  report.add({ subject: what, unit: 'ms', ours: { name: 'shmem', samples: ours }, other: { name: 'C', samples: c } })
  report.add({ subject: what, unit: 'faults', ours: { name: 'shmem', samples: faults.ours.slice(warmUps) }, other: { name: 'C', samples: faults.c.slice(warmUps) } })
}

/** A limit of locked memory and a kernel without MADV_COLLAPSE are said, and not thrown. */
async function measureIfAllowed(way: Way, isHuge: boolean): Promise<void> {
  try {
    await measure(way, isHuge)
  } catch (error) {
    if (!['ENOMEM', 'EPERM', 'EAGAIN', 'EINVAL'].includes((error as ShmError).code)) throw error
    report.skip(way.subject, `${(error as Error).message}.`)
  }
}

try {
  const why = whyNotTransparent()
  if (why !== undefined) report.skip('transparent huge pages at the first touch', `${why}.`)
  if (availableBytes() < 2 * size) report.remark('Not measured: too little memory is free.')
  else {
    for (const way of ways) await measureIfAllowed(way, false)
    await measureIfAllowed(collapsing, true)
    if (why === undefined) for (const way of ways) await measureIfAllowed(way, true)
  }
} finally {
  probe.close()
}
report.remark('A memfd without reservation, so that the touch is what brings the page in: the kernel takes it, fills it with zeroes and maps it.')
report.remark('C does the same: a write to each page, MADV_POPULATE_WRITE, mlock; collapse is MADV_COLLAPSE behind the second.')
report.finish()
