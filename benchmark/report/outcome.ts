/** What one question came to, as it is kept in `results/<machine>/<date>/<question>.json`, and what follows from it. */
import type { Machine } from '../support/machine.js'
import { ratios, summarize, type Summary } from '../support/statistics.js'

export type Unit = 'ns' | 'µs' | 'ms' | 'faults' | 'GB/s' | 'M/s' | 'switches'

export interface Bar {
  text: string
  holds: boolean
}

export interface Series {
  name: string
  samples: readonly number[]
}

export interface Comparison {
  subject: string
  unit: Unit
  ours: Series
  other: Series
  bar?: Bar
}

export interface SkippedPeer {
  peer: string
  reason: string
}

/** The first part is the benchmark's own; the rest is known to who runs it, and missing in results of older runs. */
export interface Outcome {
  question: string
  machine: Machine
  quick: boolean
  comparisons: readonly Comparison[]
  remarks: readonly string[]
  skipped?: readonly SkippedPeer[]
  /** From the start of the program to its end, with what it compiles and installs. */
  seconds?: number
  /** How many processors were in use just before it began. */
  busyBefore?: number
  /** Version of everything that may have taken part, by its name. */
  versions?: Readonly<Record<string, string>>
}

/** The name of a question is that of its file: `benchmark/<name>.bench.ts`. */
export interface NamedOutcome extends Outcome {
  name: string
}

/** Whether more of it is better. */
export function isRate(unit: Unit): boolean {
  return unit === 'GB/s' || unit === 'M/s'
}

/** The median of the ratios within each round. */
export function ratioOf({ ours, other }: Pick<Comparison, 'ours' | 'other'>): Summary {
  return summarize(ratios(ours.samples, other.samples))
}

/** How many times as fast we are as the other side, whatever the unit: above 1 we win. */
export function speedOf(comparison: Comparison): Summary {
  const ratio = ratioOf(comparison)
  return isRate(comparison.unit) ? ratio : { median: 1 / ratio.median, min: 1 / ratio.max, max: 1 / ratio.min }
}

/** `'even'` is what three digits do not tell from 1. */
export type Verdict = 'faster' | 'even' | 'slower'

export function verdictOf(comparison: Comparison): Verdict {
  const speed = Number(speedOf(comparison).median.toPrecision(3))
  if (speed === 1) return 'even'
  return speed > 1 ? 'faster' : 'slower'
}

/** Whether every round says the same as the median. */
export function isClear(comparison: Comparison): boolean {
  const { min, max } = speedOf(comparison)
  return min > 1 || max < 1
}
