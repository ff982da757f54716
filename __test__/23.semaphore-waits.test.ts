/**
 * Waits for semaphores with promises, of both families: between processes, ended by removal, truncation, time, abort and close, and
 * what must not be lost or left behind then. Those that need a process of their own are in `children/semaphore-waits.ts`.
 */
import { getEventListeners } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { IPC_PRIVATE, PosixSegment, PosixSemaphore } from 'shmem'
import { startChild, type Child } from './support/child.js'
import { answersWith, refuses } from './support/failure.js'
import { newSemaphore, waitersOf } from './support/posix-semaphore-names.js'
import { scenario, survives } from './support/scenario.js'
import { passingSegment, newSet } from './support/sysv-objects.js'
import { until } from './support/until.js'

type Test = ExecutionContext<unknown>

test('a wait resolves when another process gives what it waits for', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0, 1] })
  const there = await childWith(t, 'SysvSemaphoreSet.attach', set.id)
  const waits = [set.acquire(0, { count: 2 }), set.operate([{ index: 0, delta: -1 }, { index: 1, delta: 4 }]), set.waitForZero(1)]
  await until('they wait', () => set.waiting(0).forIncrease === 2 && set.waiting(1).forZero === 1)
  await there.ask('call', ['theirs.tryAcquire', [1]])
  t.is(await waits[2], 'zero')
  await there.ask('call', ['theirs.release', [0, { count: 3 }]])
  t.deepEqual(await Promise.all(waits), ['acquired', 'done', 'zero'])
  t.deepEqual(set.values(), [0, 4])

  const mine = newSemaphore(t)
  const other = await childWith(t, 'PosixSemaphore.open', mine.name)
  const wait = mine.wait()
  await until('it waits', () => waitersOf(mine.name ?? '') === 1)
  await other.ask('call', ['theirs.post'])
  t.is(await wait, 'acquired')
  t.is(mine.value, 0)
})

test('what is there is taken at once', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [1, 0] })
  t.is(await set.acquire(0), 'acquired')
  t.is(await set.waitForZero(1), 'zero')
  t.is(await set.operate([{ index: 0, delta: 3 }, { index: 1, delta: 0 }]), 'done')
  t.deepEqual(set.values(), [3, 0])
  const mine = newSemaphore(t, { value: 1 })
  t.is(await mine.wait(), 'acquired')
  t.is(mine.value, 0)
})

test('a process whose promise pends answers other questions, and is served by a give of ours', async t => {
  const segment = passingSegment(t, 4096)
  const mine = PosixSemaphore.init(segment, 64)
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSegment.attach', [segment.id], 'segment'])
  await there.ask('call', ['PosixSemaphore.at', ['$segment', 64], 'theirs'])
  there.tell('call', ['theirs.wait'])
  t.is((await there.ask('about')).pid, there.pid)
  mine.post()
  t.is(await there.answer(), 'acquired')
})

test('a segment is free to use, and to close, while a wait for a semaphore in it sleeps', async t => {
  const segment = passingSegment(t, 3 * 4096)
  const [first, second] = [PosixSemaphore.init(segment, 0), PosixSemaphore.init(segment, 32)]
  const waits = [first.wait(), second.wait()]
  await until('both wait', () => segment.bytes.readUInt32LE(4) === 1 && segment.bytes.readUInt32LE(36) === 1)
  segment.write(64, 'free')
  t.is(segment.read(64, 4).toString(), 'free')
  // A bad touch elsewhere, in the middle of the wait, is not the semaphore's.
  segment.unmap({ offset: 8192, length: 4096 })
  t.is(segment.bytes[8192], 0)
  t.throws(() => segment.read(0, 1), { code: 'ERR_SHM_HOLE' })
  second.post()
  t.is(await waits[1], 'acquired')
  segment.close()
  await answersWith(t, waits[0] as Promise<unknown>, { code: 'ERR_SHM_CLOSED' })
})

test('removal ends every wait with EIDRM, wherever it was', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0, 1] })
  const there = await childWith(t, 'SysvSemaphoreSet.attach', set.id)
  there.tell('call', ['theirs.acquire', [0]])
  await until('it waits', () => set.waiting(0).forIncrease === 1)
  // More than there are threads: some of them are between two turns when it happens.
  const waits = Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? set.acquire(0) : set.waitForZero(1)))
  await until('some are in a turn', () => set.waiting(1).forZero > 0)
  const endings = waits.map(wait => answersWith(t, wait, { code: 'EIDRM', syscall: 'semop', id: set.id, hint: /removed/u }))
  set.remove()
  await Promise.all(endings)
  await answersWith(t, there.answer(), { code: 'EIDRM', syscall: 'semop', id: set.id, hint: /removed/u })
  await answersWith(t, set.acquire(0), { code: 'ERR_SHM_CLOSED' })
})

