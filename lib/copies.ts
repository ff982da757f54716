/**
 * Several copies of this package in one process: two versions in one tree of node_modules, or one in two trees. Each has its own classes
 * and its own native image. They meet in memory as two processes do; an object of one is not taken by a function of another, and
 * the error says so.
 *
 * @module
 * @internal
 */

import { version } from './version.js'

const COPY = Symbol.for('shmem.copy')

interface Copy {
  readonly version: string
}

const ours: Copy = { version }

/** Marks what a class makes as of this copy. @internal */
export function markCopy(prototype: object): void {
  Object.defineProperty(prototype, COPY, { value: ours })
}

/** What to say of a value that another copy made; nothing of any other. @internal */
export function strangerOf(value: unknown): string {
  const copy = typeof value === 'object' && value !== null ? (value as { [COPY]?: Copy })[COPY] : undefined
  if (copy === undefined || copy === ours) return ''
  return `, made by another copy of shmem (${copy.version}; this is ${ours.version}): what they share is opened by each for itself`
}
