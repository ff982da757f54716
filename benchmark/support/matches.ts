/** Our side against several others in the same rounds: one row for each of them. */
import { interleave, type Rounds, type Side } from './pairing.js'
import { atLeast, atMost, type Bar, type Report, type Unit } from './report.js'
import { summarize } from './statistics.js'

/** Another side, which answers the same number as ours. */
export interface Other {
  name: string
  side: Side
  /** How many times its time we may take, or how many times its rate we must have. */
  limit?: number
}

export interface Match {
  subject: string
  unit: Unit
  ours: { name: string; side: Side }
  others: readonly Other[]
  /** What our median may be at most, whoever is beside it. */
  limitNs?: number
  /** From what the sides answer to the unit. */
  convert?: (sample: number) => number
}

export async function addMatch(report: Report, { subject, unit, ours, others, limitNs, convert = Number }: Match, rounds: Rounds): Promise<void> {
  const sides: Record<string, Side> = Object.fromEntries([ours, ...others].map(({ name, side }) => [name, side]))
  const samples = await interleave(sides, rounds)
  const converted = (name: string): number[] => (samples[name] ?? []).map((sample) => convert(sample))
  const our = converted(ours.name)
  const barBeside = (limit: number | undefined, their: number[]): Bar | undefined => {
    if (limitNs !== undefined) return { text: `≤ ${limitNs} ns`, holds: summarize(our).median <= limitNs }
    if (limit === undefined) return undefined
    return isRate(unit) ? atLeast(limit, our, their) : atMost(limit, our, their)
  }
  for (const { name, limit } of others) {
    const their = converted(name)
    const bar = barBeside(limit, their)
    report.add({ subject, unit, ours: { name: ours.name, samples: our }, other: { name, samples: their }, ...(bar === undefined ? {} : { bar }) })
  }
}

function isRate(unit: Unit): boolean {
  return unit === 'GB/s' || unit === 'M/s'
}
