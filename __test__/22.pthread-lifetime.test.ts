/**
 * The life of pthread locks beside the segment that holds them and the thread that has them: memory does not go under a held lock, and a
 * thread that ends, in whatever way, leaves what it held to others.
 */
import { readFileSync, statSync } from 'node:fs'
import test from 'ava'
import { PosixSegment, PthreadBarrier, PthreadCondition, PthreadMutex, PthreadRwLock, SysvSegment } from 'shmem'
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, mmap } from 'shmem/posix'
import { startChild } from './support/child.js'
import { failsWith } from './support/failure.js'
import { objectName } from './support/peer.js'
import { errno, roomWithC } from './support/pthread-peer.js'
import { passingSegment, segmentOf } from './support/sysv-objects.js'
import { stateOf, until } from './support/until.js'

test('nothing takes the memory of a held lock away, and the error names its offset', t => {
  const name = objectName(t)
  const segment = PosixSegment.create(name, { size: 8192, keepFd: true })
  const whole = { offset: 0, length: 4096 }
  const locks: [string, () => unknown, () => void][] = [
    ['mutex', () => PthreadMutex.initialise(segment, 64).lockSync(), () => mutex.unlock()],
    ['read lock', () => PthreadRwLock.initialise(segment, 64).readLockSync(), () => rwlock.unlock()],
    ['write lock', () => PthreadRwLock.initialise(segment, 64).writeLockSync(), () => rwlock.unlock()]
  ]
  let mutex: PthreadMutex
  let rwlock: PthreadRwLock
  for (const [kind, lock, unlock] of locks) {
    t.is(lock(), 'locked')
    // Another handle of the same place and the same opening.
    if (kind === 'mutex') mutex = PthreadMutex.at(segment, 64)
    else rwlock = PthreadRwLock.at(segment, 64)
    const address = BigInt(addressOf(name))
    const replace = (): unknown => mmap(address, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
    for (const call of [() => segment.close(), () => segment.resize(4096), () => segment.unmap(whole), () => segment.protect(whole, 'read'), replace]) {
      const error = t.throws(call, { code: 'ERR_SHM_HELD' }, `${kind}: ${String(call)}`)
      t.regex(error?.message ?? '', /offset 64/u)
    }
    t.notThrows(() => segment.protect(whole, 'write'))
    t.notThrows(() => segment.unmap({ offset: 4096, length: 4096 }))
    unlock()
  }
  segment.resize(4096)
  failsWith(t, () => rwlock.tryReadLock(), { code: 'ERR_SHM_CLOSED' })
  t.is(PthreadRwLock.at(segment, 64).tryReadLock(), 'locked')
  PthreadRwLock.at(segment, 64).unlock()
  t.notThrows(() => segment.close())
})

test('a refresh that would map anew is refused while a lock is held', t => {
  const name = objectName(t)
  const segment = PosixSegment.create(name, { size: 8192, keepFd: true })
  const other = PosixSegment.open(name, { keepFd: true })
  const mutex = PthreadMutex.initialise(segment, 0)
  mutex.lockSync()
  other.resize(16_384)
  failsWith(t, () => segment.refresh(), { code: 'ERR_SHM_HELD', objectName: name })
  mutex.unlock()
  t.true(segment.refresh())
  for (const one of [segment, other]) one.close()
})

test('once its segment is closed, every call is ERR_SHM_CLOSED', t => {
  const segment = passingSegment(t, 4096)
  const mutex = PthreadMutex.initialise(segment, 0)
  const condition = PthreadCondition.initialise(segment, 64)
  const rwlock = PthreadRwLock.initialise(segment, 128)
  const barrier = PthreadBarrier.initialise(segment, 192, { count: 1 })
  segment.close()
  const calls = [
    () => mutex.tryLock(), () => mutex.lockSync(), () => mutex.unlock(), () => mutex.markConsistent(), () => mutex.destroy(),
    () => condition.waitSync(mutex), () => condition.notifyOne(), () => condition.notifyAll(), () => condition.destroy(),
    () => rwlock.tryReadLock(), () => rwlock.tryWriteLock(), () => rwlock.readLockSync(), () => rwlock.writeLockSync(), () => rwlock.unlock(),
    () => barrier.waitSync(), () => barrier.destroy(), () => PthreadMutex.at(segment, 0)
  ]
  for (const call of calls) failsWith(t, call, { code: 'ERR_SHM_CLOSED' })
})

test('a truncated segment is an error of its locks, not the end of the process', t => {
  const name = objectName(t)
  const segment = PosixSegment.create(name, { size: 8192, keepFd: true })
  const other = PosixSegment.open(name, { keepFd: true })
  const free = PthreadMutex.initialise(segment, 4096)
  const held = PthreadMutex.initialise(segment, 4096 + 64)
  const rwlock = PthreadRwLock.initialise(segment, 4096 + 128)
  held.lockSync()
  other.resize(4096)
  for (const call of [() => free.tryLock(), () => rwlock.tryReadLock(), () => held.unlock()]) t.throws(call, { code: 'ERR_SHM_TRUNCATED' }, String(call))
  other.close()
})

test('a thread that is terminated leaves its mutexes to the next, and its memory where the kernel finds them', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const [first, second] = [0, 192].map(offset => PthreadMutex.initialise(room.segment, offset))
  const child = startChild(t, 'pthread-worker', { args: ['hold', room.segment.id] })
  t.is(await child.line(), 'there')
  t.is(first?.tryLock(), 'busy')
  child.write('now\n')
  t.is(await child.line(), 'terminated 1')
  t.is(first?.lockSync({ timeoutMs: 10_000 }), 'ownerDied')
  t.is(await room.startPeer().call('mutex-lock', 192), errno.EOWNERDEAD)
  t.is(second?.tryLock(), 'busy')
  first?.unlock()
})

