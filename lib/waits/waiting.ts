/**
 * A wait that blocks the thread, cut into slices: between two of them the runtime can end the thread
 * (`worker.terminate()`, `process.exit()` from elsewhere), which it cannot while native code sleeps.
 *
 * @module
 * @internal
 */

import { tellLoss } from '../tracing.js'

/** How long a wait may block the thread. */
export interface WaitOptions {
  /** Milliseconds; 0 tries once. @default Infinity */
  timeoutMs?: number | undefined
}

/** The longest sleep at a stretch, in milliseconds. */
const SLICE_MS = 100

/**
 * Calls `attempt` with slices, and whether it was called before, until it answers `true` or the time is over. With `timeoutMs` 0 it is
 * called once, with 0. Answers whether it succeeded. `key` is what a wait that did not is told by (tracing.ts).
 */
export function waitInSlices(timeoutMs: number, attempt: (sliceMs: number, again: boolean) => boolean, key?: object): boolean {
  const deadline = performance.now() + timeoutMs
  let left = timeoutMs
  let again = false
  do {
    // The last slice is a shorter one: the native side counts a wait by it, once.
    if (attempt(left > SLICE_MS ? SLICE_MS : Math.min(SLICE_MS - 1, Math.ceil(left)), again)) return true
    again = true
    left = deadline - performance.now()
  } while (left > 0)
  if (key !== undefined) tellLoss(key, 'timedOut', timeoutMs)
  return false
}
