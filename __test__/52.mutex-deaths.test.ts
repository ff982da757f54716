/**
 * The mutex of managed segments when its owner dies, and the cost of waiting for it: which threads, which event loop, which process.
 */
import { execFile } from 'node:child_process'
import { setMaxListeners } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { PosixSegment } from 'shmem'
import { failsWith } from './support/failure.js'
import { isWaitedFor, managed, median, member, wordOf } from './support/managed.js'
import { objectName } from './support/peer.js'
import { stateOf, until } from './support/until.js'

const run = promisify(execFile)
const KILLS = 20

for (const form of ['lockSync', 'lock'] as const) {
  test.serial(`a death of the owner wakes who waits by ${form}`, async t => {
    const { mem, name } = managed(t)
    mem.mutex('book')
    const heir = await member(t, name)
    const delays: number[] = []
    for (let kill = 0; kill < KILLS; kill += 1) {
      const owner = await member(t, name)
      await owner.ask('mutex', { name: 'book', method: 'lockSync' })
      heir.tell(form, { name: 'book', options: { timeoutMs: 20_000 } })
      await until('the heir waits', () => isWaitedFor(mem, 'book') && stateOf(heir.pid) === 'S')
      const before = Number(process.hrtime.bigint()) / 1e6
      await owner.kill()
      const { got, at } = await heir.answer<{ got: string; at: number }>()
      t.is(got, 'ownerDied')
      delays.push(at - before)
      await heir.ask('mutex', { name: 'book', method: 'markConsistent' })
      await heir.ask('mutex', { name: 'book', method: 'unlock' })
    }
    t.log(`${form}: ${median(delays).toFixed(1)} ms from the kill to the lock in the middle of ${KILLS}, ${Math.max(...delays).toFixed(1)} ms at most`)
    t.is(mem.mutex('book').stats().ownerDeaths, KILLS)
  })
}

test('a lock that was got from a dead owner and not repaired is nobody’s until reset', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  await leftByADeadOwner(t, name)
  t.is(book.lockSync(), 'ownerDied')
  const waiting = (await member(t, name)).ask('lock', { name: 'book' })
  await until('it waits', () => isWaitedFor(mem, 'book'))
  book.unlock()
  await t.throwsAsync(waiting, { message: /markConsistent/ })
  failsWith(t, () => book.tryLock(), { code: 'ERR_SHM_NOT_RECOVERABLE', objectName: 'book' })
  failsWith(t, () => book.lockSync(), { code: 'ERR_SHM_NOT_RECOVERABLE', objectName: 'book' })
  await t.throwsAsync(book.lock(), { code: 'ERR_SHM_NOT_RECOVERABLE' })
  t.true(book.reset())
  t.false(book.reset())
  t.is(book.lockSync(), 'locked')
  book.unlock()
})

test('a lock that was repaired is a lock as any other', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  await leftByADeadOwner(t, name)
  t.false(book.owner?.alive)
  t.is(await book.lock(), 'ownerDied')
  book.markConsistent()
  book.unlock()
  t.is(book.tryLock(), 'locked')
  book.unlock()
})

test('withLock repairs, or leaves the lock to the next who is told the same', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  await leftByADeadOwner(t, name)
  failsWith(t, () => book.withLockSync(() => t.fail()), { code: 'ERR_SHM_OWNER_DIED', objectName: 'book' })
  await t.throwsAsync(book.withLock(() => t.fail()), { code: 'ERR_SHM_OWNER_DIED' })
  await t.throwsAsync(mem.locks.request('book', () => t.fail()), { code: 'ERR_SHM_OWNER_DIED' })
  await t.throwsAsync(book.withLock(() => t.fail(), { repair: () => { throw new Error('beyond repair') } }), { message: 'beyond repair' })
  t.throws(() => book.tryLock(), { code: 'ERR_SHM_NOT_RECOVERABLE' }, 'a repair that fails leaves it so')
  book.reset()
  await leftByADeadOwner(t, name)
  const steps: string[] = []
  await book.withLock(() => void steps.push('act'), { repair: async () => void steps.push('repair') })
  await leftByADeadOwner(t, name)
  book.withLockSync(() => void steps.push('act'), { repair: () => void steps.push('repair') })
  await leftByADeadOwner(t, name)
  await mem.locks.request('book', { repair: () => void steps.push('repair') }, () => void steps.push('act'))
  await book.withLock(() => void steps.push('act'), { repair: () => t.fail() })
  t.deepEqual(steps, ['repair', 'act', 'repair', 'act', 'repair', 'act', 'act'])
  {
    await leftByADeadOwner(t, name)
    using held = book.acquireSync()
    t.true(held.ownerDied)
    held.markConsistent()
  }
  t.is(book.tryLock(), 'locked')
  book.unlock()
})