test('a truncated segment ends a wait in it with ERR_SHM_TRUNCATED', async t => {
  const name = `/shmem-test-${process.pid}-truncated-wait`
  const segment = PosixSegment.create(name, { size: 8192, keepFd: true })
  const other = PosixSegment.open(name)
  t.teardown(() => {
    segment.remove()
    segment.close()
    other.close()
  })
  PosixSemaphore.init(segment, 4096)
  const wait = PosixSemaphore.at(other, 4096).wait()
  await until('it waits', () => segment.bytes.readUInt32LE(4100) === 1)
  segment.resize(4096)
  await answersWith(t, wait, { code: 'ERR_SHM_TRUNCATED', objectName: name })
})

test('what a helper thread took with undo comes back when the process is killed, what it took without stays taken', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0, 0] })
  const there = await childWith(t, 'SysvSemaphoreSet.attach', set.id)
  for (const [index, undo] of [[0, true], [1, false]] as const) {
    there.tell('call', ['theirs.acquire', [index, { count: 2, undo }]])
    await until('a helper waits', () => set.waiting(index).forIncrease === 1)
    set.release(index, { count: 2 })
    t.is(await there.answer(), 'acquired')
  }
  t.deepEqual(set.values(), [0, 0])
  const waiter = set.acquire(0, { count: 2 })
  await there.kill()
  t.is(await waiter, 'acquired')
  t.deepEqual(set.values(), [0, 0])
})

test('a process that is killed while its promises pend takes nothing', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0] })
  const mine = newSemaphore(t)
  const there = await childWith(t, 'SysvSemaphoreSet.attach', set.id)
  await there.ask('call', ['PosixSemaphore.open', [mine.name], 'semaphore'])
  there.tell('call', ['theirs.acquire', [0]])
  there.tell('call', ['semaphore.wait'])
  await until('both wait', () => set.waiting(0).forIncrease === 1 && waitersOf(mine.name ?? '') === 1)
  await there.kill()
  set.release(0)
  mine.post()
  t.deepEqual([set.getValue(0), mine.value], [1, 1])
})

test('timeouts: 0 tries once, a time ends, Infinity and nothing wait, everything else is refused', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0, 1] })
  const mine = newSemaphore(t)
  for (const timeoutMs of [0, 0.5, 120]) {
    t.is(await set.acquire(0, { timeoutMs }), 'timedOut')
    t.is(await set.waitForZero(1, { timeoutMs }), 'timedOut')
    t.is(await set.operate([{ index: 0, delta: -1 }], { timeoutMs }), 'timedOut')
    t.is(await mine.wait({ timeoutMs }), 'timedOut')
  }
  t.is(await set.acquire(1, { timeoutMs: 0 }), 'acquired')
  for (const timeoutMs of [NaN, -1, -Infinity, '5', null, 5n, {}] as number[]) {
    const waits = [
      () => set.acquire(0, { timeoutMs }), () => set.waitForZero(0, { timeoutMs }), () => set.operate([{ index: 0, delta: -1 }], { timeoutMs }),
      () => mine.wait({ timeoutMs })
    ]
    for (const wait of waits) {
      const error = await t.throwsAsync(wait, { any: true })
      refuses(t, () => { throw error }, 'options.timeoutMs', `timeoutMs ${String(timeoutMs)}`)
    }
  }
  for (const timeoutMs of [undefined, Infinity, 2 ** 53, Number.MAX_VALUE]) {
    const options = timeoutMs === undefined ? {} : { timeoutMs }
    const waits = [set.acquire(0, options), mine.wait(options)]
    await until('they wait', () => set.waiting(0).forIncrease === 1 && waitersOf(mine.name ?? '') === 1)
    set.release(0)
    mine.post()
    t.deepEqual(await Promise.all(waits), ['acquired', 'acquired'])
  }
  t.deepEqual([...set.values(), mine.value], [0, 0, 0])
})

test('an abort before, during and after a wait', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [1] })
  const mine = newSemaphore(t, { value: 1 })
  const reason = new Error('not any more')
  const begin = (signal: AbortSignal): Promise<unknown>[] => [set.acquire(0, { signal }), mine.wait({ signal })]

  for (const wait of begin(AbortSignal.abort(reason))) t.is(await t.throwsAsync(wait), reason)
  t.deepEqual([set.getValue(0), mine.value], [1, 1], 'nothing was taken')

  const late = new AbortController()
  t.deepEqual(await Promise.all(begin(late.signal)), ['acquired', 'acquired'])
  late.abort(reason)

  const during = new AbortController()
  const waits = [...begin(during.signal), set.operate([{ index: 0, delta: -1 }, { index: 0, delta: 1 }], { signal: during.signal })]
  await until('they wait', () => set.waiting(0).forIncrease === 2 && waitersOf(mine.name ?? '') === 1)
  t.is(getEventListeners(during.signal, 'abort').length, 3)
  during.abort(reason)
  for (const wait of waits) t.is(await t.throwsAsync(wait), reason)
  t.is(getEventListeners(during.signal, 'abort').length, 0)
  await until('nobody waits', () => set.waiting(0).forIncrease === 0 && waitersOf(mine.name ?? '') === 0)
  set.release(0)
  mine.post()
  t.deepEqual([set.getValue(0), mine.value], [1, 1])

  await t.throwsAsync(set.acquire(0, { count: 2, signal: AbortSignal.timeout(20) }), { any: true, name: 'TimeoutError' })
  t.is(set.getValue(0), 1)
})

