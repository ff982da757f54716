/**
 * What `SysvSegment` answers when the kernel refuses: each errno with its call, key or identifier and hint, and nothing left behind.
 * Limits are lowered in an IPC namespace, permissions tried as another user.
 */
import test, { type ExecutionContext } from 'ava'
import { IPC_PRIVATE, SysvSegment } from 'shmem'
import { startChild, type Child } from './support/child.js'
import { answersWith, failsWith, refuses } from './support/failure.js'
import { asOther, OTHER_UID, privately, whyNotOther, whyNotPrivate } from './support/namespace.js'
import { skip } from './support/skip.js'
import { newSegment, segmentExists, segmentId, segmentOf, uniqueKey } from './support/sysv-objects.js'

test('a second create of the same key is EEXIST, and the first stays as it is', t => {
  const key = uniqueKey()
  const mine = newSegment(t, key, { size: 10 })
  mine.write(0, 'unchanged')
  failsWith(t, () => SysvSegment.create(key, { size: 10 }), { code: 'EEXIST', syscall: 'shmget', key })
  t.is(mine.read(0, 9).toString(), 'unchanged')
  t.is(mine.stat().attachCount, 1)
})

test('open of a key that nobody made is ENOENT, and makes nothing', t => {
  const key = uniqueKey()
  for (let time = 0; time < 2; time++) {
    failsWith(t, () => SysvSegment.open(key), { code: 'ENOENT', syscall: 'shmget', key, hint: /ipcs/u })
  }
})

test('openOrCreate of a smaller existing segment is EINVAL', t => {
  const key = uniqueKey()
  const mine = newSegment(t, key, { size: 100 })
  failsWith(t, () => SysvSegment.openOrCreate(key, { size: 101 }), { code: 'EINVAL', syscall: 'shmget', key, hint: /no larger than an existing/u })
  t.is(mine.stat().attachCount, 1)
})

test('attach, remove and stat of an identifier that is gone are EINVAL', t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: 1 })
  mine.close()
  mine.remove()
  failsWith(t, () => SysvSegment.attach(mine.id), { code: 'EINVAL', syscall: /^shm(ctl|at)$/u, id: mine.id, hint: /no such identifier/u })
  failsWith(t, () => SysvSegment.remove(mine.id), { code: 'EINVAL', syscall: 'shmctl', id: mine.id, hint: /no such identifier/u })
})

test('System V segments refuse what they cannot do, and nothing is made', t => {
  const key = uniqueKey()
  const create = (more: object) => () => segmentOf(t, SysvSegment.create(key, { size: 4096, ...more }))
  refuses(t, create({ access: 'copy-on-write' }), 'options.access', 'copy-on-write')
  refuses(t, create({ offset: 0 }), 'options.offset', 'offset')
  refuses(t, create({ length: 10 }), 'options.length', 'length')
  refuses(t, create({ keepFd: true }), 'options.keepFd', 'keepFd')
  refuses(t, create({ removeOnLastDetach: true }), 'options.removeOnLastDetach', 'removal with a key')
  refuses(t, create({ size: 0 }), 'options.size', 'size 0')
  refuses(t, () => SysvSegment.open(IPC_PRIVATE), 'key', 'IPC_PRIVATE to open')
  failsWith(t, () => SysvSegment.open(key), { code: 'ENOENT', syscall: 'shmget', key })
  const mine = newSegment(t, key, { size: 4096 })
  failsWith(t, () => mine.resize(8192), { code: 'ERR_SHM_UNSUPPORTED', id: mine.id })
  t.is(mine.size, 4096)
})

test('a size beyond SHMMAX is EINVAL, with SHMMAX in the hint', async t => {
  const there = await limited(t, 'echo 8192 > /proc/sys/kernel/shmmax')
  if (there === undefined) return
  await there.ask('call', ['SysvSegment.create', [7, { size: 8192 }], 'fits'])
  const tooLarge = there.ask('call', ['SysvSegment.create', [8, { size: 8193 }]])
  await answersWith(t, tooLarge, { code: 'EINVAL', syscall: 'shmget', key: 8, hint: /SHMMAX/u })
  await answersWith(t, there.ask('call', ['SysvSegment.open', [8]]), { code: 'ENOENT', syscall: 'shmget', key: 8 })
})

