/** The flags that every benchmark understands. */
import { parseArgs } from 'node:util'
import type { Rounds } from './pairing.js'

export interface BenchmarkOptions {
  /** Fewer and shorter samples: says that a benchmark works, and little about speed. */
  quick: boolean
  /** Writes the results under `benchmark/results/`. */
  save: boolean
}

export function parseOptions(): BenchmarkOptions {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, save: { type: 'boolean' } } })
  return { quick: values.quick === true, save: values.save === true }
}

export function roundsFor({ quick }: BenchmarkOptions): Rounds {
  return quick ? { rounds: 5, warmUps: 2 } : { rounds: 21, warmUps: 5 }
}
