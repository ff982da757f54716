/**
 * Two processes add one to the same number, again and again. Under a mutex the sum is exact; without it, updates get lost.
 *
 * To add is to read, then to write. Who writes what followed from an old value undoes whatever the other one wrote in between.
 *
 *     npm run build && node dist/examples/counter.js
 *
 * A run that was killed leaves /dev/shm/shmem-counter-<its pid> behind. (For a mere counter, `count.add()` does both in one step.)
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { ManagedSegment, type AtomicWord } from 'shmem'

const ROUNDS = 20_000

async function parent(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '1MiB' })
  try {
    await count(mem, name, 'with the mutex')
    await count(mem, name, 'without it')
  } finally {
    mem.close()
    mem.remove()
  }
}

/** Two children count the word of that name up. */
async function count(mem: ManagedSegment, name: string, how: string): Promise<void> {
  const children = [1, 2].map(() => fork(import.meta.filename, [name, how]))
  for (const [code] of await Promise.all(children.map(started => once(started, 'exit')))) {
    if (code !== 0) throw new Error(`a child ended with ${code}`)
  }
  const sum = mem.word(how).load()
  const lost = 2 * ROUNDS - sum
  console.log(`${how}: 2 x ${ROUNDS} additions make ${sum}: ${lost === 0 ? 'exact' : `${lost} got lost`}`)
}

function child(name: string, how: string): void {
  const mem = ManagedSegment.open(name)
  try {
    const mutex = mem.mutex('guards the number')
    const number = mem.word(how)
    // Neither begins before the other is there. An answer other than 'released' would mean that the other one died.
    if (mem.barrier('start', { parties: 2 }).waitSync({ timeoutMs: 30_000 }) !== 'released') throw new Error('the other one is not there')
    for (let round = 0; round < ROUNDS; round += 1) {
      if (how === 'with the mutex') mutex.withLockSync(() => addOne(number))
      else addOne(number)
    }
  } finally {
    mem.close()
  }
}

function addOne(number: AtomicWord): void {
  const seen = number.load()
  // Now and then a process is interrupted just here; so that it is seen on every machine, it sleeps.
  if (seen % 1000 === 0) sleep(1)
  number.store(seen + 1)
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

const [, , name, how = ''] = process.argv
if (name === undefined) await parent(`shmem-counter-${process.pid}`)
else child(name, how)
