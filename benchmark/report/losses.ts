/** Where we lose: every bar that was missed, and every comparison in which the other side was faster. */
import { isClear, ratioOf, speedOf, verdictOf, type Comparison, type NamedOutcome } from './outcome.js'
import { summarize } from '../support/statistics.js'
import { markdownTable, short, spread } from './table.js'

export interface Loss extends Comparison {
  name: string
}

export interface Losses {
  missedBars: Loss[]
  /** The other side was faster in every round; the worst first. */
  slower: Loss[]
  /** Its median was faster, and in some round ours was. */
  unclear: Loss[]
  /** Of how many comparisons. */
  comparisons: number
}

export function lossesOf(outcomes: readonly NamedOutcome[]): Losses {
  const all = outcomes.flatMap(({ name, comparisons }) => comparisons.map((comparison) => ({ ...comparison, name })))
  const lost = all.filter((comparison) => verdictOf(comparison) === 'slower').toSorted((a, b) => speedOf(a).median - speedOf(b).median)
  return {
    missedBars: all.filter(({ bar }) => bar?.holds === false),
    slower: lost.filter(isClear),
    unclear: lost.filter((comparison) => !isClear(comparison)),
    comparisons: all.length,
  }
}

/** The section of a report, without its heading. */
export function lossesMarkdown(outcomes: readonly NamedOutcome[]): string {
  const { missedBars, slower, unclear, comparisons } = lossesOf(outcomes)
  const lost = slower.length + unclear.length
  const opening = `Of ${comparisons} comparisons the other side is faster in ${lost}: in every round in ${slower.length}, in the median only in ${unclear.length}. Bars missed: ${missedBars.length}.\n`
  return [
    opening,
    ...(missedBars.length === 0 ? [] : [`### Bars that were missed\n\n${tableOf(missedBars)}`]),
    ...(slower.length === 0 ? [] : [`### Slower than the other side, in every round\n\n${tableOf(slower)}`]),
    ...(unclear.length === 0 ? [] : [`### Slower in the median, not in every round\n\n${tableOf(unclear)}`]),
  ].join('\n')
}

const titles = ['question', 'what', 'our side', 'median', 'other side', 'median', 'times as fast', 'min–max', 'ratio', 'its bar']

function tableOf(losses: readonly Loss[]): string {
  return markdownTable(titles, losses.map((loss) => {
    const { name, subject, unit, ours, other, bar } = loss
    const speed = speedOf(loss)
    const median = (samples: readonly number[]): string => `${short(summarize(samples).median)} ${unit}`
    return [`[${name}](#${name})`, subject, ours.name, median(ours.samples), other.name, median(other.samples), `${short(speed.median)} ×`, spread(speed), `${short(ratioOf(loss).median)} ×`, bar?.text ?? '']
  }))
}
