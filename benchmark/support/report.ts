/** Collects the comparisons of one question, prints them as a table, and hands them on with all samples. */
import { writeFileSync } from 'node:fs'
import Table from 'cli-table3'
import { head, isNumeric, rowOf } from '../report/table.js'
import type { Bar, Comparison, Outcome, SkippedPeer } from '../report/outcome.js'
import { describeMachine, machineLine } from './machine.js'
import type { BenchmarkOptions } from './options.js'
import { ratios, summarize } from './statistics.js'

export type { Bar, Comparison, Unit } from '../report/outcome.js'

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
  readonly #skipped: SkippedPeer[] = []

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

  /** Says that a peer, or a part of the question, has no rows here, and why. */
  skip(peer: string, reason: string): void {
    this.#skipped.push({ peer, reason })
  }

  /** Prints the table, and writes the samples where `--out` says. A bar that is missed is told, not thrown. */
  finish(): void {
    const machine = describeMachine()
    const colAligns = head.map((title) => (isNumeric(title) ? ('right' as const) : ('left' as const)))
    const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } })
    table.push(...this.#comparisons.map(rowOf))
    const lines = [
      ...this.#remarks,
      ...this.#skipped.map(({ peer, reason }) => `Skipped, ${peer}: ${reason}`),
      ...(this.#options.quick ? ['Quick run: too few and too short samples to quote.'] : []),
    ]
    const closing = lines.map((line) => `${line}\n`).join('')
    process.stdout.write(`\n${this.#question}\n${machineLine(machine)}\n${table.toString()}\n${closing}`)
    if (this.#options.out === undefined) return
    const outcome: Outcome = {
      question: this.#question,
      machine,
      quick: this.#options.quick,
      comparisons: this.#comparisons,
      remarks: this.#remarks,
      skipped: this.#skipped,
    }
    writeFileSync(`${this.#options.out}/${this.#name}.json`, JSON.stringify(outcome))
  }
}
