/**
 * Something that is done once, by one of many processes, while the others wait.
 *
 * @module
 */

import * as check from '../arguments.js'
import { closedError, wrongType } from '../errors.js'
import { DONE } from '../managed-layout.js'
import { ManagedObject, endObject, type Opened } from '../membership/managed-object.js'
import { settled, type LockOptions, type LockSyncOptions } from './lock-terms.js'
import { Mutex } from './mutex.js'
import { ASYNC_WAIT_OPTIONS, waitTerms, type AsyncWaitOptions } from '../waits/pending.js'
import { spinLoads, type SpinOptions } from '../waits/spinning.js'
import type { WaitOptions } from '../waits/waiting.js'

/** What a call came to. `'ran'`: this one did it. `'done'`: it was done already, or meanwhile. */
export type Done = 'ran' | 'done' | 'timedOut'

/**
 * Something of a managed segment that is done once: the first who calls does it, the others wait. When that one throws or dies, the next one who
 * calls or waits does it from the start; so write `act` to be begun again over what is half done.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class Once extends ManagedObject {
  override readonly kind = 'once'
  readonly #lock: Mutex
  #isOpen = true

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.#lock = new OnceLock(opened)
  }

  /** Whether it is done. */
  get isDone(): boolean {
    if (!this.#isOpen) throw closedError(this.describe())
    return Atomics.load(this.words, DONE) === 1
  }

  /**
   * Does it, or waits until it is done. The time given is for the wait, not for `act`. Rejects with what `act` throws; do not await another call inside
   * of it.
   */
  async run(act: () => unknown, options?: AsyncWaitOptions & SpinOptions): Promise<Done> {
    mustBeFunction(act)
    const terms = waitTerms(options, ['spinMicros'])
    const { spinMicros } = check.options<LockOptions>('options', options, ['spinMicros', ...ASYNC_WAIT_OPTIONS])
    spinLoads(spinMicros)
    if (this.isDone) return 'done'
    const { signal, ...limits } = terms
    const got = await this.#lock.lock({ ...limits, ...(signal === undefined ? {} : { signal }), ...(spinMicros === undefined ? {} : { spinMicros }) })
    if (got === 'timedOut') return this.isDone ? 'done' : got
    try {
      this.#lock.markConsistent()
      if (this.isDone) return 'done'
      await act()
      return this.#did()
    } finally {
      this.#release()
    }
  }

  /**
   * As {@link Once.run}, with the thread blocked; `act` must not be asynchronous: a TypeError, once it has answered a promise.
   *
   * @throws {@link ShmError} `ERR_SHM_DEADLOCK` where this environment is doing it.
   */
  runSync(act: () => unknown, options?: WaitOptions & SpinOptions): Done {
    mustBeFunction(act)
    const { timeoutMs, spinMicros } = check.options<LockSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
    check.timeout('options.timeoutMs', timeoutMs)
    spinLoads(spinMicros)
    if (this.isDone) return 'done'
    const got = this.#lock.lockSync(options)
    if (got === 'timedOut') return this.isDone ? 'done' : got
    try {
      this.#lock.markConsistent()
      if (this.isDone) return 'done'
      settled('act', act())
      return this.#did()
    } finally {
      this.#release()
    }
  }

  /** @internal */
  protected override held(): string | undefined {
    return this.#lock.isHeld ? this.describe() : undefined
  }

  /** @internal */
  protected override ended(): void {
    this.#isOpen = false
    endObject(this.#lock)
  }

  #did(): Done {
    Atomics.store(this.words, DONE, 1)
    return 'ran'
  }

  #release(): void {
    if (this.#lock.isHeld) this.#lock.unlock()
  }
}

/** The lock of who does it. */
class OnceLock extends Mutex {
  override readonly kind = 'once'
}

function mustBeFunction(act: unknown): void {
  if (typeof act !== 'function') throw wrongType('act', 'a function', act)
}
