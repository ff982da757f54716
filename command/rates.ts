/**
 * From what objects counted at two moments to how fast they go.
 */
import type { InnerObject } from './managed.js'

/** How fast a count of an object went up. */
export interface Rate {
  /** Which count: `sent`, `sets`, `waits`, … */
  what: string
  perSecond: number
}

/** Counts that wrap at 2^32, since slow paths keep them in words. */
const WRAPS = 2 ** 32

/** The counts whose rates tell most about a kind, the first one foremost. */
const TELLING: Partial<Record<string, string[]>> = {
  ring: ['sent', 'received'],
  broadcast: ['sent', 'lost'],
  latest: ['sent', 'received'],
  map: ['sets', 'deletes'],
  seqlock: ['writes', 'waits'],
  condition: ['notifications', 'waits'],
  barrier: ['phases', 'waits'],
  word: ['waits'],
  counter: ['value'],
  struct: [],
  list: ['waits']
}

/** The rates of an object between two looks; none at the first, and none of an object that is another one now. */
export function ratesOf(now: InnerObject, before: InnerObject | undefined, seconds: number): Rate[] {
  const counts = TELLING[now.kind] ?? ['waits']
  const isSame = before !== undefined && before.kind === now.kind && before.offset === now.offset && seconds > 0
  return counts.map(what => ({ what, perSecond: isSame ? difference(now.counters[what] ?? 0, before.counters[what] ?? 0) / seconds : 0 }))
}

/** Never below zero: a count that fell has wrapped, or began anew. */
function difference(now: number, before: number): number {
  if (now >= before) return now - before
  const wrapped = now - before + WRAPS
  return wrapped >= 0 && wrapped < WRAPS / 2 ? wrapped : 0
}

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** A line of bars, the latest on the right, the highest as high as can be. Nothing at all is a space. */
export function sparkline(values: readonly number[], width: number): string {
  const last = values.slice(-width)
  const most = Math.max(...last, 0)
  const bar = (value: number): string => (value <= 0 ? ' ' : (BARS[Math.min(Math.floor((value / most) * BARS.length), BARS.length - 1)] ?? ' '))
  return last.map(bar).join('').padStart(width)
}
