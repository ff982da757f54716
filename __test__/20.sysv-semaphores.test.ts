/**
 * `SysvSemaphoreSet` between processes: the hand-over with C, several operations at once, waits, undo, and what ends a wait.
 * Errors, limits and the raw calls are in `20.sysv-semaphore-errors.test.ts`.
 */
import { execFileSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { IPC_PRIVATE, SysvSemaphoreSet } from 'shmem'
import { startChild, type Child } from './support/child.js'
import { answersWith, failsWith, refuses } from './support/failure.js'
import { handOver } from './support/hand-over.js'
import { skip } from './support/skip.js'
import { newSegment, newSet, setExists, setId, uniqueKey } from './support/sysv-objects.js'
import { until } from './support/until.js'

test('two semaphores hand bytes over exactly, between Node and C in all pairings', async t => {
  const segment = newSegment(t, IPC_PRIVATE, { size: 4096 })
  const set = newSet(t, IPC_PRIVATE, { initial: [1, 0] })
  await handOver(t, [segment.id, 'sysv', set.id], () => t.deepEqual(set.values(), [1, 0]))
})

test('a new set has its initial values, seen by the process that opens it', async t => {
  const key = uniqueKey()
  const set = newSet(t, key, { initial: [3, 0, 32_767] })
  t.deepEqual([set.key, set.count, set.created, set.values()], [key, 3, true, [3, 0, 32_767]])
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSemaphoreSet.open', [key], 'theirs'])
  t.deepEqual([await there.ask('call', ['theirs.id']), await there.ask('call', ['theirs.count'])], [set.id, 3])
  t.deepEqual(await there.ask('call', ['theirs.values']), [3, 0, 32_767])
  await there.ask('call', ['theirs.setValue', [1, 7]])
  t.is(set.getValue(1), 7)
  set.setAll([1, 2, 3])
  t.deepEqual(await there.ask('call', ['theirs.values']), [1, 2, 3])
  t.deepEqual(newSet(t, IPC_PRIVATE, { count: 2, initial: 5 }).values(), [5, 5])
  t.deepEqual(newSet(t, IPC_PRIVATE, { count: 2 }).values(), [0, 0])
})

test('of many who openOrCreate at once, one makes the set, and nobody sees it half made', async t => {
  const key = uniqueKey()
  const children = Array.from({ length: 4 }, () => startChild(t, 'caller'))
  await Promise.all(children.map(child => child.ask('about')))
  await Promise.all(children.map(child => child.ask('call', ['SysvSemaphoreSet.openOrCreate', [key, { initial: [5, 6] }], 'theirs'])))
  const ids = await Promise.all(children.map(child => child.ask<number>('call', ['theirs.id'])))
  setId(t, ids[0] as number)
  const created = await Promise.all(children.map(child => child.ask<boolean>('call', ['theirs.created'])))
  t.is(created.filter(Boolean).length, 1)
  t.is(new Set(ids).size, 1)
  t.deepEqual(SysvSemaphoreSet.open(key).values(), [5, 6])
  const late = SysvSemaphoreSet.openOrCreate(key, { count: 1, initial: 99 })
  t.deepEqual([late.created, late.count, late.values()], [false, 2, [5, 6]])
})

test('several operations happen together or not at all', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [1, 0, 5] })
  const both = [{ index: 0, delta: -1 }, { index: 2, delta: +2 }, { index: 1, delta: -1 }]
  t.is(set.tryOperate(both), 'busy')
  t.deepEqual(set.values(), [1, 0, 5])
  t.is(set.operateSync(both, { timeoutMs: 10 }), 'timedOut')
  t.deepEqual(set.values(), [1, 0, 5])

  const there = await blocked(t, set, ['theirs.operateSync', [both]], () => set.waiting(1).forIncrease === 1)
  t.deepEqual(set.values(), [1, 0, 5], 'a waiter has taken nothing')
  set.release(1)
  t.is(await there.answer(), 'done')
  t.deepEqual(set.values(), [0, 0, 7])
  t.is(set.lastPid(1), there.pid)
})

test('an acquirer waits until there is enough, and is counted while it waits', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [2, 1] })
  t.deepEqual(set.waiting(0), { forIncrease: 0, forZero: 0 })
  const there = await blocked(t, set, ['theirs.acquireSync', [0, { count: 3 }]], () => set.waiting(0).forIncrease === 1)
  t.deepEqual(set.waiting(0), { forIncrease: 1, forZero: 0 })
  t.deepEqual(set.waiting(1), { forIncrease: 0, forZero: 0 })
  t.is(set.getValue(0), 2)
  set.release(0, { count: 2 })
  t.is(await there.answer(), 'acquired')
  t.is(set.getValue(0), 1)
})

