/**
 * A POSIX semaphore with a name: sem_open, sem_wait, sem_post, sem_unlink. Two processes meet at it: the parent waits for what the child gives.
 *
 * It counts, and nobody owns it: what a killed process had taken stays taken. Where that matters, `mem.semaphore` of a managed segment gives it back.
 *
 *     npm run build && node dist/examples/named-semaphore.js
 *
 * A run that was killed leaves /dev/shm/sem.shmem-named-semaphore-<its pid> behind: `shmem rm` with its name removes it.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { PosixSemaphore, type ShmError } from 'shmem'

async function parent(name: string): Promise<void> {
  const ready = PosixSemaphore.create(name, { value: 1 })
  console.log(`parent: created with the value ${ready.value}; created again: ${codeOf(() => PosixSemaphore.create(name))}`)
  console.log(`parent: takes one: ${ready.tryWait()}; another: ${ready.tryWait()}; one within 20 ms: ${ready.waitSync({ timeoutMs: 20 })}`)

  const ended = once(fork(import.meta.filename, [name]), 'exit')
  for (let round = 1; round <= 3; round += 1) console.log(`parent: ${await ready.wait({ timeoutMs: 30_000 })}, ${round} of 3`)
  const [code] = await ended
  if (code !== 0) throw new Error(`the child ended with ${code}`)

  PosixSemaphore.remove(name)
  console.log(`parent: removed; opened again: ${codeOf(() => PosixSemaphore.open(name))}`)
  ready.post()
  console.log(`parent: who has it open goes on: its value is ${ready.value}`)
  ready.close()
}

function child(name: string): void {
  const ready = PosixSemaphore.open(name)
  for (let round = 1; round <= 3; round += 1) ready.post()
  ready.close()
}

function codeOf(act: () => PosixSemaphore): string {
  try {
    act().close()
    return 'no error'
  } catch (error) {
    return (error as ShmError).code
  }
}

const name = process.argv[2]
if (name === undefined) await parent(`/shmem-named-semaphore-${process.pid}`)
else child(name)
