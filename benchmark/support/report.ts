/** Collects the comparisons of one question, prints them as a table, and keeps them under `results/` when asked to. */
import { mkdirSync, writeFileSync } from 'node:fs'
import Table from 'cli-table3'
import { describeMachine, machineLine, machineSlug, type Machine } from './machine.js'
import type { BenchmarkOptions } from './options.js'
import { resultsFolder } from './paths.js'
import { ratios, summarize, type Summary } from './statistics.js'

export type Unit = 'ns' | 'µs' | 'ms' | 'faults' | 'GB/s' | 'M/s' | 'switches'

export interface Bar {
  text: string
  holds: boolean
}

export interface Comparison {
  subject: string
  unit: Unit
  ours: Series
  other: Series
  bar?: Bar
}

export interface Series {
  name: string
  samples: readonly number[]
}

const isNumber = (title: string): boolean => ['median', 'min–max', 'ratio'].includes(title)
const head = ['what', 'our side', 'median', 'min–max', 'other side', 'median', 'min–max', 'ratio', 'min–max', 'bar']
const colAligns = head.map((title) => (isNumber(title) ? ('right' as const) : ('left' as const)))

/** The median of the ratios within each round. */
export function ratioOf(comparison: Pick<Comparison, 'ours' | 'other'>): Summary {
  return summarize(ratios(comparison.ours.samples, comparison.other.samples))
}

export function atMost(limit: number, ours: readonly number[], other: readonly number[]): Bar {
  return { text: `≤ ${limit}`, holds: summarize(ratios(ours, other)).median <= limit }
}

export function atLeast(limit: number, ours: readonly number[], other: readonly number[]): Bar {
  return { text: `≥ ${limit}`, holds: summarize(ratios(ours, other)).median >= limit }
}

/** One benchmark: a question, its comparisons, and remarks. */
export class Report {
  readonly #name: string
  readonly #question: string
  readonly #options: BenchmarkOptions
  readonly #comparisons: Comparison[] = []
  readonly #remarks: string[] = []

  constructor(name: string, question: string, options: BenchmarkOptions) {
    this.#name = name
    this.#question = question
    this.#options = options
  }

  add(comparison: Comparison): void {
    this.#comparisons.push(comparison)
  }

  remark(sentence: string): void {
    this.#remarks.push(sentence)
  }

  /** Prints the table; with `--save` also writes it as Markdown and JSON. A bar that is missed is told, not thrown. */
  finish(): void {
    const machine = describeMachine()
    const rows = this.#comparisons.map(rowOf)
    const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } })
    table.push(...rows)
    const quick = this.#options.quick ? ['Quick run: too few and too short samples to quote.'] : []
    const closing = [...this.#remarks, ...quick].join('\n')
    process.stdout.write(`\n${this.#question}\n${machineLine(machine)}\n${table.toString()}\n${closing === '' ? '' : `${closing}\n`}`)
    if (this.#options.save) this.#save(machine, rows, closing)
  }

  #save(machine: Machine, rows: string[][], closing: string): void {
    const folder = `${resultsFolder}${machineSlug(machine)}/${machine.date}`
    mkdirSync(folder, { recursive: true })
    const data = { question: this.#question, machine, quick: this.#options.quick, comparisons: this.#comparisons, remarks: this.#remarks }
    writeFileSync(`${folder}/${this.#name}.json`, `${JSON.stringify(data, roundNumbers, 1)}\n`)
    const markdown = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
    const heading = `# ${this.#question}\n\n${machineLine(machine)}; \`npm run bench -- ${this.#name} --save\``
    writeFileSync(`${folder}/${this.#name}.md`, `${heading}\n\n${markdown}\n${closing === '' ? '' : `\n${closing}\n`}`)
  }
}

function rowOf({ subject, unit, ours, other, bar }: Comparison): string[] {
  const [our, their] = [summarize(ours.samples), summarize(other.samples)]
  const ratio = ratioOf({ ours, other })
  return [
    subject,
    ours.name,
    `${short(our.median)} ${unit}`,
    spread(our),
    other.name,
    `${short(their.median)} ${unit}`,
    spread(their),
    `${short(ratio.median)} ×`,
    spread(ratio),
    bar === undefined ? '' : `${bar.text} ${bar.holds ? '✓' : '✗ missed'}`,
  ]
}

const short = (value: number): string => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3))
const spread = ({ min, max }: Summary): string => `${short(min)}–${short(max)}`
const roundNumbers = (_: string, value: unknown): unknown => (typeof value === 'number' ? Number(value.toPrecision(5)) : value)