for (const inPool of [false, true]) {
  test.serial(`strict waits for an owner killed in ${inPool ? 'a read of the pool' : 'readSync'} into the segment`, async t => {
    const bytes = 128 * 2 ** 20
    const { mem, name } = managed(t, { size: bytes + 2 ** 21, reserve: false })
    const book = mem.mutex('book')
    // On tmpfs, whose reads do not look for a signal before they are done.
    const source = objectName(t)
    PosixSegment.create(source, { size: bytes, reserve: false }).close()
    const path = `/dev/shm${source}`
    const offset = 2 ** 20
    const view = new Uint8Array(mem.buffer, offset, bytes)
    let late = 0
    for (const strict of [false, true, true, true]) {
      view.fill(1)
      const owner = await member(t, name)
      await owner.ask('mutex', { name: 'book', method: 'lockSync' })
      owner.tell('read', { path, offset, inPool })
      await owner.answer()
      await until('it reads', () => view[0] === 0)
      const dead = owner.kill()
      t.is(book.lockSync({ strict, timeoutMs: 30_000 }), 'ownerDied')
      // Not known to strict: where the reader is. It may not write any more, that is all.
      const written = firstOf(view, 1)
      await dead
      await sleep(200)
      if (strict) t.is(firstOf(view, 1), written, 'the dead one wrote after the lock was given on')
      else late = firstOf(view, 1) - written
      book.markConsistent()
      book.unlock()
    }
    t.log(`without strict, the dead owner wrote ${late} bytes more`)
  })
}

test.serial('the event loop is free beside 100 pending locks', async t => {
  const { mem, name } = managed(t, { size: '4MiB' })
  const other = await member(t, name)
  const locks = Array.from({ length: 100 }, (_, index) => mem.mutex(`lock ${index}`))
  for (const { name: object } of locks) await other.ask('mutex', { name: object, method: 'lockSync' })
  const abort = new AbortController()
  setMaxListeners(200, abort.signal)
  const waits = locks.map(lock => lock.lock({ signal: abort.signal }))
  await until('all wait', () => locks.every(({ name: object }) => isWaitedFor(mem, object)))
  let ticks = 0
  const timer = setInterval(() => (ticks += 1), 5)
  await until('a timer ticks', () => ticks >= 20)
  clearInterval(timer)
  t.true(waiters() <= 4, `${waiters()} threads for 100 waits`)
  abort.abort()
  for (const wait of waits) await t.throwsAsync(wait, { any: true, name: 'AbortError' })
  for (const { name: object } of locks) await other.ask('mutex', { name: object, method: 'unlock' })
  for (const lock of locks) t.is(lock.tryLock(), 'locked')
  for (const lock of locks) lock.unlock()
})

test.serial('1,000 promises on a few locks wait on one thread', async t => {
  const { mem, name } = managed(t)
  const other = await member(t, name)
  const locks = ['a', 'b', 'c', 'd'].map(letter => mem.mutex(letter))
  for (const { name: object } of locks) await other.ask('mutex', { name: object, method: 'lockSync' })
  await until('the threads of other tests ended', () => waiters() <= 1)
  let served = 0
  const waits = Array.from({ length: 1000 }, async (_, index) => {
    const lock = locks[index % locks.length]
    if ((await lock?.lock()) === 'locked') served += 1
    lock?.unlock()
  })
  await until('they wait', () => locks.every(({ name: object }) => isWaitedFor(mem, object)))
  // A thread has its name a moment after it began.
  await until('a thread has its name', () => waiters() > 0)
  t.is(waiters(), 1)
  for (const { name: object } of locks) await other.ask('mutex', { name: object, method: 'unlock' })
  await Promise.all(waits)
  t.is(served, 1000)
  for (const { name: object } of locks) t.is(wordOf(mem, object) & 0x7fff_ffff, 0)
})

test.serial('aborted waits leave no thread behind', async t => {
  const { mem, name } = managed(t)
  const other = await member(t, name)
  await other.ask('mutex', { name: 'book', method: 'lockSync' })
  for (let round = 0; round < 200; round += 1) {
    const abort = new AbortController()
    const waits = [mem.mutex('book').lock({ signal: abort.signal }), mem.mutex('book').lock({ signal: abort.signal, timeoutMs: 10_000 })]
    if (round % 20 === 0) await until('it waits', () => isWaitedFor(mem, 'book'))
    abort.abort()
    for (const wait of waits) await t.throwsAsync(wait, { any: true, name: 'AbortError' })
  }
  t.true(waiters() <= 1)
  await until('the last thread ends', () => waiters() === 0)
})

test.serial('a pending wait keeps the process alive, and with ref: false lets it go', async t => {
  const { mem, name } = managed(t)
  mem.mutex('book').lockSync()
  const program = (options: string): string[] => [
    '--input-type=module',
    '-e',
    `import { ManagedSegment } from 'shmem'; ManagedSegment.open('${name}').mutex('book').lock(${options}).then(got => console.log(got))`
  ]
  t.is((await run(process.execPath, program('{ ref: false }'))).stdout, '', 'nothing kept it')
  t.is((await run(process.execPath, program('{ timeoutMs: 300 }'))).stdout, 'timedOut\n')
  const kept = run(process.execPath, program('{}'))
  await until('it waits', () => isWaitedFor(mem, 'book'))
  mem.mutex('book').unlock()
  t.is((await kept).stdout, 'locked\n')
})

/** A lock whose owner is dead. */
async function leftByADeadOwner(t: ExecutionContext, name: string): Promise<void> {
  const owner = await member(t, name)
  await owner.ask('mutex', { name: 'book', method: 'lockSync' })
  await owner.kill()
}

/** How far the reader came: where the first byte of that value is, by pages. */
function firstOf(view: Uint8Array, value: number): number {
  const at = view.indexOf(value)
  return at === -1 ? view.length : at
}

/** Waiter threads of this process. */
function waiters(): number {
  return readdirSync('/proc/self/task').filter(task => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8') === 'shmem-waiter\n'
    } catch {
      return false
    }
  }).length
}
