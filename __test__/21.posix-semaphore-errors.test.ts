/**
 * What `PosixSemaphore` and the raw sem_* calls answer when libc refuses or the place in a segment is no place, each errno with its
 * call, name and hint; and the raw calls with C's semantics.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import test from 'ava'
import { PosixSemaphore, SysvSegment, type Segment } from 'shmem'
import {
  MAP_ANONYMOUS, MAP_SHARED, O_CREAT, O_EXCL, PROT_READ, PROT_WRITE, mmap, munmap, sem_close, sem_destroy, sem_getvalue, sem_init,
  sem_open, sem_post, sem_timedwait, sem_trywait, sem_unlink, sem_wait
} from 'shmem/posix'
import { startChild } from './support/child.js'
import { answersWith, failsWith, refuses } from './support/failure.js'
import { asOther, privately, whyNotOther, whyNotPrivate } from './support/namespace.js'
import { fileOf, newSemaphore, semaphoreName } from './support/posix-semaphore-names.js'
import { skip } from './support/skip.js'
import { passingSegment } from './support/sysv-objects.js'

const MOST = 2 ** 31 - 1

test('a second create is EEXIST and changes nothing, open of nothing ENOENT, remove of nothing ENOENT', t => {
  const mine = newSemaphore(t, { value: 3 })
  const name = mine.name ?? ''
  failsWith(t, () => PosixSemaphore.create(name, { value: 9 }), { code: 'EEXIST', syscall: 'sem_open', objectName: name })
  t.is(mine.value, 3)
  const none = semaphoreName(t)
  failsWith(t, () => PosixSemaphore.open(none), { code: 'ENOENT', syscall: 'sem_open', objectName: none, hint: /\/dev\/shm/u })
  failsWith(t, () => PosixSemaphore.remove(none), { code: 'ENOENT', syscall: 'sem_unlink', objectName: none })
  t.false(existsSync(fileOf(none)))
})

test('post beyond 2^31 - 1 is EOVERFLOW, and the value stays', t => {
  const mine = newSemaphore(t, { value: MOST })
  failsWith(t, () => mine.post(), { code: 'EOVERFLOW', syscall: 'sem_post', objectName: mine.name ?? '' })
  t.is(mine.value, MOST)
  t.is(mine.tryWait(), 'acquired')
  mine.post()
  t.is(mine.value, MOST)
})

test('another user may open what the mode says, else EACCES; in a sticky /dev/shm only the owner removes', async t => {
  const missing = whyNotOther()
  if (missing !== undefined) return skip(t, missing)
  const there = startChild(t, 'caller', { prefix: asOther() })
  const mine = newSemaphore(t, { value: 1 })
  const open = newSemaphore(t, { value: 1, mode: 0o666 })
  const denied = { code: 'EACCES', syscall: 'sem_open', objectName: mine.name ?? '', hint: /owner and mode/u }
  await answersWith(t, there.ask('call', ['PosixSemaphore.open', [mine.name]]), denied)
  await answersWith(t, there.ask('call', ['PosixSemaphore.openOrCreate', [mine.name]]), denied)
  await answersWith(t, there.ask('call', ['posix.sem_open', [mine.name, 0]]), denied)
  await there.ask('call', ['PosixSemaphore.open', [open.name], 'theirs'])
  t.is(await there.ask('call', ['theirs.tryWait']), 'acquired')
  t.is(open.value, 0)
  if ((statSync('/dev/shm').mode & 0o1000) === 0) return
  const removing = there.ask('call', ['PosixSemaphore.remove', [open.name]])
  await answersWith(t, removing, { code: 'EACCES', syscall: 'sem_unlink', objectName: open.name ?? '' })
  t.true(existsSync(fileOf(open.name ?? '')))
})

test('with a full /dev/shm create is ENOSPC, not a crash, and leaves nothing', async t => {
  const missing = whyNotPrivate()
  if (missing !== undefined) return skip(t, missing)
  const setup = 'mount -t tmpfs -o size=64k shm /dev/shm; head -c 64k /dev/zero > /dev/shm/full'
  const there = startChild(t, 'caller', { prefix: privately(setup) })
  const name = '/shmem-test-full'
  for (const verb of ['create', 'openOrCreate']) {
    const making = there.ask('call', [`PosixSemaphore.${verb}`, [name, { value: 1 }]])
    await answersWith(t, making, { code: 'ENOSPC', syscall: 'sem_open', objectName: name })
  }
  await answersWith(t, there.ask('call', ['PosixSemaphore.open', [name]]), { code: 'ENOENT', syscall: 'sem_open', objectName: name })
})

test('names that sem_overview(7) does not know are refused by the class, and nothing is made', t => {
  const before = readdirSync('/dev/shm').filter(name => name.startsWith('sem.')).length
  const names = ['', '/', 'plain', '/a/b', '/.', '/..', '/a\0b', `/${'x'.repeat(251)}`, 5, null, undefined, {}, '//x'] as string[]
  for (const name of names) {
    for (const verb of ['create', 'open', 'openOrCreate', 'remove'] as const) {
      refuses(t, () => PosixSemaphore[verb](name), 'name', `${verb} ${String(name).slice(0, 10)}`)
    }
  }
  for (const value of [-1, MOST + 1, 0.5, NaN, 2 ** 53, '1', null] as number[]) {
    refuses(t, () => PosixSemaphore.create('/shmem-test-never', { value }), 'options.value', `value ${value}`)
  }
  t.false(existsSync(fileOf('/shmem-test-never')))
  t.true(readdirSync('/dev/shm').filter(name => name.startsWith('sem.') && !name.startsWith('sem.shmem-test')).length <= before)
})

test('the longest name works', t => {
  const name = `/${`shmem-test-${process.pid}-`.padEnd(250, 'x')}`
  t.teardown(() => existsSync(fileOf(name)) && PosixSemaphore.remove(name))
  const mine = PosixSemaphore.create(name)
  mine.post()
  mine.close()
  t.true(existsSync(fileOf(name)))
})

test('a place in a segment must be aligned, inside, writable and in a segment', t => {
  const segment = passingSegment(t, 100)
  for (const offset of [1, 2, 4, 12, 72, 96, 100, 104, -8, -1, 0.5, NaN, Infinity, 2 ** 53, '0', null] as number[]) {
    refuses(t, () => PosixSemaphore.init(segment, offset, { value: 1 }), 'offset', `init at ${offset}`)
    refuses(t, () => PosixSemaphore.at(segment, offset), 'offset', `at ${offset}`)
  }
  t.deepEqual(segment.read(0, 100), Buffer.alloc(100))
  refuses(t, () => PosixSemaphore.init(segment, 0, { value: MOST + 1 }), 'options.value', 'too much')
  for (const home of [undefined, null, {}, new ArrayBuffer(64), segment.buffer] as unknown as Segment[]) {
    refuses(t, () => PosixSemaphore.init(home, 0), 'segment', String(home))
    refuses(t, () => PosixSemaphore.at(home, 0), 'segment', String(home))
  }
  const reading = SysvSegment.attach(segment.id, { access: 'read' })
  t.teardown(() => reading.close())
  failsWith(t, () => PosixSemaphore.init(reading, 0), { code: 'ERR_SHM_READ_ONLY' })
  failsWith(t, () => PosixSemaphore.at(reading, 0), { code: 'ERR_SHM_READ_ONLY' })
  t.notThrows(() => PosixSemaphore.init(segment, 64, { value: MOST }))
})

test('sem_open makes, finds and refuses as its flags say, and the umask applies', async t => {
  const name = semaphoreName(t)
  failsWith(t, () => sem_open(name, 0), { code: 'ENOENT', syscall: 'sem_open', objectName: name })
  const mine = sem_open(name, O_CREAT | O_EXCL, 0o600, 2)
  failsWith(t, () => sem_open(name, O_CREAT | O_EXCL, 0o600, 2), { code: 'EEXIST', syscall: 'sem_open', objectName: name })
  const same = sem_open(name, O_CREAT, 0o600, 9)
  t.is(sem_getvalue(same), 2)
  sem_close(same)
  t.is(sem_getvalue(mine), 2)
  sem_close(mine)
  const other = semaphoreName(t)
  failsWith(t, () => sem_open(other, O_CREAT, 0o600, MOST + 1), { code: 'EINVAL', syscall: 'sem_open', objectName: other })
  t.false(existsSync(fileOf(other)))
  const there = startChild(t, 'caller')
  await there.ask('umask', 0o027)
  await there.ask('call', ['posix.sem_open', [other, O_CREAT, 0o666, 0], 'theirs'])
  t.is(statSync(fileOf(other)).mode & 0o777, 0o640)
})

test('names that C refuses are EINVAL or ENAMETOOLONG of sem_open', t => {
  for (const name of ['/', '/a/b', `/${'x'.repeat(300)}`]) {
    const error = t.throws(() => sem_open(name, O_CREAT, 0o600, 0), { any: true }) as { code?: string; syscall?: string } | undefined
    t.true(['EINVAL', 'ENAMETOOLONG', 'ENOENT'].includes(error?.code ?? ''), `${name.slice(0, 9)}: ${String(error)}`)
    t.is(error?.syscall, 'sem_open')
  }
})

test('the raw waits: sem_wait takes, sem_trywait is EAGAIN, sem_timedwait ETIMEDOUT, sem_post EOVERFLOW', t => {
  const name = semaphoreName(t)
  const mine = sem_open(name, O_CREAT | O_EXCL, 0o600, 2)
  sem_wait(mine)
  sem_trywait(mine)
  failsWith(t, () => sem_trywait(mine), { code: 'EAGAIN', syscall: 'sem_trywait' })
  for (const timeoutMs of [0, 0.5, 120]) failsWith(t, () => sem_timedwait(mine, timeoutMs), { code: 'ETIMEDOUT', syscall: 'sem_timedwait' })
  for (const timeoutMs of [NaN, -1, '1' as unknown as number]) refuses(t, () => sem_timedwait(mine, timeoutMs), 'timeoutMs', `timeoutMs ${timeoutMs}`)
  sem_post(mine)
  sem_timedwait(mine, Infinity)
  t.is(sem_getvalue(mine), 0)
  sem_close(mine)
  sem_unlink(name)
  failsWith(t, () => sem_unlink(name), { code: 'ENOENT', syscall: 'sem_unlink', objectName: name })
  const full = sem_open(name, O_CREAT | O_EXCL, 0o600, MOST)
  failsWith(t, () => sem_post(full), { code: 'EOVERFLOW', syscall: 'sem_post', objectName: name })
  sem_close(full)
})

test('a raw semaphore that was closed or destroyed, or whose mapping is gone, is an error and no crash', t => {
  const name = semaphoreName(t)
  const closed = sem_open(name, O_CREAT, 0o600, 1)
  sem_close(closed)
  const mapping = mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
  const destroyed = sem_init(mapping, 0, 1)
  sem_destroy(destroyed)
  const homeless = sem_init(mapping, 64, 1)
  t.is(sem_getvalue(homeless), 1)
  munmap(mapping)
  for (const semaphore of [closed, destroyed, homeless]) {
    const calls = [sem_wait, sem_trywait, sem_post, sem_getvalue]
    for (const call of calls) failsWith(t, () => call(semaphore), { code: 'ERR_SHM_CLOSED' })
    failsWith(t, () => sem_timedwait(semaphore, 10), { code: 'ERR_SHM_CLOSED' })
  }
  failsWith(t, () => sem_init(mapping, 0, 1), { code: 'EINVAL', syscall: 'sem_init' })
})

test('sem_init beyond SEM_VALUE_MAX, unaligned, outside or in read-only memory is refused, and writes nothing', t => {
  const mapping = mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
  const refused = (call: () => unknown, codes: string[]): void => {
    const error = t.throws(call, { any: true }) as { code?: string } | undefined
    t.true(codes.includes(error?.code ?? ''), String(error))
  }
  refused(() => sem_init(mapping, 0, MOST + 1), ['EINVAL'])
  for (const offset of [1, 4, 4072, 4096, 2 ** 40]) refused(() => sem_init(mapping, offset, 1), ['ERR_OUT_OF_RANGE', 'EINVAL', 'ERR_INVALID_ARG_VALUE'])
  t.deepEqual(Buffer.from(mapping.buffer), Buffer.alloc(4096))
  munmap(mapping)
  const reading = mmap(null, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
  refused(() => sem_init(reading, 0, 1), ['ERR_SHM_READ_ONLY', 'EACCES'])
  munmap(reading)
})
