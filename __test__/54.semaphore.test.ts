/**
 * Semaphores of managed segments: so many permits and no more, between processes and workers, and the permits of the dead return.
 */
import test from 'ava'
import { ManagedSegment, Semaphore } from 'shmem'
import { failsWith, refuses } from './support/failure.js'
import { LockPeer, LockWorker, managedSegment, nameOf, untilAwaited, wordsOf } from './support/lock-peer.js'
import { until } from './support/until.js'

test('so many permits can be held at once, by all members together', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 3 })
  const peer = new LockPeer(t, mem).object('semaphore', 'jobs', { permits: 3 })
  t.deepEqual([jobs.permits, jobs.available, jobs.heldHere], [3, 3, 0])
  t.deepEqual([jobs.tryAcquire(), await peer.call('acquireSync'), await jobs.acquire()], ['acquired', 'acquired', 'acquired'])
  t.deepEqual([jobs.tryAcquire(), await peer.call('tryAcquire')], ['busy', 'busy'])
  t.deepEqual([jobs.available, jobs.heldHere, await peer.get('heldHere')], [0, 2, 1])
  jobs.release()
  t.is(await peer.call('tryAcquire'), 'acquired')
  await peer.call('release')
  await peer.call('release')
  jobs.release()
  t.is(jobs.available, 3)
})

test('a permit given back wakes a blocked thread and a promise', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 1 })
  const [one, two] = [new LockPeer(t, mem).object('semaphore', 'jobs', { permits: 1 }), new LockPeer(t, mem).object('semaphore', 'jobs', { permits: 1 })]
  jobs.acquireSync()
  await two.begin('wait', 'acquire')
  const blocked = one.call('acquireSync')
  await untilAwaited(mem, 'jobs')
  jobs.release()
  const first = await Promise.race([blocked.then(() => one), two.end('wait').then(() => two)])
  t.is(jobs.tryAcquire(), 'busy')
  await first.call('release')
  t.deepEqual([await blocked, await two.end('wait')], ['acquired', 'acquired'])
})

test('the permits of a killed holder return, all of them', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 3 })
  const peer = new LockPeer(t, mem)
  for (let count = 0; count < 3; count++) await peer.object('semaphore', 'jobs', { permits: 3 }).call('acquireSync')
  const waits = [jobs.acquire(), jobs.acquire()]
  await untilAwaited(mem, 'jobs')
  await peer.kill()
  t.deepEqual(await Promise.all(waits), ['acquired', 'acquired'])
  t.is(jobs.available, 1)
  t.is(jobs.acquireSync(), 'acquired')
  t.is(jobs.available, 0)
  for (let count = 0; count < 3; count++) jobs.release()
  t.is(jobs.available, 3)
})

test('one death after another: every waiter gets the permit in its turn', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 1 })
  const peers = Array.from({ length: 4 }, () => new LockPeer(t, mem))
  const objects = peers.map(peer => peer.object('semaphore', 'jobs', { permits: 1 }))
  jobs.acquireSync()
  for (const object of objects) await object.begin('wait', 'acquire')
  await untilAwaited(mem, 'jobs')
  jobs.release()
  let left = peers.map((peer, index) => ({ peer, ended: objects[index]?.end('wait').then(() => index, () => -1) }))
  for (let round = 0; round < 4; round++) {
    const winner = await Promise.race(left.map(({ ended }) => ended))
    const one = left.find(({ peer }) => peer === peers[winner ?? -1])
    left = left.filter(other => other !== one)
    await one?.peer.kill()
  }
  t.deepEqual(left, [])
  t.is(jobs.tryAcquire(), 'acquired')
  jobs.release()
})

test('a waiter that is killed takes no wake with it', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 1 })
  const [victim, other] = [new LockPeer(t, mem), new LockPeer(t, mem)]
  jobs.acquireSync()
  victim.child.tell('call', { kind: 'semaphore', name: 'jobs', options: [{ permits: 1 }], method: 'acquireSync' })
  const waiting = other.object('semaphore', 'jobs', { permits: 1 }).call('acquireSync')
  await untilAwaited(mem, 'jobs')
  await victim.kill()
  jobs.release()
  t.is(await waiting, 'acquired')
})

test('what one does not hold cannot be given back', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 2 })
  const peer = new LockPeer(t, mem).object('semaphore', 'jobs', { permits: 2 })
  await peer.call('acquireSync')
  failsWith(t, () => jobs.release(), { code: 'ERR_SHM_NOT_OWNER', objectName: 'jobs' })
  await peer.call('release')
  await t.throwsAsync(peer.call('release'), { code: 'ERR_SHM_NOT_OWNER' })
  t.is(jobs.available, 2)
})

