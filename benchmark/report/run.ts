/** One run of `npm run bench`: where its outcomes go, what is known of it beside them, and what is said at its end. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { describeMachine, machineSlug } from '../support/machine.js'
import { resultsFolder } from '../support/paths.js'
import { summarize } from '../support/statistics.js'
import { lossesOf } from './losses.js'
import { processorsInUse } from './others.js'
import { ratioOf, type NamedOutcome, type Outcome } from './outcome.js'
import { newestOutcomes, outcomesIn, unsavedFolder } from './saved.js'
import { short } from './table.js'
import { peerVersions, programVersions } from './versions.js'
import { writeReport } from './write.js'

/** Where a run puts its results. */
export function resultsOf({ save }: { save: boolean }): string {
  const machine = describeMachine()
  if (save) return `${resultsFolder}${machineSlug(machine)}/${machine.date}`
  rmSync(unsavedFolder, { recursive: true, force: true })
  return unsavedFolder
}

export class Run {
  /** Where each benchmark writes its outcome. */
  readonly outFolder: string
  readonly #folder: string
  readonly #programs = programVersions()
  readonly #names: string[] = []
  #busyBefore = 0
  #startedMs = 0

  /** What other questions have left in the folder stays there. */
  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true })
    this.outFolder = mkdtempSync(join(tmpdir(), 'shmem-bench-'))
    process.once('exit', () => rmSync(this.outFolder, { recursive: true, force: true }))
  }

  /** A question is about to begin; half a second goes by, in which we look whether the machine is quiet. */
  async begin(): Promise<void> {
    this.#busyBefore = await processorsInUse(cpus().length)
    this.#startedMs = performance.now()
  }

  /** A question has ended well: keeps its outcome at once, so that a run that is ended early loses none. */
  take(name: string): void {
    const seconds = (performance.now() - this.#startedMs) / 1000
    const outcome = JSON.parse(readFileSync(`${this.outFolder}/${name}.json`, 'utf8')) as Outcome
    const { question, machine, quick, ...measured } = outcome
    const known = { seconds, busyBefore: this.#busyBefore, versions: { ...this.#programs, ...peerVersions() } }
    const whole: Outcome = { question, machine, quick, ...measured, ...known }
    writeFileSync(`${this.#folder}/${name}.json`, `${JSON.stringify(whole, roundNumbers, 1)}\n`)
    this.#names.push(name)
  }

  /** Writes the report; answers what there is to say of this run. */
  async finish(): Promise<string> {
    if (this.#names.length === 0) return ''
    const outcomes = outcomesIn(this.#folder).filter(({ name }) => this.#names.includes(name))
    return `${closingLines(outcomes).join('\n')}\nThe report: ${relative('.', await writeReport(this.#folder))}\n`
  }
}

/** How long each question took the last time that it was saved; none of those that were not. */
export function secondsBefore(): Record<string, number> {
  return Object.fromEntries(newestOutcomes().flatMap(({ name, seconds }) => (seconds === undefined ? [] : [[name, seconds]])))
}

function closingLines(outcomes: readonly NamedOutcome[]): string[] {
  const { missedBars, slower, unclear, comparisons } = lossesOf(outcomes)
  const seconds = outcomes.reduce((sum, outcome) => sum + (outcome.seconds ?? 0), 0)
  const time = seconds < 120 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} minutes`
  const lines = missedBars.map((loss) => {
    const { name, subject, unit, ours, other, bar } = loss
    const medians = `${ours.name} ${short(summarize(ours.samples).median)} ${unit}, ${other.name} ${short(summarize(other.samples).median)} ${unit}`
    return `  ${name}, ${subject}: ${medians}, ratio ${short(ratioOf(loss).median)}, bar ${bar?.text ?? ''}`
  })
  const skipped = outcomes.flatMap(({ name, skipped: peers = [] }) => peers.map(({ peer, reason }) => `  ${name}, ${peer}: ${reason}`))
  return [
    `\n${outcomes.length} questions with ${comparisons} comparisons in ${time}.`,
    `Where we lose: the other side is faster in every round of ${slower.length} comparisons, in the median only of ${unclear.length} more; bars missed: ${missedBars.length}.`,
    ...lines,
    ...(skipped.length === 0 ? [] : ['Skipped:', ...skipped]),
    ...(outcomes.some(({ quick }) => quick) ? ['A quick run says that everything works; its numbers are not to be quoted, and are not saved.'] : []),
  ]
}

const roundNumbers = (_: string, value: unknown): unknown => (typeof value === 'number' ? Number(value.toPrecision(5)) : value)
