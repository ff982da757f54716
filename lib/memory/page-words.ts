/**
 * The words of mprotect(2), madvise(2) and msync(2), and the numbers behind them.
 *
 * @module
 */

import * as check from '../arguments.js'
import { constant } from '../constants.js'
import { native } from '../native.js'

/** Bytes of a base page of this machine (sysconf(3), _SC_PAGESIZE): 4096 on x64; 4096, 16384 or 65536 on arm64. */
export const pageSizeBytes = native.pageSize()

/** @internal */
export const PROTECTIONS: Record<'none' | 'read' | 'write', number> = {
  none: constant('PROT_NONE'),
  read: constant('PROT_READ'),
  write: constant('PROT_READ') | constant('PROT_WRITE')
}

/** The advice of madvise(2), by its name without `MADV_`, in lower case. */
export type Advice =
  | 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed' | 'free' | 'remove' | 'dontfork' | 'dofork' | 'mergeable' | 'unmergeable'
  | 'hugepage' | 'nohugepage' | 'collapse' | 'dontdump' | 'dodump' | 'cold' | 'pageout' | 'populate_read' | 'populate_write'

const ADVICE_WORDS: readonly Advice[] = [
  'normal', 'random', 'sequential', 'willneed', 'dontneed', 'free', 'remove', 'dontfork', 'dofork', 'mergeable', 'unmergeable',
  'hugepage', 'nohugepage', 'collapse', 'dontdump', 'dodump', 'cold', 'pageout', 'populate_read', 'populate_write'
]

/** @internal */
export function advice(word: unknown): number {
  return constant(`MADV_${check.oneOf('advice', word, ADVICE_WORDS).toUpperCase()}`)
}

/** @internal */
export function flushFlags(async: boolean): number {
  return constant(async ? 'MS_ASYNC' : 'MS_SYNC')
}
