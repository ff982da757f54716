/** The flags that every benchmark understands. */
import { parseArgs } from 'node:util'
import type { Rounds } from './pairing.js'

export interface BenchmarkOptions {
  /** Fewer and shorter samples: says that a benchmark works, and little about speed. */
  quick: boolean
  /** The folder that gets `<question>.json`, with all samples; `npm run bench` names one. */
  out: string | undefined
}

export function parseOptions(): BenchmarkOptions {
  const { values } = parseArgs({ options: { quick: { type: 'boolean' }, out: { type: 'string' } } })
  return { quick: values.quick === true, out: values.out }
}

export function roundsFor({ quick }: BenchmarkOptions): Rounds {
  return quick ? { rounds: 3, warmUps: 1 } : { rounds: 21, warmUps: 5 }
}
