/**
 * The examples about locks and waits between processes, `examples/counter`, `examples/named-semaphore`, `examples/taking-turns`, `examples/messages` and
 * `examples/robust-mutex`: what each prints, as this user and as nobody, and that none leaves anything behind.
 */
import test from 'ava'
import { readFileSync, rmSync } from 'node:fs'
import { ending, openRoom } from './support/example-room.js'
import { program, testPrinted } from './support/printed-examples.js'
import { until } from './support/until.js'

/** What each prints. */
const printed: Record<string, RegExp | string> = {
  counter: /^with the mutex: 2 x 20000 additions make 40000: exact\nwithout it: 2 x 20000 additions make [1-9]\d{4}: [1-9]\d* got lost\n$/u,
  'taking-turns': `
parent: 1
child: 2
parent: 3
child: 4
parent: 5
child: 6
parent: the ball is at 6
`,
  'named-semaphore': `
parent: created with the value 1; created again: EEXIST
parent: takes one: acquired; another: busy; one within 20 ms: timedOut
parent: acquired, 1 of 3
parent: acquired, 2 of 3
parent: acquired, 3 of 3
parent: removed; opened again: ENOENT
parent: who has it open goes on: its value is 1
`,
  messages: `
consumer: one
consumer: two
consumer: three
consumer: four
consumer: five
consumer: six
consumer: seven
consumer: eight
consumer: the last one
consumer: the producer ended with 0
`,
  'robust-mutex': `
the owner holds the lock: tryLock() is 'busy', and the owner is alive: true
the owner is killed: lock() is 'ownerDied'
found: 70 + 0 = 70
repaired: 70 + 30 = 100
the next lock() is 'locked', as ever
another owner is killed: lock() is 'ownerDied'
not repaired: the next lock() is ERR_SHM_NOT_RECOVERABLE
made anew: reset() is true, and lock() is 'locked'
`
}

testPrinted(printed)

test.serial('counter counts the updates that got lost', async t => {
  const room = await openRoom(t)
  const { stdout } = await room.run(program('counter'))
  const [, sum, lost] = /without it: 2 x 20000 additions make (\d+): (\d+) got lost/u.exec(stdout) ?? []
  t.is(Number(sum) + Number(lost), 40_000)
})

test.serial('robust-mutex leaves no owner behind when it is killed itself', async t => {
  const room = await openRoom(t)
  const parent = room.start(program('robust-mutex'))
  t.teardown(() => rmSync(`/dev/shm/shmem-robust-mutex-${parent.pid}`, { force: true }))
  const ended = ending(parent)
  const children = childrenOf(parent.pid ?? 0)
  await until('an owner is started', () => children().length > 0)
  const [owner = 0] = children()
  parent.kill('SIGKILL')
  t.is((await ended).signal, 'SIGKILL')
  await until('the owner has ended', () => !isThere(owner))
  t.false(isThere(owner))
})

/** Pids of the children of a process's main thread, looked up anew with each call. */
function childrenOf(pid: number): () => number[] {
  return () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').map(Number).filter(child => child > 0)
}

function isThere(pid: number): boolean {
  try {
    // A zombie that nobody reaped has ended, too.
    return !/^State:\s+Z/mu.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
