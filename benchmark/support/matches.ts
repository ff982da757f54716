/** Our side against several others in the same rounds: one row for each of them. */
import { interleave, type Rounds, type Side } from './pairing.js'
import { atLeast, atMost, type Report, type Unit } from './report.js'

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
  /** From what the sides answer to the unit. */
  convert?: (sample: number) => number
}

export async function addMatch(report: Report, { subject, unit, ours, others, convert = Number }: Match, rounds: Rounds): Promise<void> {
  const sides: Record<string, Side> = Object.fromEntries([ours, ...others].map(({ name, side }) => [name, side]))
  const samples = await interleave(sides, rounds)
  const converted = (name: string): number[] => (samples[name] ?? []).map((sample) => convert(sample))
  const [bound, our] = [isRate(unit) ? atLeast : atMost, converted(ours.name)]
  for (const { name, limit } of others) {
    const their = converted(name)
    const bar = limit === undefined ? {} : { bar: bound(limit, our, their) }
    report.add({ subject, unit, ours: { name: ours.name, samples: our }, other: { name, samples: their }, ...bar })
  }
}

function isRate(unit: Unit): boolean {
  return unit === 'GB/s' || unit === 'M/s'
}
