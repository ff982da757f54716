/**
 * What `SysvSemaphoreSet` and the raw semget, semop, semtimedop and semctl answer when the kernel refuses, each errno with its call,
 * key or identifier and hint; and every command of semctl(2).
 */
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { IPC_PRIVATE, SysvSemaphoreSet } from 'shmem'
import {
  GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, IPC_CREAT, IPC_EXCL, IPC_INFO, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, SEM_INFO, SEM_STAT,
  SEM_STAT_ANY, SEM_UNDO, SETALL, SETVAL, semctl, semget, semop, semtimedop, type semid_ds, type seminfo
} from 'shmem/sysv'
import { startChild, type Child } from './support/child.js'
import { answersWith, failsWith, refuses } from './support/failure.js'
import { asOther, OTHER_UID, privately, whyNotOther, whyNotPrivate } from './support/namespace.js'
import { skip } from './support/skip.js'
import { newSet, setExists, setId, uniqueKey } from './support/sysv-objects.js'

const limits = readFileSync('/proc/sys/kernel/sem', 'utf8').trim().split(/\s+/u).map(Number)
const [SEMMSL = 0, SEMMNS = 0, SEMOPM = 0, SEMMNI = 0] = limits

test('a second create is EEXIST, open of nothing ENOENT, openOrCreate of a smaller set EINVAL', t => {
  const key = uniqueKey()
  failsWith(t, () => SysvSemaphoreSet.open(key), { code: 'ENOENT', syscall: 'semget', key, hint: /IPC namespace/u })
  newSet(t, key, { initial: [1, 2] })
  failsWith(t, () => SysvSemaphoreSet.create(key, { initial: [7] }), { code: 'EEXIST', syscall: 'semget', key })
  failsWith(t, () => SysvSemaphoreSet.openOrCreate(key, { count: 3 }), { code: 'EINVAL', syscall: 'semget', key, hint: /no larger than an existing/u })
  t.deepEqual(SysvSemaphoreSet.open(key).values(), [1, 2])
})

test('semget makes, finds and refuses as its flags say', t => {
  const key = -uniqueKey()
  failsWith(t, () => semget(key, 0, 0), { code: 'ENOENT', syscall: 'semget', key })
  const id = setId(t, semget(key, 2, IPC_CREAT | IPC_EXCL | 0o640))
  failsWith(t, () => semget(key, 2, IPC_CREAT | IPC_EXCL | 0o600), { code: 'EEXIST', syscall: 'semget', key })
  t.is(semget(key, 0, 0), id)
  t.is(semget(key, 1, IPC_CREAT | 0o600), id)
  failsWith(t, () => semget(key, 3, 0), { code: 'EINVAL', syscall: 'semget', key, hint: /no larger than an existing/u })
  for (const count of [0, -1, SEMMSL + 1]) {
    failsWith(t, () => semget(IPC_PRIVATE, count, 0o600), { code: 'EINVAL', syscall: 'semget', key: 0, hint: /SEMMSL/u })
  }
})

test('more sets than SEMMNI and more semaphores than SEMMNS are ENOSPC, more than SEMMSL in one are EINVAL', async t => {
  const missing = whyNotPrivate()
  if (missing !== undefined) return skip(t, missing)
  const there = startChild(t, 'caller', { prefix: privately('echo 5 8 4 2 > /proc/sys/kernel/sem') })
  const create = (key: number, count: number): Promise<unknown> => there.ask('call', ['SysvSemaphoreSet.create', [key, { count }], `set${key}`])
  await answersWith(t, create(1, 6), { code: 'EINVAL', syscall: 'semget', key: 1, hint: /SEMMSL.*kernel\.sem/u })
  await create(1, 5)
  await answersWith(t, create(2, 4), { code: 'ENOSPC', syscall: 'semget', key: 2, hint: /SEMMNI.*SEMMNS.*kernel\.sem/u })
  await create(2, 3)
  await there.ask('call', ['set1.remove'])
  await create(1, 1)
  await answersWith(t, create(3, 1), { code: 'ENOSPC', syscall: 'semget', key: 3, hint: /SEMMNI/u })
  const operations = Array.from({ length: 5 }, () => ({ index: 0, delta: 1 }))
  const id = await there.ask<number>('call', ['set1.id'])
  await answersWith(t, there.ask('call', ['set1.tryOperate', [operations]]), { code: 'E2BIG', syscall: 'semop', id, hint: /SEMOPM/u })
  t.is(await there.ask('call', ['set1.tryOperate', [operations.slice(0, 4)]]), 'done')
  t.deepEqual(await there.ask('call', ['set1.values']), [4])
})

