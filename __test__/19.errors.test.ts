/**
 * {@link ShmError}: its shape, as Node's own system errors have it; which remedy is named for which failure; and that a failure
 * keeps its facts on the way through JSON and structured clone. The failures themselves are provoked in 10 to 16.
 */
import { constants } from 'node:buffer'
import { inspect, isDeepStrictEqual } from 'node:util'
import test from 'ava'
import { FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, PosixSemaphore, ShmError, SysvSegment, SysvSemaphoreSet, receiveFd } from 'shmem'
import * as posix from 'shmem/posix'
import * as sysv from 'shmem/sysv'
import { privately, whyNotPrivate } from './support/namespace.js'
import { Peer, objectName as uniqueName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'

const ABSENT_KEY = 0x7f00_0000 | (process.pid & 0xffff)

/** The error of a call. */
function failure(act: () => unknown): ShmError {
  try {
    act()
  } catch (error) {
    return error as ShmError
  }
  throw new Error('this should have failed')
}

/** One failure of each syscall and code that can be had without privilege, with the facts it must tell. */
const failures: [string, () => unknown, Record<string, unknown>][] = [
  ['a name that is absent', () => PosixSegment.open('/shmem-test-absent'), { code: 'ENOENT', errno: -2, syscall: 'shm_open', objectName: '/shmem-test-absent' }],
  ['a name to remove', () => PosixSegment.remove('/shmem-test-absent'), { code: 'ENOENT', errno: -2, syscall: 'shm_unlink', objectName: '/shmem-test-absent' }],
  ['a key that is absent', () => SysvSegment.open(ABSENT_KEY), { code: 'ENOENT', errno: -2, syscall: 'shmget', key: ABSENT_KEY }],
  ['an id that is absent', () => SysvSegment.attach(2 ** 31 - 1), { code: 'EINVAL', errno: -22, id: 2 ** 31 - 1 }],
  ['an id to remove', () => SysvSegment.remove(2 ** 31 - 1), { code: 'EINVAL', errno: -22, syscall: 'shmctl', id: 2 ** 31 - 1 }],
  ['a set that is absent', () => SysvSemaphoreSet.open(ABSENT_KEY), { code: 'ENOENT', errno: -2, syscall: 'semget', key: ABSENT_KEY }],
  ['a set\'s id that is absent', () => SysvSemaphoreSet.attach(2 ** 31 - 1), { code: 'EINVAL', errno: -22, syscall: 'semctl', id: 2 ** 31 - 1 }],
  ['a semaphore that is absent', () => PosixSemaphore.open('/shmem-test-absent'), { code: 'ENOENT', errno: -2, syscall: 'sem_open', objectName: '/shmem-test-absent' }],
  ['a path that is absent', () => FileSegment.open('/tmp/shmem-test-absent/x'), { code: 'ENOENT', errno: -2, syscall: 'open', path: '/tmp/shmem-test-absent/x' }],
  ['a file on huge pages', () => FileSegment.create('/tmp/shmem-test-huge', { size: 1, hugePages: 'require' } as { size: number }), { code: 'EINVAL', errno: -22, syscall: 'open', path: '/tmp/shmem-test-huge' }],
  ['a folder', () => FileSegment.open('/tmp'), { code: 'EISDIR', errno: -21, syscall: 'open', path: '/tmp' }],
  ['a descriptor that is closed', () => MemfdSegment.fromFd(1_000_000), { code: 'EBADF', errno: -9 }],
  ['a process that is absent', () => MemfdSegment.fromProcess(2 ** 31 - 1, 0), { code: 'ENOENT', errno: -2, path: '/proc/2147483647/fd/0' }],
  ['a socket where nobody sends', () => receiveFd(`@shmem-test-${process.pid}`, { timeoutMs: 1 }), { code: 'ETIMEDOUT', errno: -110 }],
  ['a raw file descriptor', () => posix.ftruncate(1_000_000, 1), { code: 'EBADF', errno: -9, syscall: 'ftruncate' }],
  ['a raw key', () => sysv.shmget(ABSENT_KEY, 1, 0), { code: 'ENOENT', errno: -2, syscall: 'shmget', key: ABSENT_KEY }],
  ['a raw semaphore operation', () => sysv.semop(2 ** 31 - 1, [{ sem_num: 0, sem_op: 1 }]), { code: 'EINVAL', errno: -22, syscall: 'semop', id: 2 ** 31 - 1 }]
]

for (const [what, act, facts] of failures) {
  test(`${what}: the error has code, errno, syscall and subject, and says them`, t => {
    const error = failure(act)
    t.true(error instanceof ShmError && error instanceof Error)
    t.like(error, facts)
    t.is(error.name, 'ShmError')
    t.true(error.message.startsWith(`${error.code}: `), error.message)
    t.true(error.syscall === undefined || error.message.includes(error.syscall))
    for (const word of ['objectName', 'path', 'id'] as const) if (word in facts) t.true(error.message.includes(String(facts[word])), error.message)
    if ('key' in facts) t.true(error.message.includes(`0x${ABSENT_KEY.toString(16)}`), error.message)
    t.false(Object.keys(error).includes('stack'))
    t.regex(error.stack ?? '', /19\.errors\.test/)
  })
}

test('an error goes through JSON and structured clone with all its facts, and has no others', t => {
  const error = failure(() => PosixSegment.open('/shmem-test-absent'))
  const { code, errno, syscall, objectName, hint } = error
  const json = JSON.parse(JSON.stringify(error)) as Record<string, unknown>
  t.like(json, { code, errno, syscall, objectName, hint })
  t.deepEqual(Object.keys(error).filter(key => key !== 'name').toSorted(), ['code', 'errno', 'hint', 'objectName', 'syscall'])
  const clone = structuredClone(error)
  t.true(clone instanceof Error && isDeepStrictEqual(clone.message, error.message))
  t.regex(inspect(error), /ShmError.*ENOENT/)
})

test('own codes have no errno and no syscall', t => {
  const closed = MemfdSegment.create('closed', { size: 1 })
  closed.close()
  const error = failure(() => closed.write(0, 'x'))
  t.is(error.code, 'ERR_SHM_CLOSED')
  t.false('errno' in error || 'syscall' in error)
  t.true(error instanceof ShmError)
})

test('argument errors are TypeError and RangeError with Node\'s codes, not ShmError', t => {
  for (const [act, kind, code] of [
    [() => PosixSegment.create(5 as unknown as string, { size: 1 }), TypeError, 'ERR_INVALID_ARG_TYPE'],
    [() => PosixSegment.create('plain', { size: 1 }), TypeError, 'ERR_INVALID_ARG_VALUE'],
    [() => PosixSegment.create('/x', { size: -1 }), RangeError, 'ERR_OUT_OF_RANGE']
  ] as const) {
    const error = t.throws(act as () => unknown, { instanceOf: kind, code })
    t.false(error instanceof ShmError)
  }
})

test('a part outside the segment is a RangeError that says what is inside', t => {
  using segment = MemfdSegment.create('ranges', { size: 8_192 })
  const outside = { offset: 8_192, length: 4_096 }
  const acts = [
    () => segment.protect(outside, 'read'), () => segment.unmap(outside), () => segment.flush(outside), () => segment.advise(outside, 'normal'),
    () => segment.residency(outside), () => segment.read(8_192, 1), () => segment.write(8_190, 'abc'), () => MemfdSegment.fromFd(segment.fd, outside)
  ]
  for (const act of acts) t.regex(t.throws(act, { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })?.message ?? '', /819[02]/)
})

test('a native panic or a wrong call is no bare string: every failure has a code', t => {
  using segment = MemfdSegment.create('codes', { size: 4_096 })
  const acts = [() => segment.advise(undefined, 'collapse'), () => segment.resize(2 ** 42), () => segment.protect({ offset: 1 }, 'none'), () => segment.advise(undefined, 'mergeable')]
  for (const act of acts) {
    try {
      act()
    } catch (error) {
      t.regex(String((error as ShmError).code), /^E[A-Z_0-9]+$/)
    }
  }
  t.is(segment.closed, false)
})

// The remedy table: each row is a failure that this machine can provoke, and words that the hint must have.
test('the hints of failures that anybody can have name the remedy', t => {
  const name = uniqueName(t)
  using read = PosixSegment.create(name, { size: 4_096 })
  using sealed = MemfdSegment.create('sealed', { size: 4_096, seals: ['grow'] })
  using set = { id: SysvSemaphoreSet.create(IPC_PRIVATE, { count: 1 }), [Symbol.dispose]() { this.id.remove() } }
  const removed = PosixSegment.create(`${name}-gone`, { size: 4_096 })
  removed.remove()
  const rows: [() => unknown, string, RegExp][] = [
    [() => PosixSegment.open(`${name}-absent`), 'ENOENT', /mount namespace.*\/dev\/shm/],
    [() => PosixSegment.create(`${name}-huge`, { size: 1, hugePages: 'require' as 'prefer' }), 'EINVAL', /MemfdSegment and SysvSegment can/],
    [() => PosixSemaphore.open(`${name}-absent`), 'ENOENT', /mount namespace/],
    [() => SysvSegment.open(ABSENT_KEY), 'ENOENT', /IPC namespace.*ipcs/],
    [() => SysvSegment.attach(2 ** 31 - 1), 'EINVAL', /no such identifier/],
    [() => sysv.shmget(ABSENT_KEY, 0, sysv.IPC_CREAT | 0o600), 'EINVAL', /SHMMAX \(sysctl kernel\.shmmax\)/],
    [() => sysv.semget(ABSENT_KEY, 0, sysv.IPC_CREAT | 0o600), 'EINVAL', /SEMMSL/],
    [() => set.id.release(0, { count: 32_767 }) ?? set.id.release(0), 'ERANGE', /32,767/],
    [() => set.id.tryOperate(Array.from({ length: 501 }, () => ({ index: 0, delta: 1 }))), 'E2BIG', /SEMOPM/],
    [() => sealed.resize(8_192), 'EPERM', /seal/],
    [() => removed.stat(), 'ERR_SHM_REMOVED', /keepFd: true/],
    [() => MemfdSegment.create('much', { size: 2 ** 44, length: 4_096 }), 'ERR_SHM_NO_MEMORY', /reserve: false/],
    // From Node 22 on a buffer may be larger than all address space.
    ...(constants.MAX_LENGTH < 2 ** 47 ? [[() => MemfdSegment.create('much', { size: 2 ** 45, reserve: false }), 'ERR_SHM_BUFFER_TOO_LARGE', /offset, length/] as [() => unknown, string, RegExp]] : [])
  ]
  for (const [act, code, hint] of rows) {
    const error = failure(act)
    t.is(error.code, code)
    t.regex(error.hint ?? '', hint)
    t.true(error.message.endsWith(error.hint ?? '?'))
  }
  removed.close()
  t.is(read.size, 4_096)
})

test('a limit of the namespace is named by its sysctl', async t => {
  const reason = whyNotPrivate()
  if (reason !== undefined) return skip(t, reason)
  const kernel = '/proc/sys/kernel'
  const rows: [string, string, unknown[], string, RegExp][] = [
    [`echo 0 > ${kernel}/shmmni`, 'SysvSegment.create', [1, { size: 1 }], 'ENOSPC', /SHMMNI.*kernel\.shmmni/],
    [`echo 100 > ${kernel}/shmmax`, 'SysvSegment.create', [1, { size: 101 }], 'EINVAL', /SHMMAX/],
    [`echo 1 > ${kernel}/shmall`, 'SysvSegment.create', [1, { size: 2 ** 20 }], 'ENOSPC', /SHMALL/],
    [`echo '250 32000 32 0' > ${kernel}/sem`, 'SysvSemaphoreSet.create', [1, { count: 1 }], 'ENOSPC', /SEMMNI.*kernel\.sem/],
    [`echo '3 32000 32 9' > ${kernel}/sem`, 'SysvSemaphoreSet.create', [1, { count: 4 }], 'EINVAL', /SEMMSL/],
    ['mount -t tmpfs -o size=1m shm /dev/shm', 'PosixSegment.create', ['/big', { size: '2MiB' }], 'ENOSPC', /df -h \/dev\/shm/],
    ['mount -t tmpfs shm /dev/shm; ulimit -n 120', 'PosixSegment.create', [], 'EMFILE', /ulimit -n/]
  ]
  for (const [setup, by, args, code, hint] of rows) {
    const peer = new Peer(t, { prefix: privately(setup) })
    const create = async (): Promise<void> => {
      for (let count = 0; count < 160; count += 1) await peer.open(by, ...(code === 'EMFILE' ? [`/many-${count}`, { size: 1, keepFd: true }] : args))
    }
    const error = await t.throwsAsync(create()) as unknown as { code: string; hint?: string; errno: number }
    t.is(error.code, code, setup)
    t.regex(error.hint ?? '', hint, setup)
    t.true(error.errno < 0)
    await peer.child.kill()
  }
})

test('a file error names the path as it is, also where it is no ASCII', t => {
  const path = `${temporaryFolder(t)}/größe/ß`
  t.like(failure(() => FileSegment.open(path)), { code: 'ENOENT', path })
  t.like(failure(() => FileSegment.open(`${path}\u{1F600}`)), { code: 'ENOENT', path: `${path}\u{1F600}` })
})
