/** The whole of a folder of results in one file, `run.json`: for programs that want the numbers and no samples. */
import { ratios, summarize, type Summary } from '../support/statistics.js'
import { isClear, isRate, speedOf, verdictOf, type NamedOutcome } from './outcome.js'

/** Grows when a field changes its meaning. */
const format = 1

export function runSummary(outcomes: readonly NamedOutcome[]): object {
  const [first] = outcomes
  const known = outcomes.flatMap(({ seconds }) => seconds ?? [])
  return {
    format,
    machine: first?.machine,
    seconds: known.length === outcomes.length ? rounded(known.reduce((sum, seconds) => sum + seconds, 0)) : null,
    questions: outcomes.map(({ name, question, machine, seconds, busyBefore, versions, comparisons, remarks, skipped }) => ({
      name,
      question,
      node: machine.node,
      seconds: seconds ?? null,
      busyBefore: busyBefore ?? null,
      versions: versions ?? null,
      skipped: skipped ?? null,
      comparisons: comparisons.map((comparison) => {
        const { subject, unit, ours, other, bar } = comparison
        return {
          subject,
          unit,
          better: isRate(unit) ? 'more' : 'less',
          rounds: ours.samples.length,
          ours: { name: ours.name, ...sides(summarize(ours.samples)) },
          other: { name: other.name, ...sides(summarize(other.samples)) },
          ratio: sides(summarize(ratios(ours.samples, other.samples))),
          timesAsFast: sides(speedOf(comparison)),
          verdict: verdictOf(comparison),
          isClear: isClear(comparison),
          bar: bar ?? null,
        }
      }),
      remarks,
    })),
  }
}

const rounded = (value: number): number => Number(value.toPrecision(5))
const sides = ({ median, min, max }: Summary): Summary => ({ median: rounded(median), min: rounded(min), max: rounded(max) })
