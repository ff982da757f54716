/**
 * A timer for waits: of any length, and it keeps no process alive by itself.
 *
 * @module
 * @internal
 */

/** The longest time of one timer of the runtime, about 25 days. */
const LONG_MS = 2 ** 31 - 1

/** Calls `ring` after that time; never for `Infinity`. Answers what ends it before. */
export function alarm(milliseconds: number, ring: () => void): () => void {
  if (milliseconds === Infinity) return () => {}
  let timer: NodeJS.Timeout
  const arm = (left: number): void => {
    timer = setTimeout(() => (left > LONG_MS ? arm(left - LONG_MS) : ring()), Math.min(left, LONG_MS))
    timer.unref()
  }
  arm(milliseconds)
  return () => clearTimeout(timer)
}
