/**
 * The mutex of managed segments: every form of every call, and what each does where it must not succeed.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { ManagedSegment, Mutex } from 'shmem'
import { failsWith } from './support/failure.js'
import { isWaitedFor, managed, member, wordOf, wordsOf } from './support/managed.js'
import { until } from './support/until.js'

test('a free mutex is locked by every form, and free again after unlock', async t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  t.true(book instanceof Mutex)
  t.is(mem.mutex('book'), book, 'one object a name')
  for (const lock of [() => book.tryLock(), () => book.lockSync(), () => book.lockSync({ timeoutMs: 0 }), () => book.lock(), () => book.lock({ timeoutMs: 0 }), () => book.tryLock({ strict: true })]) {
    t.is(await lock(), 'locked')
    t.true(book.isHeld)
    t.not(wordOf(mem, 'book'), 0)
    book.unlock()
    t.false(book.isHeld)
    t.is(wordOf(mem, 'book'), 0)
  }
})

test('a lock of another process is busy, times out, and is got when it is given back', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  const other = await member(t, name)
  t.is(await other.ask('mutex', { name: 'book', method: 'tryLock' }), 'locked')
  t.is(book.tryLock(), 'busy')
  t.is(book.lockSync({ timeoutMs: 0 }), 'timedOut')
  t.is(book.lockSync({ timeoutMs: 5 }), 'timedOut')
  t.is(await book.lock({ timeoutMs: 0 }), 'timedOut')
  t.is(await book.lock({ timeoutMs: 5 }), 'timedOut')
  t.is(book.owner?.pid, other.pid)
  t.true(book.owner?.alive)
  const got = book.lock()
  await until('it waits', () => isWaitedFor(mem, 'book'))
  await other.ask('mutex', { name: 'book', method: 'unlock' })
  t.is(await got, 'locked')
  other.tell('lockSync', { name: 'book' })
  await until('the other one waits', () => isWaitedFor(mem, 'book'))
  book.unlock()
  t.is((await other.answer<{ got: string }>()).got, 'locked')
})

test('locking twice is busy or a deadlock that is told, and as a promise it waits its turn', async t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  book.lockSync()
  t.is(book.tryLock(), 'busy')
  failsWith(t, () => book.lockSync(), { code: 'ERR_SHM_DEADLOCK', objectName: 'book' })
  failsWith(t, () => book.lockSync({ timeoutMs: 0 }), { code: 'ERR_SHM_DEADLOCK', objectName: 'book' })
  t.is(await book.lock({ timeoutMs: 0 }), 'timedOut')
  const turn = book.lock()
  book.unlock()
  t.is(await turn, 'locked')
  book.unlock()
})

test('what one does not hold one cannot unlock, nor call consistent', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  failsWith(t, () => book.unlock(), { code: 'ERR_SHM_NOT_OWNER', objectName: 'book' })
  failsWith(t, () => book.markConsistent(), { code: 'ERR_SHM_NOT_OWNER', objectName: 'book' })
  const other = await member(t, name)
  await other.ask('mutex', { name: 'book', method: 'lockSync' })
  failsWith(t, () => book.unlock(), { code: 'ERR_SHM_NOT_OWNER', objectName: 'book' })
  t.is(book.tryLock(), 'busy', 'the other one has it still')
})

test('a word that somebody changed under the owner is not unlocked over', t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  book.lockSync()
  Atomics.store(wordsOf(mem, 'book'), 0, 0)
  t.throws(() => book.unlock(), { code: 'ERR_SHM_NOT_OWNER' })
  t.is(book.tryLock(), 'locked', 'this environment knows that it has nothing')
  book.unlock()
})

test('a scribbled word is an error for everybody until reset', async t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  for (const scribble of [0x1234, -2, 0x4000_0000]) {
    Atomics.store(wordsOf(mem, 'book'), 0, scribble)
    t.throws(() => book.tryLock(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' }, String(scribble))
    t.throws(() => book.lockSync(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
    await t.throwsAsync(book.lock(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
    t.true(book.reset())
    t.is(book.tryLock(), 'locked')
    book.unlock()
  }
})

test('a segment is not closed while this environment holds a lock of it', async t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  book.lockSync()
  failsWith(t, () => mem.close(), { code: 'ERR_SHM_HELD', objectName: 'book' })
  t.regex(t.throws(() => mem.close())?.message ?? '', /mutex 'book'/)
  t.false(mem.closed)
  book.unlock()
  book.lockSync()
  const pending = book.lock()
  book.unlock()
  await pending
  book.unlock()
  mem.close()
  for (const call of [() => book.tryLock(), () => book.lockSync(), () => book.unlock(), () => book.markConsistent(), () => book.reset(), () => book.owner, () => mem.mutex('book'), () => mem.members]) {
    t.throws(call, { code: 'ERR_SHM_CLOSED' })
  }
  await t.throwsAsync(book.lock(), { code: 'ERR_SHM_CLOSED' })
  mem.close()
})

test('close rejects what still waits, and takes nothing with it', async t => {
  const { mem, name } = managed(t)
  const other = await member(t, name)
  await other.ask('mutex', { name: 'book', method: 'lockSync' })
  const waits = [mem.mutex('book').lock(), mem.mutex('book').lock({ timeoutMs: 60_000 })]
  await until('they wait', () => isWaitedFor(mem, 'book'))
  mem.close()
  for (const wait of waits) await t.throwsAsync(wait, { code: 'ERR_SHM_CLOSED' })
  await other.ask('mutex', { name: 'book', method: 'unlock' })
  t.is(await other.ask('mutex', { name: 'book', method: 'tryLock' }), 'locked')
})

test('timeouts that make no sense are refused by every form', async t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  for (const timeoutMs of [NaN, -1, -Infinity]) {
    t.throws(() => book.lockSync({ timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => book.acquireSync({ timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => book.withLockSync(() => {}, { timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
    await t.throwsAsync(book.lock({ timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
    await t.throwsAsync(book.acquire({ timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
    await t.throwsAsync(book.withLock(() => {}, { timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
  }
  t.is(book.lockSync({ timeoutMs: Infinity }), 'locked')
  book.unlock()
  t.is(await book.lock({ timeoutMs: Infinity }), 'locked')
  book.unlock()
})

test('an abort before, during and after', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  const reason = new Error('enough')
  t.is(await t.throwsAsync(book.lock({ signal: AbortSignal.abort(reason) })), reason)
  t.is(wordOf(mem, 'book'), 0, 'a signal that was aborted before takes nothing')

  const other = await member(t, name)
  await other.ask('mutex', { name: 'book', method: 'lockSync' })
  const during = new AbortController()
  const waiting = book.lock({ signal: during.signal })
  await until('it waits', () => isWaitedFor(mem, 'book'))
  during.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)

  const after = new AbortController()
  const granted = book.lock({ signal: after.signal })
  await other.ask('mutex', { name: 'book', method: 'unlock' })
  t.is(await granted, 'locked')
  after.abort(reason)
  await setImmediate()
  t.true(book.isHeld, 'an abort that comes too late changes nothing')
  book.unlock()
})

test('an aborted wait leaves nothing behind: the other one unlocks, and others lock', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  const other = await member(t, name)
  for (let round = 0; round < 50; round += 1) {
    await other.ask('mutex', { name: 'book', method: 'lockSync' })
    const abort = new AbortController()
    const waits = [book.lock({ signal: abort.signal }), book.lock({ signal: abort.signal })]
    if (round % 2 === 0) await until('it waits', () => isWaitedFor(mem, 'book'))
    // Sometimes the grant is under way while the abort comes.
    const unlocked = other.ask('mutex', { name: 'book', method: 'unlock' })
    if (round % 3 === 0) await unlocked
    abort.abort()
    for (const wait of await Promise.allSettled(waits)) if (wait.status === 'fulfilled') book.unlock()
    await unlocked
    t.is(book.lockSync({ timeoutMs: 20_000 }), 'locked')
    book.unlock()
  }
  t.is(await other.ask('mutex', { name: 'book', method: 'tryLock' }), 'locked')
})

test('promises of one environment are served first come, first served', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  const other = await member(t, name)
  await other.ask('mutex', { name: 'book', method: 'lockSync' })
  const order: number[] = []
  const waits = [0, 1, 2, 3, 4, 5, 6, 7].map(async index => {
    await book.lock()
    order.push(index)
    await setImmediate()
    book.unlock()
  })
  await other.ask('mutex', { name: 'book', method: 'unlock' })
  await Promise.all(waits)
  t.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7])
})

test('lockSync goes before the promises of its environment, which are served after it', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  const other = await member(t, name)
  for (let round = 0; round < 20; round += 1) {
    await other.ask('mutex', { name: 'book', method: 'lockSync' })
    const waits = [book.lock(), book.lock()]
    if (round % 2 === 0) await until('they wait', () => isWaitedFor(mem, 'book'))
    other.tell('mutex', { name: 'book', method: 'unlock' })
    // In every other round the waiter thread may have the lock by now, and this thread was not told.
    if (round % 2 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, round)
    t.is(book.lockSync({ timeoutMs: 20_000 }), 'locked')
    book.unlock()
    await other.answer()
    for (const wait of waits) {
      t.is(await wait, 'locked')
      book.unlock()
    }
  }
})

test('withLock gives back what it took, whatever the function does', async t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  t.is(await book.withLock(() => (t.true(book.isHeld), 42)), 42)
  t.is(await book.withLock(async () => (await sleep(1), 43)), 43)
  t.is(book.withLockSync(() => 44), 44)
  await t.throwsAsync(book.withLock(() => { throw new Error('inside') }), { message: 'inside' })
  t.throws(() => book.withLockSync(() => { throw new Error('inside') }), { message: 'inside' })
  t.false(book.isHeld)
  t.is(wordOf(mem, 'book'), 0)
})

test('a block that must be through when it returns refuses a promise, and gives back what it took', async t => {
  const { mem } = managed(t)
  const [book, table, jobs, once] = [mem.mutex('book'), mem.rwlock('table'), mem.semaphore('jobs', { permits: 1 }), mem.once('once')]
  const blocks = [book.withLockSync.bind(book), table.withReadLockSync.bind(table), table.withWriteLockSync.bind(table), jobs.withPermitSync.bind(jobs), once.runSync.bind(once)]
  for (const block of blocks) t.throws(() => block(async () => 42), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message: /"act" argument.*not asynchronous/u }, block.name)
  t.deepEqual([book.isHeld, table.isReading, table.isWriting, jobs.available, once.isDone], [false, false, false, 1, false])
})

test('a block that unlocked by hand does not give back what another block got since', async t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  const first = book.acquireSync()
  const second = book.acquire()
  book.unlock()
  await second
  first.release()
  t.throws(() => first.markConsistent(), { code: 'ERR_SHM_NOT_OWNER' })
  t.true(book.isHeld, 'the second one has it')
  const inside = book.lock()
  const later = book.withLock(async () => {
    book.unlock()
    await book.lock()
  })
  book.unlock()
  await inside
  book.unlock()
  await later
  t.true(book.isHeld, 'what was taken by hand inside the block is given back by hand')
  book.unlock()
})

test('acquire answers a handle that gives back once, and throws when the time is over', async t => {
  const { mem, name } = managed(t)
  const book = mem.mutex('book')
  const held = book.acquireSync()
  t.false(held.ownerDied)
  held.release()
  held.release()
  held[Symbol.dispose]()
  t.false(book.isHeld)
  {
    using scoped = await book.acquire()
    t.false(scoped.ownerDied)
    t.true(book.isHeld)
  }
  t.false(book.isHeld)
  const other = await member(t, name)
  await other.ask('mutex', { name: 'book', method: 'lockSync' })
  failsWith(t, () => book.acquireSync({ timeoutMs: 5 }), { code: 'ERR_SHM_TIMED_OUT', objectName: 'book' })
  await t.throwsAsync(book.acquire({ timeoutMs: 5 }), { code: 'ERR_SHM_TIMED_OUT' })
  await t.throwsAsync(book.withLock(() => {}, { timeoutMs: 0 }), { code: 'ERR_SHM_TIMED_OUT' })
})

test('locks.request is the same lock in the manner of the Web Locks API', async t => {
  const { mem, name } = managed(t)
  t.deepEqual(await mem.locks.request('book', lock => lock), { name: 'book', mode: 'exclusive' })
  t.is(await mem.locks.request('book', { mode: 'exclusive' }, () => (t.true(mem.mutex('book').isHeld), 5)), 5)
  t.false(mem.mutex('book').isHeld)
  const other = await member(t, name)
  await other.ask('mutex', { name: 'book', method: 'lockSync' })
  t.is(await mem.locks.request('book', { ifAvailable: true }, lock => lock), null)
  await t.throwsAsync(mem.locks.request('book', { signal: AbortSignal.timeout(5) }, () => {}), { any: true, name: 'TimeoutError' })
  await t.throwsAsync(mem.locks.request('book', { steal: true } as object, () => {}), { code: 'ERR_SHM_UNSUPPORTED' })
  await t.throwsAsync(mem.locks.request('free', { ifAvailable: true }, () => mem.mutex('book').acquire({ timeoutMs: 0 })), { code: 'ERR_SHM_TIMED_OUT' }, 'what the function throws is its own')
  const order: string[] = []
  const waits = ['a', 'b', 'c'].map(letter => mem.locks.request('book', async () => (await setImmediate(), order.push(letter))))
  await other.ask('mutex', { name: 'book', method: 'unlock' })
  await Promise.all(waits)
  t.deepEqual(order, ['a', 'b', 'c'])
})

test('locks.request shares a reader-writer lock, and no mutex', async t => {
  const { mem, name } = managed(t)
  const twin = ManagedSegment.open(name)
  const book = mem.rwlock('book')
  let together = 0
  const read = (from: ManagedSegment): Promise<unknown> => from.locks.request('book', { mode: 'shared' }, async lock => {
    t.deepEqual(lock, { name: 'book', mode: 'shared' })
    together += 1
    await until('both read', () => together === 2)
    t.is(await from.locks.request('book', { ifAvailable: true }, got => got), null, 'nobody writes meanwhile')
  })
  await Promise.all([read(mem), read(twin)])
  t.deepEqual(await twin.locks.request('book', lock => lock), { name: 'book', mode: 'exclusive' })
  await mem.locks.request('book', async () => {
    t.is(book.owner?.pid, process.pid)
    t.is(await twin.locks.request('book', { mode: 'shared', ifAvailable: true }, got => got), null)
  })
  t.is(book.tryWriteLock(), 'locked')
  book.writeUnlock()
  mem.mutex('plain')
  await t.throwsAsync(mem.locks.request('plain', { mode: 'shared' }, () => {}), { code: 'ERR_SHM_TYPE_MISMATCH' })
  await t.throwsAsync(mem.locks.request('plain', { mode: 'shared', repair: () => {} }, () => {}), { code: 'ERR_INVALID_ARG_VALUE' })
  twin.close()
})

test('a second opening in the same thread is a second member, and a lock between the two is a deadlock that is told', async t => {
  const { mem, name } = managed(t)
  const twin = ManagedSegment.open(name)
  t.is(mem.members.length, 2)
  mem.mutex('book').lockSync()
  t.is(twin.mutex('book').tryLock(), 'busy')
  t.throws(() => twin.mutex('book').lockSync(), { code: 'ERR_SHM_DEADLOCK' })
  const got = twin.mutex('book').lock()
  mem.mutex('book').unlock()
  t.is(await got, 'locked', 'as a promise it waits for the other')
  twin.mutex('book').unlock()
  twin.close()
  t.is(mem.members.length, 1)
})

test('what looks like a signal, and could not be let go, is refused before anything waits', async t => {
  const { mem } = managed(t)
  const book = mem.mutex('book')
  book.lockSync()
  const signal = { aborted: false, addEventListener: () => {} } as unknown as AbortSignal
  await t.throwsAsync(book.lock({ signal }), { code: 'ERR_INVALID_ARG_TYPE' })
  const throws = Object.assign(new EventTarget(), { aborted: false, removeEventListener: () => { throw new Error('mine') } }) as unknown as AbortSignal
  const [first, second] = [book.lock({ signal: throws }), book.lock()]
  book.unlock()
  t.is(await first, 'locked', 'its promise is settled before the signal is let go')
  book.unlock()
  t.is(await second, 'locked')
  book.unlock()
})
