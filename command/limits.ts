/**
 * `shmem limits`: how much shared memory this machine allows, and who says so.
 */
import { limits as allLimits, type Limit } from 'shmem'
import { EXIT } from './exit.js'
import { print, printJson, table } from './output.js'
import { escaped, size } from './words.js'

export function limits({ json }: { json?: boolean }): number {
  const all = allLimits()
  if (json) printJson({ limits: all })
  else print(...table([{ title: 'LIMIT', least: 24, wraps: true }, { title: 'VALUE', align: 'right' }, { title: 'MEANING', least: 36, wraps: true }], all.map(limit => [limit.name, value(limit), limit.meaning])))
  return EXIT.ok
}

/** Numbers beyond what a number can say are as good as no limit. */
function value({ value: given, unit }: Limit): string {
  if (given === undefined) return '?'
  if (typeof given === 'string') return escaped(given)
  if (given > Number.MAX_SAFE_INTEGER) return 'unlimited'
  if (unit === 'bytes') return size(given)
  return unit === 'pages' ? `${given} pages` : String(given)
}