test('waitForZeroSync waits until the value is 0', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [1] })
  t.is(set.waitForZeroSync(0, { timeoutMs: 0 }), 'timedOut')
  const there = await blocked(t, set, ['theirs.waitForZeroSync', [0]], () => set.waiting(0).forZero === 1)
  t.is(set.tryAcquire(0), 'acquired')
  t.is(await there.answer(), 'zero')
  t.is(set.waitForZeroSync(0), 'zero')
})

test('what was taken with undo comes back when the process is killed, what was taken without stays taken', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [5, 5] })
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSemaphoreSet.attach', [set.id], 'theirs'])
  t.is(await there.ask('call', ['theirs.acquireSync', [0, { count: 3, undo: true }]]), 'acquired')
  t.is(await there.ask('call', ['theirs.tryAcquire', [1, { count: 3 }]]), 'acquired')
  await there.ask('call', ['theirs.release', [0, { count: 1, undo: true }]])
  t.deepEqual(set.values(), [3, 2])
  await there.kill()
  t.deepEqual(set.values(), [5, 2])
})

test('whoever waits for a process that is killed goes on by its undo', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [1] })
  const owner = startChild(t, 'caller')
  await owner.ask('call', ['SysvSemaphoreSet.attach', [set.id], 'theirs'])
  await owner.ask('call', ['theirs.acquireSync', [0, { undo: true }]])
  const waiter = await blocked(t, set, ['theirs.acquireSync', [0]], () => set.waiting(0).forIncrease === 1)
  await owner.kill()
  t.is(await waiter.answer(), 'acquired')
})

test('a waiter that is killed takes nothing and is no longer counted', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0] })
  const there = await blocked(t, set, ['theirs.acquireSync', [0]], () => set.waiting(0).forIncrease === 1)
  await there.kill()
  t.deepEqual(set.waiting(0), { forIncrease: 0, forZero: 0 })
  set.release(0)
  t.is(set.getValue(0), 1)
})

test('removal ends every wait in other processes with EIDRM', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0, 1] })
  const waits: [string, unknown[]][] = [
    ['theirs.acquireSync', [0]], ['theirs.acquireSync', [0, { timeoutMs: 60_000 }]], ['theirs.waitForZeroSync', [1]],
    ['sysv.semop', [set.id, [{ sem_num: 0, sem_op: -1 }]]], ['sysv.semtimedop', [set.id, [{ sem_num: 1, sem_op: 0 }], 60_000]]
  ]
  const children: Child[] = []
  for (const [path, args] of waits) {
    const before = set.waiting(0).forIncrease + set.waiting(1).forZero
    children.push(await blocked(t, set, [path, args], () => set.waiting(0).forIncrease + set.waiting(1).forZero === before + 1))
  }
  set.remove()
  for (const child of children) {
    await answersWith(t, child.answer(), { code: 'EIDRM', syscall: 'semop', id: set.id, hint: /removed/u })
  }
})

test('a stopped and continued process goes on waiting', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0] })
  const there = await blocked(t, set, ['theirs.acquireSync', [0]], () => set.waiting(0).forIncrease === 1)
  process.kill(there.pid, 'SIGSTOP')
  await until('the kernel ends its call', () => set.waiting(0).forIncrease === 0)
  process.kill(there.pid, 'SIGCONT')
  await until('it waits again', () => set.waiting(0).forIncrease === 1)
  set.release(0)
  t.is(await there.answer(), 'acquired')
})

test('a wait whose set is removed between two of its slices is EIDRM too', async t => {
  // While it is stopped it is in no call: to the kernel, which answers EINVAL then, it comes with an unknown identifier.
  for (const path of ['theirs.acquireSync', 'sysv.semop']) {
    const set = newSet(t, IPC_PRIVATE, { initial: [0] })
    const args = path === 'sysv.semop' ? [set.id, [{ sem_num: 0, sem_op: -1 }]] : [0]
    const there = await blocked(t, set, [path, args], () => set.waiting(0).forIncrease === 1)
    process.kill(there.pid, 'SIGSTOP')
    await until('the kernel ends its call', () => set.waiting(0).forIncrease === 0)
    set.remove()
    process.kill(there.pid, 'SIGCONT')
    await answersWith(t, there.answer(), { code: 'EIDRM', syscall: 'semop', id: set.id, hint: /removed/u })
  }
})

