/**
 * System V shared memory and semaphores under their man-page names, constants included: `import … from 'shmem/sysv'`.
 *
 * C's semantics, umask and all; a failed call throws {@link ShmError} with the errno. One thing differs: `shmat` answers a handle
 * (`{ buffer, address }`) that `shmdt` takes, since the memory must be taken away from JavaScript before it is detached, and
 * SHM_REMAP works only inside mappings of this library (`ERR_SHM_NOT_OURS`).
 *
 * @module shmem/sysv
 */

import * as check from '../arguments.js'
import { ShmError, wrongType, wrongValue } from '../errors.js'
import { native } from '../native.js'
import { RawMapping, rawMapping, unmapRaw } from './raw-mapping.js'
import { waitInSlices } from '../waits/waiting.js'
import type { Size } from '../arguments.js'

export type { RawMapping } from './raw-mapping.js'

const constants = native.sysvConstants()
const EAGAIN = 11

export const {
  /** The key that names nothing: every call makes another object. */
  IPC_PRIVATE,
  /** Makes it where there is none. */
  IPC_CREAT,
  /** With IPC_CREAT: EEXIST where there is one. */
  IPC_EXCL,
  /** EAGAIN instead of a wait. */
  IPC_NOWAIT,
  /** Removes it. */
  IPC_RMID,
  /** Changes owner and mode. */
  IPC_SET,
  /** Asks for its state. */
  IPC_STAT,
  /** Asks for the limits. */
  IPC_INFO,
  /** Attaches for reading. */
  SHM_RDONLY,
  /** Rounds the address down to a multiple of SHMLBA. */
  SHM_RND,
  /** Takes the place of what is mapped there. */
  SHM_REMAP,
  /** Attaches for executing, too. */
  SHM_EXEC,
  /** Keeps its pages in RAM once they are there. */
  SHM_LOCK,
  /** The contrary. */
  SHM_UNLOCK,
  /** As IPC_STAT, by an index of the kernel's array. */
  SHM_STAT,
  /** Asks how much is in use. */
  SHM_INFO,
  /** As SHM_STAT, without asking for read permission (Linux 4.17). */
  SHM_STAT_ANY,
  /** Of huge pages. */
  SHM_HUGETLB,
  /** Where the logarithm of their size stands in the flags. */
  SHM_HUGE_SHIFT,
  /** Of huge pages of 2 MiB. */
  SHM_HUGE_2MB,
  /** Of huge pages of 1 GiB. */
  SHM_HUGE_1GB,
  /** Reserves no swap. */
  SHM_NORESERVE,
  /** The owner may read. */
  SHM_R,
  /** The owner may write. */
  SHM_W,
  /** In the mode: removed with its last detach. */
  SHM_DEST,
  /** In the mode: locked by SHM_LOCK. */
  SHM_LOCKED,
  /** Undone when the process ends. */
  SEM_UNDO,
  /** Sets a value. */
  SETVAL,
  /** Asks for a value. */
  GETVAL,
  /** Sets all values. */
  SETALL,
  /** Asks for all values. */
  GETALL,
  /** Asks who operated on it last. */
  GETPID,
  /** Asks how many wait for an increase. */
  GETNCNT,
  /** Asks how many wait for 0. */
  GETZCNT,
  /** As IPC_STAT, by an index of the kernel's array. */
  SEM_STAT,
  /** Asks how much is in use. */
  SEM_INFO,
  /** As SEM_STAT, without asking for read permission (Linux 4.17). */
  SEM_STAT_ANY
} = constants as Readonly<Record<SysvConstant, number>>

/** The names of the constants. */
export type SysvConstant =
  | 'IPC_PRIVATE' | 'IPC_CREAT' | 'IPC_EXCL' | 'IPC_NOWAIT' | 'IPC_RMID' | 'IPC_SET' | 'IPC_STAT' | 'IPC_INFO'
  | 'SHM_RDONLY' | 'SHM_RND' | 'SHM_REMAP' | 'SHM_EXEC' | 'SHM_LOCK' | 'SHM_UNLOCK' | 'SHM_STAT' | 'SHM_INFO'
  | 'SHM_STAT_ANY' | 'SHM_HUGETLB' | 'SHM_HUGE_SHIFT' | 'SHM_HUGE_2MB' | 'SHM_HUGE_1GB' | 'SHM_NORESERVE' | 'SHM_R'
  | 'SHM_W' | 'SHM_DEST' | 'SHM_LOCKED' | 'SEM_UNDO' | 'SETVAL' | 'GETVAL' | 'SETALL' | 'GETALL' | 'GETPID'
  | 'GETNCNT' | 'GETZCNT' | 'SEM_STAT' | 'SEM_INFO' | 'SEM_STAT_ANY'

