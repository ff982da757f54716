/**
 * How do the packages that do something similar compare: shm-typed-array (System V and POSIX) and @riaskov/mmap-io (files)?
 * There is no bar: they do less (no errors as values, no limits, no guard), and this says what our care costs or saves.
 */
import { closeSync, openSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { IPC_PRIVATE, PosixSegment, SysvSegment, type Segment } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave, nanosecondsPerCall } from './support/pairing.js'
import { installPeers, loadPeer, type MmapIo, type ShmTypedArray } from './support/peers.js'
import { Report, type Unit } from './support/report.js'

const size = 64 * 1024
const copyBytes = 1024 * 1024
const fillByte = 0x6b
const name = `/shmem-bench-${process.pid}`
const key = 0x5d000000 + process.pid

const options = parseOptions()
const report = new Report('peers', 'Packages with a similar purpose: how fast beside ours?', options)
const iterations = options.quick ? 100 : 500

/** One comparison in microseconds a call. Memory that only the garbage collector frees is freed between the samples. */
async function compareCalls(subject: string, ours: () => void, peer: string, theirs: () => void): Promise<void> {
  add(subject, 'µs', peer, await interleave({ ours: () => timed(ours), theirs: () => timed(theirs) }, roundsFor(options)))
}

function timed(operation: () => void): number {
  const sample = nanosecondsPerCall(operation, iterations) / 1000
  collectGarbage()
  return sample
}

/** One comparison in GB/s, of copies of 1 MiB out of private memory. */
async function compareCopies(subject: string, target: Buffer, peer: string, theirs: Buffer): Promise<void> {
  const source = Buffer.alloc(copyBytes, 0x21)
  const rate = (into: Buffer): number => {
    into.fill(0)
    const sample = copyBytes / nanosecondsPerCall(() => into.set(source), iterations)
    if (!into.equals(source)) throw new Error(`${subject}: other bytes arrived`)
    return sample
  }
  add(subject, 'GB/s', peer, await interleave({ ours: () => rate(target), theirs: () => rate(theirs) }, roundsFor(options)))
}

function add(subject: string, unit: Unit, peer: string, { ours, theirs }: { ours: number[]; theirs: number[] }): void {
  report.add({ subject, unit, ours: { name: 'shmem', samples: ours }, other: { name: peer, samples: theirs } })
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}

/** A peer answers null or -1 where we throw. */
function must<Value>(value: Value | null | -1, what: string): Value {
  if (value === null || value === -1) throw new Error(`${what} failed`)
  return value
}

/** What was opened must be the memory that the caller filled; both sides pay for the page fault of this look. */
function mustShow(opened: Buffer, side: string): void {
  if (opened[copyBytes - 1] !== fillByte) throw new Error(`${side} shows other bytes`)
}

function openAndCheck(open: () => Segment): void {
  const segment = open()
  mustShow(segment.bytes, 'shmem')
  segment.close()
}

function liveOnce(create: () => PosixSegment | SysvSegment): void {
  const segment = create()
  segment.remove()
  segment.close()
}

async function compareShmTypedArray(peer: ShmTypedArray): Promise<void> {
  const label = 'shm-typed-array'
  await compareCalls(
    'create + remove, POSIX',
    () => liveOnce(() => PosixSegment.create(name, { size })),
    label,
    () => {
      must(peer.create(size, 'Buffer', `${name}-p`), 'create')
      must(peer.detach(`${name}-p`, true), 'detach')
    },
  )
  await compareCalls(
    'create + remove, System V',
    () => liveOnce(() => SysvSegment.create(IPC_PRIVATE, { size })),
    label,
    () => {
      const created = must(peer.create(size, 'Buffer'), 'create')
      must(peer.detach(created.key ?? 0, true), 'detach')
    },
  )
  const existing = SysvSegment.create(key, { size: copyBytes })
  try {
    existing.bytes.fill(fillByte)
    await compareCalls(
      'open + close, System V',
      () => openAndCheck(() => SysvSegment.open(key)),
      label,
      () => {
        const opened = must(peer.get(key, 'Buffer'), 'get')
        mustShow(opened, label)
        must(peer.detach(key, false), 'detach')
      },
    )
    await compareCopies('set 1 MiB, System V', existing.bytes, label, must(peer.get(key, 'Buffer'), 'get'))
    peer.detach(key, false)
  } finally {
    existing.remove()
    existing.close()
  }
}

async function compareMmapIo(peer: MmapIo): Promise<void> {
  const label = '@riaskov/mmap-io'
  const existing = PosixSegment.create(name, { size: copyBytes, prefault: true })
  const map = (): Buffer => {
    const fd = openSync(`/dev/shm${name}`, 'r+')
    const mapped = peer.map(copyBytes, peer.PROT_READ | peer.PROT_WRITE, peer.MAP_SHARED, fd)
    closeSync(fd)
    return mapped
  }
  try {
    existing.bytes.fill(fillByte)
    await compareCalls(
      'open + close, POSIX',
      () => openAndCheck(() => PosixSegment.open(name)),
      label,
      () => {
        mustShow(map(), label)
      },
    )
    await compareCopies('set 1 MiB, POSIX', existing.bytes, label, map())
  } finally {
    existing.remove()
    existing.close()
  }
  report.remark(`${label} cannot unmap: its "open + close" leaves each mapping to the garbage collector, outside of the clock.`)
}

installPeers()
const shmTypedArray = loadPeer<ShmTypedArray>('shm-typed-array')
if (typeof shmTypedArray === 'string') report.remark(shmTypedArray)
else await compareShmTypedArray(shmTypedArray)
const mmapIo = loadPeer<MmapIo>('@riaskov/mmap-io')
if (typeof mmapIo === 'string') report.remark(mmapIo)
else await compareMmapIo(mmapIo)
report.remark('Smaller is better for µs, larger for GB/s.')
report.remark('The peers reserve no memory: where /dev/shm is full, the first touch kills the process.')
report.finish()
