/**
 * How do the packages that do something similar compare: shm-typed-array (System V and POSIX), @riaskov/mmap-io (files), and
 * Python's own multiprocessing.shared_memory (POSIX)?
 * There is no bar: they do less (no errors as values, no limits, no guard), and this says what our care costs or saves.
 */
import { closeSync, openSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { IPC_PRIVATE, PosixSegment, SysvSegment, type Segment } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave, nanosecondsPerCall } from './support/pairing.js'
import { installPeers, loadPeer, type MmapIo, type ShmTypedArray } from './support/peers.js'
import { pythonProbe, type Probe } from './support/probe.js'
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

/** Python does its part in a process of its own, with names that have no slash. */
async function comparePython(probe: Probe): Promise<void> {
  const label = 'Python shared_memory'
  const rounds = roundsFor(options)
  const plain = name.slice(1)
  const inPython = (what: string, subject: string, sizeBytes: number) => () => probe.measure({ name: what, iterations, subject, sizeBytes })
  const microseconds = (side: () => Promise<number>) => async (): Promise<number> => (await side()) / 1000
  const rate = (side: () => Promise<number>) => async (): Promise<number> => copyBytes / (await side())
  const create = { ours: () => timed(() => liveOnce(() => PosixSegment.create(name, { size }))), theirs: microseconds(inPython('create', `${plain}-y`, size)) }
  add('create + remove, POSIX', 'µs', label, await interleave(create, rounds))

  const existing = PosixSegment.create(name, { size: copyBytes })
  try {
    existing.bytes.fill(fillByte)
    const look = { ours: () => timed(() => openAndCheck(() => PosixSegment.open(name))), theirs: microseconds(inPython('open', plain, copyBytes)) }
    add('open + close, POSIX', 'µs', label, await interleave(look, rounds))
    const target = Buffer.alloc(copyBytes)
    const source = Buffer.alloc(copyBytes, 0x21)
    const write = { ours: () => copied(() => existing.write(0, source), existing.bytes, source), theirs: rate(inPython('write', plain, copyBytes)) }
    add('write 1 MiB, POSIX', 'GB/s', label, await interleave(write, rounds))
    const read = { ours: () => copied(() => existing.read(0, target), target, existing.bytes), theirs: rate(inPython('read', plain, copyBytes)) }
    add('read 1 MiB, POSIX', 'GB/s', label, await interleave(read, rounds))
  } finally {
    existing.remove()
    existing.close()
  }
  report.remark(`${label} keeps a process that notes who made what and removes it at the end: each create tells it so, and before Python 3.13 each open.`)
}

/** GB/s of a copy of 1 MiB, which must arrive. */
function copied(copy: () => void, target: Buffer, source: Buffer): number {
  target.fill(0, 0, 64)
  const sample = copyBytes / nanosecondsPerCall(copy, iterations)
  if (!target.equals(source)) throw new Error('other bytes arrived')
  return sample
}

installPeers()
const shmTypedArray = loadPeer<ShmTypedArray>('shm-typed-array')
if (typeof shmTypedArray === 'string') report.skip('shm-typed-array', shmTypedArray)
else await compareShmTypedArray(shmTypedArray)
const mmapIo = loadPeer<MmapIo>('@riaskov/mmap-io')
if (typeof mmapIo === 'string') report.skip('@riaskov/mmap-io', mmapIo)
else await compareMmapIo(mmapIo)
const python = pythonProbe('shared_memory', 'multiprocessing.shared_memory')
if (typeof python === 'string') report.skip('Python shared_memory', python)
else {
  try {
    await comparePython(python)
  } finally {
    python.close()
  }
}
report.remark('Smaller is better for µs, larger for GB/s.')
report.remark('The peers reserve no memory: where /dev/shm is full, the first touch kills the process.')
report.finish()
