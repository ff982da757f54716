/**
 * A condition variable between processes: to wait for something that a mutex guards.
 *
 * @module
 */

import * as check from '../arguments.js'
import { wrongType } from '../errors.js'
import { ANSWER, OPERATION, SEQUENCE, WORD } from '../managed-layout.js'
import { ManagedObject, type Opened } from '../membership/managed-object.js'
import { Mutex, letGo, serveWaiters, takenAgain } from './mutex.js'
import { ASYNC_WAIT_OPTIONS, waitTerms, type AsyncWaitOptions } from '../waits/pending.js'
import { spinLoads, spinWhile, type SpinOptions } from '../waits/spinning.js'
import { WaitQueue } from '../waits/wait-queue.js'
import { waitInSlices, type WaitOptions } from '../waits/waiting.js'

/**
 * How a wait for a condition ended; the mutex is held again in each case. `'ownerDied'`: it was got back from an owner that died, whether notified or
 * not: repair what it guards and call `markConsistent()`, then look at the condition.
 */
export type Notified = 'notified' | 'ownerDied' | 'timedOut'

/**
 * A condition variable of a managed segment.
 *
 * Wait in a loop that looks at what you wait for: a waiter may wake for no reason, and another may be quicker. `notifyOne()` wakes one at once, and
 * may wake more, some time later: so a waiter that dies takes no notification with it.
 *
 * ```ts
 * await mutex.withLock(async () => {
 *   while (Atomics.load(words, 0) === 0) await filled.wait(mutex)
 * })
 * ```
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class Condition extends ManagedObject {
  override readonly kind = 'condition'
  /** The promises of this environment, by the sequence from which they wait. */
  readonly #queues: Map<number, WaitQueue<'notified'>>
  #isPaused = false

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.#queues = new Map()
  }

  /**
   * Gives the mutex back, blocks the thread until the condition is notified, and takes the mutex again, which `timeoutMs` does not limit.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` where this environment does not hold the mutex, `ERR_SHM_OWNER_DIED` where it holds one that it got
   * from a dead owner and did not call `markConsistent()`; `ERR_SHM_NOT_RECOVERABLE`, and then the mutex is not held.
   */
  waitSync(mutex: Mutex, options?: WaitOptions & SpinOptions): Notified {
    const { timeoutMs, spinMicros } = check.options<WaitOptions & SpinOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = check.timeout('options.timeoutMs', timeoutMs)
    const loads = spinLoads(spinMicros)
    const { from, turn } = this.#begin(mutex)
    let isNotified = false
    let got: ReturnType<Mutex['lockSync']>
    // A notification must not go to a promise of this thread, which could not run.
    this.#pause()
    try {
      isNotified =
        (timeout > 0 && spinWhile(this.words, SEQUENCE, from | 0, loads)) ||
        waitInSlices(timeout, sliceMs => this.object.wait(OPERATION.notified, from, sliceMs) !== ANSWER.notYet, this.object)
    } finally {
      try {
        got = mutex.lockSync()
        takenAgain(mutex, turn)
      } finally {
        this.#goOn()
      }
    }
    if (got === 'ownerDied') return got
    return isNotified ? 'notified' : 'timedOut'
  }

  /**
   * As {@link Condition.waitSync}, with a promise. After an abort, too, the mutex is taken before the promise rejects, as a block around it
   * gives it back; only where it was got from a dead owner meanwhile, the answer is `'ownerDied'` and not a rejection.
   */
  async wait(mutex: Mutex, options?: AsyncWaitOptions & SpinOptions): Promise<Notified> {
    const terms = waitTerms(options, ['spinMicros'])
    const { spinMicros } = check.options<SpinOptions>('options', options, ['spinMicros', ...ASYNC_WAIT_OPTIONS])
    const loads = spinLoads(spinMicros)
    const { from, turn } = this.#begin(mutex)
    let outcome: 'notified' | 'timedOut' = 'notified'
    let failure: { reason: unknown } | undefined
    try {
      serveWaiters(mutex)
      if (terms.timeoutMs === 0 || !spinWhile(this.words, SEQUENCE, from | 0, loads)) outcome = await this.#queued(from, terms)
    } catch (reason) {
      failure = { reason }
    }
    const got = await mutex.lock({ ref: terms.ref })
    takenAgain(mutex, turn)
    if (got === 'ownerDied') return got
    if (failure !== undefined) throw failure.reason
    return outcome
  }

  /** Wakes at least one who waits, if anybody does. Who holds the mutex meanwhile lets nobody slip between. */
  notifyOne(): void {
    this.#notify(1)
  }

  /** Wakes all who wait. */
  notifyAll(): void {
    this.#notify(2 ** 32 - 1)
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    for (const queue of this.#queues.values()) queue.end(reason)
  }

  #notify(count: number): void {
    // Where somebody waits, the native side counts and wakes, and has said to the kernel which word it is busy with before.
    if (Atomics.load(this.words, WORD) === 0) {
      // Always counted: who sets the word now, and read the sequence before this, never sleeps on it (crate/core/src/sync/gate.rs).
      Atomics.add(this.words, SEQUENCE, 1)
      if (Atomics.load(this.words, WORD) === 0) return
    }
    this.object.notify(count)
  }

  /** The wait begins while the mutex is held; answers the sequence to wait from, and which hold it was. */
  #begin(mutex: Mutex): { from: number; turn: number } {
    if (!(mutex instanceof Mutex)) throw wrongType('mutex', 'a mutex of a managed segment', mutex)
    const from = this.object.beginNotified()
    return { from, turn: letGo(mutex) }
  }

  async #queued(from: number, terms: ReturnType<typeof waitTerms>): Promise<'notified' | 'timedOut'> {
    const queue = this.#queues.get(from) ?? this.#newQueue(from)
    this.#queues.set(from, queue)
    try {
      return await queue.wait(terms)
    } finally {
      if (queue.length === 0 && this.#queues.get(from) === queue) this.#queues.delete(from)
    }
  }

  #newQueue(from: number): WaitQueue<'notified'> {
    return new WaitQueue({
      object: this.object,
      operation: OPERATION.notified,
      argument: () => from,
      attempt: () => (Atomics.load(this.words, SEQUENCE) >>> 0 === from ? undefined : 'notified'),
      outcome: () => 'notified',
      all: true,
      blocked: () => this.#isPaused
    })
  }

  #pause(): void {
    this.#isPaused = true
    for (const queue of this.#queues.values()) queue.pause()
  }

  #goOn(): void {
    this.#isPaused = false
    for (const queue of this.#queues.values()) queue.advance()
  }
}
