/**
 * POSIX shared memory, mappings and semaphores under their man-page names, constants included: `import … from 'shmem/posix'`.
 *
 * C's semantics, umask and all; a failed call throws {@link ShmError} with the errno. One thing differs: `mmap` answers a handle
 * (`{ buffer, address }`) that the other calls take, with offsets into it, since the memory must be taken away from JavaScript before
 * it is unmapped; MAP_FIXED works only inside mappings of this library (`ERR_SHM_NOT_OURS`).
 *
 * @module shmem/posix
 */

import * as check from '../arguments.js'
import { markCopy } from '../copies.js'
import { ShmError, wrongType } from '../errors.js'
import { native, type Binding } from '../native.js'
import { RawMapping, openRaw, rawExtent, rawMapping, unmapRaw } from './raw-mapping.js'
import { waitInSlices } from '../waits/waiting.js'
import type { Size } from '../arguments.js'

export type { RawMapping } from './raw-mapping.js'
export { get_mempolicy, mbind, move_pages, set_mempolicy, type mempolicy } from './numa-calls.js'

const constants = native.posixConstants()
/** As the native side takes a length that was not given. */
const TO_THE_END = 0

export const {
  /** Opens for reading. */
  O_RDONLY,
  /** Opens for reading and writing. */
  O_RDWR,
  /** Makes it where there is none. */
  O_CREAT,
  /** With O_CREAT: EEXIST where there is one. */
  O_EXCL,
  /** Makes it 0 bytes long. */
  O_TRUNC,
  /** Closed by exec; shm_open sets it anyhow. */
  O_CLOEXEC,
  /** Follows no symbolic link. */
  O_NOFOLLOW,
  /** No access. */
  PROT_NONE,
  /** May be read. */
  PROT_READ,
  /** May be written. */
  PROT_WRITE,
  /** May be executed. */
  PROT_EXEC,
  /** Writes are seen by all who map it. */
  MAP_SHARED,
  /** The same, and unknown flags are EOPNOTSUPP. */
  MAP_SHARED_VALIDATE,
  /** Copy-on-write. */
  MAP_PRIVATE,
  /** At this very address, in the place of what is there. */
  MAP_FIXED,
  /** At this very address; EEXIST where something is. */
  MAP_FIXED_NOREPLACE,
  /** Without an object. */
  MAP_ANONYMOUS,
  /** Reserves no swap. */
  MAP_NORESERVE,
  /** Brings the pages in now. */
  MAP_POPULATE,
  /** Locks the pages in RAM. */
  MAP_LOCKED,
  /** Of huge pages. */
  MAP_HUGETLB,
  /** Where the logarithm of their size stands in the flags. */
  MAP_HUGE_SHIFT,
  /** Of huge pages of 2 MiB. */
  MAP_HUGE_2MB,
  /** Of huge pages of 1 GiB. */
  MAP_HUGE_1GB,
  /** For files on persistent memory (DAX). */
  MAP_SYNC,
  /** With MAP_POPULATE: reads nothing from disk. */
  MAP_NONBLOCK,
  /** No effect on Linux. */
  MAP_STACK,
  /** Schedules the writing. */
  MS_ASYNC,
  /** Waits for the writing. */
  MS_SYNC,
  /** Other mappings see it. */
  MS_INVALIDATE,
  /** Locks each page when it is touched. */
  MLOCK_ONFAULT,
  /** No special treatment. */
  MADV_NORMAL,
  /** Reads nothing ahead. */
  MADV_RANDOM,
  /** Reads far ahead. */
  MADV_SEQUENTIAL,
  /** Reads it in soon. */
  MADV_WILLNEED,
  /** Takes the pages out of this mapping. */
  MADV_DONTNEED,
  /** Private pages may be freed when memory is short. */
  MADV_FREE,
  /** Frees the memory or disk blocks behind: zeroes from now on. */
  MADV_REMOVE,
  /** A forked child does not have it. */
  MADV_DONTFORK,
  /** The contrary. */
  MADV_DOFORK,
  /** Equal private pages may become one (KSM). */
  MADV_MERGEABLE,
  /** The contrary. */
  MADV_UNMERGEABLE,
  /** Transparent huge pages, please. */
  MADV_HUGEPAGE,
  /** None, please. */
  MADV_NOHUGEPAGE,
  /** Kept out of core dumps. */
  MADV_DONTDUMP,
  /** The contrary. */
  MADV_DODUMP,
  /** The first to go when memory is short (Linux 5.4). */
  MADV_COLD,
  /** Out to swap or disk, now (Linux 5.4). */
  MADV_PAGEOUT,
  /** Brings the pages in, to read (Linux 5.14). */
  MADV_POPULATE_READ,
  /** Brings the pages in, to write (Linux 5.14). */
  MADV_POPULATE_WRITE,
  /** Makes huge pages of them, now (Linux 6.1). */
  MADV_COLLAPSE,
  /** No policy of its own. */
  MPOL_DEFAULT,
  /** On this node, if it has room. */
  MPOL_PREFERRED,
  /** On these nodes only. */
  MPOL_BIND,
  /** In turn on these nodes. */
  MPOL_INTERLEAVE,
  /** On the node of the processor that touches it. */
  MPOL_LOCAL,
  /** On these nodes, if they have room (Linux 5.15). */
  MPOL_PREFERRED_MANY,
  /** In turn, by weight (Linux 6.9). */
  MPOL_WEIGHTED_INTERLEAVE,
  /** The nodes stay these when the allowed ones change. */
  MPOL_F_STATIC_NODES,
  /** The nodes count from the first allowed one. */
  MPOL_F_RELATIVE_NODES,
  /** The kernel may move pages among them (Linux 5.12). */
  MPOL_F_NUMA_BALANCING,
  /** Asks for a node instead of the policy. */
  MPOL_F_NODE,
  /** Asks for the policy of an address. */
  MPOL_F_ADDR,
  /** Asks for the allowed nodes. */
  MPOL_F_MEMS_ALLOWED,
  /** EIO where pages lie elsewhere. */
  MPOL_MF_STRICT,
  /** Moves the pages of this process. */
  MPOL_MF_MOVE,
  /** Moves those that others map, too (CAP_SYS_NICE). */
  MPOL_MF_MOVE_ALL,
  /** Closed by exec. */
  MFD_CLOEXEC,
  /** Can be sealed. */
  MFD_ALLOW_SEALING,
  /** Of huge pages. */
  MFD_HUGETLB,
  /** Of huge pages of 2 MiB. */
  MFD_HUGE_2MB,
  /** Of huge pages of 1 GiB. */
  MFD_HUGE_1GB,
  /** No further seals. */
  F_SEAL_SEAL,
  /** It does not become smaller. */
  F_SEAL_SHRINK,
  /** It does not become larger. */
  F_SEAL_GROW,
  /** Nobody writes; EBUSY where a mapping could. */
  F_SEAL_WRITE,
  /** No new mapping writes (Linux 5.1). */
  F_SEAL_FUTURE_WRITE
} = constants as Readonly<Record<PosixConstant, number>>