/** SHMLBA: what SHM_RND rounds an address down to. */
export const SHMLBA = native.pageSize()

/** `struct ipc_perm`. */
export interface ipc_perm {
  /** The key; 0 for IPC_PRIVATE. */
  key: number
  /** The owner. */
  uid: number
  /** The owner's group. */
  gid: number
  /** Who made it. */
  cuid: number
  /** The group of who made it. */
  cgid: number
  /** Permission bits, and for segments SHM_DEST and SHM_LOCKED. */
  mode: number
  /** How often the slot was used. */
  seq: number
}

/** `struct shmid_ds`; times in seconds since the epoch, 0 for never. */
export interface shmid_ds {
  /** Owner and permissions. */
  shm_perm: ipc_perm
  /** Bytes. */
  shm_segsz: number
  /** The last attach. */
  shm_atime: number
  /** The last detach. */
  shm_dtime: number
  /** Its making, or the last change by IPC_SET. */
  shm_ctime: number
  /** Who made it. */
  shm_cpid: number
  /** Who attached or detached last. */
  shm_lpid: number
  /** Attachments at this moment. */
  shm_nattch: number
}

/** `struct shminfo`, with the highest used index of the kernel's array. Numbers beyond 2^53 (SHMMAX, SHMALL by default) are rounded. */
export interface shminfo {
  /** The most bytes of a segment. */
  shmmax: number
  /** The fewest, 1. */
  shmmin: number
  /** The most segments. */
  shmmni: number
  /** The same; Linux has no limit of its own for a process. */
  shmseg: number
  /** The most pages of all segments. */
  shmall: number
  /** The highest used index of the kernel's array. */
  maxIndex: number
}

/** `struct shm_info` (pages), with the highest used index of the kernel's array. */
export interface shm_info {
  /** Segments. */
  used_ids: number
  /** Pages of all of them. */
  shm_tot: number
  /** Of these in RAM. */
  shm_rss: number
  /** Of these in swap. */
  shm_swp: number
  /** Not used since Linux 2.4. */
  swap_attempts: number
  /** Not used since Linux 2.4. */
  swap_successes: number
  /** The highest used index of the kernel's array. */
  maxIndex: number
}

/** `struct sembuf`. */
export interface sembuf {
  /** Which semaphore of the set, from 0. */
  sem_num: number
  /** What is added; 0 waits for 0. */
  sem_op: number
  /** IPC_NOWAIT and SEM_UNDO. @default 0 */
  sem_flg?: number | undefined
}

/** `struct semid_ds`. */
export interface semid_ds {
  /** Owner and permissions. */
  sem_perm: Omit<ipc_perm, 'seq'>
  /** The last semop(2). */
  sem_otime: number
  /** Its making, or the last change by semctl(2). */
  sem_ctime: number
  /** Semaphores in the set. */
  sem_nsems: number
}

/** `struct seminfo`, with the highest used index of the kernel's array. */
export interface seminfo {
  /** Not used. */
  semmap: number
  /** The most sets. */
  semmni: number
  /** The most semaphores in all sets; of SEM_INFO, how many there are. */
  semmns: number
  /** Not used. */
  semmnu: number
  /** The most semaphores of a set. */
  semmsl: number
  /** The most operations of a semop(2). */
  semopm: number
  /** Not used. */
  semume: number
  /** Of SEM_INFO, how many sets there are. */
  semusz: number
  /** The highest value, 32,767. */
  semvmx: number
  /** Not used; of SEM_INFO, how many semaphores there are. */
  semaem: number
  /** The highest used index of the kernel's array. */
  maxIndex: number
}

/** ftok(3), bit-exact with C: a project id of 0 is not refused, and only its low 8 bits count. ENOENT, EACCES, ENOTDIR. */
export function ftok(path: string, projectId: number): number {
  return native.ftok(check.path('path', path), check.int32('projectId', projectId))
}

/** shmget(2). EACCES EEXIST EINVAL ENFILE ENOENT ENOMEM ENOSPC EPERM. */
export function shmget(key: number, size: Size, flags: number): number {
  return native.shmget(check.int32('key', key), check.bytes('size', size, 0), check.flags('flags', flags))
}

