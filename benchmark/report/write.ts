/** Writes what follows from saved results: the report, summary and pictures of a folder, and the pictures of the documents. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { benchmarkFolder } from '../support/paths.js'
import { summarize } from '../support/statistics.js'
import { svgOf as barsOf, type Bar } from './bars.js'
import { pictureLine, reportMarkdown } from './markdown.js'
import type { NamedOutcome } from './outcome.js'
import { overviewOf, panelsOf } from './overview.js'
import { runSummary } from './run-summary.js'
import { newestOutcomes, outcomesIn, summaryFile } from './saved.js'
import { speedsOf } from './speeds.js'

const docsFolder = `${benchmarkFolder}../docs/`

/** Writes `report.md`, `run.json` and the pictures of a folder anew, from the outcomes that lie there; answers the path of the report. */
export async function writeReport(folder: string): Promise<string> {
  const outcomes = outcomesIn(folder)
  for (const file of readdirSync(folder)) if (file.endsWith('.svg')) rmSync(`${folder}/${file}`)
  const questions = new Set<string>()
  for (const outcome of outcomes) {
    const svg = await speedsOf(outcome)
    if (svg === undefined) continue
    writeFileSync(`${folder}/${outcome.name}.svg`, svg)
    questions.add(outcome.name)
  }
  const hasOverview = panelsOf(outcomes).length > 0
  const overview = hasOverview ? await overviewOf(outcomes, lineOf(outcomes)) : undefined
  if (overview !== undefined) writeFileSync(`${folder}/overview.svg`, overview.svg)
  writeFileSync(`${folder}/${summaryFile}`, `${JSON.stringify(runSummary(outcomes), null, 1)}\n`)
  writeFileSync(`${folder}/report.md`, reportMarkdown(outcomes, { overview: overview?.words, questions }))
  return `${folder}/report.md`
}

/** Draws the pictures of README and of docs/placement.md from the newest results of the machine that was measured last; answers their paths. */
export async function drawDocuments(): Promise<string[]> {
  const outcomes = newestOutcomes()
  const { svg } = await overviewOf(outcomes, lineOf(outcomes))
  writeFileSync(`${docsFolder}how-fast.svg`, svg)
  const placement = outcomes.find(({ name }) => name === 'placement')
  if (placement !== undefined) writeFileSync(`${docsFolder}placement.svg`, await barsOf({ axis: 'nanoseconds a read', bars: placementBars(placement) }))
  return ['docs/how-fast.svg', ...(placement === undefined ? [] : ['docs/placement.svg'])]
}

function lineOf(outcomes: readonly NamedOutcome[]): string {
  const [first] = outcomes
  return first === undefined ? '' : pictureLine(first.machine, outcomes.map(({ machine }) => machine.date))
}

/** Node and C over the same pages; what compares kinds of pages is left out. */
function placementBars({ comparisons }: NamedOutcome): Bar[] {
  return comparisons
    .filter(({ other }) => other.name === 'C')
    .flatMap(({ subject, ours, other }) => {
      const [size = '', pages = ''] = subject.split(', ')
      return [ours, other].map(({ name, samples }) => ({ group: size, name: `${pages}, ${name}`, ...summarize(samples) }))
    })
}
