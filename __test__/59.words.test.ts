/**
 * Atomic words and counters, and waits on any word of any segment: what `Atomics` does between threads, here between processes. One test
 * after the other, as waits that share a thread may wake each other.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, SysvSegment, notify, wait, waitAsync, type Segment } from 'shmem'
import { MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap } from 'shmem/posix'
import { startChild } from './support/child.js'
import { newManaged, newUser } from './support/managed-peer.js'
import { objectName, temporaryFolder } from './support/peer.js'
import { until } from './support/until.js'

test.serial('a word’s operations are those of Atomics, and other processes see them', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  const word = mem.word('word')
  await other.has('word', 'word')
  t.is(await other.call('word.add', 5), 0)
  t.is(word.sub(7), 5)
  t.is(word.and(0b110), -2)
  t.is(word.or(1), 6)
  t.is(word.xor(3), 7)
  t.is(word.exchange(2 ** 31 - 1), 4)
  t.is(word.add(), 2 ** 31 - 1)
  t.is(await other.call('word.load'), -(2 ** 31))
  t.is(word.compareExchange(0, 1), -(2 ** 31))
  t.is(word.compareExchange(-(2 ** 31), 1), -(2 ** 31))
  word.store(-9)
  t.is(await other.call('word.load'), -9)
})

test.serial('a counter has 64 bits, and loses no increment of two processes', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  const counter = mem.counter('counter')
  await other.has('counter', 'counter')
  counter.store(2n ** 62n)
  t.is(counter.add(2n ** 62n), 2n ** 62n)
  t.is(counter.load(), -(2n ** 63n))
  t.is(counter.exchange(5n), -(2n ** 63n))
  t.is(counter.compareExchange(4n, 9n), 5n)
  t.is(counter.sub(5n), 5n)
  const theirs = Promise.all(Array.from({ length: 500 }, () => other.call('counter.add')))
  for (let turn = 0; turn < 500; turn += 1) {
    counter.add()
    await new Promise(resolve => setImmediate(resolve))
  }
  await theirs
  t.is(counter.load(), 1000n)
  t.is(await other.call('counter.load'), '1000')
})

test.serial('a named word wakes waiters in other processes', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  const word = mem.word('word')
  await other.has('word', 'word')
  for (const form of ['waitSync', 'wait']) {
    await other.block(`word.${form}`, word.load(), { spinMicros: 0 })
    // Without a change: the notification alone.
    await until(`${form} sleeps`, () => word.notify(1) === 1)
    t.is(await other.child.answer(), 'ok')
    await other.block(`word.${form}`, word.load())
    word.add(1)
    word.notify()
    // It may not have looked before the change.
    t.true(['ok', 'not-equal'].includes(await other.child.answer()))
    t.is(await other.call(`word.${form}`, word.load() - 1), 'not-equal')
    for (const timeoutMs of [0, 0.5, 150]) t.is(await other.call(`word.${form}`, word.load(), { timeoutMs }), 'timed-out')
  }
})

test.serial('every kind of segment has words to wait for, in other processes and for readers, too', async t => {
  const sysv = SysvSegment.create(IPC_PRIVATE, { size: 4096 })
  const posix = PosixSegment.create(objectName(t), { size: 4096 })
  const memfd = MemfdSegment.create('words', { size: 4096 })
  const path = `${temporaryFolder(t)}/words`
  const file = FileSegment.create(path, { size: 4096 })
  t.teardown(() => sysv.remove())
  const ways: [Segment, string, unknown[]][] = [
    [sysv, 'SysvSegment.attach', [sysv.id]],
    [sysv, 'SysvSegment.attach', [sysv.id, { access: 'read' }]],
    [posix, 'PosixSegment.open', [posix.name]],
    [posix, 'PosixSegment.open', [posix.name, { access: 'read' }]],
    [memfd, 'MemfdSegment.fromProcess', [process.pid, memfd.fd, { access: 'read' }]],
    [file, 'FileSegment.open', [path]]
  ]
  const child = startChild(t, 'managed-user')
  for (const [index, [segment, by, args]] of ways.entries()) {
    await child.ask('call', [by, args, `segment${index}`])
    await child.ask('view', [`segment${index}`, `words${index}`])
    const words = new Int32Array(segment.buffer, 0, 16)
    for (const call of ['wait', 'waitAsync']) {
      child.tell('call', [call, [`$words${index}`, 3, words[3], { spinMicros: 0 }]])
      await until(`${call} by ${by} sleeps`, () => notify(words, 3, 1) === 1)
      t.is(await child.answer(), 'ok', `${call} by ${by}`)
    }
    // And in the other direction: a reader can notify.
    const mine = waitAsync(words, 5, 0)
    await until('this one sleeps', async () => (await child.ask('call', ['notify', [`$words${index}`, 5]])) === 1)
    t.is(await mine, 'ok')
  }
  for (const segment of [sysv, posix, memfd, file]) segment.close()
})

test.serial('raw mappings have words to wait for, and munmap ends the waits', async t => {
  const mapping = mmap(null, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
  const words = new Int32Array(mapping.buffer, 4096, 4)
  const waits = [waitAsync(words, 1, 0), waitAsync(words, 1, 0), waitAsync(words, 2, 0)]
  await until('both sleep', () => notify(words, 1) > 0)
  t.is(await Promise.race(waits), 'ok')
  const last = waitAsync(words, 3, 0)
  munmap(mapping)
  await t.throwsAsync(last, { code: 'ERR_SHM_CLOSED' })
  t.throws(() => notify(words, 3), { code: 'ERR_OUT_OF_RANGE' })
  await Promise.allSettled(waits)
})

test.serial('close, resize and refresh end the waits on the old buffer, and only those', async t => {
  const name = objectName(t)
  const segment = PosixSegment.create(name, { size: 4096, keepFd: true })
  const other = PosixSegment.open(name, { keepFd: true })
  const on = (from: Segment): Promise<string> => waitAsync(new Int32Array(from.buffer, 0, 16), 0, 0)
  const [first, theirs] = [on(segment), on(other)]
  segment.resize(8192)
  await t.throwsAsync(first, { code: 'ERR_SHM_CLOSED' })
  const second = on(segment)
  other.refresh()
  await t.throwsAsync(theirs, { code: 'ERR_SHM_CLOSED' })
  const third = on(other)
  segment.close()
  await t.throwsAsync(second, { code: 'ERR_SHM_CLOSED' })
  await served(third, () => notify(new Int32Array(other.buffer, 0, 16), 0))
  other.close()
})

test.serial('memory that is not ours, and arrays without words of 32 bits, are refused', async t => {
  const segment = MemfdSegment.create('words', { size: 4096 })
  const foreign = new Int32Array(new SharedArrayBuffer(16))
  t.throws(() => wait(foreign, 0, 0, { timeoutMs: 0 }), { code: 'ERR_SHM_NOT_OURS' })
  t.throws(() => wait(foreign, 0, 1), { code: 'ERR_SHM_NOT_OURS' })
  t.throws(() => notify(foreign, 0), { code: 'ERR_SHM_NOT_OURS' })
  await t.throwsAsync(waitAsync(foreign, 0, 0), { code: 'ERR_SHM_NOT_OURS' })
  for (const array of [new BigInt64Array(segment.buffer, 0, 4), new Uint32Array(segment.buffer, 0, 4), [0], null]) {
    t.throws(() => wait(array as never, 0, 0), { code: 'ERR_INVALID_ARG_TYPE', message: /32 bits/u })
    await t.throwsAsync(waitAsync(array as never, 0, 0), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  const elsewhere = runInNewContext('buffer => new Int32Array(buffer, 0, 4)')(segment.buffer) as Int32Array
  t.is(wait(elsewhere, 0, 1), 'not-equal')
  for (const index of [-1, 4, 0.5, NaN]) t.throws(() => wait(new Int32Array(segment.buffer, 0, 4), index, 0), { code: 'ERR_OUT_OF_RANGE' })
  segment.close()
})

test.serial('an aborted wait rejects with the reason, and hands its notification to another', async t => {
  const segment = MemfdSegment.create('words', { size: 4096 })
  const words = new Int32Array(segment.buffer, 0, 4)
  const reason = new Error('enough')
  const abort = new AbortController()
  await t.throwsAsync(waitAsync(words, 0, 0, { signal: AbortSignal.abort(reason) }), { is: reason })
  const first = waitAsync(words, 0, 0, { signal: abort.signal })
  await until('it sleeps', () => notify(words, 1) === 0 && threads().length > 0)
  const second = waitAsync(words, 0, 0)
  abort.abort(reason)
  await t.throwsAsync(first, { is: reason })
  await served(second, () => notify(words, 0, 1))
  t.is(await waitAsync(words, 0, 0, { timeoutMs: 20 }), 'timed-out')
  segment.close()
})

test.serial('a killed waiter is not counted, and those behind it are woken', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  const word = mem.word('word')
  await other.has('word', 'word')
  await other.block('word.waitSync', 0)
  const mine = word.wait(0)
  await other.child.kill()
  await until('only this one is left', () => word.notify(1) === 1)
  t.is(await mine, 'ok')
})

test.serial('a thousand promises on a few words share nine threads, on a few locks one, and the event loop turns', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  await until('earlier threads have ended', () => threads().length === 0)

  const words = Array.from({ length: 4 }, (_, index) => mem.word(`word ${index}`))
  const waits = Array.from({ length: 1000 }, (_, index) => words[index % 4]?.wait(0))
  await until('all sleep', () => words.reduce((sum, word) => sum + word.notify(0), 0) === 0 && threads().length >= 9)
  for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setTimeout(resolve, 1))
  t.is(threads().length, 9)
  for (const word of words) {
    word.store(1)
    word.notify()
  }
  t.deepEqual([...new Set(await Promise.all(waits))], ['ok'])
  await until('the threads have ended', () => threads().length === 0)

  const locks = Array.from({ length: 4 }, (_, index) => mem.mutex(`lock ${index}`))
  for (const lock of locks) {
    await other.has('mutex', lock.name)
    await other.call(`${lock.name}.lockSync`)
  }
  let count = 0
  const locked = Array.from({ length: 1000 }, (_, index) => locks[index % 4]?.withLock(() => (count += 1)))
  await until('a thread sleeps for them', () => threads().length > 0)
  for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setTimeout(resolve, 1))
  t.is(threads().length, 1)
  t.is(count, 0)
  for (const lock of locks) await other.call(`${lock.name}.unlock`)
  await Promise.all(locked)
  t.is(count, 1000)
})

test.serial('closing ends words and counters', async t => {
  const mem = newManaged(t)
  const [word, counter] = [mem.word('word'), mem.counter('counter')]
  const pending = word.wait(0)
  mem.close()
  await t.throwsAsync(pending, { code: 'ERR_SHM_CLOSED' })
  await t.throwsAsync(word.wait(0), { code: 'ERR_SHM_CLOSED' })
  for (const call of [() => word.load(), () => word.store(1), () => word.notify(), () => word.waitSync(0), () => counter.load(), () => counter.add()]) {
    t.throws(call, { code: 'ERR_SHM_CLOSED' })
  }
})

/** Notifies until the wait is over: the first time may be counted for one that was ended a moment ago, as long as its thread has not noticed. */
async function served(pending: Promise<string>, notifies: () => number): Promise<void> {
  let outcome: string | undefined
  void pending.then(told => (outcome = told))
  await until('the other wait is over', () => notifies() >= 0 && outcome === 'ok')
}

/** The waiter threads of this process. */
function threads(): string[] {
  return readdirSync('/proc/self/task').filter(task => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim() === 'shmem-waiter'
    } catch {
      return false
    }
  })
}
