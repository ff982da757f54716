/**
 * System V semaphore sets: several counters changed in one step, undone by the kernel when a process dies (semop(2)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { closedError, outOfRange, wrongType, wrongValue } from '../errors.js'
import { native, type Binding } from '../native.js'
import { IPC_NOWAIT, IPC_PRIVATE, SEM_UNDO } from '../raw/sysv.js'
import { ASYNC_WAIT_OPTIONS, waitTerms, type AsyncWaitOptions, type WaitTerms } from '../waits/pending.js'
import { semaphoreWait } from '../waits/semaphore-waits.js'
import { changedOwner, date, identifier } from '../memory/sysv-object.js'
import { creations, openings, removals, tellLoss, tellSemaphore, traceAs } from '../tracing.js'
import { waitInSlices, type WaitOptions } from '../waits/waiting.js'
import type { OwnerChange } from '../memory/backing-object.js'

const MAX_VALUE = 32_767

/** How a set is created. */
export interface SemaphoreSetCreateOptions {
  /** Semaphores in the set, 1 to SEMMSL. @default the length of `initial` */
  count?: number | undefined
  /** First values, 0 to 32,767: one for all, or one each. @default 0 */
  initial?: number | readonly number[] | undefined
  /** Permission bits. @default 0o600 */
  mode?: number | undefined
}

/** One operation of several that happen together or not at all. */
export interface SemaphoreOperation {
  /** Which semaphore of the set. */
  index: number
  /** Added to its value, waiting while that would be below 0; a delta of 0 waits for the value 0. */
  delta: number
  /** Whether the kernel takes the change back when this process ends (SEM_UNDO). @default false */
  undo?: boolean | undefined
}

/** How a semaphore is taken. */
export interface AcquireOptions {
  /** How much. @default 1 */
  count?: number | undefined
  /** @see SemaphoreOperation.undo @default false */
  undo?: boolean | undefined
}

/** What {@link SysvSemaphoreSet.stat} says: `struct semid_ds` of semctl(2) in words. */
export interface SemaphoreSetStat {
  /** The kernel's identifier (`semid`). */
  id: number
  /** 0 for IPC_PRIVATE. */
  key: number
  /** How many semaphores it has. */
  count: number
  /** The owner. */
  uid: number
  /** The owner's group. */
  gid: number
  /** Who made it. */
  creatorUid: number
  /** The group of who made it. */
  creatorGid: number
  /** Permission bits. */
  mode: number
  /** Of the last semop(2). */
  operatedAt: Date | null
  /** Its making, or the last change of owner, mode or value. */
  changedAt: Date | null
}

/**
 * A System V semaphore set. Outlives the processes that use it until it is removed; there is nothing to close.
 *
 * Every call on a set that somebody removed throws {@link ShmError} EINVAL or EIDRM; on one that was removed through this object,
 * `ERR_SHM_CLOSED`; EACCES where the mode forbids it. What else can happen stands at each call.
 *
 * A new set's values rise from 0 to their initial values in one step, so whoever opens it early waits and takes nothing
 * from a half-made one.
 */
export class SysvSemaphoreSet {
  /** The kernel's identifier. */
  readonly id: number
  /** The key it was opened by; 0 where it was opened by identifier. */
  readonly key: number
  /** Semaphores in the set. */
  readonly count: number
  /** Whether this opening made it. */
  readonly created: boolean
  #removed = false

  private constructor(id: number, key: number, created: boolean) {
    this.id = identifier(id)
    this.key = key
    this.created = created
    traceAs(this, () => ({ kind: 'sysv-semaphore', object: wordsFor(id), id }))
    try {
      this.count = native.semaphoreSetStat(id).count
    } catch (error) {
      // A mode that forbids its own maker to look: nobody would learn the identifier.
      if (created) native.semctlNumber(id, 0, 'IPC_RMID', 0)
      throw error
    }
    const told = created ? creations : openings
    if (told.hasSubscribers) tellSemaphore(told, 'sysv-semaphore', wordsFor(id), { id })
  }

