/**
 * pthread condition variables, read-write locks and barriers, with C programs on the other side.
 */
import test from 'ava'
import { PthreadBarrier, PthreadCondition, PthreadMutex, PthreadRwLock, type SysvSegment } from 'shmem'
import { answersWith, failsWith, refuses } from './support/failure.js'
import { errno, nodePeer, roomWithC, type CPeer } from './support/pthread-peer.js'
import { passingSegment } from './support/sysv-objects.js'
import { stateOf, until } from './support/until.js'

/** Where things lie. */
const at = { mutex: 0, condition: 64, word: 128, rwlock: 192, barrier: 256 }

for (const made of ['Node', 'C']) {
  test(`a condition variable made by ${made} carries a ping-pong between C and Node`, async t => {
    const room = roomWithC(t)
    if (room === undefined) return
    const { segment } = room
    const peer = room.startPeer()
    if (made === 'C') {
      t.is(await peer.call('mutex-init', at.mutex, 'normal', 1, 0, 1), 0)
      t.is(await peer.call('cond-init', at.condition), 0)
    } else {
      PthreadMutex.initialise(segment, at.mutex)
      PthreadCondition.initialise(segment, at.condition)
    }
    const mutex = PthreadMutex.at(segment, at.mutex)
    const condition = PthreadCondition.at(segment, at.condition)
    const word = new Uint32Array(segment.buffer, at.word, 1)
    peer.tell('ping-pong', at.condition, at.mutex, at.word, 1, 2000)
    mutex.lockSync()
    while ((word[0] ?? 0) < 2000) {
      t.is(condition.waitSync(mutex, { timeoutMs: 20_000, until: () => (word[0] ?? 0) % 2 === 0 }), 'notified')
      if ((word[0] ?? 0) < 2000) word[0] = (word[0] ?? 0) + 1
      condition.notifyAll()
    }
    mutex.unlock()
    t.is(await peer.answer(), 0)
    t.is(word[0], 2000)
  })
}

test('notifyOne wakes one waiter in C, notifyAll all of them', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const mutex = PthreadMutex.initialise(room.segment, at.mutex)
  const condition = PthreadCondition.initialise(room.segment, at.condition)
  const peers = [room.startPeer(), room.startPeer(), room.startPeer()]
  for (const peer of peers) {
    peer.tell('cond-wait', at.condition, at.mutex)
    t.is(await peer.child.line(), 'waiting')
    await until('it waits', () => stateOf(peer.child.pid) === 'S')
  }
  // Who has the mutex knows that they all wait.
  mutex.lockSync()
  condition.notifyOne()
  mutex.unlock()
  const awake = peers.map(async peer => {
    const answer = await peer.answer()
    t.is(await peer.call('mutex-unlock', at.mutex), 0)
    return answer
  })
  t.is(await Promise.race(awake), 0)
  condition.notifyAll()
  t.deepEqual(await Promise.all(awake), [0, 0, 0])
})

test('a waiter in Node is woken by C, and holds the mutex again', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  PthreadMutex.initialise(room.segment, at.mutex)
  PthreadCondition.initialise(room.segment, at.condition, { clock: 'monotonic' })
  const peer = room.startPeer()
  const node = await nodePeer(t, room.segment, 'PthreadMutex', at.mutex)
  await node.ask('call', ['PthreadCondition.at', ['$segment', at.condition], 'condition'])
  t.is(await node.ask('call', ['mine.lockSync']), 'locked')
  await queues(room.segment, peer)
  t.is(await node.ask('block', ['condition.waitSync', ['$mine']]), 'blocking')
  t.is(await peer.answer(), 0)
  t.is(await peer.call('cond-signal', at.condition), 0)
  t.is(await peer.call('mutex-unlock', at.mutex), 0)
  t.is(await node.answer(), 'notified')
  t.is(await peer.call('mutex-try', at.mutex), errno.EBUSY)
  await node.ask('call', ['mine.unlock'])
  t.is(await peer.call('mutex-lock', at.mutex), 0)
})

