/**
 * What goes to the terminal or the pipe: JSON, tables, colours. Colours only on a terminal that shows them and whose user does not mind (NO_COLOR).
 */
import { styleText, stripVTControlCharacters } from 'node:util'
import Table from 'cli-table3'
import stringWidth from 'string-width'

type Style = Parameters<typeof styleText>[0]

const isColored = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'

/** Colours text where that is wanted. */
export function colored(style: Style, text: string): string {
  return isColored ? styleText(style, text) : text
}

/** Columns of the terminal, where it knows them, or of COLUMNS; a pipe has no end. */
export function columns(): number {
  const wished = Number(process.env['COLUMNS'])
  return process.stdout.columns || (wished > 0 ? wished : Infinity)
}

/** Writes lines. */
export function print(...lines: string[]): void {
  printAll(lines)
}

/** The same for lines of any number. */
export function printAll(lines: Iterable<string>): void {
  process.stdout.write(Array.from(lines, line => `${line}\n`).join(''))
}

/** Writes a value as JSON, on one line with `isLine`. What a terminal would obey instead of show is escaped inside of strings. */
export function printJson(value: unknown, stream: NodeJS.WriteStream = process.stdout, isLine = false): void {
  const text = JSON.stringify(value, undefined, isLine ? undefined : 2)
  stream.write(`${text.replaceAll(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069]/gu, sign => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`)
}

/** A column: its title, and whether it is aligned to the right, or may be cut down to so many signs where the terminal is too narrow, the last column first. */
export interface Column {
  title: string
  align?: 'right'
  least?: number
  /** Its text goes on in the next line instead of being cut. */
  wraps?: boolean
}

const GAP = 2
/** The library looks at each pair of rows: 2,000 rows take it 0.8 s. Longer lists are filled up here, and nothing wraps in them. */
const ROWS_LAID_OUT = 256
const NO_LINES = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: ' '.repeat(GAP)
}

/** A table without lines, as `ps` prints one. */
export function table(heads: readonly Column[], rows: readonly string[][], indent = 0): string[] {
  const widths = heads.map(({ title }, index) => rows.reduce((width, row) => Math.max(width, widthOf(row[index] ?? '')), title.length))
  let excess = widths.reduce((sum, width) => sum + width, indent + GAP * (heads.length - 1)) - columns()
  for (let index = heads.length - 1; index >= 0 && excess > 0; index -= 1) {
    const width = widths[index] ?? 0
    const least = Math.min(heads[index]?.least ?? width, width)
    const cut = Math.min(width - least, excess)
    widths[index] = width - cut
    excess -= cut
  }
  const all = [heads.map(({ title }) => colored('bold', title)), ...rows]
  const lines = rows.length > ROWS_LAID_OUT ? all.map(row => row.map((text, index) => padded(text, widths[index] ?? 0, heads[index]?.align)).join(' '.repeat(GAP))) : laidOut(heads, all, widths)
  return lines.map(line => `${' '.repeat(indent)}${line}`.trimEnd())
}

function laidOut(heads: readonly Column[], rows: readonly string[][], colWidths: number[]): string[] {
  const made = new Table({ chars: NO_LINES, style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] }, colWidths, colAligns: heads.map(({ align }) => align ?? 'left') })
  made.push(...rows.map(row => row.map((content, index) => ({ content, wordWrap: heads[index]?.wraps === true }))))
  return made.toString().split('\n')
}

/** Cut, or filled up. Colours are not cut: what is too long is shown without. */
function padded(text: string, width: number, align: 'right' | undefined): string {
  const room = width - widthOf(text)
  if (room < 0) return cutTo(width, stripVTControlCharacters(text))
  return align === 'right' ? ' '.repeat(room) + text : text + ' '.repeat(room)
}

/** Columns that a terminal needs for it. The library takes a while for each, and most texts are plain. */
function widthOf(text: string): number {
  return /^[ -~]*$/u.test(text) ? text.length : stringWidth(text)
}

/** Some signs are two columns wide, and may not fit by one. */
function cutTo(width: number, text: string): string {
  let kept = ''
  for (const sign of text) {
    if (widthOf(kept + sign) > width - 1) break
    kept += sign
  }
  return `${kept}…`.padEnd(kept.length + width - widthOf(kept))
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