  /**
   * Makes a set (semget(2)). Key 0 (IPC_PRIVATE) always makes a new one. The umask does not apply to `mode`.
   *
   * @throws {@link ShmError} EEXIST, EINVAL (beyond SEMMSL), ENOSPC (SEMMNI, SEMMNS), ENOMEM, ERANGE.
   */
  static create(key: number, options: SemaphoreSetCreateOptions): SysvSemaphoreSet {
    const { initial, mode } = creation(options)
    const number = check.int32('key', key)
    return new SysvSemaphoreSet(native.semaphoreSetCreate(number, initial, mode), number, true)
  }

  /** Opens the set of a key. @throws {@link ShmError} ENOENT, EACCES. */
  static open(key: number): SysvSemaphoreSet {
    const number = check.int32('key', key)
    if (number === IPC_PRIVATE) throw wrongValue('key', 'not IPC_PRIVATE, which names no set: attach by id', key)
    return new SysvSemaphoreSet(native.semaphoreSetOpen(number, 0), number, false)
  }

  /**
   * Opens the set of a key or makes it (semget(2)). An existing one keeps its values.
   *
   * @throws {@link ShmError} EINVAL (an existing one has fewer semaphores; beyond SEMMSL), EACCES, ENOSPC, ENOMEM, ERANGE.
   */
  static openOrCreate(key: number, options: SemaphoreSetCreateOptions): SysvSemaphoreSet {
    const { initial, mode } = creation(options)
    const number = check.int32('key', key)
    const { id, created } = native.semaphoreSetOpenOrCreate(number, initial, mode)
    return new SysvSemaphoreSet(id, number, created)
  }

  /** Uses a set by its identifier. @throws {@link ShmError} EINVAL, EIDRM, EACCES. */
  static attach(id: number): SysvSemaphoreSet {
    return new SysvSemaphoreSet(id, IPC_PRIVATE, false)
  }

  /** Removes a set by identifier (IPC_RMID). @throws {@link ShmError} EINVAL, EIDRM, EPERM. */
  static remove(id: number): void {
    native.semctlNumber(identifier(id), 0, 'IPC_RMID', 0)
    tellRemoved(id)
  }

  /** Whether `remove()` was called here. */
  get closed(): boolean {
    return this.#removed
  }