/** The names of the constants. */
export type PosixConstant =
  | 'O_RDONLY' | 'O_RDWR' | 'O_CREAT' | 'O_EXCL' | 'O_TRUNC' | 'O_CLOEXEC' | 'O_NOFOLLOW' | 'PROT_NONE' | 'PROT_READ'
  | 'PROT_WRITE' | 'PROT_EXEC' | 'MAP_SHARED' | 'MAP_SHARED_VALIDATE' | 'MAP_PRIVATE' | 'MAP_FIXED' | 'MAP_FIXED_NOREPLACE'
  | 'MAP_ANONYMOUS' | 'MAP_NORESERVE' | 'MAP_POPULATE' | 'MAP_LOCKED' | 'MAP_HUGETLB' | 'MAP_HUGE_SHIFT' | 'MAP_HUGE_2MB'
  | 'MAP_HUGE_1GB' | 'MAP_SYNC' | 'MAP_NONBLOCK' | 'MAP_STACK' | 'MS_ASYNC' | 'MS_SYNC' | 'MS_INVALIDATE' | 'MLOCK_ONFAULT'
  | 'MADV_NORMAL' | 'MADV_RANDOM' | 'MADV_SEQUENTIAL' | 'MADV_WILLNEED' | 'MADV_DONTNEED' | 'MADV_FREE' | 'MADV_REMOVE'
  | 'MADV_DONTFORK' | 'MADV_DOFORK' | 'MADV_MERGEABLE' | 'MADV_UNMERGEABLE' | 'MADV_HUGEPAGE' | 'MADV_NOHUGEPAGE'
  | 'MADV_DONTDUMP' | 'MADV_DODUMP' | 'MADV_COLD' | 'MADV_PAGEOUT' | 'MADV_POPULATE_READ' | 'MADV_POPULATE_WRITE'
  | 'MPOL_DEFAULT' | 'MPOL_PREFERRED' | 'MPOL_BIND' | 'MPOL_INTERLEAVE' | 'MPOL_LOCAL' | 'MPOL_PREFERRED_MANY'
  | 'MPOL_WEIGHTED_INTERLEAVE' | 'MPOL_F_STATIC_NODES' | 'MPOL_F_RELATIVE_NODES' | 'MPOL_F_NUMA_BALANCING' | 'MPOL_F_NODE'
  | 'MPOL_F_ADDR' | 'MPOL_F_MEMS_ALLOWED' | 'MPOL_MF_STRICT' | 'MPOL_MF_MOVE' | 'MPOL_MF_MOVE_ALL'
  | 'MADV_COLLAPSE' | 'MFD_CLOEXEC' | 'MFD_ALLOW_SEALING' | 'MFD_HUGETLB' | 'MFD_HUGE_2MB' | 'MFD_HUGE_1GB' | 'F_SEAL_SEAL'
  | 'F_SEAL_SHRINK' | 'F_SEAL_GROW' | 'F_SEAL_WRITE' | 'F_SEAL_FUTURE_WRITE'

