/**
 * System V shared memory: found by a key, known by an identifier, alive until it is removed (sysvipc(7)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { constant } from '../constants.js'
import { wrongValue } from '../errors.js'
import { native, type Binding } from '../native.js'
import type { Subject } from '../error-facts.js'
import { CREATE_WORDS, createOptions, creation, mapOptions, mapping, type Access, type CreateOptions, type MapOptions, type CheckedMap } from './options.js'
import { Segment, nativeOf, lockOptions } from './segment.js'
import type { LockMemoryOptions, SegmentStat, StatOptions } from './segment-stat.js'
import { changedOwner, date, identifier } from './sysv-object.js'
import type { OwnerChange } from './backing-object.js'
import type { SysvDescriptor } from './descriptor.js'
import { removals, tellRemoval } from '../tracing.js'

const SHM_DEST = constant('SHM_DEST')
const SHM_LOCKED = constant('SHM_LOCKED')

/** The key that names nothing: a segment made with it is reached by its identifier only. */
export const IPC_PRIVATE = 0

/** {@link MapOptions} without what System V cannot do. */
export interface SysvMapOptions extends Omit<MapOptions, 'access' | 'offset' | 'length' | 'keepFd'> {
  /** @default 'write' */
  access?: Exclude<Access, 'copy-on-write'> | undefined
}

/** {@link CreateOptions} for System V. */
export interface SysvCreateOptions extends Omit<CreateOptions, keyof MapOptions>, SysvMapOptions {
  /**
   * Removes it right after attaching (IPC_RMID): the kernel frees it with the last detach, however the users die. Only with
   * {@link IPC_PRIVATE}; others join with {@link SysvSegment.attach} and the identifier, as long as one is attached.
   * @default false
   */
  removeOnLastDetach?: boolean | undefined
}

/** What `stat()` says of a System V segment: `struct shmid_ds` of shmctl(2) in words. */
export interface SysvStat extends SegmentStat {
  /** Which kind it is. */
  kind: 'sysv'
  /** 0 for IPC_PRIVATE, and after removal. */
  key: number
  /** The kernel's identifier (`shmid`). */
  id: number
  /** Attachments, not processes (`shm_nattch`). */
  attachCount: number
  /** Who made it (`cuid`). */
  creatorUid: number
  /** The group of who made it (`cgid`). */
  creatorGid: number
  /** The process that made it (`shm_cpid`). */
  creatorPid: number
  /** Who attached or detached last. */
  lastPid: number
  /** The last attach (`shm_atime`); null: never. */
  attachedAt: Date | null
  /** The last detach (`shm_dtime`); null: never. */
  detachedAt: Date | null
  /** Its making, or the last change of owner or mode (`shm_ctime`). */
  changedAt: Date | null
  /** `SHM_DEST`: gone with the last detach. */
  markedForRemoval: boolean
  /** `SHM_LOCKED`. */
  lockedInMemory: boolean
}

const UNSUITABLE = ['offset', 'length', 'keepFd'] as const

/**
 * A System V segment, attached. Outlives the processes that use it until it is removed; keys are looked up in the IPC
 * namespace of the process.
 */
export class SysvSegment extends Segment {
  override readonly kind = 'sysv'
  /** The key it was opened by; {@link IPC_PRIVATE} where it was opened by identifier. */
  readonly key: number
  /** The kernel's identifier. */
  readonly id: number

  private constructor(key: number, opened: Binding.NativeSegment, options: CheckedMap) {
    super(opened, options)
    this.key = key
    this.id = opened.id ?? -1
  }

  /**
   * Makes a segment (shmget(2), shmat(2)).
   *
   * @throws {@link ShmError} EEXIST (the key has one), EINVAL (beyond SHMMIN to SHMMAX), ENOSPC (SHMMNI, SHMALL), ENOMEM, EPERM.
   */
  static create(key: number, options: SysvCreateOptions): SysvSegment {
    const { removeOnLastDetach = false, ...rest } = suitable(options, ['removeOnLastDetach'])
    const checked = createOptions(rest)
    const number = check.int32('key', key)
    if (check.flag('options.removeOnLastDetach', removeOnLastDetach, false)) {
      if (number !== IPC_PRIVATE) {
        throw wrongValue('options.removeOnLastDetach', 'used with IPC_PRIVATE: after removal a key finds nothing', removeOnLastDetach)
      }
      checked.wishes |= native.WISH_REMOVE_ON_LAST_DETACH
    }
    return new SysvSegment(number, native.sysvCreate(number, ...creation(checked)), checked).settle(checked)
  }

  /** Opens the segment of a key, whatever its size (shmget(2), shmat(2)). @throws {@link ShmError} ENOENT, EACCES, EIDRM, ENOMEM. */
  static open(key: number, options?: SysvMapOptions): SysvSegment {
    const checked = mapOptions(suitable(options))
    const number = check.int32('key', key)
    if (number === IPC_PRIVATE) throw wrongValue('key', 'not IPC_PRIVATE, which names no segment: attach by id', key)
    return new SysvSegment(number, native.sysvOpen(number, ...mapping(checked)), checked).settle(checked)
  }