test('who holds all permits cannot wait for another with the thread blocked', async t => {
  const jobs = managedSegment(t).semaphore('jobs', { permits: 2 })
  jobs.acquireSync()
  jobs.acquireSync()
  failsWith(t, () => jobs.acquireSync(), { code: 'ERR_SHM_DEADLOCK', objectName: 'jobs' })
  t.is(jobs.tryAcquire(), 'busy')
  const wait = jobs.acquire()
  jobs.release()
  t.is(await wait, 'acquired')
  jobs.release()
  jobs.release()
})

test('permits that this thread holds by another opening are its own: with the thread blocked, a deadlock that is told', async t => {
  const mem = managedSegment(t)
  const twin = ManagedSegment.open(nameOf(mem))
  const [ours, theirs] = [mem.semaphore('jobs', { permits: 2 }), twin.semaphore('jobs', { permits: 2 })]
  ours.acquireSync()
  theirs.acquireSync()
  for (const jobs of [ours, theirs]) failsWith(t, () => jobs.acquireSync({ timeoutMs: 1000 }), { code: 'ERR_SHM_DEADLOCK', objectName: 'jobs' })
  t.is(theirs.tryAcquire(), 'busy')
  const wait = theirs.acquire()
  ours.release()
  t.is(await wait, 'acquired')
  theirs.release()
  theirs.release()
  twin.close()
})

test('timeouts: 0 tries, Infinity waits, NaN and less are refused', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 1 })
  const peer = new LockPeer(t, mem).object('semaphore', 'jobs', { permits: 1 })
  await peer.call('acquireSync')
  t.deepEqual([jobs.acquireSync({ timeoutMs: 0 }), jobs.acquireSync({ timeoutMs: 130, spinMicros: 0 })], ['timedOut', 'timedOut'])
  t.deepEqual(await Promise.all([jobs.acquire({ timeoutMs: 0 }), jobs.acquire({ timeoutMs: 30 })]), ['timedOut', 'timedOut'])
  for (const timeoutMs of [NaN, -1, -Infinity]) {
    refuses(t, () => jobs.acquireSync({ timeoutMs }), 'options.timeoutMs', `${timeoutMs}`)
    await t.throwsAsync(jobs.acquire({ timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
  }
  const wait = jobs.acquire({ timeoutMs: Infinity })
  await peer.call('release')
  t.is(await wait, 'acquired')
  jobs.release()
})

test('an aborted wait rejects with its reason and leaves nothing behind', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 1 })
  const peer = new LockPeer(t, mem).object('semaphore', 'jobs', { permits: 1 })
  await peer.call('acquireSync')
  const reason = new Error('changed my mind')
  t.is(await t.throwsAsync(jobs.acquire({ signal: AbortSignal.abort(reason) })), reason)
  const abort = new AbortController()
  const aborted = jobs.acquire({ signal: abort.signal })
  const kept = jobs.acquire()
  await untilAwaited(mem, 'jobs')
  abort.abort(reason)
  t.is(await t.throwsAsync(aborted), reason)
  await peer.call('release')
  t.is(await kept, 'acquired')
  jobs.release()
  t.is(jobs.available, 1)
})

test('withPermit gives the permit back, whatever happens inside', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 1 })
  t.is(await jobs.withPermit(async () => jobs.heldHere), 1)
  t.is(jobs.withPermitSync(() => jobs.available), 0)
  await t.throwsAsync(jobs.withPermit(() => { throw new Error('mine') }), { message: 'mine' })
  t.is(jobs.available, 1)
  jobs.acquireSync()
  await t.throwsAsync(jobs.withPermit(() => t.fail(), { timeoutMs: 10 }), { code: 'ERR_SHM_TIMED_OUT' })
  jobs.release()
})

test('never more than the permits are inside, and all get through', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 2 })
  const inside = new Int32Array(mem.buffer, mem.size - 4, 1)
  let most = 0
  let done = 0
  const work = async (): Promise<void> => jobs.withPermit(async () => {
    most = Math.max(most, Atomics.add(inside, 0, 1) + 1)
    await new Promise(resolve => setImmediate(resolve))
    Atomics.sub(inside, 0, 1)
    done += 1
  })
  await Promise.all(Array.from({ length: 50 }, work))
  t.deepEqual([most, done, jobs.available], [2, 50, 2])
})