test('timeouts: 0 tries once, a time ends, Infinity and nothing wait, everything else is refused', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0, 1] })
  t.is(set.acquireSync(0, { timeoutMs: 0 }), 'timedOut')
  t.is(set.acquireSync(0, { timeoutMs: 0.5 }), 'timedOut')
  t.is(set.acquireSync(0, { timeoutMs: 120 }), 'timedOut')
  t.is(set.acquireSync(1, { timeoutMs: 0 }), 'acquired')
  for (const timeoutMs of [NaN, -1, -Infinity, '5', null, 5n, {}] as number[]) {
    const label = `timeoutMs ${String(timeoutMs)}`
    refuses(t, () => set.acquireSync(0, { timeoutMs }), 'options.timeoutMs', label)
    refuses(t, () => set.waitForZeroSync(0, { timeoutMs }), 'options.timeoutMs', label)
    refuses(t, () => set.operateSync([{ index: 0, delta: -1 }], { timeoutMs }), 'options.timeoutMs', label)
  }
  t.deepEqual(set.values(), [0, 0])
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSemaphoreSet.attach', [set.id], 'theirs'])
  t.is(await there.ask('call', ['theirs.acquireSync', [0, { timeoutMs: 1 }]]), 'timedOut')
  // JSON has no Infinity: more than the 100 ms of a slice stands for it, in a wait that must outlast several.
  there.tell('call', ['theirs.acquireSync', [0, { timeoutMs: 2 ** 40 }]])
  await until('it waits', () => set.waiting(0).forIncrease === 1)
  set.release(0)
  t.is(await there.answer(), 'acquired')
  set.setValue(0, 1)
  t.is(set.acquireSync(0, { timeoutMs: Infinity }), 'acquired')
})

for (const verb of ['sysv', 'zero', 'semop']) {
  test(`worker.terminate() ends a thread that blocks in ${verb}`, async t => {
    const set = newSet(t, IPC_PRIVATE, { initial: [0, 1] })
    const there = startChild(t, 'semaphore-worker', { args: [verb, set.id] })
    t.is(await there.line(), 'blocking')
    const waiters = (): number => set.waiting(0).forIncrease + set.waiting(1).forZero
    await until('the thread waits', () => waiters() === 1)
    there.write('now\n')
    t.is(await there.line(), 'terminated 1')
    t.deepEqual(await there.ended, { code: 0, signal: null })
    t.is(waiters(), 0)
    t.deepEqual(set.values(), [0, 1])
  })
}

test('stat says what ipcs says, and set changes owner and mode', t => {
  const key = uniqueKey()
  const set = newSet(t, key, { count: 3, mode: 0o640 })
  const fresh = set.stat()
  t.deepEqual([fresh.id, fresh.key, fresh.count, fresh.mode], [set.id, key, 3, 0o640])
  t.true(fresh.operatedAt instanceof Date, 'a set that is ready says so to C programs by sem_otime')
  set.release(0)
  t.true(set.stat().operatedAt instanceof Date)
  set.set({ mode: 0o600 })
  t.is(set.stat().mode, 0o600)
  if (process.getuid?.() === 0) {
    set.set({ uid: 12, gid: 34 })
    t.like(set.stat(), { uid: 12, gid: 34, mode: 0o600, creatorUid: fresh.creatorUid, creatorGid: fresh.creatorGid })
  }
  let report: string
  try {
    report = execFileSync('ipcs', ['-s', '-i', String(set.id)], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  } catch (error) {
    return skip(t, `ipcs does not run: ${(error as Error).message}`)
  }
  const stat = set.stat()
  for (const [word, value] of Object.entries({ uid: stat.uid, gid: stat.gid, cuid: stat.creatorUid, cgid: stat.creatorGid, nsems: stat.count })) {
    t.is(Number(new RegExp(`\\b${word}[ =]+(\\d+)`, 'u').exec(report)?.[1]), value, word)
  }
  t.regex(report, new RegExp(`access_perms=0${stat.mode.toString(8)}`, 'u'))
})

test('after remove the set is gone for all, and every call of it is ERR_SHM_CLOSED', t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [1] })
  const other = SysvSemaphoreSet.attach(set.id)
  set.remove()
  set.remove()
  t.true(set.closed)
  t.false(setExists(set.id))
  const calls = [
    () => set.values(), () => set.getValue(0), () => set.setValue(0, 1), () => set.setAll([1]), () => set.tryAcquire(0),
    () => set.acquireSync(0, { timeoutMs: 0 }), () => set.release(0), () => set.waitForZeroSync(0), () => set.waiting(0),
    () => set.lastPid(0), () => set.stat(), () => set.set({})
  ]
  for (const call of calls) failsWith(t, call, { code: 'ERR_SHM_CLOSED' })
  failsWith(t, () => other.values(), { code: 'EINVAL', syscall: 'semctl', id: set.id, hint: /no such identifier/u })
  failsWith(t, () => other.tryAcquire(0), { code: 'EINVAL', syscall: 'semop', id: set.id, hint: /no such identifier/u })
  failsWith(t, () => other.remove(), { code: 'EINVAL', syscall: 'semctl', id: set.id })
})

/** A child that blocks in a call on `theirs`, the set; it is counted by the kernel already. */
async function blocked(t: ExecutionContext<unknown>, set: SysvSemaphoreSet, call: [string, unknown[]], counted: () => boolean): Promise<Child> {
  const child = startChild(t, 'caller')
  await child.ask('call', ['SysvSemaphoreSet.attach', [set.id], 'theirs'])
  t.is(await child.ask('block', call), 'blocking')
  await until(`${call[0]} waits`, counted)
  return child
}
