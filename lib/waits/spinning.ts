/**
 * Looking again and again at a word for some microseconds before going to sleep: an answer that comes soon costs no wake.
 *
 * @module
 * @internal
 */

import * as check from '../arguments.js'

/** How long a wait looks before it sleeps. */
export interface SpinOptions {
  /**
   * Microseconds, about: the thread is busy so long. Pays where the other side answers within them, on another core. @default 5; 1 for a mutex, which naps then
   */
  spinMicros?: number | undefined
}

const DEFAULT_MICROS = 5
const MAX_MICROS = 1_000_000
/** `Atomics.load` takes about 5 ns, and the loop around it as much again. */
const LOADS_PER_MICRO = 100

/** How many looks that is. */
export function spinLoads(spinMicros: number | undefined, otherwise = DEFAULT_MICROS): number {
  if (spinMicros === undefined) return otherwise * LOADS_PER_MICRO
  if (typeof spinMicros !== 'number') return check.integer('options.spinMicros', spinMicros, 0, MAX_MICROS)
  if (!(spinMicros >= 0 && spinMicros <= MAX_MICROS)) check.integer('options.spinMicros', spinMicros, 0, MAX_MICROS)
  return Math.round(spinMicros * LOADS_PER_MICRO)
}

/** Looks until one of these bits of the word is 1, at most so many times. */
export function spinForBits(words: Int32Array, index: number, bits: number, loads: number): void {
  for (let left = loads; left > 0; left -= 1) if ((Atomics.load(words, index) & bits) !== 0) return
}

/** Looks until the word is 0, at most so many times. Answers whether it is. */
export function spin(words: Int32Array, index: number, loads: number): boolean {
  for (let left = loads; left > 0; left -= 1) if (Atomics.load(words, index) === 0) return true
  return false
}

/** Looks until the word is not `value`, at most so many times. Answers whether it is not. */
export function spinWhile(words: Int32Array, index: number, value: number, loads: number): boolean {
  for (let left = loads; left > 0; left -= 1) if (Atomics.load(words, index) !== value) return true
  return false
}

/** So many looks at a word of nobody's stand between two looks at another's: some 100 ns. */
const PAUSE_LOADS = 20
const IDLE = new Int32Array(1)

/**
 * As {@link spinWhile}, but looks less often: each look takes the word's cache line from who writes it, and who streams comes ahead meanwhile. NB: the C probe
 * of one and one (benchmark/probes/ring-one-one.c) is twice as fast for the same reason.
 */
export function relaxedSpinWhile(words: Int32Array, index: number, value: number, loads: number): boolean {
  for (let left = loads; left > 0; left -= PAUSE_LOADS + 1) {
    if (Atomics.load(words, index) !== value) return true
    pause(PAUSE_LOADS)
  }
  return false
}

/** Leaves all words of others alone for a moment: so many looks at one of nobody's, of 5 ns. */
export function pause(loads: number): void {
  for (let left = loads; left > 0; left -= 1) Atomics.load(IDLE, 0)
}

const NEVER = new Int32Array(new SharedArrayBuffer(4))
/** Some 60 µs in truth: the kernel rounds short sleeps up (timer slack, prctl(2)). */
const NAP_MS = 0.01

/**
 * Sleeps for moments, without a word to anybody. Who marks a contended lock for its wake makes the owner's next unlock a system call; who naps first
 * leaves it alone (back-off: Anderson, "The Performance of Spin Lock Alternatives", 1990).
 */
export function nap(): void {
  Atomics.wait(NEVER, 0, 0, NAP_MS)
}
