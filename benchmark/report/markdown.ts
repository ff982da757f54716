/** The report of a folder of results, as Markdown: machine, versions, where we lose, and a table and a picture for each question. */
import { machineLine, type Machine } from '../support/machine.js'
import { lossesMarkdown } from './losses.js'
import { tolerated } from './others.js'
import type { NamedOutcome } from './outcome.js'
import { head, markdownTable, rowOf } from './table.js'

export interface Pictures {
  /** What the picture of the main comparisons says; absent where there is none. */
  overview: string | undefined
  /** The questions that have a picture. */
  questions: ReadonlySet<string>
}

export function reportMarkdown(outcomes: readonly NamedOutcome[], pictures: Pictures): string {
  const [first] = outcomes
  if (first === undefined) throw new RangeError('a report needs the outcome of a question')
  return [
    `# Benchmarks of ${first.machine.date}\n`,
    `${machineLine(first.machine)}. Written by \`npm run bench -- --save\`; [how it is measured](../../../README.md), and what these numbers are not.\n`,
    ...(outcomes.some(({ quick }) => quick) ? ['**A quick run: too few and too short samples to quote.**\n'] : []),
    ...(pictures.overview === undefined ? [] : [`![${pictures.overview}](overview.svg)\n`]),
    `## Where we lose\n\n${lossesMarkdown(outcomes)}`,
    `## What ran\n\n${ranMarkdown(outcomes)}`,
    ...skippedMarkdown(outcomes),
    ...versionsMarkdown(outcomes),
    ...outcomes.map((outcome) => questionMarkdown(outcome, pictures.questions.has(outcome.name))),
  ].join('\n')
}

function questionMarkdown({ name, question, machine, comparisons, remarks }: NamedOutcome, hasPicture: boolean): string {
  const picture = hasPicture ? `![Times as fast as each other side; the table has the numbers.](${name}.svg)\n\n` : ''
  const table = markdownTable(head, comparisons.map(rowOf))
  return `## ${name}\n\n${question} \`npm run bench -- ${name}\`, Node ${machine.node}.\n\n${picture}${table}${remarks.map((remark) => `\n${remark}\n`).join('')}`
}

function ranMarkdown(outcomes: readonly NamedOutcome[]): string {
  const rows = outcomes.map(({ name, seconds, busyBefore, machine, comparisons }) => [
    `[${name}](#${name})`,
    String(comparisons.length),
    String(Math.max(...comparisons.map(({ ours }) => ours.samples.length))),
    seconds === undefined ? 'not recorded' : `${seconds.toFixed(0)} s`,
    busyBefore === undefined ? 'not recorded' : `${busyBefore.toFixed(2)} of ${machine.cpuCount} CPUs`,
  ])
  const known = outcomes.flatMap(({ seconds }) => seconds ?? [])
  const total = known.length === outcomes.length ? `Together ${(known.reduce((sum, seconds) => sum + seconds, 0) / 60).toFixed(1)} minutes.\n` : ''
  const busy = outcomes.filter(({ busyBefore = 0 }) => busyBefore > tolerated).map(({ name }) => name)
  const warning = busy.length === 0 ? '' : `\nThe machine was busy with other things when these began, and their numbers are the worse for it: ${busy.join(', ')}.\n`
  return `${markdownTable(['question', 'comparisons', 'rounds', 'took', 'in use before'], rows)}\n${total}${warning}`
}

function skippedMarkdown(outcomes: readonly NamedOutcome[]): string[] {
  const rows = outcomes.flatMap(({ name, skipped = [] }) => skipped.map(({ peer, reason }) => [name, peer, reason.replaceAll('|', '\\|')]))
  return [`## What was skipped\n\n${rows.length === 0 ? 'Nothing that is recorded.\n' : markdownTable(['question', 'what', 'why'], rows)}`]
}

/** One row a component; where questions were measured with different versions, each says for which. */
function versionsMarkdown(outcomes: readonly NamedOutcome[]): string[] {
  const names = new Map<string, Map<string, string[]>>()
  for (const { name, versions = {} } of outcomes) {
    for (const [component, version] of Object.entries(versions)) {
      const byVersion = names.get(component) ?? new Map<string, string[]>()
      names.set(component, byVersion)
      byVersion.set(version, [...(byVersion.get(version) ?? []), name])
    }
  }
  const rows = [...names].map(([component, byVersion]) => [
    component,
    byVersion.size === 1 ? [...byVersion.keys()].join('') : [...byVersion].map(([version, questions]) => `${version} (${questions.join(', ')})`).join('; '),
  ])
  const unknown = outcomes.filter(({ versions }) => versions === undefined).map(({ name }) => name)
  const rest = unknown.length === 0 ? '' : `\nNot recorded for ${unknown.join(', ')}.\n`
  return [`## Versions\n\n${rows.length === 0 ? '' : markdownTable(['what', 'version'], rows)}${rest}`]
}

/** What stands below the picture of the main comparisons: the machine, and the days of what is drawn. */
export function pictureLine(machine: Machine, dates: readonly string[]): string {
  const kernel = machine.kernel.replace(/^(Linux \d+\.\d+).*$/u, '$1')
  const days = [...new Set(dates)].toSorted().join(' and ')
  return `${machine.cpu}, ${machine.cpuCount} CPUs, ${machine.memoryGiB} GiB, ${kernel}, Node ${machine.node}, ${days}`
}
