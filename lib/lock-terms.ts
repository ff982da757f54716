/**
 * What locks have in common: the options of their waits, and running a function with one.
 *
 * @module
 * @internal
 */

import * as check from './arguments.js'
import type { HeldLock } from './held-lock.js'
import { BLOCKS_OWNER, STRICT } from './managed-layout.js'
import type { LockOptions, LockSyncOptions, RepairOption } from './mutex.js'
import { ASYNC_WAIT_OPTIONS, waitTerms, type WaitTerms } from './pending.js'
import { spinLoads } from './spinning.js'

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

/** Checks how long a lock may be waited for with the thread blocked. */
export function lockSyncTerms(options: LockSyncOptions | undefined): LockSyncTerms {
  const { timeoutMs, spinMicros, strict } = check.options<LockSyncOptions>('options', options, SYNC_WORDS)
  const timeout = check.timeout('options.timeoutMs', timeoutMs)
  return { timeoutMs: timeout, loads: loadsWithin(timeout, spinMicros), argument: BLOCKS_OWNER | strictness(strict) }
}

/** Checks how long a lock may be waited for with a promise. Throws the reason of a signal that is aborted already. */
export function lockTerms(options: LockOptions | undefined): LockTerms {
  const terms = waitTerms(options, ['spinMicros', 'strict'])
  const { spinMicros, strict } = check.options<LockOptions>('options', options, ASYNC_WORDS)
  return { ...terms, loads: loadsWithin(terms.timeoutMs, spinMicros), argument: strictness(strict) }
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
      repair()
      held.markConsistent()
    }
    return act()
  } finally {
    held.release()
  }
}

function loadsWithin(timeoutMs: number, spinMicros: number | undefined): number {
  const loads = spinLoads(spinMicros)
  return timeoutMs > 0 ? loads : 0
}

function strictness(strict: unknown): number {
  return check.flag('options.strict', strict as boolean | undefined, false) ? STRICT : 0
}