/** `struct stat`, as far as memory cares. */
export interface stat {
  /** The device of its file system. */
  st_dev: number
  /** Its inode. */
  st_ino: number
  /** Bytes. */
  st_size: number
  /** Kind and permission bits. */
  st_mode: number
  /** The owner. */
  st_uid: number
  /** The owner's group. */
  st_gid: number
  /** Names that lead to it. */
  st_nlink: number
  /** In units of 512 bytes. */
  st_blocks: number
}

/** shm_open(3). The umask applies to `mode`. EACCES EEXIST EINVAL EMFILE ENAMETOOLONG ENFILE ENOENT. */
export function shm_open(name: string, oflag: number, mode = 0): number {
  return native.shmOpen(check.text('name', name), check.flags('oflag', oflag), check.integer('mode', mode, 0, 0o7777))
}

/** shm_unlink(3). EACCES EINVAL ENAMETOOLONG ENOENT. */
export function shm_unlink(name: string): void {
  native.shmUnlink(check.text('name', name))
}

/** ftruncate(2). EBADF EFBIG EINVAL EPERM. */
export function ftruncate(fd: number, length: Size): void {
  native.ftruncate(check.int32('fd', fd), check.bytes('length', length, 0))
}

/** posix_fallocate(3), by fallocate(2) itself: EOPNOTSUPP where the file system cannot. EBADF EFBIG EINVAL ENODEV ENOSPC EPERM. */
export function posix_fallocate(fd: number, offset: Size, length: Size): void {
  native.fallocate(check.int32('fd', fd), check.bytes('offset', offset, 0), check.bytes('length', length, 1))
}

/** fstat(2). EBADF. */
export function fstat(fd: number): stat {
  const raw = native.fstat(check.int32('fd', fd))
  return {
    st_dev: raw.device,
    st_ino: raw.inode,
    st_size: raw.size,
    st_mode: raw.mode,
    st_uid: raw.uid,
    st_gid: raw.gid,
    st_nlink: raw.links,
    st_blocks: raw.allocatedBytes / 512
  }
}

/** fchmod(2). EBADF EPERM EROFS. */
export function fchmod(fd: number, mode: number): void {
  native.fchmod(check.int32('fd', fd), check.integer('mode', mode, 0, 0o7777))
}

/** fchown(2); -1 leaves an id as it is. EBADF EPERM EROFS. */
export function fchown(fd: number, uid: number, gid: number): void {
  native.fchown(check.int32('fd', fd), ownerId('uid', uid), ownerId('gid', gid))
}

/** close(2). EBADF. */
export function close(fd: number): void {
  native.closeFd(check.int32('fd', fd))
}

/** memfd_create(2), Linux 3.17. EINVAL EMFILE ENFILE ENOMEM EPERM. */
export function memfd_create(name: string, flags: number): number {
  return native.rawMemfdCreate(check.text('name', name), check.integer('flags', flags, 0, 2 ** 32 - 1))
}

