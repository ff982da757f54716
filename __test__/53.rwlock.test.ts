/**
 * Reader-writer locks: many read or one writes, between processes and workers, and no dead reader or writer blocks anybody.
 */
import test from 'ava'
import { RwLock } from 'shmem'
import { failsWith, refuses } from './support/failure.js'
import { LockPeer, LockWorker, managedSegment, untilAwaited, wordsOf } from './support/lock-peer.js'
import { until } from './support/until.js'

test('readers of two processes read at once, and keep a writer out until both are done', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const peer = new LockPeer(t, mem).object('rwlock', 'book')
  t.is(book.readLockSync(), 'locked')
  t.is(await peer.call('readLockSync'), 'locked')
  t.is(await peer.call('tryWriteLock'), 'busy')
  t.is(book.tryWriteLock(), 'busy')
  book.readUnlock()
  t.is(book.tryWriteLock(), 'busy')
  await peer.call('readUnlock')
  t.is(book.tryWriteLock(), 'locked')
  t.deepEqual([await peer.call('tryReadLock'), await peer.call('tryWriteLock')], ['busy', 'busy'])
  t.like(book.owner, { pid: process.pid, alive: true })
  book.writeUnlock()
  t.is(book.owner, undefined)
  t.is(await peer.call('tryReadLock'), 'locked')
  t.is(await peer.get('isReading'), true)
})

test('a writer is woken by the last reader, and readers by the writer', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const [one, two] = [new LockPeer(t, mem).object('rwlock', 'book'), new LockPeer(t, mem).object('rwlock', 'book')]
  book.readLockSync()
  const write = one.call('writeLockSync')
  await until('the writer is there', () => book.owner !== undefined)
  t.is(await two.call('tryReadLock'), 'busy', 'a writer that waits keeps new readers out')
  t.is(book.tryReadLock(), 'locked', 'but not those who read already')
  book.readUnlock()
  book.readUnlock()
  t.is(await write, 'locked')
  const reads = [book.readLock(), book.readLock()]
  const blocked = two.call('readLockSync')
  await untilAwaited(mem, 'book')
  await one.call('writeUnlock')
  t.deepEqual(await Promise.all([...reads, blocked]), ['locked', 'locked', 'locked'])
  book.readUnlock()
  t.true(book.isReading)
  book.readUnlock()
  t.false(book.isReading)
})

test('the reads of one environment are counted, and take one cell', t => {
  const mem = managedSegment(t, { members: 4 })
  const book = mem.rwlock('book')
  const cells = (): number => wordsOf(mem, 'book').filter((word, index) => index >= 32 && index % 32 === 0 && word !== 0).length
  t.is(cells(), 0)
  t.is(book.readLockSync(), 'locked')
  t.is(book.readLockSync({ timeoutMs: 0 }), 'locked')
  t.is(book.tryReadLock(), 'locked')
  t.is(cells(), 1)
  book.readUnlock()
  book.readUnlock()
  t.is(cells(), 1)
  t.is(book.tryWriteLock(), 'busy')
  book.readUnlock()
  t.is(cells(), 0)
  t.is(book.tryWriteLock(), 'locked')
  book.writeUnlock()
})

test('who reads cannot begin to write with the thread blocked, nor the reverse', t => {
  const book = managedSegment(t).rwlock('book')
  book.readLockSync()
  failsWith(t, () => book.writeLockSync(), { code: 'ERR_SHM_DEADLOCK', objectName: 'book' })
  failsWith(t, () => book.writeLockSync({ timeoutMs: 0 }), { code: 'ERR_SHM_DEADLOCK', objectName: 'book' })
  book.readUnlock()
  book.writeLockSync()
  failsWith(t, () => book.readLockSync(), { code: 'ERR_SHM_DEADLOCK', objectName: 'book' })
  failsWith(t, () => book.writeLockSync(), { code: 'ERR_SHM_DEADLOCK', objectName: 'book' })
  t.deepEqual([book.tryReadLock(), book.tryWriteLock()], ['busy', 'busy'])
  book.writeUnlock()
})

