/**
 * What goes to the terminal or the pipe: JSON, tables, colours. Colours only on a terminal that shows them and whose user does not mind (NO_COLOR).
 */
import { styleText, stripVTControlCharacters } from 'node:util'
import Table from 'cli-table3'

type Style = Parameters<typeof styleText>[0]

const isColored = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'

/** Colours text where that is wanted. */
export function colored(style: Style, text: string): string {
  return isColored ? styleText(style, text) : text
}

/** Columns of the terminal, or of COLUMNS; a pipe has no end. */
export function columns(): number {
  const wished = Number(process.env['COLUMNS'])
  return process.stdout.columns ?? (wished > 0 ? wished : Infinity)
}

/** Writes lines. */
export function print(...lines: string[]): void {
  process.stdout.write(lines.map(line => `${line}\n`).join(''))
}

/** Writes a value as JSON, on one line with `isLine`. What a terminal would obey instead of show is escaped inside of strings. */
export function printJson(value: unknown, stream: NodeJS.WriteStream = process.stdout, isLine = false): void {
  const text = JSON.stringify(value, undefined, isLine ? undefined : 2)
  stream.write(`${text.replaceAll(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069]/gu, sign => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`)
}

/** A column: its title, and whether it is aligned to the right, or takes what room is left and is cut there. */
export interface Column {
  title: string
  align?: 'right'
  isFlexible?: boolean
}

const GAP = 2
const FLEXIBLE_MIN = 8

/** A table without lines, as `ps` prints one. */
export function table(heads: readonly Column[], rows: readonly string[][], indent = 0): string[] {
  const widths = heads.map(({ title }, index) => Math.max(title.length, ...rows.map(row => stripVTControlCharacters(row[index] ?? '').length)))
  const flexible = heads.findIndex(({ isFlexible }) => isFlexible)
  const room = columns() - indent - widths.reduce((sum, width, index) => sum + (index === flexible ? 0 : width), 0) - GAP * (heads.length - 1)
  const wide = widths.map((width, index) => (index === flexible ? Math.min(width, Math.max(room, FLEXIBLE_MIN)) : width))
  const made = new Table({
    chars: { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: ' '.repeat(GAP) },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colWidths: wide,
    colAligns: heads.map(({ align }) => align ?? 'left')
  })
  made.push(heads.map(({ title }) => colored('bold', title)), ...rows)
  return made.toString().split('\n').map(line => `${' '.repeat(indent)}${line}`.trimEnd())
}

/** Text in lines that fit, the later ones indented. */
export function wrapped(text: string, indent: number): string[] {
  const width = Math.max(columns() - indent, 20)
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines.map(line => ' '.repeat(indent) + line)
}
