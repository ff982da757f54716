/**
 * System V memory and semaphores both ways, with Python's sysv_ipc: Node puts 300 things into stock while Python takes 100 out, under a semaphore that
 * Node made; Python says when it is done by one that Python made. Then Python is killed with the semaphore in hand, and `SEM_UNDO` gives it back.
 *
 *     npm run build
 *     pip install sysv_ipc
 *     node dist/examples/peers/python/stock.js python3 examples/peers/python/stock.py
 *
 * The memory goes with the last who has it attached. A run that is killed leaves two semaphores behind (`ipcs -s`, `ipcrm -S <key>`).
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { IPC_PRIVATE, SysvSegment, SysvSemaphoreSet } from 'shmem'

const COUNT = 300

const [command = 'python3', ...words] = process.argv.slice(2)
// sysv_ipc finds memory by key or identifier, semaphores by key only.
const lockKey = 0x5000_0000 + process.pid * 2
const doneKey = lockKey + 1

const segment = SysvSegment.create(IPC_PRIVATE, { size: 4096, removeOnLastDetach: true })
const lock = SysvSemaphoreSet.create(lockKey, { initial: [1] })
let done: SysvSemaphoreSet | undefined
try {
  const stock = new Int32Array(segment.buffer, 0, 1)
  const numbers = [segment.id, lockKey, doneKey].map(String)

  const counting = spawn(command, [...words, 'count', ...numbers], { stdio: ['pipe', 'pipe', 'inherit'] })
  await said(counting)
  done = SysvSemaphoreSet.open(doneKey)
  for (let times = 0; times < COUNT; times += 1) {
    lock.acquireSync(0)
    stock[0] = (stock[0] ?? 0) + 1
    lock.release(0)
  }
  await done.acquire(0)
  console.log(`Node: ${stock[0]} in stock`)

  const dying = spawn(command, [...words, 'die', ...numbers], { stdio: ['pipe', 'pipe', 'inherit'] })
  await said(dying)
  console.log(`Node: tryAcquire() is '${lock.tryAcquire(0)}'`)
  const acquired = lock.acquire(0, { timeoutMs: 10_000 })
  dying.kill('SIGKILL')
  console.log(`Node: Python is killed, acquire() is '${await acquired}'`)
} finally {
  lock.remove()
  done?.remove()
  segment.close()
}

/** Passes a line of Python's on. */
async function said(python: ChildProcessByStdio<Writable, Readable, null>): Promise<void> {
  const [line] = await Promise.race([once(createInterface(python.stdout), 'line'), once(python, 'exit')])
  console.log(line)
}
