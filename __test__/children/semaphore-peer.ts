/**
 * One side of the two-semaphore hand-over, as Node does it; the words and the memory are those of `semaphore-peer.c`, whose every
 * process can be exchanged with one of these.
 */
import { readSync, writeSync } from 'node:fs'
import { PosixSemaphore, SysvSegment, SysvSemaphoreSet } from 'shmem'

const BLOCK = 1000
const LENGTH_AT = 64
const BYTES_AT = 128
const PATIENCE = { timeoutMs: 20_000 }

const [direction = '', id = '', family = '', ...names] = process.argv.slice(2)
const segment = SysvSegment.attach(Number(id))
const turns = family === 'sysv' ? systemV(Number(names[0])) : posix()
const length = new Uint32Array(segment.buffer, LENGTH_AT, 1)
const bytes = new Uint8Array(segment.buffer, BYTES_AT, BLOCK)

for (let count = 1; count !== 0; ) {
  turns.take(direction === 'send' ? 0 : 1)
  if (direction === 'send') {
    count = readSync(0, bytes)
    length[0] = count
  } else {
    count = length[0] ?? 0
    for (let done = 0; done < count; ) done += writeSync(1, bytes, done, count - done)
  }
  turns.give(direction === 'send' ? 1 : 0)
}

interface Turns {
  take(turn: number): void
  give(turn: number): void
}

function systemV(setId: number): Turns {
  const set = SysvSemaphoreSet.attach(setId)
  return {
    take: turn => inTime(set.acquireSync(turn, PATIENCE)),
    give: turn => set.release(turn)
  }
}

function posix(): Turns {
  const both = [0, 1].map(turn => (family === 'posix' ? PosixSemaphore.open(names[turn] ?? '') : PosixSemaphore.at(segment, 32 * turn)))
  return {
    take: turn => inTime(both[turn]?.waitSync(PATIENCE)),
    give: turn => both[turn]?.post()
  }
}

function inTime(outcome: 'acquired' | 'timedOut' | undefined): void {
  if (outcome !== 'acquired') throw new Error('the other side did not come')
}