test('a wait that is aborted in the moment of its success loses nothing', async t => {
  const set = newSet(t, IPC_PRIVATE, { initial: [0, 0] })
  const mine = newSemaphore(t)
  const outcomes = new Set<string>()
  const settle = async (wait: Promise<string>): Promise<string> => await wait.catch((error: unknown) => (error === 'abort' ? 'aborted' : String(error)))
  for (let round = 0; round < 150; round++) {
    const abort = new AbortController()
    const { signal } = abort
    const waits = [set.acquire(0, { signal }), mine.wait({ signal }), set.operate([{ index: 0, delta: -1 }, { index: 1, delta: 1 }], { signal })]
    if (round % 3 > 0) await until('they wait', () => set.waiting(0).forIncrease === 2 && waitersOf(mine.name ?? '') > 0)
    set.release(0, { count: 2 })
    mine.post()
    for (let spin = 0; spin < (round % 5) * 3000; spin++) Math.sqrt(spin)
    if (round % 7 === 6) await new Promise(resolve => setImmediate(resolve))
    abort.abort('abort')
    const [acquired, waited, operated] = await Promise.all(waits.map(settle))
    const left = 2 - Number(acquired === 'acquired') - Number(operated === 'done')
    await until('the sums are right', () => set.getValue(0) === left && mine.value === Number(waited === 'aborted'))
    t.is(set.getValue(1), Number(operated === 'done'))
    for (const outcome of [acquired, waited, operated]) outcomes.add(outcome ?? '')
    set.setAll([0, 0])
    mine.tryWait()
  }
  outcomes.delete('acquired')
  outcomes.delete('done')
  t.deepEqual([...outcomes], ['aborted'])
})

test('close rejects the waits of that semaphore object, and of no other', async t => {
  const mine = newSemaphore(t)
  const again = PosixSemaphore.open(mine.name ?? '')
  t.teardown(() => again.close())
  const waits = [mine.wait(), mine.wait({ timeoutMs: 60_000 })]
  const other = again.wait()
  await until('they wait', () => waitersOf(mine.name ?? '') === 3)
  const endings = waits.map(wait => answersWith(t, wait, { code: 'ERR_SHM_CLOSED' }))
  mine.close()
  await Promise.all(endings)
  again.post()
  t.is(await other, 'acquired')
  await until('nobody waits', () => waitersOf(again.name ?? '') === 0)
  again.post()
  t.is(again.value, 1, 'a wait that is closed takes nothing')
  await answersWith(t, mine.wait(), { code: 'ERR_SHM_CLOSED' })
})

test('a hundred promises pend on sixteen threads, each has its turns, and the event loop is free', async t => {
  await survives(t, 'semaphore-waits', 'hundred-at-once', { isAlone: true })
})

test('a pending wait takes no thread of the pool', async t => {
  await survives(t, 'semaphore-waits', 'no-pool-thread', { env: { UV_THREADPOOL_SIZE: '1' }, isAlone: true })
})

test('a pending wait keeps the process alive', async t => {
  await survives(t, 'semaphore-waits', 'pending-keeps-alive', { isAlone: true })
})

test('a wait with ref: false lets the process go', async t => {
  const { code, signal, stderr, survived } = await scenario(t, 'semaphore-waits', 'unref-lets-go', { isAlone: true })
  t.deepEqual({ code, signal, survived }, { code: 0, signal: null, survived: true }, stderr)
})

test('fifty workers terminated while waits pend', async t => {
  await survives(t, 'semaphore-waits', 'terminate-idle', { isAlone: true, isOneFile: true })
})

test('fifty workers terminated before they learn what they were granted: it is given back', async t => {
  await survives(t, 'semaphore-waits', 'terminate-granted', { isAlone: true, isOneFile: true })
})

test('a thread that is idle ends, and undoes nothing', async t => {
  await survives(t, 'semaphore-waits', 'threads-end', { isAlone: true })
})

/** A child that has `theirs`: what `opening` answers. */
async function childWith(t: Test, opening: string, argument: unknown): Promise<Child> {
  const child = startChild(t, 'caller')
  await child.ask('call', [opening, [argument], 'theirs'])
  return child
}
