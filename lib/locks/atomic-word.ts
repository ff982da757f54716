/**
 * An atomic word of 32 bits that has a name, and can be waited for.
 *
 * @module
 */

import * as check from '../arguments.js'
import { closedError } from '../errors.js'
import { LoneWaits } from '../waits/lone-waits.js'
import { OPERATION, WORD } from '../managed-layout.js'
import { ManagedObject, type Opened } from '../membership/managed-object.js'
import { beginWait } from '../waits/object-waits.js'
import { notifyCount, waitSyncWith, waitWith, type WordOutcome, type WordWaitAsyncOptions, type WordWaitOptions } from '../waits/word-waits.js'

/**
 * A word of a managed segment: a whole number from -2^31 to 2^31 - 1, 0 at first, which wraps. Every change is one step for all
 * members, as those of `Atomics` are for threads. Of the wake-ups, {@link wait} tells more.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class AtomicWord extends ManagedObject {
  override readonly kind = 'word'
  #isOpen = true
  readonly #waits: LoneWaits

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.#waits = new LoneWaits(this.object)
  }

  /** The value; stale the moment it returns. */
  load(): number {
    return Atomics.load(this.#live(), WORD)
  }

  /** Sets the value. */
  store(value: number): void {
    Atomics.store(this.#live(), WORD, check.int32('value', value))
  }

  /** Adds. Answers the value before, as all that follow. @default 1 */
  add(value = 1): number {
    return Atomics.add(this.#live(), WORD, check.int32('value', value))
  }

  /** Subtracts. @default 1 */
  sub(value = 1): number {
    return Atomics.sub(this.#live(), WORD, check.int32('value', value))
  }

  /** Keeps the bits that `value` has, too. */
  and(value: number): number {
    return Atomics.and(this.#live(), WORD, check.int32('value', value))
  }

  /** Sets the bits that `value` has. */
  or(value: number): number {
    return Atomics.or(this.#live(), WORD, check.int32('value', value))
  }

  /** Turns the bits round that `value` has. */
  xor(value: number): number {
    return Atomics.xor(this.#live(), WORD, check.int32('value', value))
  }

  /** Sets the value. */
  exchange(value: number): number {
    return Atomics.exchange(this.#live(), WORD, check.int32('value', value))
  }

  /** Sets the value, if it is `expected`. */
  compareExchange(expected: number, value: number): number {
    return Atomics.compareExchange(this.#live(), WORD, check.int32('expected', expected), check.int32('value', value))
  }

  /** Blocks the thread until the word is notified, if it is `expected` now. See {@link wait}. */
  waitSync(expected: number, options?: WordWaitOptions): WordOutcome {
    const value = check.int32('expected', expected)
    return waitSyncWith(this.#live(), WORD, value, options, sliceMs => this.object.wait(OPERATION.word, value >>> 0, sliceMs), this.object)
  }

  /** As {@link AtomicWord.waitSync}, with a promise. */
  async wait(expected: number, options?: WordWaitAsyncOptions): Promise<WordOutcome> {
    const value = check.int32('expected', expected)
    return waitWith(this.#live(), WORD, value, options, {
      waits: this.#waits,
      attempt: () => this.object.wait(OPERATION.word, value >>> 0, 0),
      begin: ended => beginWait(this.object, OPERATION.word, value >>> 0, ended)
    })
  }

  /** Wakes those who wait: `count` of them, or all. Answers how many. */
  notify(count?: number): number {
    this.#live()
    return this.object.wake(notifyCount(count))
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    this.#isOpen = false
    this.#waits.end(reason)
  }

  #live(): Int32Array {
    if (!this.#isOpen) throw closedError(this.describe())
    return this.words
  }
}