test('more segments than SHMMNI are ENOSPC, with SHMMNI in the hint, until one is removed', async t => {
  const there = await limited(t, 'echo 2 > /proc/sys/kernel/shmmni')
  if (there === undefined) return
  for (const key of [1, 2]) await there.ask('call', ['SysvSegment.create', [key, { size: 1 }], `segment${key}`])
  const third = there.ask('call', ['SysvSegment.create', [3, { size: 1 }]])
  await answersWith(t, third, { code: 'ENOSPC', syscall: 'shmget', key: 3, hint: /SHMMNI.*shmmni/u })
  await there.ask('call', ['segment1.remove'])
  await there.ask('call', ['segment1.close'])
  t.is(await there.ask('call', ['SysvSegment.create', [3, { size: 1 }], 'segment3']), null)
})

test('more pages than SHMALL are ENOSPC, with SHMALL in the hint', async t => {
  const there = await limited(t, 'echo 4 > /proc/sys/kernel/shmall')
  if (there === undefined) return
  const tooMany = there.ask('call', ['SysvSegment.create', [1, { size: 5 * 4096 }]])
  await answersWith(t, tooMany, { code: 'ENOSPC', syscall: 'shmget', key: 1, hint: /SHMALL/u })
  t.is(await there.ask('call', ['SysvSegment.create', [1, { size: 4 * 4096 }], 'fits']), null)
})

test('an IPC namespace of its own does not find our keys', async t => {
  const there = await limited(t, ':')
  if (there === undefined) return
  const key = uniqueKey()
  newSegment(t, key, { size: 1 })
  await answersWith(t, there.ask('call', ['SysvSegment.open', [key]]), { code: 'ENOENT', syscall: 'shmget', key, hint: /IPC namespace/u })
})

test('another user may do what the mode says, and the rest is EACCES', async t => {
  const there = await another(t)
  if (there === undefined) return
  const key = uniqueKey()
  const mine = newSegment(t, key, { size: 6, mode: 0o600 })
  mine.write(0, 'secret')
  const denied = { code: 'EACCES', syscall: /^shm(ctl|at)$/u, id: mine.id, hint: /owner and mode/u }
  const opens = async (access: string): Promise<void> => {
    await answersWith(t, there.ask('call', ['SysvSegment.open', [key, { access }]]), denied)
    await answersWith(t, there.ask('call', ['SysvSegment.attach', [mine.id, { access }]]), denied)
  }
  await opens('read')
  await opens('write')
  mine.set({ mode: 0o644 })
  await opens('write')
  await there.ask('call', ['SysvSegment.open', [key, { access: 'read' }], 'reading'])
  t.is(await there.ask('call', ['reading.read', [0, 6]]), Buffer.from('secret').toString('hex'))
  mine.set({ mode: 0o666 })
  await there.ask('call', ['SysvSegment.open', [key], 'writing'])
  t.is(await there.ask('call', ['writing.write', [0, 'public']]), 6)
  t.is(mine.read(0, 6).toString(), 'public')
})

test('remove, set and lockMemory by another user are EPERM, and nothing changes', async t => {
  const there = await another(t)
  if (there === undefined) return
  const mine = newSegment(t, IPC_PRIVATE, { size: 1, mode: 0o666 })
  await there.ask('call', ['SysvSegment.attach', [mine.id], 'theirs'])
  const before = mine.stat()
  const forbidden = { code: 'EPERM', syscall: 'shmctl', id: mine.id, hint: /Only the owner, the creator or root/u }
  await answersWith(t, there.ask('call', ['SysvSegment.remove', [mine.id]]), forbidden)
  await answersWith(t, there.ask('call', ['theirs.remove']), forbidden)
  await answersWith(t, there.ask('call', ['theirs.set', [{ mode: 0o600 }]]), forbidden)
  await answersWith(t, there.ask('call', ['theirs.set', [{ uid: OTHER_UID }]]), forbidden)
  await answersWith(t, there.ask('call', ['theirs.lockMemory']), { ...forbidden, hint: /RLIMIT_MEMLOCK/u })
  await answersWith(t, there.ask('call', ['theirs.unlockMemory']), forbidden)
  const { uid, gid, mode, markedForRemoval, lockedInMemory } = mine.stat()
  t.deepEqual([uid, gid, mode, markedForRemoval, lockedInMemory], [before.uid, before.gid, 0o666, false, false])
})

