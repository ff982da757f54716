/**
 * Memory locked in RAM: on every kind of segment, as root and as nobody, and that a lock that fails leaves nothing locked.
 */
import test, { type ExecutionContext } from 'ava'
import { statSync, truncateSync } from 'node:fs'
import { FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, SysvSegment, pageSizeBytes as PAGE, type Segment } from 'shmem'
import { startChild } from './support/child.js'
import { answersWith } from './support/failure.js'
import { asOther, whyNotOther } from './support/namespace.js'
import { objectName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'
import { lockedBytes } from './support/smaps.js'
import { newSegment, segmentExists } from './support/sysv-objects.js'

const SIZE = 8 * PAGE

// VmLck is of the whole process: these tests take turns.
for (const [kind, make] of kinds()) {
  test.serial(`${kind}: lockMemory locks every byte, onFault those that are touched, unlockMemory none`, t => {
    const segment = make(t)
    const before = lockedBytes()
    segment.lockMemory()
    t.is(lockedBytes() - before, SIZE)
    t.is(segment.stat({ pages: true }).pages?.lockedBytes, SIZE)
    t.is(segment.stat().memoryLock, true)
    segment.unlockMemory()
    t.is(lockedBytes(), before)
    t.is(segment.stat({ pages: true }).pages?.lockedBytes, 0)
    t.is(segment.stat().memoryLock, false)
    segment.lockMemory({ onFault: true })
    t.is(segment.stat().memoryLock, 'onFault')
    t.is(lockedBytes() - before, SIZE)
    segment.close()
    t.is(lockedBytes(), before)
  })
}

test.serial('lockMemory: onFault as an option brings no page in, true brings all', t => {
  using lazy = MemfdSegment.create('lazy', { size: SIZE, lockMemory: 'onFault' })
  t.is(lazy.stat({ pages: true }).pages?.residentBytes, 0)
  lazy.write(0, 'touched')
  t.like(lazy.stat({ pages: true }).pages, { residentBytes: PAGE, lockedBytes: PAGE })
  using eager = MemfdSegment.create('eager', { size: SIZE, lockMemory: true })
  t.like(eager.stat({ pages: true }).pages, { residentBytes: SIZE, lockedBytes: SIZE })
})

test.serial('a lock that fails half-way leaves everything as it was', t => {
  const path = `${temporaryFolder(t)}/shrinking`
  using segment = FileSegment.create(path, { size: SIZE })
  truncateSync(path, PAGE)
  const before = lockedBytes()
  const error = t.throws(() => segment.lockMemory(), { code: 'ENOMEM' }) as { syscall?: string; hint?: string } | undefined
  t.is(error?.syscall, 'mlock')
  t.regex(error?.hint ?? '', /RLIMIT_MEMLOCK/u)
  t.is(lockedBytes(), before)
  t.is(segment.stat().memoryLock, false)
  segment.lockMemory({ onFault: true })
  t.throws(() => segment.lockMemory(), { code: 'ENOMEM' })
  t.is(segment.stat().memoryLock, 'onFault')
  t.is(lockedBytes() - before, SIZE)
})

test.serial('what resize maps anew is locked anew', t => {
  const segment = PosixSegment.create(objectName(t), { size: SIZE, lockMemory: true })
  t.teardown(() => segment.close())
  const before = lockedBytes()
  segment.resize(2 * SIZE)
  t.is(lockedBytes() - before, SIZE)
  t.is(segment.stat({ pages: true }).pages?.lockedBytes, 2 * SIZE)
})

test('System V: lockMemory is SHM_LOCK with or without onFault, and every process sees it', t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: SIZE })
  const others = SysvSegment.attach(mine.id)
  t.teardown(() => others.close())
  for (const options of [undefined, { onFault: true }]) {
    mine.lockMemory(options)
    t.like(others.stat(), { lockedInMemory: true, memoryLock: 'onFault' })
    mine.unlockMemory()
    t.like(others.stat(), { lockedInMemory: false, memoryLock: false })
  }
})

test('as nobody, beyond RLIMIT_MEMLOCK: ENOMEM with the hint, nothing locked, nothing left; within it: locked', async t => {
  const missing = whyNotOther()
  if (missing !== undefined) return skip(t, missing)
  const limit = 4 * PAGE
  const child = startChild(t, 'caller', { prefix: ['prlimit', `--memlock=${limit}:${limit}`, ...asOther()] })
  const name = objectName(t)
  await child.ask('call', ['PosixSegment.create', [name, { size: SIZE }], 'mine'])
  const refused = { code: 'ENOMEM', hint: /RLIMIT_MEMLOCK.*LimitMEMLOCK.*memlock=-1.*CAP_IPC_LOCK/u, objectName: name }
  await answersWith(t, child.ask('call', ['mine.lockMemory']), { ...refused, syscall: 'mlock' })
  await answersWith(t, child.ask('call', ['mine.lockMemory', [{ onFault: true }]]), { ...refused, syscall: 'mlock2' })
  t.is(lockedBytes(child.pid), 0)
  t.like(await child.ask('call', ['mine.stat', [{ pages: true }]]), { memoryLock: false, pages: { lockedBytes: 0 } })
  const born = objectName(t)
  for (const lockMemory of [true, 'onFault']) {
    await t.throwsAsync(child.ask('call', ['PosixSegment.create', [born, { size: SIZE, lockMemory }]]), { any: true, message: /ENOMEM/u })
    t.throws(() => statSync(`/dev/shm${born}`), { code: 'ENOENT' })
  }
  t.is(lockedBytes(child.pid), 0)
  await child.ask('call', ['MemfdSegment.create', ['small', { size: limit, lockMemory: true }], 'small'])
  t.is(lockedBytes(child.pid), limit)
  await answersWith(t, child.ask('call', ['small.resize', [2 * limit]]), { code: refused.code, hint: refused.hint, syscall: 'mlock' })
  t.like(await child.ask('call', ['small.stat', [{ pages: true }]]), { size: 2 * limit, memoryLock: false, pages: { lockedBytes: 0 } })
  await child.ask('call', ['small.close'])
  t.is(lockedBytes(child.pid), 0)
})

test('as nobody without any RLIMIT_MEMLOCK: EPERM with the hint, for every kind', async t => {
  const missing = whyNotOther()
  if (missing !== undefined) return skip(t, missing)
  const child = startChild(t, 'caller', { prefix: ['prlimit', '--memlock=0:0', ...asOther()] })
  const asked = child.ask('call', ['MemfdSegment.create', ['none', { size: SIZE, lockMemory: true }]])
  await answersWith(t, asked, { code: 'EPERM', syscall: 'mlock', hint: /RLIMIT_MEMLOCK/u })
  const sysv = await child.ask('call', ['SysvSegment.create', [IPC_PRIVATE, { size: SIZE, lockMemory: 'onFault' }]]).catch(error => error)
  t.like(sysv, { code: 'EPERM', syscall: 'shmctl' })
  t.false(segmentExists(sysv.id))
  t.is(lockedBytes(child.pid), 0)
})

function kinds(): [string, (t: ExecutionContext<unknown>) => Segment][] {
  const kept = (t: ExecutionContext<unknown>, segment: Segment): Segment => {
    t.teardown(() => segment.close())
    return segment
  }
  return [
    ['POSIX', t => kept(t, PosixSegment.create(objectName(t), { size: SIZE }))],
    ['memfd', t => kept(t, MemfdSegment.create('locked', { size: SIZE }))],
    ['file', t => kept(t, FileSegment.create(`${temporaryFolder(t)}/locked`, { size: SIZE }))]
  ]
}