/** shmat(2). EACCES EIDRM EINVAL ENOMEM; `ERR_SHM_NOT_OURS` for SHM_REMAP over anything but a mapping of ours. */
export function shmat(id: number, address: bigint | null = null, flags = 0): RawMapping {
  const at = check.address('address', address)
  const word = check.flags('flags', flags)
  const rounded = (word & SHM_RND) !== 0 ? at - (at % SHMLBA) : at
  return new RawMapping(native.shmat(check.int32('id', id), rounded, word), 'shmat')
}

/** shmdt(2): every view over it has length 0 from now on. A second call is EINVAL. */
export function shmdt(mapping: RawMapping): void {
  unmapRaw(rawMapping('mapping', mapping), 'shmdt')
}

/**
 * shmctl(2): IPC_STAT, IPC_SET, IPC_RMID, SHM_LOCK, SHM_UNLOCK; IPC_INFO and SHM_INFO (the id is ignored); SHM_STAT and
 * SHM_STAT_ANY (Linux 4.17), whose id is an index of the kernel's array, and whose answer has the `id`.
 * EACCES EIDRM EINVAL ENOMEM EPERM.
 *
 * @typeParam Answer what the command answers: {@link shmid_ds}, {@link shminfo} for IPC_INFO, {@link shm_info} for SHM_INFO, nothing
 */
export function shmctl<Answer = shmid_ds>(id: number, command: number, argument?: unknown): Answer {
  return control(id, command, argument) as Answer
}

function control(id: number, command: number, argument: unknown): unknown {
  const number = check.int32('id', id)
  switch (check.int32('command', command)) {
    case IPC_STAT:
      return shmidDs(native.sysvStat(number))
    case IPC_SET: {
      const { uid, gid, mode } = ipcChange(argument)
      return native.sysvSet(number, uid, gid, mode)
    }
    case IPC_RMID:
      return native.sysvRemove(number)
    case SHM_LOCK:
      return native.sysvLock(number, true)
    case SHM_UNLOCK:
      return native.sysvLock(number, false)
    case SHM_STAT:
    case SHM_STAT_ANY: {
      const ds = native.shmStatByIndex(number, command === SHM_STAT_ANY)
      return { id: ds.id, ...shmidDs(ds) }
    }
    case IPC_INFO:
      return named(native.shmLimits(), ['shmmax', 'shmmin', 'shmmni', 'shmseg', 'shmall', 'maxIndex'])
    case SHM_INFO:
      return named(native.shmUsage(), ['used_ids', 'shm_tot', 'shm_rss', 'shm_swp', 'swap_attempts', 'swap_successes', 'maxIndex'])
    default:
      throw wrongValue('command', 'a command of shmctl(2)', command)
  }
}

/** semget(2). EACCES EEXIST EINVAL ENOENT ENOMEM ENOSPC. */
export function semget(key: number, count: number, flags: number): number {
  return native.semget(check.int32('key', key), check.int32('count', count), check.flags('flags', flags))
}

/**
 * semop(2): all operations or none, waiting until it is possible; with IPC_NOWAIT in one of them EAGAIN instead. Blocks the thread.
 * E2BIG EACCES EAGAIN EFBIG EIDRM EINVAL ENOMEM ERANGE. EINTR does not come: the wait goes on.
 */
export function semop(id: number, operations: readonly sembuf[]): void {
  operate(id, operations, Infinity)
}

/** semtimedop(2), with milliseconds: EAGAIN when they are over. Errors as {@link semop}. */
export function semtimedop(id: number, operations: readonly sembuf[], timeoutMs: number): void {
  operate(id, operations, check.timeout('timeoutMs', timeoutMs))
}

/**
 * semctl(2): GETVAL, SETVAL, GETPID, GETNCNT, GETZCNT (of semaphore `index`); GETALL, SETALL, IPC_STAT, IPC_SET, IPC_RMID (`index` is
 * ignored); IPC_INFO, SEM_INFO (`id` too); SEM_STAT, SEM_STAT_ANY, whose id is an index of the kernel's array.
 * EACCES EIDRM EINVAL EPERM ERANGE.
 *
 * @typeParam Answer what the command answers: a number, numbers for GETALL, {@link semid_ds}, {@link seminfo}, or nothing
 */
export function semctl<Answer = number>(id: number, index: number, command: number, argument?: unknown): Answer {
  return controlSemaphore(id, index, command, argument) as Answer
}

