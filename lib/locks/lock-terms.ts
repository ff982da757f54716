/**
 * What locks have in common: the options of their waits, and running a function with one.
 *
 * @module
 */

import * as check from '../arguments.js'
import { wrongType } from '../errors.js'
import type { HeldLock } from './held-lock.js'
import { BLOCKS_OWNER, STRICT } from '../managed-layout.js'
import { ASYNC_WAIT_OPTIONS, waitTerms, type AsyncWaitOptions, type WaitTerms } from '../waits/pending.js'
import { spinLoads, type SpinOptions } from '../waits/spinning.js'
import type { WaitOptions } from '../waits/waiting.js'

/** How a lock was got. `'ownerDied'`: it is yours, and the one before died with it; what it guards may be half-changed. */
export type Locked = 'locked' | 'ownerDied'

/** What a lock may be asked for besides. */
export interface StrictOption {
  /**
   * Waits for a dead owner's whole process to have left the kernel, too: a read that it began into the segment on another thread may still
   * be under way (docs/locks.md). @default false
   */
  strict?: boolean | undefined
}

/** How long a lock may be waited for with the thread blocked. */
export type LockSyncOptions = WaitOptions & SpinOptions & StrictOption
/** How long a lock may be waited for with a promise. */
export type LockOptions = AsyncWaitOptions & SpinOptions & StrictOption

/** What {@link Mutex.withLock} does about an owner that died. */
export interface RepairOption {
  /** Called first when the owner before died: makes what the lock guards whole again. Without it that death is an error. */
  repair?: (() => unknown) | undefined
}

const SYNC_WORDS = ['timeoutMs', 'spinMicros', 'strict'] as const
const ASYNC_WORDS = ['spinMicros', 'strict', ...ASYNC_WAIT_OPTIONS] as const

/** {@link LockSyncOptions}, checked. */
export interface LockSyncTerms {
  timeoutMs: number
  /** How often to look before sleeping: never where there is no time to. */
  loads: number
  /** The native wait's. */
  argument: number
}

/** {@link LockOptions}, checked. */
export interface LockTerms extends WaitTerms {
  loads: number
  argument: number
}

/** Checks how long a lock may be waited for with the thread blocked; without `spinMicros` it looks for `otherwise`. */
export function lockSyncTerms(options: LockSyncOptions | undefined, otherwise?: number): LockSyncTerms {
  const { timeoutMs, spinMicros, strict } = check.options<LockSyncOptions>('options', options, SYNC_WORDS)
  const timeout = check.timeout('options.timeoutMs', timeoutMs)
  return { timeoutMs: timeout, loads: loadsWithin(timeout, spinMicros, otherwise), argument: BLOCKS_OWNER | strictness(strict) }
}

/** Checks how long a lock may be waited for with a promise. Throws the reason of a signal that is aborted already. */
export function lockTerms(options: LockOptions | undefined, otherwise?: number): LockTerms {
  const terms = waitTerms(options, ['spinMicros', 'strict'])
  const { spinMicros, strict } = check.options<LockOptions>('options', options, ASYNC_WORDS)
  return { ...terms, loads: loadsWithin(terms.timeoutMs, spinMicros, otherwise), argument: strictness(strict) }
}

/** Takes `repair` apart from the options of the wait. */
export function repairOption<Options extends RepairOption>(value: Options | undefined, form: 'sync' | 'async'): { repair: (() => unknown) | undefined; wait: Omit<Options, 'repair'> } {
  const { repair, ...wait } = check.options<Options>('options', value, [...(form === 'sync' ? SYNC_WORDS : ASYNC_WORDS), 'repair'])
  return { repair: check.func('options.repair', repair), wait }
}

/** Runs a function with a lock in hand, and gives the lock back. `refuse` leaves it to the next as it was got, and throws: without `repair`. */
export async function runHeld<Result>(held: HeldLock, repair: (() => unknown) | undefined, refuse: () => never, act: () => Result | Promise<Result>): Promise<Result> {
  try {
    if (held.ownerDied) {
      if (repair === undefined) refuse()
      await repair()
      held.markConsistent()
    }
    return await act()
  } finally {
    held.release()
  }
}

/** As {@link runHeld}, for a function that is not asynchronous. */
export function runHeldSync<Result>(held: HeldLock, repair: (() => unknown) | undefined, refuse: () => never, act: () => Result): Result {
  try {
    if (held.ownerDied) {
      if (repair === undefined) refuse()
      settled('options.repair', repair())
      held.markConsistent()
    }
    return settled('act', act())
  } finally {
    held.release()
  }
}

/** What a function answered that must be through when it returns. A promise goes on without the lock, which nobody would notice. */
export function settled<Result>(name: string, result: Result): Result {
  if (result instanceof Promise) throw wrongType(name, 'a function that is not asynchronous: the form without Sync waits for one', result)
  return result
}

function loadsWithin(timeoutMs: number, spinMicros: number | undefined, otherwise: number | undefined): number {
  const loads = spinLoads(spinMicros, otherwise)
  return timeoutMs > 0 ? loads : 0
}

/** The argument of a native wait that is strict, or not. */
export function strictness(strict: unknown): number {
  return check.flag('options.strict', strict, false) ? STRICT : 0
}

/** The function that runs with the lock: checked before the lock is taken. */
export function needed<F extends (...given: never[]) => unknown>(name: string, value: F): F {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value)
  return value
}