test('what one does not hold cannot be given back', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const peer = new LockPeer(t, mem).object('rwlock', 'book')
  const notOwner = { code: 'ERR_SHM_NOT_OWNER', objectName: 'book' }
  failsWith(t, () => book.readUnlock(), notOwner)
  failsWith(t, () => book.writeUnlock(), notOwner)
  failsWith(t, () => book.markConsistent(), notOwner)
  book.readLockSync()
  failsWith(t, () => book.writeUnlock(), notOwner)
  await t.throwsAsync(peer.call('readUnlock'), { code: 'ERR_SHM_NOT_OWNER' })
  book.readUnlock()
  book.writeLockSync()
  failsWith(t, () => book.readUnlock(), notOwner)
  await t.throwsAsync(peer.call('writeUnlock'), { code: 'ERR_SHM_NOT_OWNER' })
  book.writeUnlock()
  t.false(book.reset())
})

test('a reader killed while it reads does not block a writer, who is told nothing', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const peer = new LockPeer(t, mem)
  await peer.object('rwlock', 'book').call('readLockSync')
  const write = book.writeLock()
  t.is(book.tryWriteLock(), 'busy')
  await peer.kill()
  t.is(await write, 'locked')
  book.writeUnlock()
  const again = new LockPeer(t, mem)
  await again.object('rwlock', 'book').call('readLockSync')
  await again.kill()
  t.is(book.writeLockSync(), 'locked')
  book.writeUnlock()
})

test('a writer killed while it writes is told to every reader, and to the next writer, until one repaired', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const [victim, other] = [new LockPeer(t, mem), new LockPeer(t, mem).object('rwlock', 'book')]
  await victim.object('rwlock', 'book').call('writeLockSync')
  const read = book.readLock()
  await untilAwaited(mem, 'book')
  await victim.kill()
  t.is(await read, 'ownerDied')
  t.is(book.readLockSync(), 'ownerDied', 'nested as well')
  t.is(await other.call('readLockSync'), 'ownerDied')
  t.false(book.owner?.alive)
  await other.call('readUnlock')
  book.readUnlock()
  book.readUnlock()
  t.is(await other.call('tryReadLock'), 'ownerDied')
  await other.call('readUnlock')
  t.is(book.writeLockSync(), 'ownerDied')
  book.markConsistent()
  book.writeUnlock()
  t.is(await other.call('writeLockSync'), 'locked')
})

test('who writes after a death and does not repair makes it useless for all, until reset', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const peer = new LockPeer(t, mem)
  await peer.object('rwlock', 'book').call('writeLockSync')
  await peer.kill()
  const other = new LockPeer(t, mem).object('rwlock', 'book')
  t.is(book.tryWriteLock(), 'ownerDied')
  const waiting = other.call('readLockSync')
  await untilAwaited(mem, 'book')
  book.writeUnlock()
  await t.throwsAsync(waiting, { code: 'ERR_SHM_NOT_RECOVERABLE' })
  t.throws(() => book.readLockSync(), { code: 'ERR_SHM_NOT_RECOVERABLE' })
  t.throws(() => book.tryWriteLock(), { code: 'ERR_SHM_NOT_RECOVERABLE' })
  await t.throwsAsync(book.readLock(), { code: 'ERR_SHM_NOT_RECOVERABLE' })
  t.true(book.reset())
  t.is(book.tryWriteLock(), 'locked')
  book.writeUnlock()
})

test('a writer killed while it waits for readers leaves them and the next ones unharmed', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  book.readLockSync()
  const peer = new LockPeer(t, mem)
  peer.child.tell('call', { kind: 'rwlock', name: 'book', method: 'writeLockSync' })
  await until('it is there', () => book.owner !== undefined)
  await peer.kill()
  t.is(book.readLockSync(), 'locked', 'it began before')
  book.readUnlock()
  book.readUnlock()
  t.is(book.tryReadLock(), 'ownerDied', 'whether it wrote, nobody knows')
  book.readUnlock()
  t.is(book.withWriteLockSync(() => 'written', { repair: () => {} }), 'written')
  t.is(book.tryReadLock(), 'locked')
  book.readUnlock()
})

test('a sleeper that is killed takes no wake with it', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  book.writeLockSync()
  const peers = [new LockPeer(t, mem), new LockPeer(t, mem), new LockPeer(t, mem)]
  const [one, two, three] = peers.map(peer => peer.object('rwlock', 'book'))
  const calls = [one?.call('writeLockSync'), two?.call('readLockSync'), three?.call('readLockSync')]
  calls[0]?.catch(() => {})
  await untilAwaited(mem, 'book')
  await peers[0]?.kill()
  book.writeUnlock()
  t.deepEqual(await Promise.all(calls.slice(1)), ['locked', 'locked'])
})

