/**
 * Kernels without futex_waitv(2), and containers that forbid it: forced by `SHMEM_FUTEX_WAITV=off`, in a process whose answers must be the
 * same as with it.
 */
import test from 'ava'
import { newManaged, newUser, untilArmed } from './support/managed-peer.js'
import { until } from './support/until.js'

const without = { env: { SHMEM_FUTEX_WAITV: 'off' } }

test('a mutex is handed over in both directions, and an owner’s death is told', async t => {
  const mem = newManaged(t)
  const mutex = mem.mutex('mutex')
  const [other, victim] = await Promise.all([newUser(t, mem, without), newUser(t, mem, without)])
  for (const user of [other, victim]) await user.has('mutex', 'mutex')
  for (const form of ['lockSync', 'lock']) {
    mutex.lockSync()
    await other.block(`mutex.${form}`, { spinMicros: 0 })
    await untilArmed(mem, mutex)
    mutex.unlock()
    t.is(await other.child.answer(), 'locked', form)
    const mine = mutex.lock()
    await other.call('mutex.unlock')
    t.is(await mine, 'locked')
    mutex.unlock()
    t.is(await victim.call('mutex.lockSync'), 'locked')
    if (form === 'lockSync') await victim.call('mutex.unlock')
    t.is(await other.call(`mutex.${form}`, { timeoutMs: 30 }), form === 'lockSync' ? 'locked' : 'timedOut')
    if (form === 'lockSync') await other.call('mutex.unlock')
  }
  await other.block('mutex.lock')
  await victim.child.kill()
  t.is(await other.child.answer(), 'ownerDied')
})

test('many promises on one thread are served in turn', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem, without)
  const locks = ['a', 'b', 'c'].map(name => mem.mutex(name))
  for (const lock of locks) {
    lock.lockSync()
    await other.has('mutex', lock.name)
  }
  for (const lock of locks) other.child.tell('call', [`${lock.name}.lock`, []])
  for (const lock of locks.toReversed()) lock.unlock()
  for (const _ of locks) t.is(await other.child.answer(), 'locked')
})

test('a condition notifies, and a killed owner is told to who waits for it', async t => {
  const mem = newManaged(t)
  const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
  const other = await newUser(t, mem, without)
  await other.has('mutex', 'mutex')
  await other.has('condition', 'condition')
  for (const form of ['waitSync', 'wait']) {
    await other.call('mutex.lockSync')
    await other.block(`condition.${form}`, '$mutex')
    await mutex.withLock(() => condition.notifyOne())
    t.is(await other.child.answer(), 'notified', form)
    t.is(await other.call(`condition.${form}`, '$mutex', { timeoutMs: 20 }), 'timedOut', form)
    await other.call('mutex.unlock')
  }
})

test('words are waited for', async t => {
  const mem = newManaged(t)
  const word = mem.word('word')
  const other = await newUser(t, mem, without)
  await other.has('word', 'word')
  for (const form of ['waitSync', 'wait']) {
    t.is(await other.call(`word.${form}`, word.load() + 1), 'not-equal')
    t.is(await other.call(`word.${form}`, word.load(), { timeoutMs: 20 }), 'timed-out')
    await other.block(`word.${form}`, word.load(), { spinMicros: 0 })
    word.add(1)
    word.notify()
    // It may not have looked before the change.
    t.true(['ok', 'not-equal'].includes(await other.child.answer()), form)
  }
  await other.block('word.waitSync', word.load())
  await until('a thread that sleeps directly is woken without a change', () => word.notify(1) === 1)
  t.is(await other.child.answer(), 'ok')
})

test('a barrier releases, and tells of a dead party', async t => {
  const mem = newManaged(t)
  const barrier = mem.barrier('barrier', { parties: 2 })
  const other = await newUser(t, mem, without)
  await other.has('barrier', 'barrier', { parties: 2 })
  for (const form of ['waitSync', 'wait']) {
    await other.block(`barrier.${form}`)
    t.is(barrier.waitSync(), 'released')
    t.is(await other.child.answer(), 'released')
  }
  const mine = barrier.wait()
  await other.child.kill()
  t.is(await mine, 'partyDied')
})