test('the owner it is given to may change and remove it', async t => {
  const there = await another(t)
  if (there === undefined) return
  const mine = newSegment(t, IPC_PRIVATE, { size: 1 })
  mine.set({ uid: OTHER_UID })
  await there.ask('call', ['SysvSegment.attach', [mine.id], 'theirs'])
  await there.ask('call', ['theirs.set', [{ mode: 0o640 }]])
  t.is(mine.stat().mode, 0o640)
  await there.ask('call', ['theirs.remove'])
  t.true(mine.stat().markedForRemoval)
})

test('lockMemory beyond RLIMIT_MEMLOCK is ENOMEM, without any limit EPERM; as an option it leaves no segment', async t => {
  const missing = whyNotOther()
  if (missing !== undefined) return skip(t, missing)
  for (const [limit, code] of [[4096, 'ENOMEM'], [0, 'EPERM']] as const) {
    const there = startChild(t, 'caller', { prefix: ['prlimit', `--memlock=${limit}`, ...asOther()] })
    const key = uniqueKey()
    await there.ask('call', ['SysvSegment.create', [IPC_PRIVATE, { size: 65_536 }], 'theirs'])
    const id = segmentId(t, await there.ask<number>('call', ['theirs.id']))
    const locking = there.ask('call', ['theirs.lockMemory'])
    await answersWith(t, locking, { code, syscall: 'shmctl', id, hint: /RLIMIT_MEMLOCK/u })
    const born = await there.ask('call', ['SysvSegment.create', [key, { size: 65_536, lockMemory: true }]]).catch(error => error)
    t.deepEqual([born.code, born.syscall], [code, 'shmctl'])
    t.false(segmentExists(born.id))
    failsWith(t, () => SysvSegment.open(key), { code: 'ENOENT', syscall: 'shmget', key })
  }
})

test('huge pages without the right to them are EPERM, and leave nothing', async t => {
  const missing = whyNotOther()
  if (missing !== undefined) return skip(t, missing)
  const there = startChild(t, 'caller', { prefix: ['prlimit', '--memlock=0', ...asOther()] })
  const key = uniqueKey()
  const asked = there.ask('call', ['SysvSegment.create', [key, { size: '2MiB', hugePages: 'require' }]])
  await answersWith(t, asked, { code: 'EPERM', syscall: 'shmget', key, hint: /CAP_IPC_LOCK.*hugetlb_shm_group/u })
  failsWith(t, () => SysvSegment.open(key), { code: 'ENOENT', syscall: 'shmget', key })
})

test('a size that memory cannot hold is refused, and leaves nothing', t => {
  const key = uniqueKey()
  const error = t.throws(() => SysvSegment.create(key, { size: '1024TiB', reserve: false }), { any: true }) as { code?: string }
  t.true(['ENOMEM', 'ENOSPC', 'EINVAL', 'ERR_SHM_BUFFER_TOO_LARGE'].includes(String(error?.code)), String(error))
  failsWith(t, () => SysvSegment.open(key), { code: 'ENOENT', syscall: 'shmget', key })
})

/** A child in an IPC namespace with limits of its own; nothing where that cannot be: then `t` is skipped. */
async function limited(t: ExecutionContext<unknown>, setup: string): Promise<Child | undefined> {
  const missing = whyNotPrivate()
  if (missing !== undefined) return void skip(t, missing)
  return startChild(t, 'caller', { prefix: privately(setup) })
}

/** A child as another user; nothing where that cannot be: then `t` is skipped. */
async function another(t: ExecutionContext<unknown>): Promise<Child | undefined> {
  const missing = whyNotOther()
  if (missing !== undefined) return void skip(t, missing)
  const child = startChild(t, 'caller', { prefix: asOther() })
  t.is((await child.ask('about')).uid, OTHER_UID)
  return child
}
