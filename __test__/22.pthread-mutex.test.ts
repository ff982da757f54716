/**
 * pthread mutexes, with C programs on the other side: exclusion, the death of an owner in both directions, and what is refused before the
 * C library would end the process. Their life beside the segment that holds them is in `22.pthread-lifetime.test.ts`.
 */
import test from 'ava'
import { PthreadMutex, type PthreadMutexOptions, SysvSegment } from 'shmem'
import { answersWith, failsWith } from './support/failure.js'
import { whyNotPrivate } from './support/namespace.js'
import { errno, nodePeer, roomWithC } from './support/pthread-peer.js'
import { skip } from './support/skip.js'
import { passingSegment, segmentOf } from './support/sysv-objects.js'
import { stateOf, until } from './support/until.js'

const kinds = (['normal', 'error-checking', 'recursive'] as const).flatMap(type =>
  [true, false].flatMap(robust => (['none', 'inherit'] as const).map(protocol => ({ type, robust, protocol }))))
const titleOf = ({ type, robust, protocol }: PthreadMutexOptions): string =>
  `${robust ? 'robust' : 'plain'} ${type}${protocol === 'inherit' ? ' priority-inheriting' : ''}`

for (const made of ['Node', 'C']) {
  test(`a mutex of any kind made by ${made} keeps C and Node apart`, async t => {
    const room = roomWithC(t)
    if (room === undefined) return
    const { segment } = room
    const peer = room.startPeer()
    const word = new BigUint64Array(segment.buffer, 64, 1)
    for (const kind of kinds) {
      word[0] = 0n
      if (made === 'Node') PthreadMutex.initialise(segment, 0, kind)
      else t.is(await peer.call('mutex-init', 0, kind.type, Number(kind.robust), Number(kind.protocol === 'inherit'), 1), 0)
      const mutex = PthreadMutex.at(segment, 0)
      peer.tell('mutex-spin', 0, 2000)
      for (let count = 0; count < 2000; count++) {
        mutex.lockSync()
        word[0] += 1n
        mutex.unlock()
      }
      t.is(await peer.answer(), 0, titleOf(kind))
      t.is(word[0], 4000n, titleOf(kind))
      t.is(await peer.call('mutex-lock', 0), 0)
      t.is(mutex.tryLock(), 'busy', titleOf(kind))
      t.is(mutex.lockSync({ timeoutMs: 5 }), 'timedOut', titleOf(kind))
      t.is(await peer.call('mutex-unlock', 0), 0)
      t.is(mutex.lockSync(), 'locked', titleOf(kind))
      t.is(await peer.call('mutex-try', 0), errno.EBUSY, titleOf(kind))
      // C may unlock the plainest of them for anybody.
      if (kind.type !== 'normal' || kind.robust || kind.protocol === 'inherit') t.is(await peer.call('mutex-unlock', 0), errno.EPERM, titleOf(kind))
      mutex.unlock()
    }
  })
}

