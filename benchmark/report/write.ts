/** Writes what follows from saved results: the report, summary and pictures of a folder, and the pictures and tables of the documents. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { benchmarkFolder } from '../support/paths.js'
import { summarize } from '../support/statistics.js'
import { svgOf as barsOf, type Bar } from './bars.js'
import { documentFigures, withFigures } from './figures.js'
import { pictureLine, reportMarkdown } from './markdown.js'
import type { NamedOutcome } from './outcome.js'
import { overviewOf, panelsOf } from './overview.js'
import { runSummary } from './run-summary.js'
import { newestOutcomes, outcomesIn, summaryFile } from './saved.js'
import { speedsOf } from './speeds.js'

const root = `${benchmarkFolder}../`
const docsFolder = `${root}docs/`

export interface Picture {
  file: string
  svg: string
}

/** Writes `report.md`, `run.json` and the pictures of a folder anew, from the outcomes that lie there; answers the path of the report. */
export async function writeReport(folder: string): Promise<string> {
  const outcomes = outcomesIn(folder)
  for (const file of readdirSync(folder)) if (file.endsWith('.svg')) rmSync(`${folder}/${file}`)
  const pictures = await picturesOf(outcomes)
  for (const { file, svg } of pictures) writeFileSync(`${folder}/${file}`, svg)
  const overview = panelsOf(outcomes).length > 0 ? await overviewOf(outcomes, lineOf(outcomes)) : undefined
  if (overview !== undefined) writeFileSync(`${folder}/overview.svg`, overview.svg)
  writeFileSync(`${folder}/${summaryFile}`, `${JSON.stringify(runSummary(outcomes), null, 1)}\n`)
  const questions = new Set(pictures.map(({ file }) => file.replace('.svg', '')))
  writeFileSync(`${folder}/report.md`, reportMarkdown(outcomes, { overview: overview?.words, questions }))
  return `${folder}/report.md`
}

/** One for each question, except where nothing can be drawn. */
export async function picturesOf(outcomes: readonly NamedOutcome[]): Promise<Picture[]> {
  const drawn = await Promise.all(outcomes.map(async (outcome) => ({ file: `${outcome.name}.svg`, svg: await speedsOf(outcome) })))
  return drawn.filter((picture): picture is Picture => picture.svg !== undefined)
}

/** Draws the pictures of the documents and writes their tables, from the newest results of one machine; answers the paths. */
export async function drawDocuments(): Promise<string[]> {
  const outcomes = newestOutcomes()
  const pictures = await documentPictures(outcomes)
  for (const { file, svg } of pictures) writeFileSync(docsFolder + file, svg)
  const texts = documentTexts(outcomes)
  for (const { file, text } of texts) writeFileSync(root + file, text)
  return [...pictures.map(({ file }) => `docs/${file}`), ...texts.map(({ file }) => file)]
}

/** The documents that have tables, with their tables from these outcomes. */
export function documentTexts(outcomes: readonly NamedOutcome[]): { file: string; text: string }[] {
  const files = [...new Set(documentFigures.map(({ file }) => file))]
  return files.map((file) => ({ file, text: withFigures(file, readFileSync(root + file, 'utf8'), outcomes) }))
}

/** That of README, and that of docs/placement.md. */
export async function documentPictures(outcomes: readonly NamedOutcome[]): Promise<Picture[]> {
  const { svg } = await overviewOf(outcomes, lineOf(outcomes))
  const placement = outcomes.find(({ name }) => name === 'placement')
  const bars = placement === undefined ? [] : [{ file: 'placement.svg', svg: await barsOf({ axis: 'nanoseconds a read', bars: placementBars(placement) }) }]
  return [{ file: 'how-fast.svg', svg }, ...bars]
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