  /**
   * Opens the segment of a key or makes it (shmget(2)). A larger one keeps its size.
   *
   * @throws {@link ShmError} EINVAL (an existing one is smaller; beyond SHMMIN to SHMMAX), EACCES, ENOSPC, ENOMEM, EPERM.
   */
  static openOrCreate(key: number, options: Omit<SysvCreateOptions, 'removeOnLastDetach'>): SysvSegment {
    const checked = createOptions(suitable(options))
    const number = check.int32('key', key)
    return new SysvSegment(number, native.sysvOpenOrCreate(number, ...creation(checked)), checked).settle(checked)
  }

  /** Attaches by identifier (shmat(2)). @throws {@link ShmError} EINVAL (no such identifier), EACCES, EIDRM, ENOMEM. */
  static attach(id: number, options?: SysvMapOptions): SysvSegment {
    const checked = mapOptions(suitable(options))
    const opened = native.sysvAttach(identifier(id), ...mapping(checked))
    return new SysvSegment(IPC_PRIVATE, opened, checked).settle(checked)
  }

  /** Removes a segment by identifier (IPC_RMID): at once, or with the last detach. @throws {@link ShmError} EINVAL, EIDRM, EPERM. */
  static remove(id: number): void {
    removeId(identifier(id))
  }

  override get descriptor(): SysvDescriptor {
    return { kind: 'sysv', id: this.id, key: this.key, size: this.size, access: this.access as 'read' | 'write' }
  }

  override stat(options?: StatOptions): SysvStat {
    const common = this.commonStat(options)
    const ds = native.sysvStat(this.id)
    return {
      kind: 'sysv',
      ...common,
      memoryLock: (ds.mode & SHM_LOCKED) !== 0 ? 'onFault' : false,
      mode: ds.mode & 0o777,
      uid: ds.uid,
      gid: ds.gid,
      removed: (ds.mode & SHM_DEST) !== 0,
      key: ds.key,
      id: ds.id,
      attachCount: ds.attachCount,
      creatorUid: ds.creatorUid,
      creatorGid: ds.creatorGid,
      creatorPid: ds.creatorPid,
      lastPid: ds.lastPid,
      attachedAt: date(ds.attachTime),
      detachedAt: date(ds.detachTime),
      changedAt: date(ds.changeTime),
      markedForRemoval: (ds.mode & SHM_DEST) !== 0,
      lockedInMemory: (ds.mode & SHM_LOCKED) !== 0
    }
  }

  /** Changes owner and mode (IPC_SET); what is not given stays. @throws {@link ShmError} EPERM unless owner, creator or root. */
  set(change: OwnerChange): void {
    nativeOf(this)
    native.sysvSet(this.id, ...changedOwner(change, native.sysvStat(this.id)))
  }

  /**
   * `SHM_LOCK`: pages stay in RAM once they were touched, by whomever, with or without `onFault`; `stat().lockedInMemory` shows it, in
   * every process. It is the object's, and outlives `close()`. ENOMEM, EPERM (RLIMIT_MEMLOCK); then nothing is locked.
   */
  override lockMemory(options?: LockMemoryOptions): void {
    lockOptions(options)
    nativeOf(this)
    native.sysvLock(this.id, true)
  }

  /** `SHM_UNLOCK`. */
  override unlockMemory(): void {
    nativeOf(this)
    native.sysvLock(this.id, false)
  }

  /** @internal */
  protected override describe(): Subject {
    return { words: wordsFor(this.id), id: this.id }
  }

  /** `IPC_RMID`: gone with the last detach, its key free at once. Works after `close()` too. EPERM, EINVAL, EIDRM. */
  override remove(): void {
    removeId(this.id)
  }
}

function removeId(id: number): void {
  native.sysvRemove(id)
  tellRemovedSegment(id)
}

/** @internal */
export function tellRemovedSegment(id: number): void {
  if (removals.hasSubscribers) tellRemoval('sysv', wordsFor(id), { id })
}

function wordsFor(id: number): string {
  return `System V segment ${id}`
}

function suitable<T extends object>(options: T | undefined, extra: readonly string[] = []): T {
  const given = check.options<T>('options', options, [...CREATE_WORDS, ...extra])
  for (const word of UNSUITABLE) {
    if (word in given) throw wrongValue(`options.${word}`, 'absent: System V segments are attached whole, and have no descriptor', (given as Record<string, unknown>)[word])
  }
  if ((given as { access?: unknown }).access === 'copy-on-write') {
    throw wrongValue('options.access', '"read" or "write" for System V', 'copy-on-write')
  }
  return given
}
