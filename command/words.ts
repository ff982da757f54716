/**
 * How the command says sizes, times, kinds and names. Names are of others: what a terminal would obey is shown escaped.
 */
import type { ObjectFacts, ObjectKind } from 'shmem'

/** All kinds, as `--kind` takes them. */
export const KINDS: ObjectKind[] = ['sysv', 'posix', 'memfd', 'sysv-semaphore', 'posix-semaphore']

/** Text with every sign that does not show as itself written as an escape, and backslashes doubled, so that no two texts look the same. */
export function escaped(text: string): string {
  return text.replaceAll(/[\\\p{C}\p{Zl}\p{Zp}\ufffd]/gu, sign => {
    const code = sign.codePointAt(0) ?? 0
    if (sign === '\\') return '\\\\'
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** `64 MiB`, `1.5 KiB`; `?` for what cannot be known. */
export function size(bytes: number | undefined): string {
  if (bytes === undefined) return '?'
  const power = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), SIZES.length - 1)
  const number = bytes / 1024 ** power
  return `${Number.isInteger(number) ? number : number.toFixed(number < 10 ? 2 : 1)} ${SIZES[power]}`
}

/** `1.2M`, in powers of a thousand. */
export function count(number: number): string {
  if (number < 1000) return Number.isInteger(number) ? String(number) : number.toFixed(number < 10 ? 1 : 0)
  const power = Math.min(Math.floor(Math.log10(number) / 3), 4)
  const short = number / 1000 ** power
  return `${short.toFixed(short < 10 ? 1 : 0)}${'kMGT'[power - 1]}`
}

/** `0600`. */
export function mode(bits: number): string {
  return `0${(bits & 0o777).toString(8).padStart(3, '0')}`
}

/** Local time, to the second. */
export function time(ms: number | undefined): string {
  if (ms === undefined || ms === 0) return '?'
  const date = new Date(ms)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}

/** What is known of an object's users: `1234 node, 1240 python3`, with `…` where there may be more. */
export function users({ users: known, usersComplete }: ObjectFacts): string {
  const words = known.map(({ pid, name, how }) => `${pid} ${escaped(name)}${how === 'open' ? ' (open)' : ''}`)
  if (!usersComplete) words.push('…')
  return words.length === 0 ? '-' : words.join(', ')
}

/** An object in a sentence: `posix /orders`, `sysv 0x0000002a (id 98304)`. */
export function objectWords(object: ObjectFacts): string {
  return escaped(unescapedWords(object))
}

/** The same for an error's message, which is escaped as a whole. */
export function unescapedWords({ kind, name, id }: ObjectFacts): string {
  return `${kind} ${name}${id === undefined ? '' : ` (id ${id})`}`
}

/** `1 object`, `2 objects`. */
export function plural(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
