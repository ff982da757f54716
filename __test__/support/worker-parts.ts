/**
 * What workers do in `children/workers.ts`. Apart from it, since loading this file loads the addon, and some scenarios are about
 * which thread does so first. With a count a part ends by itself; without one it goes on until its worker is ended.
 */
import { read } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { IPC_PRIVATE, MemfdSegment, PosixSemaphore, SysvSemaphoreSet } from 'shmem'
import { KINDS, codeOf, make, readOnlyPair } from './scenarios.js'

const SIZE = 65_536
type Part = (argument: unknown, say: (word: unknown) => void) => unknown

/** Says so in the middle of the loop, not before it. */
function loop(count: unknown, say: (word: unknown) => void, body: (round: number) => void): void {
  const rounds = typeof count === 'number' ? count : Infinity
  for (let round = 0; round < rounds; round++) {
    body(round)
    if (round === 1) say('begun')
  }
}

export const parts: Record<string, Part> = {
  openClose: (count, say) =>
    loop(count, say, round => {
      // Kinds without a name even for a moment: the thread may be ended at any time.
      const segment = make(round % 2 === 0 ? 'sysv' : 'memfd', SIZE)
      segment.bytes.fill(round)
      if (round % 3 !== 0) segment.close()
    }),
  copy: (count, say) => {
    const from = MemfdSegment.create('shmem-test', { size: '16MiB' })
    const to = MemfdSegment.create('shmem-test', { size: '16MiB' })
    loop(count, say, () => void to.bytes.set(from.bytes))
  },
  fault: (count, say) =>
    loop(count, say, () => {
      const { writer, reader } = readOnlyPair(SIZE)
      new Uint8Array(reader.buffer).fill(1)
      codeOf(() => reader.close())
      writer.close()
    }),
  waitSync: (_, say) => {
    const semaphore = PosixSemaphore.init(make('memfd', SIZE), 0)
    say('begun')
    semaphore.waitSync()
  },
  acquireSync: (_, say) => {
    const set = SysvSemaphoreSet.create(IPC_PRIVATE, { count: 1 })
    say(set.id)
    // Whoever ends this worker removes the set.
    set.acquireSync(0)
  },
  pool: (_, say) => {
    const source = MemfdSegment.create('shmem-test', { size: '64MiB', reserve: false })
    const target = MemfdSegment.create('shmem-test', { size: '64MiB', reserve: false })
    for (let index = 0; index < 4; index++) read(source.fd, target.bytes, 0, target.size, 0, () => {})
    say('begun')
    target.close()
    setInterval(() => {}, 1000)
  },
  leaveOpen: () => KINDS.map(kind => make(kind, SIZE).bytes.fill(1)),
  exit: code => {
    KINDS.map(kind => make(kind, SIZE).bytes)
    process.exit(code as number)
  },
  throw: () => {
    KINDS.map(kind => make(kind, SIZE).bytes)
    throw new Error('thrown in the worker')
  },
  outOfMemory: () => {
    const hoard: unknown[] = [make('memfd', SIZE).bytes]
    for (;;) hoard.push(new Array(100_000).fill(hoard.length))
  },
  shareAndStay: (_, say) => {
    const segment = make('memfd', SIZE)
    segment.bytes[0] = 42
    const reason = codeOf(() => say(segment.toSharedArrayBuffer()))
    if (reason !== undefined) return say(`this runtime has no external SharedArrayBuffer: ${reason}`)
    parentPort?.once('message', () => {})
  }
}
