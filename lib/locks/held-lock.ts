/**
 * A lock that is given back at the end of a block: `using held = book.acquireSync()`.
 *
 * @module
 */

import { wrongType } from '../errors.js'

/** A lock in hand. */
export class HeldLock {
  /** Whether the owner before died with it: repair what it guards, then {@link HeldLock.markConsistent}. */
  readonly ownerDied: boolean
  readonly #markConsistent: () => void
  readonly #release: () => void
  #isOver = false

  /** @internal */
  constructor(ownerDied: boolean, markConsistent: () => void, release: () => void) {
    if (typeof markConsistent !== 'function' || typeof release !== 'function') throw wrongType('ownerDied', 'made by acquire(), not by new', ownerDied)
    this.ownerDied = ownerDied
    this.#markConsistent = markConsistent
    this.#release = release
  }

  /** Says that what the lock guards is whole again. */
  markConsistent(): void {
    this.#markConsistent()
  }

  /** Gives it back. Idempotent. */
  release(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#release()
  }

  /** `release()`, for `using`. */
  [Symbol.dispose](): void {
    this.release()
  }
}
