/**
 * Condition variables between processes: who is woken, in which hands the mutex is afterwards, and what a death, a limit of time, an abort and
 * a close leave.
 */
import test from 'ava'
import { newManaged, newUser, untilArmed } from './support/managed-peer.js'
import { until } from './support/until.js'

test('a waiter in another process is woken, and has the mutex again', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  const other = await newUser(t, mem)
  await other.has('mutex', 'mutex')
  await other.has('condition', 'condition')
  for (const form of ['waitSync', 'wait']) {
    await other.call('mutex.lockSync')
    await other.block(`condition.${form}`, '$mutex')
    // It gave the mutex back: that is how this process gets it.
    await mutex.lock()
    condition.notifyOne()
    t.is(mutex.owner?.pid, process.pid)
    mutex.unlock()
    t.is(await other.child.answer(), 'notified', form)
    t.is(mutex.tryLock(), 'busy', form)
    await other.call('mutex.unlock')
  }
})

for (const sync of [true, false]) {
  test(`no message is lost between a producer and consumers that wait ${sync ? 'with their threads' : 'with promises'}`, async t => {
    const mem = newManaged(t)
    const [mutex, filled, emptied, there] = [mem.mutex('mutex'), mem.condition('filled'), mem.condition('emptied'), mem.word('there')]
    const other = await newUser(t, mem)
    const messages = 1000
    const taken = other.play<number>('consume', { messages, sync })
    for (let sent = 0; sent < messages; sent += 1) {
      await mutex.lock()
      while (there.load() !== 0) await emptied.wait(mutex)
      there.store(1)
      filled.notifyOne()
      mutex.unlock()
    }
    t.is(await taken, messages)
    t.is(there.load(), 0)
  })
}

test('notifyAll wakes every process and every promise', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  const others = await Promise.all([newUser(t, mem), newUser(t, mem)])
  for (const other of others) {
    await other.has('mutex', 'mutex')
    await other.has('condition', 'condition')
    await other.call('mutex.lockSync')
    await other.block('condition.waitSync', '$mutex')
  }
  const mine = Array.from({ length: 3 }, () => mutex.withLock(() => condition.wait(mutex)))
  await mutex.withLock(() => {})
  await untilArmed(mem, condition)
  condition.notifyAll()
  // In whichever order they get the mutex.
  const theirs = others.map(async other => {
    t.is(await other.child.answer(), 'notified')
    await other.call('mutex.unlock')
  })
  t.deepEqual(await Promise.all(mine), ['notified', 'notified', 'notified'])
  await Promise.all(theirs)
})

test('a killed waiter takes no notification with it', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  for (const form of ['waitSync', 'wait']) {
    const other = await newUser(t, mem)
    await other.has('mutex', 'mutex')
    await other.has('condition', 'condition')
    await other.call('mutex.lockSync')
    await other.block(`condition.${form}`, '$mutex')
    await untilArmed(mem, condition)
    const mine = mutex.withLock(() => condition.wait(mutex))
    await until('this one waits, too', () => mutex.owner === undefined)
    await other.child.kill()
    condition.notifyOne()
    t.is(await mine, 'notified', form)
  }
})

test('who is notified by an owner that dies is told of the death, and a limit of time does not hide it', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  for (const timeoutMs of [Infinity, 1]) {
    const other = await newUser(t, mem)
    await other.has('mutex', 'mutex')
    await other.has('condition', 'condition')
    await mutex.lock()
    await other.block('mutex.lockSync')
    const mine = condition.wait(mutex, { timeoutMs })
    // No timer runs before the other has the mutex.
    while (mutex.owner?.pid !== other.child.pid) t.false(mutex.isHeld)
    t.is(await other.child.answer(), 'locked')
    if (timeoutMs === Infinity) await other.call('condition.notifyOne')
    await other.child.kill()
    t.is(await mine, 'ownerDied')
    t.true(mutex.isHeld)
    t.throws(() => condition.waitSync(mutex), { code: 'ERR_SHM_OWNER_DIED' })
    await t.throwsAsync(condition.wait(mutex), { code: 'ERR_SHM_OWNER_DIED' })
    mutex.markConsistent()
    t.is(condition.waitSync(mutex, { timeoutMs: 0 }), 'timedOut')
    mutex.unlock()
  }
})

test('after a limit of time the mutex is held again', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  mutex.lockSync()
  for (const timeoutMs of [0, 0.5, 150]) {
    t.is(condition.waitSync(mutex, { timeoutMs }), 'timedOut')
    t.is(await condition.wait(mutex, { timeoutMs }), 'timedOut')
    t.true(mutex.isHeld)
  }
  mutex.unlock()
})

test('an aborted wait rejects with the reason, holding the mutex, so that a block around it can give it back', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  const abort = new AbortController()
  const reason = new Error('enough')
  const block = mutex.withLock(() => condition.wait(mutex, { signal: abort.signal }))
  await until('it waits', () => mutex.owner === undefined)
  // In another promise's hands, for a while.
  t.is(await mutex.lock(), 'locked')
  abort.abort(reason)
  let isOver = false
  const over = t.throwsAsync(block, { is: reason }).then(() => (isOver = true))
  await new Promise(resolve => setImmediate(resolve))
  t.false(isOver)
  mutex.unlock()
  await over
  t.is(mutex.owner, undefined)
  await mutex.lock()
  await t.throwsAsync(condition.wait(mutex, { signal: AbortSignal.abort(reason) }), { is: reason })
  t.true(mutex.isHeld)
  mutex.unlock()
})

test('who does not hold the mutex is refused', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  t.throws(() => condition.waitSync(mutex), { code: 'ERR_SHM_NOT_OWNER' })
  await t.throwsAsync(condition.wait(mutex), { code: 'ERR_SHM_NOT_OWNER' })
  t.throws(() => condition.waitSync({} as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('promises of the same environment take neither notification nor mutex from a thread that waits', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  const other = await newUser(t, mem)
  await other.has('mutex', 'mutex')
  await other.has('condition', 'condition')
  const waits = mutex.withLock(() => condition.wait(mutex))
  await until('the promise waits', () => mutex.owner === undefined)
  mutex.lockSync()
  const locks = mutex.withLock(() => 'had it')
  // The other process needs the mutex to notify: it comes by when this thread waits.
  other.child.tell('call', ['mutex.lockSync', []])
  other.child.tell('call', ['condition.notifyOne', []])
  other.child.tell('call', ['mutex.unlock', []])
  t.is(condition.waitSync(mutex, { timeoutMs: 20_000 }), 'notified')
  mutex.unlock()
  t.is(await locks, 'had it')
  for (let answers = 0; answers < 3; answers += 1) await other.child.answer()
  condition.notifyAll()
  t.is(await waits, 'notified')
})

test('closing rejects the promises', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  await mutex.lock()
  const wait = condition.wait(mutex)
  mem.close()
  await t.throwsAsync(wait, { code: 'ERR_SHM_CLOSED' })
  t.throws(() => condition.notifyOne(), { code: 'ERR_SHM_CLOSED' })
})
