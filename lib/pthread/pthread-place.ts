/**
 * What the four pthread classes ask of their segment, offset and C library.
 *
 * @module
 * @internal
 */

import * as check from '../arguments.js'
import { ShmError, outOfRange, wrongType } from '../errors.js'
import { native, type Binding } from '../native.js'
import { Segment, nativeOf, wordsOf } from '../memory/segment.js'
import { traceAs } from '../tracing.js'

/** The C library whose layout an object has. */
export type PthreadAbi = 'glibc' | 'musl'

/** Which layout the bytes have. */
export interface PthreadOptions {
  /** The C library of all sides; a segment has no place to record it. @default that of this process; the other one is `ERR_SHM_UNSUPPORTED` */
  abi?: PthreadAbi | undefined
}

const OWN_ABI = native.pthreadAbi()

/** Refuses the layout of another C library. */
export function refuseForeign(abi: unknown): void {
  if (abi === undefined || check.oneOf<PthreadAbi>('options.abi', abi, ['glibc', 'musl']) === OWN_ABI) return
  throw new ShmError({
    code: 'ERR_SHM_UNSUPPORTED',
    message: `this process has the pthread objects of ${OWN_ABI}; those of ${String(abi)} are laid out and locked otherwise`
  })
}

/** The memory of a segment that such an object may lie in. Never in an array that is spread: its iterator is anybody's to replace. */
export function memoryOf(segment: Segment): Binding.NativeSegment {
  if (!(segment instanceof Segment)) throw wrongType('segment', 'a segment', segment)
  if (segment.access !== 'write') {
    throw new ShmError({ code: 'ERR_SHM_READ_ONLY', message: 'a pthread object needs a segment that is open for writing, and not copy-on-write' })
  }
  return nativeOf(segment)
}

/** An offset at which one has room. */
export function place(segment: Segment, offset: number, sizeBytes: number, alignBytes: number): number {
  check.integer('offset', offset, 0, segment.size)
  if (offset % alignBytes !== 0) throw outOfRange('offset', `a multiple of ${alignBytes}`, offset)
  if (offset + sizeBytes > segment.size) throw outOfRange('offset', `at least ${sizeBytes} bytes before the end (${segment.size})`, offset)
  return offset
}

/** What was done on bytes that were truncated or taken away was done on a private page: then the segment's error is the answer. */
export function between<Answer>(segment: Segment, act: () => Answer): Answer {
  nativeOf(segment)
  try {
    return act()
  } finally {
    nativeOf(segment)
  }
}

/** Says what waits for such an object are about. */
export function traceIn(segment: Segment, opened: object, name: 'mutex' | 'condition' | 'lock'): void {
  traceAs(opened, () => ({ kind: `pthread-${name}`, object: `a pthread ${name}`, segment: wordsOf(segment) }))
}

/** The class of a handle that was made by `new`. */
export function madeByNew(name: string, value: unknown): TypeError {
  return wrongType(name, 'made by initialise() or at(), not by new', value)
}
