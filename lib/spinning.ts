/**
 * Looking again and again at a word for some microseconds before going to sleep: an answer that comes soon costs no wake.
 *
 * @module
 * @internal
 */

import * as check from './arguments.js'

/** How long a wait looks before it sleeps. */
export interface SpinOptions {
  /**
   * Microseconds, about: the thread is busy so long. Pays where the other side answers within them, on another core. @default 5
   */
  spinMicros?: number
}

const DEFAULT_MICROS = 5
const MAX_MICROS = 1_000_000
/** `Atomics.load` takes about 5 ns, and the loop around it as much again. */
const LOADS_PER_MICRO = 100

/** How many looks that is. */
export function spinLoads(spinMicros: number | undefined): number {
  if (spinMicros === undefined) return DEFAULT_MICROS * LOADS_PER_MICRO
  if (typeof spinMicros !== 'number') return check.integer('options.spinMicros', spinMicros, 0, MAX_MICROS)
  if (!(spinMicros >= 0 && spinMicros <= MAX_MICROS)) check.integer('options.spinMicros', spinMicros, 0, MAX_MICROS)
  return Math.round(spinMicros * LOADS_PER_MICRO)
}

/** Looks until the word is 0, at most so many times. Answers whether it is. */
export function spin(words: Int32Array, index: number, loads: number): boolean {
  for (let left = loads; left > 0; left -= 1) if (Atomics.load(words, index) === 0) return true
  return false
}