  /** All values (semctl(2), GETALL); stale the moment they return. EACCES. */
  values(): number[] {
    return native.semaphoreValues(this.#live())
  }

  /** One value (GETVAL); stale the moment it returns. EACCES. */
  getValue(index: number): number {
    return native.semctlNumber(this.#live(), this.#index(index), 'GETVAL', 0)
  }

  /** Sets one value (SETVAL); clears undo values of all processes for it. ERANGE, EACCES. */
  setValue(index: number, value: number): void {
    native.semctlNumber(this.#live(), this.#index(index), 'SETVAL', check.integer('value', value, 0, MAX_VALUE))
  }

  /** Sets all values in one step (SETALL); clears undo values of all processes. EACCES. */
  setAll(values: readonly number[]): void {
    if (!Array.isArray(values)) throw wrongType('values', 'an array of numbers', values)
    if (values.length !== this.count) throw outOfRange('values.length', `${this.count}, as many as the set has`, values.length)
    native.setSemaphoreValues(this.#live(), values.map((value, index) => check.integer(`values[${index}]`, value, 0, MAX_VALUE)))
  }

  /** Does all operations now, or none. @throws {@link ShmError} EIDRM, EFBIG, E2BIG, ERANGE, EACCES. */
  tryOperate(operations: readonly SemaphoreOperation[]): 'done' | 'busy' {
    return this.#operate(this.#operations(operations, IPC_NOWAIT), undefined) ? 'done' : 'busy'
  }

  /** Does all operations in one step, waiting until that is possible. Blocks the thread. EIDRM when it is removed meanwhile. */
  operateSync(operations: readonly SemaphoreOperation[], options?: WaitOptions): 'done' | 'timedOut' {
    const { timeoutMs } = check.options<WaitOptions>('options', options, ['timeoutMs'])
    return this.#wait(this.#operations(operations, 0), timeoutMs) ? 'done' : 'timedOut'
  }

  /**
   * Does all operations in one step, waiting beside the event loop until that is possible. Rejects with EIDRM when the set is removed
   * meanwhile, and with `signal.reason` when it is aborted. Operations that give something cannot be taken back: aborted in the middle of a
   * try, such a wait settles up to 100 ms later, and resolves if it succeeded.
   */
  async operate(operations: readonly SemaphoreOperation[], options?: AsyncWaitOptions): Promise<'done' | 'timedOut'> {
    return await this.#pend(this.#operations(operations, 0), waitTerms(options)) ? 'done' : 'timedOut'
  }

  /** Takes from one semaphore now, if it has enough (semop(2)). Errors as {@link SysvSemaphoreSet.tryOperate}. */
  tryAcquire(index: number, options?: AcquireOptions): 'acquired' | 'busy' {
    const { count, undo } = acquisition(options)
    return this.tryOperate([{ index: this.#index(index), delta: -count, undo }]) === 'done' ? 'acquired' : 'busy'
  }

  /** Takes from one semaphore, waiting until it has enough. Blocks the thread. Errors as {@link SysvSemaphoreSet.operateSync}. */
  acquireSync(index: number, options?: AcquireOptions & WaitOptions): 'acquired' | 'timedOut' {
    const { count, undo, timeoutMs } = acquisition(options)
    const wait = timeoutMs === undefined ? {} : { timeoutMs }
    return this.operateSync([{ index: this.#index(index), delta: -count, undo }], wait) === 'done' ? 'acquired' : 'timedOut'
  }

  /**
   * Takes from one semaphore, waiting beside the event loop until it has enough. Errors as {@link SysvSemaphoreSet.operate}; what it had
   * taken in the moment of an abort is given back.
   */
  async acquire(index: number, options?: AcquireOptions & AsyncWaitOptions): Promise<'acquired' | 'timedOut'> {
    const { count, undo } = acquisition(options, ASYNC_WAIT_OPTIONS)
    const operations = this.#operations([{ index: this.#index(index), delta: -count, undo }], 0)
    return await this.#pend(operations, waitTerms(options, ['count', 'undo'])) ? 'acquired' : 'timedOut'
  }

  /** Gives to one semaphore. ERANGE beyond 32,767. */
  release(index: number, options?: AcquireOptions): void {
    const { count, undo } = acquisition(options)
    this.tryOperate([{ index: this.#index(index), delta: count, undo }])
  }

  /** Waits until one semaphore is 0. Blocks the thread. Errors as {@link SysvSemaphoreSet.operateSync}. */
  waitForZeroSync(index: number, options?: WaitOptions): 'zero' | 'timedOut' {
    return this.operateSync([{ index: this.#index(index), delta: 0 }], options) === 'done' ? 'zero' : 'timedOut'
  }

  /** Waits beside the event loop until one semaphore is 0. Errors as {@link SysvSemaphoreSet.operate}. */
  async waitForZero(index: number, options?: AsyncWaitOptions): Promise<'zero' | 'timedOut'> {
    return await this.#pend(this.#operations([{ index: this.#index(index), delta: 0 }], 0), waitTerms(options)) ? 'zero' : 'timedOut'
  }

  /** How many processes wait on one semaphore (GETNCNT, GETZCNT). EACCES. */
  waiting(index: number): {
    /** For a higher value. */
    forIncrease: number
    /** For 0. */
    forZero: number
  } {
    const id = this.#live()
    const which = this.#index(index)
    return { forIncrease: native.semctlNumber(id, which, 'GETNCNT', 0), forZero: native.semctlNumber(id, which, 'GETZCNT', 0) }
  }

  /** Who changed one semaphore last (GETPID); 0 for nobody. EACCES. */
  lastPid(index: number): number {
    return native.semctlNumber(this.#live(), this.#index(index), 'GETPID', 0)
  }

  /** What the kernel knows of the set (IPC_STAT). EACCES. */
  stat(): SemaphoreSetStat {
    const ds = native.semaphoreSetStat(this.#live())
    return {
      id: ds.id,
      key: ds.key,
      count: ds.count,
      uid: ds.uid,
      gid: ds.gid,
      creatorUid: ds.creatorUid,
      creatorGid: ds.creatorGid,
      mode: ds.mode & 0o777,
      operatedAt: date(ds.operationTime),
      changedAt: date(ds.changeTime)
    }
  }

  /** Changes owner and mode (IPC_SET); what is not given stays. EPERM. */
  set(change: OwnerChange): void {
    native.semaphoreSetSet(this.id, ...changedOwner(change, native.semaphoreSetStat(this.#live())))
  }

  /** Removes it for everybody, at once: who waits gets EIDRM. Idempotent in this object. EPERM. */
  remove(): void {
    if (this.#removed) return
    const { id } = this
    native.semctlNumber(id, 0, 'IPC_RMID', 0)
    this.#removed = true
    tellRemoved(id)
  }

  #live(): number {
    if (this.#removed) throw closedError('semaphore set')
    return this.id
  }

  #index(index: number): number {
    return check.integer('index', index, 0, this.count - 1)
  }

  #operations(operations: readonly SemaphoreOperation[], extra: number): Binding.NativeSemaphoreOperation[] {
    if (!Array.isArray(operations) || operations.length === 0) throw wrongType('operations', 'an array of at least one operation', operations)
    return operations.map((given, at) => {
      const name = `operations[${at}]`
      const { index, delta, undo } = check.options<SemaphoreOperation>(name, given, ['index', 'delta', 'undo'])
      return {
        index: check.integer(`${name}.index`, index, 0, this.count - 1),
        delta: check.integer(`${name}.delta`, delta, -MAX_VALUE, MAX_VALUE),
        flags: extra | (check.flag(`${name}.undo`, undo, false) ? SEM_UNDO : 0)
      }
    })
  }

  #operate(operations: Binding.NativeSemaphoreOperation[], sliceMs: number | undefined, again = false): boolean {
    return native.semtimedop(this.#live(), operations, sliceMs, again) === 0
  }

  async #pend(operations: Binding.NativeSemaphoreOperation[], terms: WaitTerms): Promise<boolean> {
    if (this.#operate(operations, 0)) return true
    if (terms.timeoutMs === 0) return false
    const done = await semaphoreWait(this, terms, waits => waits.operate(this.id, operations, terms.timeoutMs))
    if (!done) tellLoss(this, 'timedOut', terms.timeoutMs)
    return done
  }

  #wait(operations: Binding.NativeSemaphoreOperation[], timeoutMs: unknown): boolean {
    const limit = check.timeout('options.timeoutMs', timeoutMs)
    return waitInSlices(limit, (sliceMs, again) => this.#operate(operations, sliceMs, again), this)
  }
}

function tellRemoved(id: number): void {
  if (removals.hasSubscribers) tellSemaphore(removals, 'sysv-semaphore', wordsFor(id), { id })
}

function wordsFor(id: number): string {
  return `semaphore set ${id}`
}

function creation(value: unknown): { initial: number[]; mode: number } {
  const { count, initial = 0, mode } = check.options<SemaphoreSetCreateOptions>('options', value, ['count', 'initial', 'mode'])
  const wanted = count ?? (Array.isArray(initial) ? initial.length : undefined)
  if (wanted === undefined) throw wrongType('options.count', 'a number of semaphores', count)
  const many = check.integer('options.count', wanted, 1, 32_000)
  const values = Array.isArray(initial) ? initial : Array.from({ length: many }, () => initial)
  if (values.length !== many) throw outOfRange('options.initial.length', `options.count, ${many}`, values.length)
  return {
    initial: values.map(first => check.integer('options.initial', first, 0, MAX_VALUE)),
    mode: check.mode('options.mode', mode, 0o600)
  }
}

function acquisition(value: unknown, waitOptions: readonly string[] = ['timeoutMs']): { count: number; undo: boolean; timeoutMs?: number } {
  const { count = 1, undo, timeoutMs } = check.options<AcquireOptions & WaitOptions>('options', value, ['count', 'undo', ...waitOptions])
  const checked = { count: check.integer('options.count', count, 1, MAX_VALUE), undo: check.flag('options.undo', undo, false) }
  return timeoutMs === undefined ? checked : { ...checked, timeoutMs }
}