/** fcntl(2) with F_ADD_SEALS. EBADF EBUSY EINVAL EPERM. */
export function fcntl_add_seals(fd: number, seals: number): void {
  native.fcntlAddSeals(check.int32('fd', fd), check.flags('seals', seals))
}

/** fcntl(2) with F_GET_SEALS. EBADF EINVAL. */
export function fcntl_get_seals(fd: number): number {
  return native.fcntlGetSeals(check.int32('fd', fd))
}

/**
 * mmap(2). An address without MAP_FIXED is a hint; MAP_FIXED_NOREPLACE (Linux 4.17) is EEXIST where something is; MAP_FIXED replaces
 * a part of a mapping of ours, which then lives on until both are unmapped, and is `ERR_SHM_NOT_OURS` elsewhere.
 * EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV ENOMEM EOPNOTSUPP EOVERFLOW EPERM ETXTBSY.
 */
export function mmap(address: bigint | null, length: Size, prot: number, flags: number, fd: number, offset: Size = 0): RawMapping {
  const opened = native.mmap(
    check.address('address', address),
    check.bytes('length', length, 1),
    check.flags('prot', prot),
    check.flags('flags', flags),
    check.int32('fd', fd),
    check.bytes('offset', offset, 0)
  )
  return new RawMapping(opened, 'mmap')
}

/** munmap(2): the whole mapping, or whole pages of it; then a hole stays, whose touch reads zeroes and never crashes. EINVAL. */
export function munmap(mapping: RawMapping, offset?: Size, length?: Size): void {
  const handle = rawMapping('mapping', mapping)
  if (offset === undefined && length === undefined) unmapRaw(handle, 'munmap')
  else openRaw(handle, 'munmap').unmapPart(offset === undefined ? 0 : check.bytes('offset', offset, 0), length === undefined ? TO_THE_END : check.bytes('length', length, 1))
}

/** mprotect(2) of whole pages. EACCES EINVAL ENOMEM. */
export function mprotect(mapping: RawMapping, offset: Size, length: Size, prot: number): void {
  openRaw(rawMapping('mapping', mapping), 'mprotect').protect(...rawExtent(offset, length), check.flags('prot', prot))
}

/** msync(2) of the pages touched. EBUSY EINVAL EIO ENOMEM. */
export function msync(mapping: RawMapping, offset: Size, length: Size, flags: number): void {
  openRaw(rawMapping('mapping', mapping), 'msync').flush(...rawExtent(offset, length), check.flags('flags', flags))
}

/** mlock(2) of the pages touched. EAGAIN EINVAL ENOMEM EPERM. */
export function mlock(mapping: RawMapping, offset: Size, length: Size): void {
  openRaw(rawMapping('mapping', mapping), 'mlock').lock(...rawExtent(offset, length), 0)
}

/** mlock2(2), Linux 4.4, with MLOCK_ONFAULT. EAGAIN EINVAL ENOMEM EPERM. */
export function mlock2(mapping: RawMapping, offset: Size, length: Size, flags: number): void {
  openRaw(rawMapping('mapping', mapping), 'mlock2').lock(...rawExtent(offset, length), check.flags('flags', flags))
}

/** munlock(2) of the pages touched. EINVAL (unmapped already) ENOMEM. */
export function munlock(mapping: RawMapping, offset: Size, length: Size): void {
  openRaw(rawMapping('mapping', mapping), 'munlock').unlock(...rawExtent(offset, length))
}

/** madvise(2) of the pages touched; advice that breaks hardware pages is refused. EACCES EAGAIN EBADF EINVAL EIO ENOMEM EPERM. */
export function madvise(mapping: RawMapping, offset: Size, length: Size, advice: number): void {
  openRaw(rawMapping('mapping', mapping), 'madvise').advise(...rawExtent(offset, length), check.int32('advice', advice))
}

/** mincore(2): one byte a page, whose lowest bit says whether it is in RAM. EAGAIN EINVAL (unmapped already) ENOMEM. */
export function mincore(mapping: RawMapping, offset: Size, length: Size): Uint8Array {
  return openRaw(rawMapping('mapping', mapping), 'mincore').residency(...rawExtent(offset, length))
}

let nativeSemaphore: (semaphore: Semaphore) => Binding.NativePosixSemaphore

