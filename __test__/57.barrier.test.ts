/**
 * Barriers between processes: nobody goes on alone, nobody waits for the dead, and an arrival is counted or taken back, never both.
 */
import test from 'ava'
import { newManaged, newUser, wordsOf } from './support/managed-peer.js'
import { until } from './support/until.js'

/** Index of the first seat's arrival. */
const ARRIVED = 33

test('nobody goes on before all have arrived, phase after phase', async t => {
  const mem = newManaged(t)
  const users = await Promise.all([newUser(t, mem), newUser(t, mem), newUser(t, mem)])
  const wrong = users.map((user, index) => user.play<number>('phases', { parties: 3, count: 200, sync: index !== 2 }))
  t.deepEqual(await Promise.all(wrong), [0, 0, 0])
  t.is(mem.word('arrivals').load(), 600)
})

test('a party that is killed ends the phase for all who wait, and its seat is free', async t => {
  const mem = newManaged(t)
  const barrier = mem.barrier('barrier', { parties: 3 })
  const [victim, other] = await Promise.all([newUser(t, mem), newUser(t, mem)])
  for (const user of [victim, other]) await user.has('barrier', 'barrier', { parties: 3 })
  await victim.block('barrier.waitSync')
  await other.block('barrier.waitSync')
  await until('both have arrived', () => [ARRIVED, ARRIVED + 2].every(at => Atomics.load(wordsOf(mem, barrier), at) === 1))
  await victim.child.kill()
  t.is(await other.child.answer(), 'partyDied')
  t.true(barrier.stats().ownerDeaths > 0)

  const heir = await newUser(t, mem)
  await heir.has('barrier', 'barrier', { parties: 3 })
  await heir.block('barrier.waitSync')
  await other.block('barrier.wait')
  t.is(await barrier.wait(), 'released')
  t.is(await heir.child.answer(), 'released')
  t.is(await other.child.answer(), 'released')

  // Now a promise waits, for one that is dead before it arrives.
  const mine = barrier.wait()
  await heir.child.kill()
  t.is(await mine, 'partyDied')
})

test('who takes a dead one’s seat does not hide the death from those who wait', async t => {
  const mem = newManaged(t)
  const barrier = mem.barrier('barrier', { parties: 2 })
  const [waiter, victim] = await Promise.all([newUser(t, mem), newUser(t, mem)])
  for (const user of [waiter, victim]) await user.has('barrier', 'barrier', { parties: 2 })
  const first = victim.call('barrier.waitSync')
  t.is(await waiter.call('barrier.waitSync'), 'released')
  await first
  await waiter.block('barrier.waitSync')
  await until('it has arrived', () => [ARRIVED, ARRIVED + 2].some(at => Atomics.load(wordsOf(mem, barrier), at) === 2))
  // Stopped, it cannot notice by itself before this one arrives.
  process.kill(waiter.child.pid, 'SIGSTOP')
  await victim.child.kill()
  t.is(barrier.waitSync({ timeoutMs: 0 }), 'timedOut')
  process.kill(waiter.child.pid, 'SIGCONT')
  t.is(await waiter.child.answer(), 'partyDied')
})

test('an arrival is taken back by a limit of time, and by an abort', async t => {
  const mem = newManaged(t)
  const barrier = mem.barrier('barrier', { parties: 2 })
  const other = await newUser(t, mem)
  await other.has('barrier', 'barrier', { parties: 2 })
  const reason = new Error('enough')
  const abort = new AbortController()
  for (const timeoutMs of [0, 0.5, 150]) {
    t.is(barrier.waitSync({ timeoutMs }), 'timedOut')
    t.is(await barrier.wait({ timeoutMs }), 'timedOut')
  }
  const wait = barrier.wait({ signal: abort.signal })
  abort.abort(reason)
  await t.throwsAsync(wait, { is: reason })
  t.is(await other.call('barrier.waitSync', { timeoutMs: 20 }), 'timedOut')
  await other.block('barrier.waitSync')
  t.is(barrier.waitSync(), 'released')
  t.is(await other.child.answer(), 'released')
})

test('parties without patience agree on how many phases there were', async t => {
  const mem = newManaged(t)
  const users = await Promise.all([newUser(t, mem), newUser(t, mem)])
  const released = await Promise.all(users.map(user => user.play<number>('impatient', { milliseconds: 1500 })))
  t.log(`${released.join(' and ')} phases`)
  t.is(released[0], released[1])
  t.true((released[0] ?? 0) > 0)
})

test('an environment is one party: a second wait of it is a deadlock, in words', async t => {
  const mem = newManaged(t)
  const barrier = mem.barrier('barrier', { parties: 2 })
  const abort = new AbortController()
  const wait = barrier.wait({ signal: abort.signal })
  t.throws(() => barrier.waitSync(), { code: 'ERR_SHM_DEADLOCK' })
  await t.throwsAsync(barrier.wait(), { code: 'ERR_SHM_DEADLOCK' })
  t.throws(() => barrier.leave(), { code: 'ERR_SHM_BUSY' })
  const reason = new Error('enough')
  abort.abort(reason)
  await t.throwsAsync(wait, { is: reason })
  barrier.leave()
  t.throws(() => barrier.leave(), { code: 'ERR_SHM_NOT_OWNER' })
})

test('more parties than seats are refused, and a seat that was left is taken', async t => {
  const mem = newManaged(t)
  const barrier = mem.barrier('barrier', { parties: 1 })
  const other = await newUser(t, mem)
  await other.has('barrier', 'barrier', { parties: 1 })
  t.is(barrier.waitSync(), 'released')
  await t.throwsAsync(other.call('barrier.waitSync'), { message: /all 1 seats/u })
  barrier.leave()
  t.is(await other.call('barrier.waitSync'), 'released')
  t.throws(() => mem.barrier('barrier', { parties: 2 }), { code: 'ERR_SHM_TYPE_MISMATCH' })
})

test('who closes the segment while others wait is a party that died, and its own promise rejects', async t => {
  const mem = newManaged(t)
  const barrier = mem.barrier('barrier', { parties: 3 })
  const other = await newUser(t, mem)
  await other.has('barrier', 'barrier', { parties: 3 })
  const wait = barrier.wait()
  await other.block('barrier.waitSync')
  await until('both have arrived', () => [ARRIVED, ARRIVED + 2].every(at => Atomics.load(wordsOf(mem, barrier), at) === 1))
  mem.close()
  await t.throwsAsync(wait, { code: 'ERR_SHM_CLOSED' })
  t.is(await other.child.answer(), 'partyDied')
})