test('more operations than SEMOPM are E2BIG, and nothing is done', t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0] })
  const many = Array.from({ length: SEMOPM + 1 }, () => ({ index: 0, delta: 1 }))
  const facts = { code: 'E2BIG', syscall: 'semop', id: set.id, hint: /SEMOPM/u }
  failsWith(t, () => set.tryOperate(many), facts)
  failsWith(t, () => set.operateSync(many), facts)
  failsWith(t, () => semop(set.id, many.map(() => ({ sem_num: 0, sem_op: 1 }))), facts)
  t.deepEqual(set.values(), [0])
})

test('an index beyond the set is EFBIG in semop, EINVAL in semctl, and refused by the class', t => {
  const set = newSet(t, IPC_PRIVATE, { count: 2 })
  failsWith(t, () => semop(set.id, [{ sem_num: 2, sem_op: 1 }]), { code: 'EFBIG', syscall: 'semop', id: set.id })
  failsWith(t, () => semtimedop(set.id, [{ sem_num: 0, sem_op: 1 }, { sem_num: 2, sem_op: 1 }], 0), { code: 'EFBIG', syscall: 'semop', id: set.id })
  for (const index of [2, -1]) failsWith(t, () => semctl(set.id, index, GETVAL), { code: 'EINVAL', syscall: 'semctl', id: set.id })
  for (const index of [2, -1, 0.5, NaN]) refuses(t, () => set.getValue(index), 'index', `index ${index}`)
  refuses(t, () => set.tryOperate([{ index: 2, delta: 1 }]), 'operations[0].index', 'index 2')
  t.deepEqual(set.values(), [0, 0])
})

test('a value beyond 32,767 is ERANGE, of an operation, of SETVAL, SETALL, and of what is to be undone', t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [32_767, 0] })
  const hint = /32,767/u
  failsWith(t, () => set.release(0), { code: 'ERANGE', syscall: 'semop', id: set.id, hint })
  failsWith(t, () => semop(set.id, [{ sem_num: 1, sem_op: 1 }, { sem_num: 0, sem_op: 1 }]), { code: 'ERANGE', syscall: 'semop', id: set.id, hint })
  for (const value of [-1, 32_768]) {
    failsWith(t, () => semctl(set.id, 1, SETVAL, value), { code: 'ERANGE', syscall: 'semctl', id: set.id, hint })
    refuses(t, () => set.setValue(1, value), 'value', `value ${value}`)
    refuses(t, () => set.setAll([0, value]), 'values[1]', `value ${value}`)
  }
  failsWith(t, () => semctl(set.id, 0, SETALL, [1, 32_768]), { code: 'ERANGE', syscall: 'semctl', id: set.id, hint })
  t.deepEqual(set.values(), [32_767, 0])
  set.acquireSync(0, { count: 32_767, undo: true })
  set.release(0, { count: 2 })
  failsWith(t, () => set.tryAcquire(0, { count: 2, undo: true }), { code: 'ERANGE', syscall: 'semop', id: set.id, hint: /undo/u })
  t.deepEqual(set.values(), [2, 0])
})

test('semop with IPC_NOWAIT and semtimedop in vain are EAGAIN, and change nothing', t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [1, 0] })
  const operations = [{ sem_num: 0, sem_op: -1 }, { sem_num: 1, sem_op: -1, sem_flg: IPC_NOWAIT }]
  failsWith(t, () => semop(set.id, operations), { code: 'EAGAIN', syscall: 'semop', id: set.id, hint: null })
  for (const timeoutMs of [0, 0.1, 150]) {
    failsWith(t, () => semtimedop(set.id, [{ sem_num: 0, sem_op: 0 }], timeoutMs), { code: 'EAGAIN', syscall: 'semop', id: set.id })
  }
  for (const timeoutMs of [NaN, -1, '1' as unknown as number]) refuses(t, () => semtimedop(set.id, [{ sem_num: 0, sem_op: 0 }], timeoutMs), 'timeoutMs', String(timeoutMs))
  t.deepEqual(set.values(), [1, 0])
  semtimedop(set.id, [{ sem_num: 0, sem_op: -1, sem_flg: SEM_UNDO }], Infinity)
  semop(set.id, [{ sem_num: 0, sem_op: 0 }, { sem_num: 0, sem_op: 2 }])
  t.deepEqual(set.values(), [2, 0])
})

