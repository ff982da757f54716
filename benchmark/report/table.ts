/** The table of a question: what a benchmark prints, and a report repeats. */
import { summarize, type Summary } from '../support/statistics.js'
import { ratioOf, type Comparison } from './outcome.js'

export const head = ['what', 'our side', 'median', 'min–max', 'other side', 'median', 'min–max', 'ratio', 'min–max', 'bar']

export function isNumeric(title: string): boolean {
  return ['median', 'min–max', 'ratio'].includes(title)
}

export function rowOf(comparison: Comparison): string[] {
  const { subject, unit, ours, other, bar } = comparison
  const [our, their] = [summarize(ours.samples), summarize(other.samples)]
  const ratio = ratioOf(comparison)
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

/** A table in Markdown; columns of numbers are set to the right. */
export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = titles.map((title) => (isNumeric(title) ? '---:' : '---'))
  return [titles, rule, ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
}

/** Three digits; the names of units are beside them. */
export function short(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(3)
}

export function spread({ min, max }: Summary): string {
  return `${short(min)}–${short(max)}`
}
