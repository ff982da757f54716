/** Median and spread of samples; nothing here assumes how they are distributed. */

export interface Summary {
  median: number
  min: number
  max: number
}

/** Throws a RangeError without samples: a median of nothing is a mistake of the caller. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b)
  const [min, max] = [sorted[0], sorted[sorted.length - 1]]
  if (min === undefined || max === undefined) throw new RangeError('a summary needs at least one sample')
  const upper = sorted[Math.floor(sorted.length / 2)] ?? max
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? min
  return { median: (lower + upper) / 2, min, max }
}

/** The ratio within each round, so that a machine that slows down for a while slows both sides of it. */
export function ratios(ours: readonly number[], others: readonly number[]): number[] {
  return ours.map((sample, round) => sample / (others[round] ?? Number.NaN))
}
