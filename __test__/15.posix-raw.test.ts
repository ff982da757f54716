/**
 * `shmem/posix` under its man-page names: C's semantics, umask and all, on handles instead of addresses; and that no address
 * outside this library's own mappings can be reached.
 */
import { openSync, readFileSync, statSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { ShmError } from 'shmem'
import * as c from 'shmem/posix'
import { hugePagePool } from './support/huge-pages.js'
import { Peer, objectName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'

const PAGE = 4096
const RW = c.PROT_READ | c.PROT_WRITE
const ANONYMOUS = c.MAP_SHARED | c.MAP_ANONYMOUS

/** An anonymous mapping, unmapped at the end of the test. */
function pages(t: ExecutionContext, count: number, prot = RW, flags = ANONYMOUS) {
  const mapping = c.mmap(null, count * PAGE, prot, flags, -1, 0)
  t.teardown(() => mapping[Symbol.dispose]())
  return mapping
}

/** An object of shm_open(3) with a name and a descriptor. */
function object(t: ExecutionContext, size = PAGE): { name: string; fd: number } {
  const name = objectName(t)
  const fd = c.shm_open(name, c.O_RDWR | c.O_CREAT | c.O_EXCL, 0o600)
  t.teardown(() => c.close(fd))
  c.ftruncate(fd, size)
  return { name, fd }
}

/** Bytes that this process has locked. */
const locked = (): number => Number(/VmLck:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024

/** What /proc/self/smaps says of the mapping that begins where this one does. */
function kernelSays(mapping: { address: bigint }): string {
  const maps = readFileSync('/proc/self/smaps', 'utf8')
  return maps.slice(maps.search(new RegExp(`^${mapping.address.toString(16)}-`, 'm'))).split('VmFlags')[0] ?? ''
}

const bytes = (mapping: { buffer: ArrayBuffer }): Uint8Array => new Uint8Array(mapping.buffer)

test('shm_open, ftruncate, fstat, mmap, close, munmap, shm_unlink do what shm_overview(7) says', t => {
  const name = objectName(t)
  const fd = c.shm_open(name, c.O_RDWR | c.O_CREAT | c.O_EXCL, 0o600)
  t.is(c.fstat(fd).st_size, 0)
  c.ftruncate(fd, 3 * PAGE)
  t.like(c.fstat(fd), { st_size: 3 * PAGE, st_nlink: 1, st_blocks: 0, st_uid: process.getuid?.() })
  c.posix_fallocate(fd, 0, '8KiB')
  t.is(c.fstat(fd).st_blocks, 16)
  const mapping = c.mmap(null, 3 * PAGE, RW, c.MAP_SHARED, fd, 0)
  c.close(fd)
  t.throws(() => c.close(fd), { instanceOf: ShmError, code: 'EBADF' })
  bytes(mapping)[3 * PAGE - 1] = 9
  t.is(readFileSync(`/dev/shm${name}`).at(-1), 9)
  t.true(mapping.address > 0n && mapping.address % BigInt(PAGE) === 0n)
  c.shm_unlink(name)
  t.like(t.throws(() => c.shm_unlink(name), { code: 'ENOENT' }), { errno: -2, syscall: 'shm_unlink', objectName: name })
  const { buffer } = mapping
  c.munmap(mapping)
  t.deepEqual([buffer.byteLength, mapping.buffer.byteLength, mapping.closed], [0, 0, true])
  t.like(t.throws(() => c.munmap(mapping), { instanceOf: ShmError, code: 'EINVAL' }), { errno: -22, syscall: 'munmap' })
})

test('shm_open answers as C: EEXIST with O_EXCL, ENOENT, EINVAL for bad names, O_TRUNC empties', t => {
  const { name } = object(t)
  t.throws(() => c.shm_open(name, c.O_RDWR | c.O_CREAT | c.O_EXCL, 0o600), { code: 'EEXIST' })
  t.throws(() => c.shm_open(`${name}-absent`, c.O_RDWR, 0), { code: 'ENOENT' })
  for (const bad of ['/a/b', `/${'x'.repeat(300)}`]) t.throws(() => c.shm_open(bad, c.O_RDWR | c.O_CREAT, 0o600), { code: 'EINVAL' })
  c.close(c.shm_open(name, c.O_RDWR | c.O_TRUNC, 0))
  t.is(statSync(`/dev/shm${name}`).size, 0)
})

test.serial('the umask applies to shm_open and sem_open, and fchmod sets exactly', t => {
  const before = process.umask(0o027)
  t.teardown(() => process.umask(before))
  const name = objectName(t)
  const fd = c.shm_open(name, c.O_RDWR | c.O_CREAT, 0o666)
  t.is(c.fstat(fd).st_mode & 0o777, 0o640)
  c.fchmod(fd, 0o666)
  c.fchown(fd, -1, -1)
  t.is(c.fstat(fd).st_mode & 0o777, 0o666)
  c.close(fd)
  const semaphore = c.sem_open(name, c.O_CREAT | c.O_EXCL, 0o666, 1)
  t.is(statSync(`/dev/shm/sem.${name.slice(1)}`).mode & 0o777, 0o640)
  c.sem_close(semaphore)
  c.sem_unlink(name)
})

test('mmap refuses as the kernel does, and says which call it was', t => {
  const { fd, name } = object(t)
  const refused: [string, () => unknown][] = [
    ['EINVAL', () => c.mmap(null, PAGE, RW, c.MAP_SHARED, fd, 100)],
    ['EINVAL', () => c.mmap(null, PAGE, RW, 0, fd, 0)],
    ['EBADF', () => c.mmap(null, PAGE, RW, c.MAP_SHARED, -1, 0)],
    ['EBADF', () => c.mmap(null, PAGE, RW, c.MAP_SHARED, 1_000_000, 0)],
    ['ENOMEM', () => c.mmap(null, 2 ** 48, c.PROT_NONE, c.MAP_PRIVATE | c.MAP_ANONYMOUS | c.MAP_NORESERVE, -1, 0)]
  ]
  for (const [code, call] of refused) t.like(t.throws(call, { instanceOf: ShmError, code }), { syscall: 'mmap' })
  const readOnly = c.shm_open(name, c.O_RDONLY, 0)
  t.teardown(() => c.close(readOnly))
  t.throws(() => c.mmap(null, PAGE, RW, c.MAP_SHARED, readOnly, 0), { code: 'EACCES' })
})

test('MAP_SHARED reaches the object, MAP_PRIVATE does not, MAP_POPULATE brings pages in', t => {
  const { fd } = object(t, 2 * PAGE)
  const shared = c.mmap(null, 2 * PAGE, RW, c.MAP_SHARED | c.MAP_POPULATE, fd, 0)
  const own = c.mmap(null, 2 * PAGE, RW, c.MAP_PRIVATE, fd, 0)
  const second = c.mmap(null, PAGE, c.PROT_READ, c.MAP_SHARED, fd, PAGE)
  t.deepEqual([...c.mincore(shared, 0, 2 * PAGE)].map(page => page & 1), [1, 1])
  bytes(shared)[PAGE] = 1
  bytes(own)[PAGE] = 2
  t.deepEqual([bytes(second)[0], bytes(own)[PAGE]], [1, 2])
  for (const mapping of [shared, own, second]) c.munmap(mapping)
})

test('PROT_EXEC and MAP_LOCKED are what the kernel says of the mapping; MAP_SYNC is refused where there is no such memory', t => {
  const code = pages(t, 1, c.PROT_READ | c.PROT_EXEC)
  t.regex(kernelSays(code), /^\S+ r-xs /)
  const resident = pages(t, 2, RW, ANONYMOUS | c.MAP_LOCKED)
  t.regex(kernelSays(resident), /Locked: +8 kB/)
  const { fd } = object(t)
  t.like(t.throws(() => c.mmap(null, PAGE, RW, c.MAP_SHARED_VALIDATE | c.MAP_SYNC, fd, 0), { code: 'EOPNOTSUPP' }), { syscall: 'mmap' })
})

test.serial('MAP_HUGETLB takes pages of the size in the flags from the pool', async t => {
  const missing = await hugePagePool(t, 1)
  if (missing !== undefined) return skip(t, missing)
  const huge = c.mmap(null, 2 ** 21, RW, ANONYMOUS | c.MAP_HUGETLB | c.MAP_HUGE_2MB, -1, 0)
  bytes(huge)[2 ** 21 - 1] = 7
  t.regex(kernelSays(huge), /KernelPageSize: +2048 kB/)
  c.munmap(huge)
  t.like(t.throws(() => c.mmap(null, 2 ** 30, RW, ANONYMOUS | c.MAP_HUGETLB | c.MAP_HUGE_2MB, -1, 0), { code: 'ENOMEM' }), { syscall: 'mmap' })
})

test('munmap of a part leaves a hole that reads zeroes and is reported; the rest works', t => {
  const mapping = pages(t, 3)
  const view = bytes(mapping).fill(7)
  c.munmap(mapping, PAGE, PAGE)
  t.deepEqual([view[0], view[2 * PAGE]], [7, 7])
  t.is(view[PAGE], 0)
  view[PAGE] = 1
  t.throws(() => mapping.buffer, { instanceOf: ShmError, code: 'ERR_SHM_HOLE' })
  t.is(mapping.buffer.byteLength, 3 * PAGE)
  t.deepEqual([view[PAGE - 1], view[2 * PAGE]], [7, 7])
  t.throws(() => c.munmap(mapping, 1, PAGE), { any: true, code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => c.munmap(mapping, 0, 4 * PAGE), { any: true, code: 'ERR_OUT_OF_RANGE' })
})

test('every call on an unmapped handle is EINVAL under its own name', t => {
  const gone = c.mmap(null, PAGE, RW, ANONYMOUS, -1, 0)
  c.munmap(gone)
  const calls: [string, () => unknown][] = [
    ['munmap', () => c.munmap(gone, 0, PAGE)], ['mprotect', () => c.mprotect(gone, 0, PAGE, RW)], ['msync', () => c.msync(gone, 0, PAGE, c.MS_SYNC)],
    ['mlock', () => c.mlock(gone, 0, PAGE)], ['mlock2', () => c.mlock2(gone, 0, PAGE, 0)], ['munlock', () => c.munlock(gone, 0, PAGE)],
    ['madvise', () => c.madvise(gone, 0, PAGE, 0)], ['mincore', () => c.mincore(gone, 0, PAGE)], ['sem_init', () => c.sem_init(gone, 0, 1)]
  ]
  for (const [syscall, call] of calls) t.like(t.throws(call, { instanceOf: ShmError, code: 'EINVAL' }), { syscall })
})

test('an address is a hint; MAP_FIXED_NOREPLACE is EEXIST where something is, and maps where nothing is', t => {
  const ours = pages(t, 4)
  const hinted = c.mmap(ours.address, PAGE, RW, ANONYMOUS, -1, 0)
  t.not(hinted.address, ours.address)
  c.munmap(hinted)
  t.throws(() => c.mmap(ours.address, PAGE, RW, ANONYMOUS | c.MAP_FIXED_NOREPLACE, -1, 0), { instanceOf: ShmError, code: 'EEXIST' })
  const { address } = ours
  c.munmap(ours)
  const exact = c.mmap(address, 4 * PAGE, RW, ANONYMOUS | c.MAP_FIXED_NOREPLACE, -1, 0)
  t.is(exact.address, address)
  bytes(exact)[0] = 1
  c.munmap(exact)
})

test('MAP_FIXED anywhere but inside a mapping of ours is ERR_SHM_NOT_OURS, and touches nothing', t => {
  const ours = pages(t, 2)
  const stack = BigInt(`0x${/^([0-9a-f]+)-.*\[stack\]$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[1] ?? 'f000'}`)
  for (const address of [0n, BigInt(PAGE), stack, ours.address - BigInt(PAGE), ours.address + BigInt(2 * PAGE), 2n ** 47n - BigInt(PAGE), 2n ** 53n - 4096n]) {
    t.throws(() => c.mmap(address, PAGE, RW, ANONYMOUS | c.MAP_FIXED, -1, 0), { instanceOf: ShmError, code: 'ERR_SHM_NOT_OURS' })
  }
  t.throws(() => c.mmap(ours.address, 3 * PAGE, RW, ANONYMOUS | c.MAP_FIXED, -1, 0), { code: 'ERR_SHM_NOT_OURS' })
  t.throws(() => c.mmap(ours.address + 1n, PAGE, RW, ANONYMOUS | c.MAP_FIXED, -1, 0), { instanceOf: ShmError, code: 'ERR_SHM_NOT_OURS' })
  const { address } = ours
  c.munmap(ours)
  t.throws(() => c.mmap(address, PAGE, RW, ANONYMOUS | c.MAP_FIXED, -1, 0), { code: 'ERR_SHM_NOT_OURS' })
})

test('MAP_FIXED inside a mapping of ours replaces that part, and closing in any order harms nobody', t => {
  for (const childFirst of [true, false]) {
    const parent = c.mmap(null, 4 * PAGE, RW, ANONYMOUS, -1, 0)
    const view = bytes(parent).fill(5)
    const child = c.mmap(parent.address + BigInt(PAGE), PAGE, RW, ANONYMOUS | c.MAP_FIXED, -1, 0)
    t.is(child.address, parent.address + BigInt(PAGE))
    t.deepEqual([view[PAGE - 1], view[PAGE], view[2 * PAGE]], [5, 0, 5])
    bytes(child)[0] = 6
    t.is(view[PAGE], 6)
    const grandchild = c.mmap(child.address, PAGE, RW, ANONYMOUS | c.MAP_FIXED, -1, 0)
    bytes(grandchild)[1] = 3
    const order = childFirst ? [grandchild, child, parent] : [parent, child, grandchild]
    const views = order.map(bytes)
    for (const mapping of order) {
      c.munmap(mapping)
      // Who is open still touches its bytes, be they a hole by now; who is closed has none.
      for (const [at, open] of order.entries()) (views[at] as Uint8Array)[0] = open.closed ? 0 : 8
      t.deepEqual(views.map(one => one.length > 0), order.map(one => !one.closed))
    }
    t.is(view.length, 0)
  }
})

test('mprotect changes what may be done, refuses what the descriptor forbids, and a bad touch is caught', t => {
  const mapping = pages(t, 2)
  const view = bytes(mapping).fill(4)
  c.mprotect(mapping, 0, PAGE, c.PROT_READ)
  view[0] = 1
  t.throws(() => mapping.buffer, { code: 'ERR_SHM_READ_ONLY' })
  c.mprotect(mapping, PAGE, PAGE, c.PROT_NONE)
  t.is(view[PAGE], 0)
  t.throws(() => mapping.buffer, { code: 'ERR_SHM_HOLE' })
  const { fd, name } = object(t)
  const readOnly = c.shm_open(name, c.O_RDONLY, 0)
  t.teardown(() => c.close(readOnly))
  const closed = c.mmap(null, PAGE, c.PROT_READ, c.MAP_SHARED, readOnly, 0)
  t.like(t.throws(() => c.mprotect(closed, 0, PAGE, RW), { code: 'EACCES' }), { syscall: 'mprotect' })
  t.throws(() => c.mprotect(closed, 0, 2 * PAGE, c.PROT_READ), { any: true, code: 'ERR_OUT_OF_RANGE' })
  c.munmap(closed)
  t.true(fd > 0)
})

test('mlock, mlock2 and munlock are seen by the kernel', t => {
  const mapping = pages(t, 8)
  const before = locked()
  c.mlock(mapping, 0, 2 * PAGE)
  t.is(locked() - before, 2 * PAGE)
  c.mlock2(mapping, 4 * PAGE, PAGE, c.MLOCK_ONFAULT)
  t.is(locked() - before, 3 * PAGE)
  t.is((c.mincore(mapping, 4 * PAGE, PAGE)[0] ?? 0) & 1, 0)
  c.munlock(mapping, 0, 8 * PAGE)
  t.is(locked(), before)
  t.like(t.throws(() => c.mlock2(mapping, 0, PAGE, 1 << 20), { code: 'EINVAL' }), { syscall: 'mlock2' })
})

test('madvise takes every advice that fits, refuses what breaks hardware pages, and its word is kept', t => {
  const mapping = pages(t, 4)
  const view = bytes(mapping).fill(1)
  const fine = [
    c.MADV_NORMAL, c.MADV_RANDOM, c.MADV_SEQUENTIAL, c.MADV_WILLNEED, c.MADV_DONTFORK, c.MADV_DOFORK, c.MADV_DONTDUMP, c.MADV_DODUMP,
    c.MADV_COLD, c.MADV_POPULATE_READ, c.MADV_POPULATE_WRITE
  ]
  for (const advice of fine) t.notThrows(() => c.madvise(mapping, 0, 4 * PAGE, advice), `${advice}`)
  c.madvise(mapping, PAGE, PAGE, c.MADV_REMOVE)
  t.deepEqual([view[0], view[PAGE], view[2 * PAGE]], [1, 0, 1])
  t.like(t.throws(() => c.madvise(mapping, 0, PAGE, 9999), { code: 'EINVAL' }), { syscall: 'madvise' })
  for (const breaking of [100, 101]) t.throws(() => c.madvise(mapping, 0, PAGE, breaking), { any: true, code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => c.madvise(mapping, 0, 5 * PAGE, 0), { any: true, code: 'ERR_OUT_OF_RANGE' })
})

test('advice that takes pages away from other threads or forks is caught when touched', t => {
  const mapping = pages(t, 4)
  const view = bytes(mapping).fill(1)
  // MADV_GUARD_INSTALL (Linux 6.13) and MADV_WIPEONFORK are no constants here, but raw numbers pass.
  for (const advice of [102, 18, 4]) {
    try {
      c.madvise(mapping, PAGE, PAGE, advice)
    } catch (error) {
      t.true(error instanceof ShmError && ['EINVAL', 'ERR_INVALID_ARG_VALUE'].includes(error.code))
    }
    t.is(typeof view[PAGE], 'number')
    view[PAGE] = 1
  }
  t.is(view[0], 1)
})

test('msync with MS_SYNC makes a mapped file durable, and refuses nonsense', t => {
  const path = `${temporaryFolder(t)}/file`
  const fd = openSync(path, 'w+')
  t.teardown(() => c.close(fd))
  c.ftruncate(fd, 2 * PAGE)
  const mapping = c.mmap(null, 2 * PAGE, RW, c.MAP_SHARED, fd, 0)
  bytes(mapping).set(Buffer.from('durable'), PAGE)
  c.msync(mapping, PAGE + 1, 10, c.MS_SYNC)
  c.msync(mapping, 0, 2 * PAGE, c.MS_ASYNC)
  t.is(readFileSync(path).subarray(PAGE, PAGE + 7).toString(), 'durable')
  t.like(t.throws(() => c.msync(mapping, 0, PAGE, c.MS_SYNC | c.MS_ASYNC), { code: 'EINVAL' }), { syscall: 'msync' })
  c.munmap(mapping)
})

test('memfd_create and seals: a sealed size stays, and sealing is sealed', t => {
  const fd = c.memfd_create('raw', c.MFD_CLOEXEC | c.MFD_ALLOW_SEALING)
  t.teardown(() => c.close(fd))
  c.ftruncate(fd, PAGE)
  c.fcntl_add_seals(fd, c.F_SEAL_SHRINK | c.F_SEAL_GROW)
  t.is(c.fcntl_get_seals(fd), c.F_SEAL_SHRINK | c.F_SEAL_GROW)
  for (const size of [0, 2 * PAGE]) t.like(t.throws(() => c.ftruncate(fd, size), { code: 'EPERM' }), { syscall: 'ftruncate' })
  c.fcntl_add_seals(fd, c.F_SEAL_SEAL)
  t.throws(() => c.fcntl_add_seals(fd, c.F_SEAL_WRITE), { code: 'EPERM' })
  const unsealable = c.memfd_create('raw', 0)
  t.teardown(() => c.close(unsealable))
  t.throws(() => c.fcntl_add_seals(unsealable, c.F_SEAL_SHRINK), { code: 'EPERM' })
})

test('a mapping beyond its object reads zeroes and is reported, not SIGBUS', t => {
  const { fd } = object(t, PAGE)
  const mapping = c.mmap(null, 4 * PAGE, RW, c.MAP_SHARED, fd, 0)
  t.is(bytes(mapping)[3 * PAGE], 0)
  t.throws(() => mapping.buffer, { instanceOf: ShmError, code: 'ERR_SHM_TRUNCATED' })
  c.munmap(mapping)
})

test('raw calls and classes meet in the same object, from another process', async t => {
  const { name, fd } = object(t, PAGE)
  const mapping = c.mmap(null, PAGE, RW, c.MAP_SHARED, fd, 0)
  const theirs = await new Peer(t).open('PosixSegment.open', name)
  bytes(mapping).set(Buffer.from('raw'))
  t.is(await theirs.call('read', 0, 3), 'raw')
  await theirs.call('write', 0, 'RAW')
  t.is(Buffer.from(mapping.buffer, 0, 3).toString(), 'RAW')
  c.munmap(mapping)
})