for (const kind of kinds.filter(({ robust }) => robust)) {
  test(`${titleOf(kind)}: Node is told when a C owner is killed, and C locks plainly after the repair`, async t => {
    const room = roomWithC(t)
    if (room === undefined) return
    const mutex = PthreadMutex.initialise(room.segment, 0, kind)
    const owner = room.startPeer()
    t.is(await owner.call('mutex-lock', 0), 0)
    const waiter = await nodePeer(t, room.segment, 'PthreadMutex', 0)
    t.is(await waiter.ask('block', ['mine.lockSync']), 'blocking')
    await until('it waits', () => stateOf(waiter.pid) === 'S')
    await owner.kill()
    t.is(await waiter.answer(), 'ownerDied')
    await waiter.kill()
    t.is(mutex.tryLock(), 'ownerDied', 'the waiter died, too, before it repaired')
    mutex.markConsistent()
    mutex.unlock()
    const next = room.startPeer()
    t.is(await next.call('mutex-lock', 0), 0)
    t.is(await next.call('mutex-unlock', 0), 0)
    t.is(mutex.lockSync(), 'locked')
    mutex.unlock()
  })

  test(`${titleOf(kind)}: C is told when a Node owner is killed, and Node locks plainly after the repair`, async t => {
    const room = roomWithC(t)
    if (room === undefined) return
    const [peer, other] = [room.startPeer(), room.startPeer()]
    t.is(await peer.call('mutex-init', 0, kind.type, 1, Number(kind.protocol === 'inherit'), 1), 0)
    const owner = await nodePeer(t, room.segment, 'PthreadMutex', 0)
    t.is(await owner.ask('call', ['mine.lockSync']), 'locked')
    peer.tell('mutex-lock', 0)
    await until('it waits', () => stateOf(peer.child.pid) === 'S')
    await owner.kill()
    t.is(await peer.answer(), errno.EOWNERDEAD)
    t.is(await peer.call('mutex-consistent', 0), 0)
    t.is(await other.call('mutex-try', 0), errno.EBUSY)
    t.is(await peer.call('mutex-unlock', 0), 0)
    const mutex = PthreadMutex.at(room.segment, 0)
    t.is(mutex.lockSync(), 'locked')
    mutex.unlock()
  })

  test(`${titleOf(kind)}: unlocked without repair it is ENOTRECOVERABLE to everybody, whoever did it`, async t => {
    const room = roomWithC(t)
    if (room === undefined) return
    for (const careless of ['Node', 'C']) {
      const mutex = PthreadMutex.initialise(room.segment, 0, kind)
      const owner = room.startPeer()
      t.is(await owner.call('mutex-lock', 0), 0)
      await owner.kill()
      const peer = room.startPeer()
      if (careless === 'Node') {
        t.is(mutex.lockSync(), 'ownerDied')
        mutex.unlock()
      } else {
        t.is(await peer.call('mutex-lock', 0), errno.EOWNERDEAD)
        t.is(await peer.call('mutex-unlock', 0), 0)
      }
      t.is(await peer.call('mutex-lock', 0), errno.ENOTRECOVERABLE)
      failsWith(t, () => mutex.tryLock(), { code: 'ENOTRECOVERABLE', syscall: /^pthread_mutex_/u })
      failsWith(t, () => mutex.lockSync(), { code: 'ENOTRECOVERABLE', syscall: /^pthread_mutex_/u })
      failsWith(t, () => mutex.markConsistent(), { code: 'EPERM', syscall: 'pthread_mutex_consistent' })
      mutex.destroy()
    }
  })
}

test('a wait for a priority-inheriting mutex that becomes irrecoverable meanwhile ends', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  PthreadMutex.initialise(room.segment, 0, { protocol: 'inherit' })
  const [first, second] = [room.startPeer(), room.startPeer()]
  t.is(await first.call('mutex-lock', 0), 0)
  await first.kill()
  t.is(await second.call('mutex-lock', 0), errno.EOWNERDEAD)
  const waiter = await nodePeer(t, room.segment, 'PthreadMutex', 0)
  await waiter.ask('block', ['mine.lockSync'])
  await until('it waits', () => stateOf(waiter.pid) === 'S')
  t.is(await second.call('mutex-unlock', 0), 0)
  await answersWith(t, waiter.answer(), { code: 'ENOTRECOVERABLE', syscall: 'pthread_mutex_lock' })
})

test('several mutexes of all ways, locked by waiting and unlocked out of order, are each told to the next when their owner is killed', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const peer = room.startPeer()
  const offsets = [0, 64, 128, 192, 256]
  for (const offset of offsets) {
    PthreadMutex.initialise(room.segment, offset, { protocol: offset % 128 === 0 ? 'inherit' : 'none' })
    t.is(await peer.call('mutex-lock', offset), 0)
  }
  const owner = await nodePeer(t, room.segment, 'PthreadMutex', 0)
  for (const offset of offsets) {
    await owner.ask('call', ['PthreadMutex.at', ['$segment', offset], `at${offset}`])
    await owner.ask('block', [`at${offset}.lockSync`])
    const word = new Uint32Array(room.segment.buffer, offset, 1)
    await until('it waits', () => (word[0] ?? 0) >= 0x8000_0000)
    t.is(await peer.call('mutex-unlock', offset), 0)
    t.is(await owner.answer(), 'locked')
  }
  for (const offset of [128, 64]) await owner.ask('call', [`at${offset}.unlock`])
  await owner.kill()
  const told = []
  for (const offset of offsets) told.push(await peer.call('mutex-lock', offset))
  t.deepEqual(told, [errno.EOWNERDEAD, 0, 0, errno.EOWNERDEAD, errno.EOWNERDEAD])
})

