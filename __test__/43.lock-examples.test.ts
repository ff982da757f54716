/**
 * The examples about locks and waits between processes, `examples/counter`, `examples/taking-turns`, `examples/messages` and
 * `examples/robust-mutex`: what each prints, as this user and as nobody, and that none leaves anything behind.
 */
import test, { type ExecutionContext } from 'ava'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ending, openRoom, type Ended, type Room } from './support/example-room.js'
import { asOther, whyNotOther } from './support/namespace.js'
import { skip } from './support/skip.js'
import { until } from './support/until.js'

type Test = ExecutionContext<unknown>

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Why nothing can be run as nobody here, or nothing. */
const whyAlone = whyNotOther()

/** What each prints. */
const printed: Record<string, RegExp> = {
  counter: /^with the mutex: 2 x 20000 additions make 40000: exact\nwithout it: 2 x 20000 additions make [1-9]\d{4}: [1-9]\d* got lost\n$/u,
  'taking-turns': asWritten(`
parent: 1
child: 2
parent: 3
child: 4
parent: 5
child: 6
parent: the ball is at 6
`),
  messages: asWritten(`
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
`),
  'robust-mutex': asWritten(`
the owner holds the lock: tryLock() is 'busy', and the owner is alive: true
the owner is killed: lock() is 'ownerDied'
found: 70 + 0 = 70
repaired: 70 + 30 = 100
the next lock() is 'locked', as ever
another owner is killed: lock() is 'ownerDied'
not repaired: the next lock() is ERR_SHM_NOT_RECOVERABLE
made anew: reset() is true, and lock() is 'locked'
`)
}

for (const [name, expected] of Object.entries(printed)) {
  test.serial(`${name} prints what it did and leaves nothing`, async t => {
    const room = await openRoom(t)
    printsAll(t, await room.run(program(name)), expected)
    leftNothing(t, room)
  })

  test.serial(`${name} does the same for nobody`, async t => {
    if (whyAlone !== undefined) return skip(t, whyAlone)
    const room = await openRoom(t)
    printsAll(t, await room.run([...asOther(), ...program(name)]), expected)
    leftNothing(t, room)
  })
}

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

function printsAll(t: Test, { code, stdout, stderr }: Ended, expected: RegExp): void {
  t.is(stderr, '')
  t.regex(stdout, expected)
  t.is(code, 0)
}

/** A pattern for exactly this text. */
function asWritten(text: string): RegExp {
  return new RegExp(`^${text.trimStart().replaceAll(/[$()*+.?[\\\]^{|}]/gu, '\\$&')}$`, 'u')
}

function program(name: string): string[] {
  return [process.execPath, join(root, 'dist/examples', `${name}.js`)]
}

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

function leftNothing(t: Test, room: Room): void {
  if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
  else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
}