test('a held mutex whose objects were all collected is still the thread\'s, and is told to the next when it ends', async t => {
  const room = roomWithC(t)
  if (room === undefined) return
  const mutex = PthreadMutex.initialise(room.segment, 0)
  const child = startChild(t, 'pthread-worker', { args: ['collected', room.segment.id], execArgv: ['--expose-gc'] })
  t.is(await child.line(), 'there')
  t.is(room.segment.stat().attachCount, 2)
  t.is(mutex.tryLock(), 'busy')
  await child.kill()
  t.is(mutex.lockSync({ timeoutMs: 10_000 }), 'ownerDied')
  mutex.markConsistent()
  mutex.unlock()
})

for (const way of ['lock', 'barrier', 'condition']) {
  test(`worker.terminate() ends a thread that waits: ${way}`, async t => {
    const segment = passingSegment(t, 4096)
    const mutex = PthreadMutex.initialise(segment, 0)
    PthreadCondition.initialise(segment, 64)
    PthreadBarrier.initialise(segment, 128, { count: 2 })
    if (way === 'lock') mutex.lockSync()
    const child = startChild(t, 'pthread-worker', { args: [way, segment.id] })
    t.is(await child.line(), 'there')
    // Its arrival is counted in the barrier's first word, its wait in the mutex's, its waiters in the condition's.
    const words = new Uint32Array(segment.buffer, 0, 64)
    const waits: Record<string, () => boolean> = {
      lock: () => ((words[0] ?? 0) & 0x8000_0000) !== 0,
      barrier: () => words[32] === 1,
      condition: () => (words[16] ?? 0) !== 0
    }
    await until('it waits', () => waits[way]?.() === true)
    child.write('now\n')
    t.is(await child.line(), 'terminated 1')
    if (way === 'lock') mutex.unlock()
    // A condition wait holds the mutex between its slices, and that is where it ends.
    const outcome = mutex.lockSync({ timeoutMs: 10_000 })
    t.is(outcome, way === 'condition' ? 'ownerDied' : 'locked')
    mutex.unlock()
    t.not(stateOf(child.pid), undefined)
  })
}

test('the handles of several openings are apart: each opening closes when its own locks are free', t => {
  const segment = passingSegment(t, 64)
  const other = segmentOf(t, SysvSegment.attach(segment.id))
  const mutex = PthreadMutex.initialise(segment, 0)
  mutex.lockSync()
  t.notThrows(() => other.close())
  failsWith(t, () => segment.close(), { code: 'ERR_SHM_HELD', id: segment.id })
  mutex.unlock()
  t.notThrows(() => segment.close())
})

/** Where this process has an object mapped, by its inode. */
function addressOf(name: string): string {
  const { ino } = statSync(`/dev/shm${name}`)
  const line = readFileSync('/proc/self/maps', 'utf8').split('\n').find(one => one.split(/\s+/u)[4] === String(ino))
  return `0x${line?.split('-')[0] ?? ''}`
}