test('what glibc says by ending the process is an error: a circle of waits, and an owner without a trace', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const [one, two] = [0, 128].map(offset => PthreadMutex.initialise(room.segment, offset, { protocol: 'inherit', robust: false }))
  const peer = room.startPeer()
  t.is(one?.lockSync(), 'locked')
  t.is(await peer.call('mutex-lock', 128), 0)
  peer.tell('mutex-lock', 0)
  await until('it waits', () => stateOf(peer.child.pid) === 'S')
  failsWith(t, () => two?.lockSync(), { code: 'EDEADLK', syscall: 'futex' })
  one?.unlock()
  t.is(await peer.answer(), 0)
  await peer.kill()
  failsWith(t, () => two?.lockSync(), { code: 'ESRCH', syscall: 'futex' })
})

test('a priority-inheriting mutex that is not robust goes to the one who waits when its owner is killed', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  PthreadMutex.initialise(room.segment, 0, { protocol: 'inherit', robust: false })
  const owner = room.startPeer()
  t.is(await owner.call('mutex-lock', 0), 0)
  const waiter = await nodePeer(t, room.segment, 'PthreadMutex', 0)
  await waiter.ask('block', ['mine.lockSync'])
  await until('it waits', () => stateOf(waiter.pid) === 'S')
  await owner.kill()
  t.is(await waiter.answer(), 'ownerDied')
  await waiter.ask('call', ['mine.unlock'])
  t.is(await room.startPeer().call('mutex-lock', 0), 0)
})

test('a plain mutex of a killed owner stays locked', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const mutex = PthreadMutex.initialise(room.segment, 0, { robust: false })
  const owner = room.startPeer()
  t.is(await owner.call('mutex-lock', 0), 0)
  await owner.kill()
  t.is(mutex.lockSync({ timeoutMs: 120 }), 'timedOut')
})

test('locking twice: EDEADLK, or counted where it is recursive; never a wait for oneself', t => {
  const segment = passingSegment(t, 64)
  for (const kind of kinds) {
    const mutex = PthreadMutex.initialise(segment, 0, kind)
    t.is(mutex.tryLock(), 'locked')
    if (kind.type === 'recursive') {
      t.deepEqual([mutex.tryLock(), mutex.lockSync()], ['locked', 'locked'])
      mutex.unlock()
      mutex.unlock()
      failsWith(t, () => mutex.destroy(), { code: 'ERR_SHM_HELD' })
    } else {
      t.is(mutex.tryLock(), 'busy')
      failsWith(t, () => mutex.lockSync(), { code: 'EDEADLK', syscall: 'pthread_mutex_lock' })
    }
    failsWith(t, () => mutex.markConsistent(), { code: 'EINVAL', syscall: 'pthread_mutex_consistent' })
    failsWith(t, () => PthreadMutex.initialise(segment, 0), { code: 'ERR_SHM_HELD' })
    mutex.unlock()
    failsWith(t, () => mutex.unlock(), { code: 'EPERM', syscall: 'pthread_mutex_unlock' })
  }
})

test('a mutex that another process has is not unlocked, and one of another opening neither', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const mutex = PthreadMutex.initialise(room.segment, 0, { type: 'recursive' })
  const peer = room.startPeer()
  await peer.call('mutex-lock', 0)
  failsWith(t, () => mutex.unlock(), { code: 'EPERM', syscall: 'pthread_mutex_unlock' })
  failsWith(t, () => mutex.destroy(), { code: 'EBUSY', syscall: 'pthread_mutex_destroy' })
  await peer.call('mutex-unlock', 0)
  const again = PthreadMutex.at(segmentOf(t, SysvSegment.attach(room.segment.id)), 0)
  t.is(mutex.lockSync(), 'locked')
  failsWith(t, () => again.unlock(), { code: 'EPERM', syscall: 'pthread_mutex_unlock' })
  t.is(again.tryLock(), 'busy')
  failsWith(t, () => again.lockSync(), { code: 'EDEADLK', syscall: 'pthread_mutex_lock' })
  mutex.unlock()
})

test('an owner of another PID namespace with our thread id is not taken for us', async t => {
  const notPrivate = whyNotPrivate()
  if (notPrivate !== undefined) return skip(t, notPrivate)
  const room = roomWithC(t)
  if (room === undefined) return
  PthreadMutex.initialise(room.segment, 0, { type: 'recursive' })
  // The first process of a PID namespace has the id 1 there.
  const prefix = ['unshare', '--pid', '--fork', '--kill-child']
  const owner = room.startPeer({ prefix })
  t.is(await owner.call('tid'), 1)
  t.is(await owner.call('mutex-lock', 0), 0)
  const other = await nodePeer(t, room.segment, 'PthreadMutex', 0, { prefix })
  t.is((await other.ask('about')).pid, 1)
  t.is(await other.ask('call', ['mine.tryLock']), 'busy')
  await answersWith(t, other.ask('call', ['mine.lockSync']), { code: 'EDEADLK', syscall: 'pthread_mutex_lock' })
  await answersWith(t, other.ask('call', ['mine.unlock']), { code: 'EPERM', syscall: 'pthread_mutex_unlock' })
  await other.kill()
  t.is(await owner.call('mutex-unlock', 0), 0)
})

