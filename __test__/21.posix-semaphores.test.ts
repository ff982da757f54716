/**
 * POSIX semaphores, by name and inside a segment: the hand-over with C, waits between processes, and their life beside the name or
 * the segment that holds them. Errors and the raw calls are in `21.posix-semaphore-errors.test.ts`.
 */
import { existsSync, statSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { PosixSegment, PosixSemaphore } from 'shmem'
import { startChild, type Child } from './support/child.js'
import { answersWith, failsWith, refuses } from './support/failure.js'
import { handOver } from './support/hand-over.js'
import { fileOf, newSemaphore, semaphoreName, waitersOf } from './support/posix-semaphore-names.js'
import { passingSegment } from './support/sysv-objects.js'
import { stateOf, until } from './support/until.js'

test('two named semaphores hand bytes over exactly, between Node and C in all pairings', async t => {
  const segment = passingSegment(t, 4096)
  const [writer, reader] = [newSemaphore(t, { value: 1 }), newSemaphore(t)]
  await handOver(t, [segment.id, 'posix', writer.name ?? '', reader.name ?? ''], () => t.deepEqual([writer.value, reader.value], [1, 0]))
})

test('two semaphores inside a segment hand bytes over exactly, between Node and C in all pairings', async t => {
  const segment = passingSegment(t, 4096)
  const [writer, reader] = [PosixSemaphore.init(segment, 0, { value: 1 }), PosixSemaphore.init(segment, 32)]
  await handOver(t, [segment.id, 'unnamed'], () => t.deepEqual([writer.value, reader.value], [1, 0]))
})

test('post in one process is seen by value, tryWait and waitSync in another', async t => {
  const mine = newSemaphore(t)
  const there = startChild(t, 'caller')
  await there.ask('call', ['PosixSemaphore.open', [mine.name], 'theirs'])
  t.is(await there.ask('call', ['theirs.tryWait']), 'busy')
  mine.post()
  mine.post()
  t.is(await there.ask('call', ['theirs.value']), 2)
  t.is(await there.ask('call', ['theirs.tryWait']), 'acquired')
  t.is(await there.ask('call', ['theirs.waitSync']), 'acquired')
  t.is(mine.value, 0)
  await there.ask('call', ['theirs.post'])
  t.is(mine.waitSync({ timeoutMs: 0 }), 'acquired')
  t.is(mine.tryWait(), 'busy')
})

test('a waiter blocks until another process posts, and each post wakes one', async t => {
  const mine = newSemaphore(t)
  const waiters = [await blocked(t, mine), await blocked(t, mine)]
  const answers = waiters.map(async waiter => await waiter.answer())
  mine.post()
  t.is(await Promise.race(answers), 'acquired')
  await until('the other one waits on', () => waitersOf(mine.name ?? '') === 1 && mine.value === 0)
  mine.post()
  t.deepEqual(await Promise.all(answers), ['acquired', 'acquired'])
  t.is(mine.tryWait(), 'busy')
})

test('a semaphore inside a segment works between two Node processes, at the first and the last place', async t => {
  const segment = passingSegment(t, 4096)
  t.is(PosixSemaphore.sizeBytes, 32)
  const last = 4096 - PosixSemaphore.sizeBytes
  for (const offset of [0, last]) {
    const mine = PosixSemaphore.init(segment, offset, { value: 1 })
    t.deepEqual([mine.created, mine.name, mine.value], [true, undefined, 1])
    const there = startChild(t, 'caller')
    await there.ask('call', ['SysvSegment.attach', [segment.id], 'segment'])
    await there.ask('call', ['PosixSemaphore.at', ['$segment', offset], 'theirs'])
    t.is(await there.ask('call', ['theirs.tryWait']), 'acquired')
    t.is(await there.ask('block', ['theirs.waitSync']), 'blocking')
    mine.post()
    t.is(await there.answer(), 'acquired')
    t.is(mine.value, 0)
  }
})

test('a semaphore is not robust: what a killed process took stays taken', async t => {
  const mine = newSemaphore(t, { value: 2 })
  const there = startChild(t, 'caller')
  await there.ask('call', ['PosixSemaphore.open', [mine.name], 'theirs'])
  await there.ask('call', ['theirs.waitSync'])
  await there.kill()
  t.is(mine.value, 1)
})

test('a waiter that is killed takes nothing', async t => {
  const mine = newSemaphore(t)
  const there = await blocked(t, mine)
  await there.kill()
  mine.post()
  t.is(mine.value, 1)
  t.is(mine.tryWait(), 'acquired')
})

test('a stopped and continued process goes on waiting', async t => {
  const mine = newSemaphore(t)
  const there = await blocked(t, mine)
  process.kill(there.pid, 'SIGSTOP')
  await until('it is stopped', () => stateOf(there.pid) === 'T')
  process.kill(there.pid, 'SIGCONT')
  await until('it waits again', () => stateOf(there.pid) === 'S' && waitersOf(mine.name ?? '') === 1)
  mine.post()
  t.is(await there.answer(), 'acquired')
})

test('a waiter whose segment somebody truncates lives, and is told', async t => {
  const name = `/shmem-test-${process.pid}-truncated`
  const segment = PosixSegment.create(name, { size: 8192, keepFd: true })
  t.teardown(() => {
    segment.remove()
    segment.close()
  })
  PosixSemaphore.init(segment, 4096)
  const there = startChild(t, 'caller')
  await there.ask('call', ['PosixSegment.open', [name], 'segment'])
  await there.ask('call', ['PosixSemaphore.at', ['$segment', 4096], 'theirs'])
  t.is(await there.ask('block', ['theirs.waitSync']), 'blocking')
  await until('the waiter sleeps', () => stateOf(there.pid) === 'S')
  // The kernel starts the interrupted futex(2) again, over memory that is gone: EFAULT, at which glibc itself would abort.
  process.kill(there.pid, 'SIGSTOP')
  await until('it is stopped', () => stateOf(there.pid) === 'T')
  segment.resize(4096)
  process.kill(there.pid, 'SIGCONT')
  await answersWith(t, there.answer(), { code: 'ERR_SHM_TRUNCATED', objectName: name })
  t.is((await there.ask('about')).pid, there.pid)
})

test('openOrCreate makes it once, of many at once, and leaves the value of an existing one', async t => {
  const name = semaphoreName(t)
  const children = Array.from({ length: 4 }, () => startChild(t, 'caller'))
  await Promise.all(children.map(child => child.ask('about')))
  await Promise.all(children.map(child => child.ask('call', ['PosixSemaphore.openOrCreate', [name, { value: 7 }], 'theirs'])))
  const created = await Promise.all(children.map(child => child.ask<boolean>('call', ['theirs.created'])))
  t.is(created.filter(Boolean).length, 1)
  const mine = PosixSemaphore.openOrCreate(name, { value: 99 })
  t.teardown(() => mine.close())
  t.deepEqual([mine.created, mine.value], [false, 7])
  await Promise.all(children.map(child => child.ask('call', ['theirs.post'])))
  t.is(mine.value, 11)
})

test('mode is exact whatever the umask, and 0600 where nothing is said', async t => {
  const names = [semaphoreName(t), semaphoreName(t), semaphoreName(t)] as const
  const there = startChild(t, 'caller')
  await there.ask('umask', 0o777)
  await there.ask('call', ['PosixSemaphore.create', [names[0], { mode: 0o666 }], 'a'])
  await there.ask('call', ['PosixSemaphore.create', [names[1]], 'b'])
  await there.ask('call', ['PosixSemaphore.openOrCreate', [names[2], { mode: 0o640 }], 'c'])
  t.deepEqual(names.map(name => statSync(fileOf(name)).mode & 0o777), [0o666, 0o600, 0o640])
})

test('close is idempotent, ends every call with ERR_SHM_CLOSED, and leaves the semaphore to others', t => {
  const mine = newSemaphore(t, { value: 1 })
  const again = PosixSemaphore.open(mine.name ?? '')
  mine.close()
  mine.close()
  mine[Symbol.dispose]()
  t.true(mine.closed)
  for (const call of [() => mine.value, () => mine.tryWait(), () => mine.waitSync(), () => mine.post()]) {
    failsWith(t, call, { code: 'ERR_SHM_CLOSED' })
  }
  // sem_open(3) answers one address for one name: closing one handle must not unmap the other's.
  t.is(again.waitSync(), 'acquired')
  again.post()
  t.is(again.value, 1)
  again.close()
  t.true(existsSync(fileOf(mine.name ?? '')))
})

test('a removed semaphore goes on for who has it open, and its name is free at once', async t => {
  const mine = newSemaphore(t, { value: 1 })
  const name = mine.name ?? ''
  const there = startChild(t, 'caller')
  await there.ask('call', ['PosixSemaphore.open', [name], 'theirs'])
  mine.remove()
  t.false(existsSync(fileOf(name)))
  failsWith(t, () => PosixSemaphore.open(name), { code: 'ENOENT', syscall: 'sem_open', objectName: name, hint: /mount namespace/u })
  const second = PosixSemaphore.create(name, { value: 5 })
  mine.post()
  t.deepEqual([await there.ask('call', ['theirs.value']), second.value], [2, 5])
  second.close()
  second.remove()
  failsWith(t, () => second.remove(), { code: 'ENOENT', syscall: 'sem_unlink', objectName: name })
})

test('once its segment is closed, every call of a semaphore inside it is ERR_SHM_CLOSED', t => {
  const segment = passingSegment(t, 64)
  const mine = PosixSemaphore.init(segment, 32, { value: 1 })
  failsWith(t, () => mine.remove(), { code: 'ERR_SHM_UNSUPPORTED' })
  segment.close()
  for (const call of [() => mine.value, () => mine.tryWait(), () => mine.waitSync(), () => mine.post()]) {
    failsWith(t, call, { code: 'ERR_SHM_CLOSED' })
  }
  mine.close()
  failsWith(t, () => mine.post(), { code: 'ERR_SHM_CLOSED' })
  failsWith(t, () => PosixSemaphore.at(segment, 0), { code: 'ERR_SHM_CLOSED' })
})

test('a semaphore whose page was unmapped or protected is an error, crashes nobody, and leaves its neighbours alone', t => {
  const segment = passingSegment(t, 3 * 4096)
  const at = (offset: number): PosixSemaphore => PosixSemaphore.init(segment, offset, { value: 1 })
  const [whole, hole, guarded] = [at(0), at(4096), at(8192)]
  segment.unmap({ offset: 4096, length: 4096 })
  segment.protect({ offset: 8192, length: 4096 }, 'read')
  // The touch itself is repaired; it is the next call that tells.
  for (const [semaphore, code] of [[hole, 'ERR_SHM_HOLE'], [guarded, 'ERR_SHM_READ_ONLY']] as const) {
    const calls = [() => semaphore.post(), () => semaphore.waitSync({ timeoutMs: 10 }), () => semaphore.tryWait(), () => semaphore.value]
    t.true([...calls, () => segment.buffer].some(call => codeOf(call) === code), code)
  }
  while (codeOf(() => segment.buffer) !== undefined);
  t.is(whole.tryWait(), 'acquired')
})

test('timeouts: 0 tries once, a time ends, Infinity and nothing wait, everything else is refused', t => {
  const mine = newSemaphore(t)
  for (const timeoutMs of [0, 0.5, 120]) t.is(mine.waitSync({ timeoutMs }), 'timedOut')
  for (const timeoutMs of [NaN, -1, -Infinity, '5', null, 5n, {}] as number[]) {
    refuses(t, () => mine.waitSync({ timeoutMs }), 'options.timeoutMs', `timeoutMs ${String(timeoutMs)}`)
  }
  for (const options of [{}, { timeoutMs: 0 }, { timeoutMs: Infinity }, { timeoutMs: 2 ** 53 }]) {
    mine.post()
    t.is(mine.waitSync(options), 'acquired')
  }
  t.is(mine.value, 0)
})

for (const verb of ['posix', 'sem_wait']) {
  test(`worker.terminate() ends a thread that blocks in ${verb}`, async t => {
    const mine = newSemaphore(t)
    const there = startChild(t, 'semaphore-worker', { args: [verb, mine.name ?? ''] })
    t.is(await there.line(), 'blocking')
    await until('the thread waits', () => waitersOf(mine.name ?? '') === 1)
    there.write('now\n')
    t.is(await there.line(), 'terminated 1')
    t.deepEqual(await there.ended, { code: 0, signal: null })
    mine.post()
    t.is(mine.value, 1)
  })
}

/** A child that opened the semaphore as `theirs` and blocks in `waitSync`. */
async function blocked(t: ExecutionContext<unknown>, { name = '' }: PosixSemaphore): Promise<Child> {
  const child = startChild(t, 'caller')
  await child.ask('call', ['PosixSemaphore.open', [name], 'theirs'])
  const before = waitersOf(name)
  t.is(await child.ask('block', ['theirs.waitSync']), 'blocking')
  await until('it waits', () => waitersOf(name) > before)
  return child
}

/** The code of the error that a call throws, if it does. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return String((error as { code?: string }).code)
  }
}