/** A semaphore that `sem_open` or `sem_init` answered. */
export class Semaphore {
  static {
    markCopy(this.prototype)
    nativeSemaphore = semaphore => semaphore.#opened
  }

  readonly #opened: Binding.NativePosixSemaphore

  /** @internal */
  constructor(opened: Binding.NativePosixSemaphore) {
    if (!(opened instanceof native.NativePosixSemaphore)) throw wrongType('semaphore', 'made by sem_open() or sem_init(), not by new', opened)
    this.#opened = opened
  }
}

/** sem_open(3). The umask applies to `mode`. EACCES EEXIST EINVAL EMFILE ENAMETOOLONG ENFILE ENOENT ENOMEM ENOSPC. */
export function sem_open(name: string, oflag: number, mode = 0, value = 0): Semaphore {
  return new Semaphore(
    native.semOpen(check.text('name', name), check.flags('oflag', oflag), check.integer('mode', mode, 0, 0o7777), check.integer('value', value, 0, 2 ** 32 - 1))
  )
}

/** sem_init(3), shared between processes, at an offset of a mapping. EINVAL beyond SEM_VALUE_MAX. */
export function sem_init(mapping: RawMapping, offset: number, value: number): Semaphore {
  const home = rawMapping('mapping', mapping)
  return new Semaphore(
    native.posixSemaphoreAt(openRaw(home, 'sem_init'), check.bytes('offset', offset, 0), check.integer('value', value, 0, 2 ** 32 - 1))
  )
}

/**
 * sem_wait(3). Blocks the thread, as long as it takes. EINTR does not come: the wait goes on. `ERR_SHM_CLOSED` after sem_close, EFAULT or
 * `ERR_SHM_TRUNCATED` when somebody truncates its object meanwhile.
 */
export function sem_wait(semaphore: Semaphore): void {
  const opened = semaphoreHandle(semaphore)
  waitInSlices(Infinity, sliceMs => opened.wait(sliceMs) === 1)
}

/** sem_trywait(3). EAGAIN. */
export function sem_trywait(semaphore: Semaphore): void {
  if (semaphoreHandle(semaphore).tryWait() !== 1) throw notNow('EAGAIN', 11, 'sem_trywait', 'its value is 0')
}

/** sem_timedwait(3), with milliseconds from now. Blocks the thread. EFAULT ETIMEDOUT. */
export function sem_timedwait(semaphore: Semaphore, timeoutMs: number): void {
  const opened = semaphoreHandle(semaphore)
  if (!waitInSlices(check.timeout('timeoutMs', timeoutMs), sliceMs => opened.wait(sliceMs) === 1)) {
    throw notNow('ETIMEDOUT', 110, 'sem_timedwait', `its value stayed 0 for ${timeoutMs} ms`)
  }
}

/** sem_post(3). EOVERFLOW. */
export function sem_post(semaphore: Semaphore): void {
  semaphoreHandle(semaphore).post()
}

/** sem_getvalue(3); stale the moment it returns. `ERR_SHM_CLOSED` after sem_close. */
export function sem_getvalue(semaphore: Semaphore): number {
  return semaphoreHandle(semaphore).value()
}

/** sem_close(3). A second call does nothing. */
export function sem_close(semaphore: Semaphore): void {
  semaphoreHandle(semaphore).close()
}

/** sem_destroy(3): forgets one made by {@link sem_init}; nobody may wait on it. */
export function sem_destroy(semaphore: Semaphore): void {
  semaphoreHandle(semaphore).close()
}

/** sem_unlink(3). EACCES ENAMETOOLONG ENOENT. */
export function sem_unlink(name: string): void {
  native.posixSemaphoreRemove(check.text('name', name))
}

function semaphoreHandle(value: unknown): Binding.NativePosixSemaphore {
  if (!(value instanceof Semaphore)) throw wrongType('semaphore', 'a handle that sem_open() or sem_init() answered', value)
  return nativeSemaphore(value)
}

function ownerId(name: string, value: number): number | undefined {
  return check.integer(name, value, -1, 2 ** 32 - 2) === -1 ? undefined : value
}

function notNow(code: string, errno: number, syscall: string, why: string): ShmError {
  return new ShmError({ code, errno: -errno, syscall, message: `${code}: ${why}, ${syscall}` })
}
