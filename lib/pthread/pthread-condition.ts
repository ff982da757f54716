/**
 * pthread condition variables inside a segment: those of C programs (pthread_cond_wait(3)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { wrongType } from '../errors.js'
import { native, type Binding } from '../native.js'
import { PthreadMutex, nativeMutexOf } from './pthread-mutex.js'
import { between, madeByNew, memoryOf, place, refuseForeign, traceIn, type PthreadOptions } from './pthread-place.js'
import type { Segment } from '../memory/segment.js'
import { tellDeath, tellLoss } from '../tracing.js'
import type { WaitOptions } from '../waits/waiting.js'

const [SIZE_BYTES = 0, ALIGN_BYTES = 1] = native.pthreadConditionLayout()
/** The longest sleep at a stretch, in milliseconds: between two the runtime can end the thread. */
const SLICE_MS = 100

/** How a condition variable is made. */
export interface PthreadConditionOptions extends PthreadOptions {
  /** The clock of C's pthread_cond_timedwait(3) on it. Waits here do not depend on it. @default 'realtime', as in C */
  clock?: 'realtime' | 'monotonic' | undefined
}

/** How long to wait, and for what. */
export interface PthreadConditionWaitOptions extends WaitOptions {
  /** What is waited for: called with the mutex held, before the first wait and after each wake, until it answers true. */
  until?: (() => boolean) | undefined
}

/**
 * A `pthread_cond_t` inside a segment, process-shared. Not robust: see `docs/pthread-interop.md`. After the segment's `close()` every
 * call is `ERR_SHM_CLOSED`, as with {@link PthreadMutex}.
 */
export class PthreadCondition {
  /** Bytes of one: 48 with glibc. */
  static readonly sizeBytes = SIZE_BYTES
  /** Its offset is a multiple of this. */
  static readonly alignBytes = ALIGN_BYTES

  readonly #native: Binding.NativePthreadCondition
  readonly #segment: Segment

  private constructor(opened: Binding.NativePthreadCondition, segment: Segment) {
    if (!(opened instanceof native.NativePthreadCondition)) throw madeByNew('condition', opened)
    this.#native = opened
    this.#segment = segment
    traceIn(segment, opened, 'condition')
  }

  /** Makes one (pthread_cond_init(3)). Nobody may be using those bytes. Errors as {@link PthreadMutex.initialise}. */
  static initialise(segment: Segment, offset: number, options?: PthreadConditionOptions): PthreadCondition {
    const memory = memoryOf(segment)
    const at = place(segment, offset, SIZE_BYTES, ALIGN_BYTES)
    const { clock = 'realtime', abi } = check.options<PthreadConditionOptions>('options', options, ['clock', 'abi'])
    refuseForeign(abi)
    const monotonic = check.oneOf('options.clock', clock, ['realtime', 'monotonic']) === 'monotonic'
    return new PthreadCondition(native.pthreadConditionInitialise(memory, at, monotonic), segment)
  }

  /** The one at `offset`, made before by {@link PthreadCondition.initialise} or by C. Errors as {@link PthreadMutex.at}. */
  static at(segment: Segment, offset: number, options?: PthreadOptions): PthreadCondition {
    const memory = memoryOf(segment)
    const at = place(segment, offset, SIZE_BYTES, ALIGN_BYTES)
    refuseForeign(check.options<PthreadOptions>('options', options, ['abi']).abi)
    return new PthreadCondition(native.pthreadConditionAt(memory, at), segment)
  }

  /**
   * Unlocks `mutex`, waits for a notification, and locks it again (pthread_cond_clockwait(3)), whatever the answer; with `until`, as often
   * as it takes. `'ownerDied'`: the mutex's last owner died holding it; repair, {@link PthreadMutex.markConsistent}, and look.
   *
   * Without `until`, call it in a loop that looks at what you wait for: `'notified'` is also the answer **without a notification**, after
   * 100 ms at most, since what was notified while the mutex is taken again after a slice is not kept. `timeoutMs` is that of one call
   * then: recompute it, and look once more after `'timedOut'`.
   *
   * Blocks the thread; taking the mutex again lasts as long as others hold it, and nothing ends the thread meanwhile.
   *
   * @throws {@link ShmError} EPERM where this thread does not hold the mutex; EINVAL where it locked it more than once; ENOTRECOVERABLE,
   * after which it does not hold it; `ERR_SHM_UNSUPPORTED` with a mutex of protocol `'inherit'`; `ERR_SHM_POSSIBLY_CORRUPT`, `ERR_SHM_CLOSED`.
   */
  waitSync(mutex: PthreadMutex, options?: PthreadConditionWaitOptions): 'notified' | 'timedOut' | 'ownerDied' {
    if (!(mutex instanceof PthreadMutex)) throw wrongType('mutex', 'a PthreadMutex', mutex)
    const held = nativeMutexOf(mutex)
    const { timeoutMs, until } = check.options<PthreadConditionWaitOptions>('options', options, ['timeoutMs', 'until'])
    const limit = check.timeout('options.timeoutMs', timeoutMs)
    if (until !== undefined && typeof until !== 'function') throw wrongType('options.until', 'a function', until)
    const attempt = (leftMs: number): number => between(this.#segment, () => this.#native.wait(held, Math.min(SLICE_MS, Math.ceil(leftMs))))
    if (until === undefined) {
      const word = attempt(limit)
      return word === 2 ? this.#ownerDied(held) : word === 0 && limit <= SLICE_MS ? this.#timedOut(limit) : 'notified'
    }
    const deadline = performance.now() + limit
    for (let left = limit; !until(); left = deadline - performance.now()) {
      if (left <= 0) return this.#timedOut(limit)
      if (attempt(left) === 2) return this.#ownerDied(held)
    }
    return 'notified'
  }

  /** Wakes one who waits (pthread_cond_signal(3)). Errors: `ERR_SHM_POSSIBLY_CORRUPT`, `ERR_SHM_CLOSED`. */
  notifyOne(): void {
    between(this.#segment, () => this.#native.notifyOne())
  }

  /** Wakes all who wait (pthread_cond_broadcast(3)). Errors as {@link PthreadCondition.notifyOne}. */
  notifyAll(): void {
    between(this.#segment, () => this.#native.notifyAll())
  }

  /** Makes it no condition variable any more (pthread_cond_destroy(3)). @throws {@link ShmError} EBUSY where somebody waits, or died waiting: there C waits for ever. */
  destroy(): void {
    between(this.#segment, () => this.#native.destroy())
  }

  #timedOut(timeoutMs: number): 'timedOut' {
    tellLoss(this.#native, 'timedOut', timeoutMs)
    return 'timedOut'
  }

  #ownerDied(mutex: Binding.NativePthreadMutex): 'ownerDied' {
    tellDeath(mutex, 'ownerDied')
    return 'ownerDied'
  }
}