test('with* gives the lock back, tells of a death, and leaves it to the next', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  t.is(await book.withReadLock(() => (book.isReading ? 'reading' : '')), 'reading')
  t.is(await book.withWriteLock(async () => (book.isWriting ? 'writing' : '')), 'writing')
  t.is(book.withReadLockSync(() => 1), 1)
  t.throws(() => book.withWriteLockSync(() => { throw new Error('mine') }), { message: 'mine' })
  t.deepEqual([book.isReading, book.isWriting], [false, false])
  const peer = new LockPeer(t, mem)
  await peer.object('rwlock', 'book').call('writeLockSync')
  await peer.kill()
  await t.throwsAsync(book.withReadLock(() => t.fail()), { code: 'ERR_SHM_OWNER_DIED' })
  t.throws(() => book.withReadLockSync(() => t.fail()), { code: 'ERR_SHM_OWNER_DIED' })
  await t.throwsAsync(book.withWriteLock(() => t.fail()), { code: 'ERR_SHM_OWNER_DIED' })
  t.throws(() => book.withWriteLockSync(() => t.fail()), { code: 'ERR_SHM_OWNER_DIED' })
  t.deepEqual([book.isReading, book.isWriting], [false, false])
  let repaired = 0
  t.is(await book.withWriteLock(() => 'done', { repair: async () => void (repaired += 1) }), 'done')
  t.is(repaired, 1)
  t.is(book.tryWriteLock(), 'locked')
  book.writeUnlock()
})

test('a lock in hand ends with its block', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  {
    using held = book.acquireReadSync()
    t.false(held.ownerDied)
    using nested = await book.acquireRead()
    t.false(nested.ownerDied)
    t.true(book.isReading)
    t.throws(() => held.markConsistent(), { code: 'ERR_SHM_NOT_OWNER' })
  }
  t.false(book.isReading)
  {
    using held = await book.acquireWrite()
    t.false(held.ownerDied)
    t.true(book.isWriting)
    await t.throwsAsync(book.acquireWrite({ timeoutMs: 20 }), { code: 'ERR_SHM_TIMED_OUT' })
    await t.throwsAsync(book.acquireRead({ timeoutMs: 0 }), { code: 'ERR_SHM_TIMED_OUT' })
  }
  const peer = new LockPeer(t, mem).object('rwlock', 'book')
  await peer.call('writeLockSync')
  t.throws(() => book.acquireWriteSync({ timeoutMs: 20 }), { code: 'ERR_SHM_TIMED_OUT' })
  t.throws(() => book.acquireReadSync({ timeoutMs: 20 }), { code: 'ERR_SHM_TIMED_OUT' })
})

test('a withWriteLock that is refused leaves the lock to the next of its environment, who repairs it', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const peer = new LockPeer(t, mem)
  await peer.object('rwlock', 'book').call('writeLockSync')
  const refused = book.withWriteLock(() => t.fail())
  const repaired: string[] = []
  const next = book.withWriteLock(() => [...repaired, 'written'], {
    repair: async () => {
      await new Promise(resolve => setImmediate(resolve))
      t.true(book.isWriting, 'nobody ended it meanwhile')
      repaired.push('repaired')
    }
  })
  const last = book.writeLock()
  await untilAwaited(mem, 'book')
  await peer.kill()
  await t.throwsAsync(refused, { code: 'ERR_SHM_OWNER_DIED' })
  t.deepEqual(await next, ['repaired', 'written'])
  t.is(await last, 'locked')
  book.writeUnlock()
  t.is(book.readLockSync(), 'locked')
  book.readUnlock()
  t.is(await new LockPeer(t, mem).object('rwlock', 'book').call('tryWriteLock'), 'locked')
})

test('a block that ended its write by hand does not end, nor vouch for, what another got since', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const held = await book.acquireWrite()
  const next = book.writeLock()
  book.writeUnlock()
  t.is(await next, 'locked')
  held.release()
  t.true(book.isWriting)
  book.writeUnlock()
  const stale = book.acquireWriteSync()
  book.writeUnlock()
  const peer = new LockPeer(t, mem)
  await peer.object('rwlock', 'book').call('writeLockSync')
  await peer.kill()
  t.is(book.tryWriteLock(), 'ownerDied')
  t.throws(() => stale.markConsistent(), { code: 'ERR_SHM_NOT_OWNER' })
  stale.release()
  t.true(book.isWriting)
  book.writeUnlock()
  t.throws(() => book.tryReadLock(), { code: 'ERR_SHM_NOT_RECOVERABLE' }, 'nobody vouched for it')
})

