/**
 * Keeps the event loop alive while something pends: in every runtime the same.
 *
 * @module
 * @internal
 */

/** The longest time of a timer. */
const LONG_MS = 2 ** 31 - 1

/** Keeps the event loop alive while its count is above 0: a timer that does nothing, in every runtime the same. */
export class Hold {
  #count = 0
  #timer: NodeJS.Timeout | undefined

  add(): void {
    this.#count += 1
    this.#timer ??= setInterval(() => {}, LONG_MS)
    if (this.#count === 1) this.#timer.ref()
  }

  remove(): void {
    this.#count -= 1
    if (this.#count === 0) this.#timer?.unref()
  }
}
