/**
 * System V shared memory and semaphores under their man-page names, constants included: `import … from 'shmem/sysv'`.
 *
 * C's semantics, umask and all; a failed call throws {@link ShmError} with the errno. One thing differs: `shmat` answers a handle
 * (`{ buffer, address }`) that `shmdt` takes, since the memory must be taken away from JavaScript before it is detached, and
 * SHM_REMAP works only inside mappings of this library (`ERR_SHM_NOT_OURS`).
 *
 * @module shmem/sysv
 */

import * as check from './arguments.js'
import { ShmError, wrongType, wrongValue } from './errors.js'
import { native } from './native.js'
import { RawMapping, rawMapping, unmapRaw } from './raw-mapping.js'
import { waitInSlices } from './waiting.js'
import type { Size } from './arguments.js'

export type { RawMapping } from './raw-mapping.js'

const constants = native.sysvConstants()
const EAGAIN = 11

export const {
  IPC_PRIVATE, IPC_CREAT, IPC_EXCL, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO,
  SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC, SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY, SHM_HUGETLB,
  SHM_HUGE_SHIFT, SHM_HUGE_2MB, SHM_HUGE_1GB, SHM_NORESERVE, SHM_R, SHM_W, SHM_DEST, SHM_LOCKED,
  SEM_UNDO, SETVAL, GETVAL, SETALL, GETALL, GETPID, GETNCNT, GETZCNT, SEM_STAT, SEM_INFO, SEM_STAT_ANY
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
  key: number
  uid: number
  gid: number
  cuid: number
  cgid: number
  mode: number
  seq: number
}

/** `struct shmid_ds`; times in seconds since the epoch, 0 for never. */
export interface shmid_ds {
  shm_perm: ipc_perm
  shm_segsz: number
  shm_atime: number
  shm_dtime: number
  shm_ctime: number
  shm_cpid: number
  shm_lpid: number
  shm_nattch: number
}

/** `struct shminfo`, with the highest used index of the kernel's array. Numbers beyond 2^53 (SHMMAX, SHMALL by default) are rounded. */
export interface shminfo {
  shmmax: number
  shmmin: number
  shmmni: number
  shmseg: number
  shmall: number
  maxIndex: number
}

/** `struct shm_info` (pages), with the highest used index of the kernel's array. */
export interface shm_info {
  used_ids: number
  shm_tot: number
  shm_rss: number
  shm_swp: number
  swap_attempts: number
  swap_successes: number
  maxIndex: number
}

/** `struct sembuf`. */
export interface sembuf {
  sem_num: number
  sem_op: number
  sem_flg?: number
}

/** `struct semid_ds`. */
export interface semid_ds {
  sem_perm: Omit<ipc_perm, 'seq'>
  sem_otime: number
  sem_ctime: number
  sem_nsems: number
}

/** `struct seminfo`, with the highest used index of the kernel's array. */
export interface seminfo {
  semmap: number
  semmni: number
  semmns: number
  semmnu: number
  semmsl: number
  semopm: number
  semume: number
  semusz: number
  semvmx: number
  semaem: number
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
export function semop(id: number, operations: sembuf[]): void {
  operate(id, operations, Infinity)
}

/** semtimedop(2), with milliseconds: EAGAIN when they are over. Errors as {@link semop}. */
export function semtimedop(id: number, operations: sembuf[], timeoutMs: number): void {
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

function operate(id: number, operations: sembuf[], timeoutMs: number): void {
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