test('two environments of one process count apart; the permits of a terminated one return', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 2 })
  const worker = new LockWorker(t, mem)
  const there = worker.object('semaphore', 'jobs', { permits: 2 })
  t.deepEqual([await there.call('acquireSync'), await there.call('acquireSync')], ['acquired', 'acquired'])
  t.is(jobs.tryAcquire(), 'busy')
  const wait = jobs.acquire()
  await worker.terminate()
  t.is(await wait, 'acquired')
  t.is(jobs.acquireSync(), 'acquired')
  const [blocked, pending] = [new LockWorker(t, mem), new LockWorker(t, mem)]
  blocked.object('semaphore', 'jobs', { permits: 2 }).call('acquireSync').catch(() => {})
  await pending.object('semaphore', 'jobs', { permits: 2 }).begin('w', 'acquire')
  await untilAwaited(mem, 'jobs')
  await Promise.all([blocked.terminate(), pending.terminate()])
  jobs.release()
  jobs.release()
  await until('what the ended ones may have got is back', () => jobs.available === 2)
  t.is(await new LockPeer(t, mem).object('semaphore', 'jobs', { permits: 2 }).call('acquireSync', { timeoutMs: 10_000 }), 'acquired')
})

test('closing is refused while one holds a permit; promises that pend reject, and later calls throw', async t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 1 })
  jobs.acquireSync()
  t.throws(() => mem.close(), { code: 'ERR_SHM_HELD', message: /permit of semaphore 'jobs'/ })
  jobs.release()
  await new LockPeer(t, mem).object('semaphore', 'jobs', { permits: 1 }).call('acquireSync')
  const waits = [jobs.acquire(), jobs.acquire()]
  await untilAwaited(mem, 'jobs')
  mem.close()
  for (const wait of waits) await t.throwsAsync(wait, { code: 'ERR_SHM_CLOSED' })
  const calls: (keyof Semaphore)[] = ['tryAcquire', 'acquireSync', 'release']
  for (const call of calls) t.throws(() => (jobs[call] as () => unknown)(), { code: 'ERR_SHM_CLOSED' }, call)
  await t.throwsAsync(jobs.acquire(), { code: 'ERR_SHM_CLOSED' })
  t.throws(() => jobs.available, { code: 'ERR_SHM_CLOSED' })
})

test('who opens it with other permits, or as something else, is told both', async t => {
  const mem = managedSegment(t)
  mem.semaphore('jobs', { permits: 2 })
  t.throws(() => mem.semaphore('jobs', { permits: 3 }), { code: 'ERR_SHM_TYPE_MISMATCH', message: /permits: 2.*permits: 3|permits: 3.*permits: 2/ })
  t.throws(() => mem.event('jobs'), { code: 'ERR_SHM_TYPE_MISMATCH' })
  const peer = new LockPeer(t, mem)
  await t.throwsAsync(peer.object('semaphore', 'jobs', { permits: 1 }).call('tryAcquire'), { code: 'ERR_SHM_TYPE_MISMATCH' })
  t.regex(nameOf(mem), /^\/shmem-test/)
  for (const permits of [0, 65_537, 1.5, NaN]) refuses(t, () => mem.semaphore('other', { permits }), 'options.permits', `${permits}`)
})

test('as many permits as there can be are found, taken and given back', t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('many', { permits: 65_536 })
  for (let count = 0; count < 65_535; count++) jobs.tryAcquire()
  t.deepEqual([jobs.available, jobs.tryAcquire(), jobs.tryAcquire()], [1, 'acquired', 'busy'])
  for (let count = 0; count < 65_536; count++) jobs.release()
  t.is(jobs.available, 65_536)
})

test('whatever is scribbled over its cells blocks nobody for ever', t => {
  const mem = managedSegment(t)
  const jobs = mem.semaphore('jobs', { permits: 2 })
  const words = wordsOf(mem, 'jobs')
  for (const value of [1, -1, 0x2000_0000, 0x2fff_ffff, 0x4000_0000, 0x7fff_ffff]) {
    words.fill(value, 32, 34)
    words[0] = value
    t.regex(jobs.acquireSync({ timeoutMs: 1 }), /^(acquired|timedOut)$/)
    words.fill(0, 32, 34)
    words[0] = 0
    if (jobs.heldHere > 0) t.throws(() => jobs.release(), { code: 'ERR_SHM_NOT_OWNER' })
  }
  t.deepEqual([jobs.heldHere, jobs.available], [0, 2])
})