test('a condition wait tells that the mutex\'s owner died, and holds the mutex then', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  for (const repaired of [true, false]) {
    PthreadMutex.initialise(room.segment, at.mutex)
    PthreadCondition.initialise(room.segment, at.condition)
    const peer = room.startPeer()
    const node = await nodePeer(t, room.segment, 'PthreadMutex', at.mutex)
    await node.ask('call', ['PthreadCondition.at', ['$segment', at.condition], 'condition'])
    await node.ask('call', ['mine.lockSync'])
    await queues(room.segment, peer)
    t.is(await node.ask('block', ['condition.waitSync', ['$mine']]), 'blocking')
    t.is(await peer.answer(), 0)
    await peer.kill()
    t.is(await node.answer(), 'ownerDied')
    t.is(PthreadMutex.at(room.segment, at.mutex).tryLock(), 'busy')
    if (repaired) await node.ask('call', ['mine.markConsistent'])
    await node.ask('call', ['mine.unlock'])
    const next = room.startPeer()
    t.is(await next.call('mutex-lock', at.mutex), repaired ? 0 : errno.ENOTRECOVERABLE)
    await Promise.all([node.kill(), next.kill()])
  }
})

test('a condition wait whose mutex became irrecoverable does not hold it', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  PthreadMutex.initialise(room.segment, at.mutex)
  PthreadCondition.initialise(room.segment, at.condition)
  const [owner, careless] = [room.startPeer(), room.startPeer()]
  const node = await nodePeer(t, room.segment, 'PthreadMutex', at.mutex)
  await node.ask('call', ['PthreadCondition.at', ['$segment', at.condition], 'condition'])
  await node.ask('call', ['mine.lockSync'])
  await queues(room.segment, owner)
  t.is(await node.ask('block', ['condition.waitSync', ['$mine', { timeoutMs: 20 }]]), 'blocking')
  t.is(await owner.answer(), 0)
  // Stopped, the waiter cannot be the one whom the kernel hands the dead owner's mutex.
  process.kill(node.pid, 'SIGSTOP')
  await until('it is stopped', () => stateOf(node.pid) === 'T')
  await owner.kill()
  t.is(await careless.call('mutex-lock', at.mutex), errno.EOWNERDEAD)
  t.is(await careless.call('mutex-unlock', at.mutex), 0)
  process.kill(node.pid, 'SIGCONT')
  await answersWith(t, node.answer(), { code: 'ENOTRECOVERABLE', syscall: 'pthread_cond_timedwait' })
  await answersWith(t, node.ask('call', ['mine.unlock']), { code: 'EPERM', syscall: 'pthread_mutex_unlock' })
  t.is(await node.ask('call', ['segment.close']), undefined)
})

test('condition waits: the mutex is needed once, the time ends, and what is waited for is looked at with the mutex held', t => {
  const segment = passingSegment(t, 4096)
  const mutex = PthreadMutex.initialise(segment, at.mutex, { type: 'recursive' })
  const condition = PthreadCondition.initialise(segment, at.condition)
  failsWith(t, () => condition.waitSync(mutex), { code: 'EPERM', syscall: 'pthread_cond_timedwait' })
  mutex.lockSync()
  for (const timeoutMs of [0, 0.5, 20]) t.is(condition.waitSync(mutex, { timeoutMs }), 'timedOut')
  let looks = 0
  t.is(condition.waitSync(mutex, { until: () => (looks += 1) > 3 }), 'notified', 'without a notification it looks again')
  t.is(looks, 4)
  t.is(condition.waitSync(mutex, { timeoutMs: 150, until: () => false }), 'timedOut')
  t.throws(() => condition.waitSync(mutex, { until: () => { throw new Error('mine') } }), { message: 'mine' })
  mutex.lockSync()
  failsWith(t, () => condition.waitSync(mutex), { code: 'EINVAL', syscall: 'pthread_cond_timedwait' })
  mutex.unlock()
  mutex.unlock()
  const inheriting = PthreadMutex.initialise(segment, at.mutex, { protocol: 'inherit' })
  inheriting.lockSync()
  failsWith(t, () => condition.waitSync(inheriting), { code: 'ERR_SHM_UNSUPPORTED' })
  inheriting.unlock()
  refuses(t, () => condition.waitSync({} as PthreadMutex), 'mutex', 'no mutex')
})

