/**
 * The locks of a managed segment as the Web Locks API has them: `mem.locks.request(name, options, fn)`. The same locks as
 * `mem.mutex(name)` and `mem.rwlock(name)` give.
 *
 * @module
 */

import * as check from '../arguments.js'
import { ShmError, wrongType, wrongValue } from '../errors.js'
import type { LockOptions, RepairOption } from './lock-terms.js'
import type { Mutex } from './mutex.js'
import type { RwLock } from './rwlock.js'

/** Alone, or together with others who share. */
export type LockMode = 'exclusive' | 'shared'

/** What a lock is asked for with. */
export interface LockRequestOptions {
  /** @default 'exclusive' */
  mode?: LockMode | undefined
  /** Does not wait: where the lock is not free, the function is called with `null`. @default false */
  ifAvailable?: boolean | undefined
  /** Calls the wait off: the promise rejects with `signal.reason`. Once the function runs, nothing ends it. */
  signal?: AbortSignal | undefined
  /**
   * Called first when the owner before died with the lock: makes what it guards whole again. Without it that death is an error. Only with
   * `'exclusive'`: who shares may not change anything.
   */
  repair?: (() => unknown) | undefined
}

/** What the function gets: which lock it has. */
export interface GrantedLock {
  /** The name that was requested. */
  name: string
  /** How it is held. */
  mode: LockMode
}

type Act<Result> = (lock: GrantedLock | null) => Result | Promise<Result>

/** Where the locks are. */
interface Home {
  mutex(name: string): Pick<Mutex, 'withLock'>
  rwlock(name: string): Pick<RwLock, 'withReadLock' | 'withWriteLock'>
}

const WORDS = ['mode', 'ifAvailable', 'signal', 'repair', 'steal'] as const

/** See the module. Made by the segment, as `mem.locks`. */
export class LockManager {
  readonly #home: Home
  /** Names that are known to be reader-writer locks: what a name leads to never changes. */
  readonly #shareable = new Set<string>()

  /** @internal */
  constructor(home: Home) {
    if (typeof (home as Home | null | undefined)?.mutex !== 'function') throw wrongType('home', 'a managed segment', home)
    this.#home = home
  }

  /**
   * Runs `act` with the lock of that name, and gives it back when what it answers has settled. Requests of one environment come first
   * come, first served.
   *
   * The name of a mutex can be asked for `'exclusive'` only, that of a reader-writer lock in both modes. A name that nobody used before becomes a
   * mutex with the first `'exclusive'`, a reader-writer lock with the first `'shared'`: who wants both calls `mem.rwlock(name)` beforehand.
   *
   * Other than in a browser, an owner that dies is told: see `repair`. There is no `steal`: nobody can take a lock from one who lives.
   *
   * @throws {@link ShmError} (as a rejection) `ERR_SHM_OWNER_DIED`; `ERR_SHM_NOT_RECOVERABLE`; `ERR_SHM_UNSUPPORTED` with `steal`;
   * `ERR_SHM_TYPE_MISMATCH` where the name is taken by something else; the signal's reason; what `act` throws.
   */
  async request<Result>(name: string, act: (lock: GrantedLock) => Result | Promise<Result>): Promise<Result>
  async request<Result>(name: string, options: LockRequestOptions & { ifAvailable?: false | undefined }, act: (lock: GrantedLock) => Result | Promise<Result>): Promise<Result>
  async request<Result>(name: string, options: LockRequestOptions, act: (lock: GrantedLock | null) => Result | Promise<Result>): Promise<Result>
  async request<Result>(name: string, second: LockRequestOptions | ((lock: never) => Result | Promise<Result>), third?: (lock: never) => Result | Promise<Result>): Promise<Result> {
    const [given, act] = (typeof second === 'function' ? [undefined, second] : [second, third]) as [LockRequestOptions | undefined, Act<Result> | undefined]
    const { mode = 'exclusive', ifAvailable, signal, repair, steal } = check.options<LockRequestOptions & { steal?: boolean }>('options', given, WORDS)
    check.oneOf('options.mode', mode, ['exclusive', 'shared'])
    if (mode === 'shared' && repair !== undefined) throw wrongValue('options.repair', 'left out with mode "shared"', repair)
    if (typeof act !== 'function') throw wrongType('act', 'a function', act)
    if (check.flag('options.steal', steal, false)) throw new ShmError({ code: 'ERR_SHM_UNSUPPORTED', message: 'nobody can steal a lock: its owner could not be told', objectName: name })
    const wait: LockOptions & RepairOption = {}
    const waits = !check.flag('options.ifAvailable', ifAvailable, false)
    if (!waits) wait.timeoutMs = 0
    if (signal !== undefined) wait.signal = signal
    if (repair !== undefined) wait.repair = repair
    let isGranted = false
    const granted = (): Result | Promise<Result> => {
      isGranted = true
      return act({ name, mode })
    }
    try {
      return await this.#hold(name, mode, granted, wait)
    } catch (error) {
      if (waits || isGranted || (error as Partial<ShmError>).code !== 'ERR_SHM_TIMED_OUT') throw error
    }
    return await act(null)
  }
  #hold<Result>(name: string, mode: LockMode, act: () => Result | Promise<Result>, wait: LockOptions & RepairOption): Promise<Result> {
    if (mode === 'shared') return this.#home.rwlock(name).withReadLock(act, wait)
    if (this.#shareable.has(name)) return this.#home.rwlock(name).withWriteLock(act, wait)
    let mutex
    try {
      mutex = this.#home.mutex(name)
    } catch (error) {
      if ((error as Partial<ShmError>).code !== 'ERR_SHM_TYPE_MISMATCH') throw error
      const rwlock = this.#home.rwlock(name)
      this.#shareable.add(name)
      return rwlock.withWriteLock(act, wait)
    }
    return mutex.withLock(act, wait)
  }
}