test('a block that ended its read by hand does not end what another reads since', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const held = await book.acquireRead()
  book.readUnlock()
  t.is(await book.readLock(), 'locked')
  held.release()
  t.true(book.isReading)
  book.readUnlock()
  t.false(book.isReading)
  const [one, two] = [book.acquireReadSync(), book.acquireReadSync()]
  book.readUnlock()
  t.is(book.readLockSync(), 'locked')
  one.release()
  two.release()
  t.true(book.isReading, 'of three reads, one was ended by hand and one by a block')
  book.readUnlock()
  t.false(book.isReading)
  const [outer, inner] = [book.acquireReadSync(), book.acquireReadSync()]
  t.is(book.readLockSync(), 'locked')
  outer.release()
  outer.release()
  book.readUnlock()
  t.true(book.isReading, 'each ended its own')
  inner.release()
  t.false(book.isReading)
  book.writeLockSync()
  t.throws(() => inner.markConsistent(), { code: 'ERR_SHM_NOT_OWNER' })
  book.writeUnlock()
})

for (const [kind, sync, promise, unlock] of [['read', 'readLockSync', 'readLock', 'readUnlock'], ['write', 'writeLockSync', 'writeLock', 'writeUnlock']] as const) {
  test(`timeouts of a ${kind} lock: 0 tries, Infinity waits, NaN and less are refused`, async t => {
    const mem = managedSegment(t)
    const book = mem.rwlock('book')
    const peer = new LockPeer(t, mem).object('rwlock', 'book')
    await peer.call('writeLockSync')
    t.deepEqual([book[sync]({ timeoutMs: 0 }), book[sync]({ timeoutMs: 130 })], ['timedOut', 'timedOut'])
    t.deepEqual(await Promise.all([book[promise]({ timeoutMs: 0 }), book[promise]({ timeoutMs: 30 })]), ['timedOut', 'timedOut'])
    for (const timeoutMs of [NaN, -1, -Infinity]) {
      refuses(t, () => book[sync]({ timeoutMs }), 'options.timeoutMs', `${timeoutMs}`)
      await t.throwsAsync(book[promise]({ timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
    }
    const waiting = book[promise]({ timeoutMs: Infinity })
    await peer.call('writeUnlock')
    t.is(await waiting, 'locked')
    book[unlock]()
    t.is(book[sync]({ timeoutMs: Infinity, spinMicros: 0, strict: true }), 'locked')
    book[unlock]()
  })

  test(`an aborted wait for a ${kind} lock rejects with its reason and leaves nothing behind`, async t => {
    const mem = managedSegment(t)
    const book = mem.rwlock('book')
    const peer = new LockPeer(t, mem).object('rwlock', 'book')
    await peer.call('writeLockSync')
    const reason = new Error('changed my mind')
    t.is(await t.throwsAsync(book[promise]({ signal: AbortSignal.abort(reason) })), reason)
    const abort = new AbortController()
    const waits = [book[promise]({ signal: abort.signal }), book[promise]({ signal: abort.signal }), book[promise]()]
    await untilAwaited(mem, 'book')
    abort.abort(reason)
    t.deepEqual(await Promise.allSettled(waits.slice(0, 2)), [{ status: 'rejected', reason }, { status: 'rejected', reason }])
    await peer.call('writeUnlock')
    t.is(await waits[2], 'locked')
    book[unlock]()
    t.is(await peer.call('writeLockSync', { timeoutMs: 5000 }), 'locked')
  })
}

test('promises of one environment: writers one by one, readers together, both get their turn', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const peer = new LockPeer(t, mem).object('rwlock', 'book')
  await peer.call('writeLockSync')
  let inside = 0
  const order: string[] = []
  const write = (label: string): Promise<void> => book.withWriteLock(async () => {
    t.is((inside += 1), 1, 'alone')
    order.push(label)
    await new Promise(resolve => setImmediate(resolve))
    inside -= 1
  })
  let reading = 0
  let most = 0
  const read = (): Promise<void> => book.withReadLock(async () => {
    t.is(inside, 0)
    most = Math.max(most, (reading += 1))
    await new Promise(resolve => setImmediate(resolve))
    reading -= 1
  })
  const all = [write('first'), read(), write('second'), read(), write('third'), read()]
  await peer.call('writeUnlock')
  await Promise.all(all)
  t.deepEqual(order, ['first', 'second', 'third'])
  t.is(most, 3)
  t.is(book.tryWriteLock(), 'locked')
  book.writeUnlock()
})

test('a blocked thread goes before the promises of its environment, and they go on after it', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  const peer = new LockPeer(t, mem)
  const there = peer.object('rwlock', 'book')
  await there.call('writeLockSync')
  const waits = [book.writeLock(), book.readLock()]
  await untilAwaited(mem, 'book')
  peer.child.tell('block', 150)
  peer.child.tell('call', { kind: 'rwlock', name: 'book', method: 'writeUnlock' })
  t.is(book.writeLockSync(), 'locked')
  book.writeUnlock()
  await peer.child.answer()
  await peer.child.answer()
  t.is(await waits[1], 'locked', 'after a write the readers come first')
  book.readUnlock()
  t.is(await waits[0], 'locked')
  book.writeUnlock()
})

test('two environments of one process exclude each other; one that is terminated blocks nobody', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  for (const [method, next] of [['writeLockSync', 'ownerDied'], ['readLockSync', 'locked']] as const) {
    const worker = new LockWorker(t, mem)
    t.is(await worker.object('rwlock', 'book').call(method), 'locked')
    t.is(book.tryWriteLock(), 'busy')
    const waiting = book.writeLock()
    await worker.terminate()
    t.is(await waiting, next)
    if (next === 'ownerDied') book.markConsistent()
    book.writeUnlock()
  }
  book.writeLockSync()
  const waiter = new LockWorker(t, mem)
  waiter.object('rwlock', 'book').call('readLockSync').catch(() => {})
  await untilAwaited(mem, 'book')
  await waiter.terminate()
  const pending = new LockWorker(t, mem)
  await pending.object('rwlock', 'book').begin('w', 'writeLock')
  await pending.terminate()
  book.writeUnlock()
  t.is(await new LockPeer(t, mem).object('rwlock', 'book').call('writeLockSync', { timeoutMs: 10_000 }), 'locked')
})