test('a notification that would wait for a killed waiter for ever is an error, and so is destroying', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  PthreadMutex.initialise(room.segment, at.mutex)
  const condition = PthreadCondition.initialise(room.segment, at.condition)
  const startWaiter = async (): Promise<ReturnType<typeof room.startPeer>> => {
    const peer = room.startPeer()
    peer.tell('cond-wait', at.condition, at.mutex)
    t.is(await peer.child.line(), 'waiting')
    await until('it waits', () => stateOf(peer.child.pid) === 'S')
    return peer
  }
  await (await startWaiter()).kill()
  failsWith(t, () => condition.destroy(), { code: 'EBUSY', syscall: 'pthread_cond_destroy' })
  // This one goes to the dead.
  condition.notifyOne()
  await startWaiter()
  // glibc before 2.41 waits here.
  try {
    condition.notifyOne()
  } catch (error) {
    t.is((error as { code?: string }).code, 'ERR_SHM_POSSIBLY_CORRUPT')
  }
  // Its inner lock, as a process that is killed in a notification leaves it.
  const inner = new Uint32Array(room.segment.buffer, at.condition, 12)
  for (const index of [8, 6]) inner[index] = (inner[index] ?? 0) | 1
  failsWith(t, () => condition.notifyAll(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
})

for (const made of ['Node', 'C']) {
  test(`a read-write lock made by ${made}: readers beside each other, a writer alone`, async t => {
    const room = roomWithC(t)
    if (room === undefined) return
    const peer = room.startPeer()
    if (made === 'Node') PthreadRwLock.initialise(room.segment, at.rwlock)
    else t.is(await peer.call('rwlock-init', at.rwlock), 0)
    const lock = PthreadRwLock.at(room.segment, at.rwlock)
    t.is(lock.readLockSync(), 'locked')
    t.is(await peer.call('rwlock-try-read', at.rwlock), 0)
    t.is(await peer.call('rwlock-unlock', at.rwlock), 0)
    t.is(await peer.call('rwlock-try-write', at.rwlock), errno.EBUSY)
    lock.unlock()
    t.is(await peer.call('rwlock-write', at.rwlock), 0)
    t.deepEqual([lock.tryReadLock(), lock.tryWriteLock()], ['busy', 'busy'])
    t.deepEqual([lock.readLockSync({ timeoutMs: 120 }), lock.writeLockSync({ timeoutMs: 120 })], ['timedOut', 'timedOut'])
    failsWith(t, () => lock.unlock(), { code: 'EPERM', syscall: 'pthread_rwlock_unlock' })
    failsWith(t, () => lock.destroy(), { code: 'EBUSY', syscall: 'pthread_rwlock_destroy' })
    t.is(await peer.call('rwlock-unlock', at.rwlock), 0)
    t.is(lock.writeLockSync(), 'locked')
    t.is(await peer.call('rwlock-try-read', at.rwlock), errno.EBUSY)
    peer.tell('rwlock-read', at.rwlock)
    await until('it waits', () => stateOf(peer.child.pid) === 'S')
    lock.unlock()
    t.is(await peer.answer(), 0)
    t.is(await peer.call('rwlock-unlock', at.rwlock), 0)
    lock.destroy()
    failsWith(t, () => lock.tryReadLock(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  })
}

test('a read-write lock counts one thread\'s readings, and refuses what would wait for oneself', t => {
  const segment = passingSegment(t, 4096)
  const lock = PthreadRwLock.initialise(segment, at.rwlock)
  t.deepEqual([lock.tryReadLock(), lock.readLockSync(), lock.tryWriteLock()], ['locked', 'locked', 'busy'])
  failsWith(t, () => lock.writeLockSync(), { code: 'EDEADLK', syscall: 'pthread_rwlock_wrlock' })
  failsWith(t, () => PthreadRwLock.initialise(segment, at.rwlock), { code: 'ERR_SHM_HELD' })
  lock.unlock()
  lock.unlock()
  failsWith(t, () => lock.unlock(), { code: 'EPERM', syscall: 'pthread_rwlock_unlock' })
  t.is(lock.tryWriteLock(), 'locked')
  t.deepEqual([lock.tryReadLock(), lock.tryWriteLock()], ['busy', 'busy'])
  failsWith(t, () => lock.readLockSync(), { code: 'EDEADLK', syscall: 'pthread_rwlock_rdlock' })
  lock.unlock()
})

for (const made of ['Node', 'C']) {
  test(`a barrier made by ${made} holds two C programs and Node until all are there, round after round, with one serial thread each`, async t => {
    const room = roomWithC(t)
    if (room === undefined) return
    const [one, two] = [room.startPeer(), room.startPeer()]
    if (made === 'Node') PthreadBarrier.initialise(room.segment, at.barrier, { count: 3 })
    else t.is(await one.call('barrier-init', at.barrier, 3), 0)
    const barrier = PthreadBarrier.at(room.segment, at.barrier)
    for (let round = 0; round < 20; round++) {
      one.tell('barrier-wait', at.barrier)
      two.tell('barrier-wait', at.barrier)
      const mine = barrier.waitSync()
      const serial = [await one.answer(), await two.answer(), Number(mine === 'serial')]
      t.is(serial.reduce((sum, word) => sum + word, 0), 1, String(serial))
    }
    // Node first: the last one to come is C.
    const node = await nodePeer(t, room.segment, 'PthreadBarrier', at.barrier)
    await node.ask('block', ['mine.waitSync'])
    await until('it has arrived', () => new Uint32Array(room.segment.buffer, at.barrier, 1)[0] === 61)
    failsWith(t, () => barrier.destroy(), { code: 'EBUSY', syscall: 'pthread_barrier_destroy' })
    one.tell('barrier-wait', at.barrier)
    two.tell('barrier-wait', at.barrier)
    t.is(await one.answer() + await two.answer(), 1)
    t.is(await node.answer(), 'released')
    barrier.destroy()
    failsWith(t, () => barrier.waitSync(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  })
}

test('a barrier goes on behind the end of its numbers, as in C', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const barrier = PthreadBarrier.initialise(room.segment, at.barrier, { count: 2 })
  const peer = room.startPeer()
  // in, current round, -, -, out: one round before glibc sets them to 0, which is at the largest multiple of 2 in 2^31 - 1.
  const words = new Uint32Array(room.segment.buffer, at.barrier, 5)
  words[0] = words[1] = words[4] = 2 ** 31 - 4
  for (let round = 0; round < 3; round++) {
    peer.tell('barrier-wait', at.barrier)
    const mine = barrier.waitSync()
    t.is(await peer.answer() + Number(mine === 'serial'), 1)
  }
  t.deepEqual([words[0], words[4]], [4, 4])
})

test('bytes that are none of these are refused', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const { segment } = room
  for (const kind of [PthreadCondition, PthreadRwLock, PthreadBarrier]) failsWith(t, () => kind.at(segment, 0), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  const barrier = PthreadBarrier.initialise(segment, at.barrier, { count: 2 })
  const lock = PthreadRwLock.initialise(segment, at.rwlock)
  const condition = PthreadCondition.initialise(segment, at.condition)
  // A count of 0 is a division by zero in glibc.
  new Uint32Array(segment.buffer, at.barrier, 4)[2] = 0
  segment.write(at.rwlock, Buffer.alloc(56, 0xff))
  segment.write(at.condition, Buffer.alloc(48))
  for (const call of [() => barrier.waitSync(), () => lock.tryReadLock(), () => lock.writeLockSync(), () => condition.notifyOne()]) {
    failsWith(t, call, { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  }
})

/** The peer waits for the mutex, and so gets it as soon as a condition wait gives it up. */
async function queues(segment: SysvSegment, peer: CPeer): Promise<void> {
  peer.tell('mutex-lock', at.mutex)
  await until('it waits for the mutex', () => isAwaited(segment))
}

/** glibc's mark that somebody waits for the robust mutex. */
function isAwaited(segment: SysvSegment): boolean {
  return (new Uint32Array(segment.buffer, at.mutex, 1)[0] ?? 0) >= 0x8000_0000
}
