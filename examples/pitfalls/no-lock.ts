/**
 * Pitfall: no lock. `count += 1` is three steps, read, add, write, and another process gets in between.
 *
 * Wrong: two processes add to one number. Right: one step (`add`), or a mutex around all that belongs together.
 *
 *     npm run build && node dist/examples/pitfalls/no-lock.js
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { ManagedSegment, atomicU32, struct, u32 } from 'shmem'

const ROUNDS = 50_000
const Counters = struct({ plain: u32, atomic: atomicU32, guarded: u32 })

async function parent(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '1MiB' })
  try {
    const children = [fork(import.meta.filename, [name]), fork(import.meta.filename, [name])]
    await Promise.all(children.map(started => once(started, 'exit')))
    const counters = mem.struct('counters', Counters)
    console.log(`two processes, ${ROUNDS} additions each`)
    console.log(`plain:      ${counters.plain < 2 * ROUNDS ? 'wrong' : 'right, by luck'}: about ${counters.plain}`)
    console.log(`atomic:     ${counters.atomic.load()}`)
    console.log(`in a mutex: ${counters.guarded}`)
  } finally {
    mem.remove()
    mem.close()
  }
}

function child(name: string): void {
  const mem = ManagedSegment.open(name)
  const counters = mem.struct('counters', Counters)
  const book = mem.mutex('book')
  // Neither begins before the other is there.
  mem.barrier('start', { parties: 2 }).waitSync()
  for (let round = 0; round < ROUNDS; round += 1) {
    addOne(counters)
    counters.atomic.add(1)
    book.withLockSync(() => (counters.guarded += 1))
  }
  mem.close()
}

/** What `counters.plain += 1` does. */
function addOne(counters: { plain: number }): void {
  const seen = counters.plain
  // Now and then a process is interrupted just here; so that it is seen on every machine, it sleeps.
  if (seen % 5000 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  counters.plain = seen + 1
}

const [, , name] = process.argv
if (name === undefined) await parent(`shmem-no-lock-${process.pid}`)
else child(name)