test('closing is refused while one reads or writes; promises that pend reject, and later calls throw', async t => {
  const mem = managedSegment(t)
  const book = mem.rwlock('book')
  book.readLockSync()
  t.throws(() => mem.close(), { code: 'ERR_SHM_HELD', message: /rwlock 'book'/ })
  book.readUnlock()
  book.writeLockSync()
  t.throws(() => mem.close(), { code: 'ERR_SHM_HELD', message: /rwlock 'book'/ })
  book.writeUnlock()
  const peer = new LockPeer(t, mem).object('rwlock', 'book')
  await peer.call('writeLockSync')
  const waits = [book.readLock(), book.writeLock(), book.readLock()]
  await untilAwaited(mem, 'book')
  mem.close()
  for (const wait of waits) await t.throwsAsync(wait, { code: 'ERR_SHM_CLOSED' })
  const calls: (keyof RwLock)[] = ['tryReadLock', 'readLockSync', 'readUnlock', 'tryWriteLock', 'writeLockSync', 'writeUnlock', 'markConsistent', 'reset']
  for (const call of calls) t.throws(() => (book[call] as () => unknown)(), { code: 'ERR_SHM_CLOSED' }, call)
  await t.throwsAsync(book.readLock(), { code: 'ERR_SHM_CLOSED' })
  await t.throwsAsync(book.writeLock(), { code: 'ERR_SHM_CLOSED' })
})

test('whatever is scribbled over its words is an error or harmless', async t => {
  const mem = managedSegment(t, { members: 4 })
  const book = mem.rwlock('book')
  const words = wordsOf(mem, 'book')
  for (const value of [1, 2, 0x7fff_ffff, -1, 0x2000_0000, 0x2fff_ffff, 0x4000_0000]) {
    words[0] = value
    for (const act of [() => book.tryReadLock(), () => book.tryWriteLock(), () => book.readLockSync({ timeoutMs: 1 }), () => book.writeLockSync({ timeoutMs: 1 })]) {
      try {
        act()
      } catch (error) {
        t.regex((error as { code: string }).code, /^ERR_SHM_(POSSIBLY_CORRUPT|NOT_RECOVERABLE)$/)
      }
      // What it got, if anything, is given back where the scribbler left it.
      if (book.isReading) book.readUnlock()
      if (book.isWriting) book.writeUnlock()
      words[0] = value
    }
    words[0] = 0
    words.fill(value, 32)
    t.regex(book.writeLockSync({ timeoutMs: 1 }), /^(locked|timedOut)$/)
    if (book.isWriting) book.writeUnlock()
    words.fill(0, 0, 1)
    words.fill(0, 32)
  }
  t.is(book.tryWriteLock(), 'locked')
  book.writeUnlock()
})