test('a priority-inheriting mutex whose owner is in another PID namespace is ESRCH, and nobody ends', async t => {
  const notPrivate = whyNotPrivate()
  if (notPrivate !== undefined) return skip(t, notPrivate)
  const room = roomWithC(t)
  if (room === undefined) return
  PthreadMutex.initialise(room.segment, 0, { protocol: 'inherit' })
  const owner = room.startPeer()
  t.is(await owner.call('mutex-lock', 0), 0)
  const other = await nodePeer(t, room.segment, 'PthreadMutex', 0, { prefix: ['unshare', '--pid', '--fork', '--kill-child'] })
  await answersWith(t, other.ask('call', ['mine.lockSync']), { code: 'ESRCH', syscall: 'futex' })
  await other.kill()
  t.is(await owner.call('mutex-unlock', 0), 0)
})

test('bytes that are no process-shared mutex of this C library are refused', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const { segment } = room
  const kind = new Int32Array(segment.buffer, 16, 1)
  failsWith(t, () => PthreadMutex.at(segment, 0), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  t.is(await room.startPeer().call('mutex-init', 0, 'normal', 0, 0, 0), 0)
  failsWith(t, () => PthreadMutex.at(segment, 0), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  const mutex = PthreadMutex.initialise(segment, 0)
  for (const scribble of [-1, 0x1000, 128 | 8, 1]) {
    kind[0] = scribble
    for (const call of [() => mutex.tryLock(), () => mutex.lockSync(), () => mutex.destroy()]) failsWith(t, call, { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  }
  kind[0] = 128 | 64
  failsWith(t, () => PthreadMutex.at(segment, 0), { code: 'ERR_SHM_UNSUPPORTED' })
  PthreadMutex.initialise(segment, 0).lockSync()
  const owner = new Int32Array(segment.buffer, 0, 1)
  const own = owner[0] ?? 0
  owner[0] = own + 1
  failsWith(t, () => mutex.unlock(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  owner[0] = own
  mutex.unlock()
  mutex.destroy()
  failsWith(t, () => mutex.lockSync(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
})

test('a plain mutex that C unlocked for us is no longer ours, and holds no memory', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const segment = segmentOf(t, SysvSegment.attach(room.segment.id))
  const mutex = PthreadMutex.initialise(segment, 0, { type: 'normal', robust: false })
  mutex.lockSync()
  t.is(await room.startPeer().call('mutex-unlock', 0), 0)
  failsWith(t, () => segment.close(), { code: 'ERR_SHM_HELD', id: segment.id })
  failsWith(t, () => mutex.unlock(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  t.notThrows(() => segment.close())
})

test('the layout of another C library is refused, and so is memory that cannot be locked', t => {
  const segment = passingSegment(t, 64)
  const own = segmentOf(t, SysvSegment.attach(segment.id, { access: 'read' }))
  t.is(PthreadMutex.initialise(segment, 0, { abi: 'glibc' }).tryLock(), 'locked')
  failsWith(t, () => PthreadMutex.at(segment, 0, { abi: 'musl' }), { code: 'ERR_SHM_UNSUPPORTED' })
  failsWith(t, () => PthreadMutex.at(own, 0), { code: 'ERR_SHM_READ_ONLY' })
  PthreadMutex.at(segment, 0).unlock()
})

test('timeouts: 0 tries once, a time ends, and killing who timed out changes nothing', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const mutex = PthreadMutex.initialise(room.segment, 0)
  const peer = room.startPeer()
  await peer.call('mutex-lock', 0)
  for (const timeoutMs of [0, 0.5, 120]) t.is(mutex.lockSync({ timeoutMs }), 'timedOut')
  const waiter = await nodePeer(t, room.segment, 'PthreadMutex', 0)
  t.is(await waiter.ask('call', ['mine.lockSync', [{ timeoutMs: 120 }]]), 'timedOut')
  await waiter.kill()
  t.is(await peer.call('mutex-unlock', 0), 0)
  t.is(mutex.lockSync(), 'locked')
  mutex.unlock()
})