test('raw SEM_UNDO is undone when the process is killed', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [1] })
  const there = startChild(t, 'caller')
  await there.ask('call', ['sysv.semop', [set.id, [{ sem_num: 0, sem_op: -1, sem_flg: SEM_UNDO }]]])
  t.is(set.getValue(0), 0)
  await there.kill()
  t.is(set.getValue(0), 1)
})

test('every identifier that is none is EINVAL', t => {
  const id = semget(IPC_PRIVATE, 1, 0o600)
  semctl(id, 0, IPC_RMID)
  const hint = /no such identifier/u
  for (const command of [GETVAL, GETALL, GETPID, GETNCNT, GETZCNT, IPC_STAT, IPC_RMID]) {
    failsWith(t, () => semctl(id, 0, command), { code: 'EINVAL', syscall: 'semctl', id, hint })
  }
  failsWith(t, () => semctl(id, 0, SETVAL, 0), { code: 'EINVAL', syscall: 'semctl', id, hint })
  failsWith(t, () => semop(id, [{ sem_num: 0, sem_op: 1 }]), { code: 'EINVAL', syscall: 'semop', id, hint })
  failsWith(t, () => semop(-1, [{ sem_num: 0, sem_op: 1 }]), { code: 'EINVAL', syscall: 'semop', id: -1, hint })
  failsWith(t, () => SysvSemaphoreSet.attach(id), { code: 'EINVAL', syscall: 'semctl', id, hint })
  failsWith(t, () => SysvSemaphoreSet.remove(id), { code: 'EINVAL', syscall: 'semctl', id, hint })
  refuses(t, () => semctl(id, 0, 9999), 'command', 'command 9999')
})

test('another user may do what the mode says: else EACCES, and EPERM for the owner’s rights', async t => {
  const there = await another(t)
  if (there === undefined) return
  const key = uniqueKey()
  const set = newSet(t, key, { initial: [3] })
  const { id } = set
  const hint = /owner and mode/u
  await answersWith(t, there.ask('call', ['sysv.semget', [key, 1, 0o600]]), { code: 'EACCES', syscall: 'semget', key, hint })
  await answersWith(t, there.ask('call', ['SysvSemaphoreSet.open', [key]]), { code: 'EACCES', syscall: /^sem/u, id, hint })
  await answersWith(t, there.ask('call', ['sysv.semctl', [id, 0, GETVAL]]), { code: 'EACCES', syscall: 'semctl', id, hint })
  set.set({ mode: 0o644 })
  await there.ask('call', ['SysvSemaphoreSet.open', [key], 'theirs'])
  t.deepEqual(await there.ask('call', ['theirs.values']), [3])
  await answersWith(t, there.ask('call', ['theirs.tryAcquire', [0]]), { code: 'EACCES', syscall: 'semop', id, hint })
  await answersWith(t, there.ask('call', ['theirs.setValue', [0, 1]]), { code: 'EACCES', syscall: 'semctl', id, hint })
  await answersWith(t, there.ask('call', ['theirs.setAll', [[1]]]), { code: 'EACCES', syscall: 'semctl', id, hint })
  set.set({ mode: 0o666 })
  t.is(await there.ask('call', ['theirs.tryAcquire', [0]]), 'acquired')
  const forbidden = { code: 'EPERM', syscall: 'semctl', id, hint: /[Oo]wner/u }
  await answersWith(t, there.ask('call', ['theirs.remove']), forbidden)
  await answersWith(t, there.ask('call', ['theirs.set', [{ uid: OTHER_UID }]]), forbidden)
  await answersWith(t, there.ask('call', ['sysv.semctl', [id, 0, IPC_SET, { uid: 1, gid: 1, mode: 0 }]]), forbidden)
  t.deepEqual([setExists(id), set.stat().uid, set.values()], [true, process.getuid?.(), [2]])
})

