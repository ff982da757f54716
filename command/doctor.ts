/**
 * `shmem doctor`: what of this machine will hurt, in plain words, and how to mend it.
 */
import { doctor as examine, type Finding } from 'shmem'
import { EXIT } from './exit.js'
import { colored, print, printJson, wrapped } from './output.js'
import { escaped, plural } from './words.js'

const MARKS = { ok: '✔', note: 'ℹ', warning: '⚠', problem: '✘' } as const
const COLORS = { ok: 'green', note: 'blue', warning: 'yellow', problem: 'red' } as const

/** Fails where there is a warning or a problem. */
export function doctor({ json }: { json?: boolean }): number {
  const findings = examine()
  const isBad = findings.some(({ level }) => level === 'warning' || level === 'problem')
  if (json) printJson({ findings })
  else print(...findings.flatMap(lines), summary(findings))
  return isBad ? EXIT.failed : EXIT.ok
}

function lines({ level, subject, what, remedy }: Finding): string[] {
  const [first = '', ...rest] = wrapped(escaped(`${subject}: ${what}`), 2)
  const mended = remedy === undefined ? [] : wrapped(`→ ${escaped(remedy)}`, 4)
  return [`${colored(COLORS[level], MARKS[level])} ${first.trimStart()}`, ...rest, ...mended]
}

function summary(findings: Finding[]): string {
  const number = (wanted: Finding['level']): number => findings.filter(({ level }) => level === wanted).length
  return `${plural(findings.length, 'check')}: ${plural(number('problem'), 'problem')}, ${plural(number('warning'), 'warning')}, ${plural(number('note'), 'note')}`
}