function controlSemaphore(id: number, index: number, command: number, argument: unknown): unknown {
  const number = check.int32('id', id)
  const which = check.int32('index', index)
  switch (check.int32('command', command)) {
    case GETVAL:
      return native.semctlNumber(number, which, 'GETVAL', 0)
    case SETVAL:
      return void native.semctlNumber(number, which, 'SETVAL', check.int32('argument', argument))
    case GETPID:
      return native.semctlNumber(number, which, 'GETPID', 0)
    case GETNCNT:
      return native.semctlNumber(number, which, 'GETNCNT', 0)
    case GETZCNT:
      return native.semctlNumber(number, which, 'GETZCNT', 0)
    case IPC_RMID:
      return void native.semctlNumber(number, 0, 'IPC_RMID', 0)
    case GETALL:
      return native.semaphoreValues(number)
    case SETALL: {
      if (!Array.isArray(argument)) throw wrongType('argument', 'an array of values', argument)
      return native.setSemaphoreValues(number, argument.map(value => check.integer('argument', value, 0, 65_535)))
    }
    case IPC_STAT:
      return semidDs(native.semaphoreSetStat(number))
    case SEM_STAT:
    case SEM_STAT_ANY: {
      const ds = native.semaphoreSetStatByIndex(number, command === SEM_STAT_ANY)
      return { id: ds.id, ...semidDs(ds) }
    }
    case IPC_SET: {
      const { uid, gid, mode } = ipcChange(argument)
      return native.semaphoreSetSet(number, uid, gid, mode)
    }
    case IPC_INFO:
    case SEM_INFO:
      return named(native.semaphoreInfo(command === SEM_INFO), [
        'semmap', 'semmni', 'semmns', 'semmnu', 'semmsl', 'semopm', 'semume', 'semusz', 'semvmx', 'semaem', 'maxIndex'
      ])
    default:
      throw wrongValue('command', 'a command of semctl(2)', command)
  }
}

function operate(id: number, operations: readonly sembuf[], timeoutMs: number): void {
  const number = check.int32('id', id)
  if (!Array.isArray(operations) || operations.length === 0) throw wrongType('operations', 'an array of at least one sembuf', operations)
  const raw = operations.map((given, at) => {
    const { sem_num, sem_op, sem_flg = 0 } = check.options<sembuf>(`operations[${at}]`, given, ['sem_num', 'sem_op', 'sem_flg'])
    return {
      index: check.integer(`operations[${at}].sem_num`, sem_num, 0, 65_535),
      delta: check.integer(`operations[${at}].sem_op`, sem_op, -32_768, 32_767),
      flags: check.integer(`operations[${at}].sem_flg`, sem_flg, -32_768, 32_767)
    }
  })
  const atOnce = raw.some(operation => (operation.flags & IPC_NOWAIT) !== 0)
  let errno = 0
  const done = waitInSlices(timeoutMs, (sliceMs, again) => {
    errno = native.semtimedop(number, raw, atOnce ? undefined : sliceMs, again)
    return errno === 0 || (atOnce && errno === EAGAIN)
  })
  if (done && errno === 0) return
  throw new ShmError({
    code: 'EAGAIN',
    errno: -EAGAIN,
    syscall: 'semop',
    id: number,
    message: `EAGAIN: the operations are not possible ${atOnce ? 'now' : `within ${timeoutMs} ms`}, semop id ${number}`
  })
}

function ipcChange(value: unknown): { uid: number; gid: number; mode: number } {
  const { uid, gid, mode } = check.options<{ uid: number; gid: number; mode: number }>('argument', value, ['uid', 'gid', 'mode'])
  return {
    uid: check.integer('argument.uid', uid, 0, 2 ** 32 - 1),
    gid: check.integer('argument.gid', gid, 0, 2 ** 32 - 1),
    mode: check.integer('argument.mode', mode, 0, 0o777)
  }
}

function shmidDs(ds: ReturnType<typeof native.sysvStat>): shmid_ds {
  return {
    shm_perm: { key: ds.key, uid: ds.uid, gid: ds.gid, cuid: ds.creatorUid, cgid: ds.creatorGid, mode: ds.mode, seq: ds.sequence },
    shm_segsz: ds.size,
    shm_atime: ds.attachTime,
    shm_dtime: ds.detachTime,
    shm_ctime: ds.changeTime,
    shm_cpid: ds.creatorPid,
    shm_lpid: ds.lastPid,
    shm_nattch: ds.attachCount
  }
}

function semidDs(ds: ReturnType<typeof native.semaphoreSetStat>): semid_ds {
  return {
    sem_perm: { key: ds.key, uid: ds.uid, gid: ds.gid, cuid: ds.creatorUid, cgid: ds.creatorGid, mode: ds.mode },
    sem_otime: ds.operationTime,
    sem_ctime: ds.changeTime,
    sem_nsems: ds.count
  }
}

function named(values: number[], names: string[]): Record<string, number> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? 0]))
}