test('semctl: values, pids, waiters, IPC_STAT and IPC_SET', t => {
  const key = uniqueKey()
  const id = setId(t, semget(key, 3, IPC_CREAT | 0o640))
  const { uid, gid } = { uid: process.geteuid?.() ?? -1, gid: process.getegid?.() ?? -1 }
  const fresh = semctl(id, 0, IPC_STAT) as semid_ds
  t.deepEqual(fresh, { sem_perm: { key, uid, gid, cuid: uid, cgid: gid, mode: 0o640 }, sem_otime: 0, sem_ctime: fresh.sem_ctime, sem_nsems: 3 })
  t.true(fresh.sem_ctime > 0)
  semctl(id, 1, SETVAL, 9)
  t.deepEqual([semctl(id, 0, GETVAL), semctl(id, 1, GETVAL)], [0, 9])
  semctl(id, 0, SETALL, [4, 5, 6])
  t.deepEqual(semctl(id, 0, GETALL), [4, 5, 6])
  t.deepEqual([GETNCNT, GETZCNT].map(command => semctl(id, 2, command)), [0, 0])
  t.is(semctl(id, 2, GETPID), process.pid)
  semop(id, [{ sem_num: 2, sem_op: -6 }])
  t.true((semctl(id, 0, IPC_STAT) as semid_ds).sem_otime > 0)
  semctl(id, 0, IPC_SET, { uid, gid, mode: 0o600 })
  t.is((semctl(id, 0, IPC_STAT) as semid_ds).sem_perm.mode, 0o600)
  semctl(id, 0, IPC_RMID)
  t.false(setExists(id))
})

test('SETALL of another count than the set has is refused, and nothing is read beyond it', t => {
  const id = setId(t, semget(IPC_PRIVATE, 3, 0o600))
  semctl(id, 0, SETALL, [1, 2, 3])
  for (const values of [[], [9], [9, 9], [9, 9, 9, 9]]) t.throws(() => semctl(id, 0, SETALL, values), { any: true }, `${values.length} values`)
  t.deepEqual(semctl(id, 0, GETALL), [1, 2, 3])
})

test('IPC_INFO and SEM_INFO say the limits of /proc/sys/kernel/sem and what is used', async t => {
  t.like(semctl(0, 0, IPC_INFO) as seminfo, { semmsl: SEMMSL, semmns: SEMMNS, semopm: SEMOPM, semmni: SEMMNI, semvmx: 32_767 })
  const missing = whyNotPrivate()
  if (missing !== undefined) return skip(t, missing)
  const there = startChild(t, 'caller', { prefix: privately('echo 11 222 33 44 > /proc/sys/kernel/sem') })
  const ids: number[] = []
  for (const count of [3, 5]) ids.push(await there.ask<number>('call', ['sysv.semget', [IPC_PRIVATE, count, 0o600]]))
  t.like(await there.ask('call', ['sysv.semctl', [0, 0, IPC_INFO]]), { semmsl: 11, semmns: 222, semopm: 33, semmni: 44 })
  // SEM_INFO: semusz is the number of sets, semaem that of semaphores.
  t.like(await there.ask('call', ['sysv.semctl', [0, 0, SEM_INFO]]), { semmni: 44, semusz: 2, semaem: 8, maxIndex: 1 })
  for (const command of [SEM_STAT, SEM_STAT_ANY]) {
    for (const [index, count] of [3, 5].entries()) {
      t.like(await there.ask('call', ['sysv.semctl', [index, 0, command]]), { id: ids[index], sem_nsems: count })
    }
    await answersWith(t, there.ask('call', ['sysv.semctl', [2, 0, command]]), { code: 'EINVAL', syscall: 'semctl' })
  }
})

test('SEM_STAT_ANY needs no permission to read, SEM_STAT does', async t => {
  const there = await another(t)
  if (there === undefined) return
  const { id } = newSet(t, IPC_PRIVATE, { count: 7 })
  const index = id & 0x7fff
  await answersWith(t, there.ask('call', ['sysv.semctl', [index, 0, SEM_STAT]]), { code: 'EACCES', syscall: 'semctl' })
  t.like(await there.ask('call', ['sysv.semctl', [index, 0, SEM_STAT_ANY]]), { id, sem_nsems: 7 })
})

/** A child as another user; nothing where that cannot be: then `t` is skipped. */
async function another(t: ExecutionContext<unknown>): Promise<Child | undefined> {
  const missing = whyNotOther()
  if (missing !== undefined) return void skip(t, missing)
  return startChild(t, 'caller', { prefix: asOther() })
}
