/**
 * What the fault guard saw, brought to the user: the next call on a marked segment throws, and the channel `shmem:fault` of
 * `node:diagnostics_channel` tells.
 *
 * A look costs one read of a word in memory; only when the process-wide counter moved is the segment asked.
 *
 * @module
 * @internal
 */

import { channel } from 'node:diagnostics_channel'
import { ShmError } from './errors.js'
import { native, type Binding } from './native.js'

/** Bad touches of one segment since it was opened. */
export interface FaultCounts {
  /** Writes through a view to pages that forbid writing. */
  readOnly: number
  /** Touches beyond the end of an object that somebody shrank. */
  truncated: number
  /** Touches of pages that were unmapped or protected against any access. */
  hole: number
}

const faultChannel = channel('shmem:fault')
const repaired = counter()

/** Watches one segment's marks. */
export class FaultWatch {
  #seenTotal = repaired[0] ?? 0
  #reported: FaultCounts = { readOnly: 0, truncated: 0, hole: 0 }

  /** The error to throw if the segment was touched badly since the last look. */
  news(segment: Binding.NativeSegment, name: string): ShmError | undefined {
    const total = repaired[0] ?? 0
    return total === this.#seenTotal ? undefined : this.#look(segment, name, total)
  }

  #look(segment: Binding.NativeSegment, name: string, total: number): ShmError | undefined {
    this.#seenTotal = total
    warnOfClosedTouches()
    const counts = segment.faults()
    const before = this.#reported
    this.#reported = counts
    const error = explain(before, counts, name)
    if (error !== undefined && faultChannel.hasSubscribers) faultChannel.publish({ segment: name, code: error.code, counts })
    return error
  }
}

let closedTouches = 0

/** Nobody is left to throw at: a warning tells that a thread of the runtime still used a closed segment's memory. */
function warnOfClosedTouches(): void {
  const touches = native.touchesAfterClose()
  if (touches === closedTouches) return
  closedTouches = touches
  process.emitWarning(
    'a segment was closed while the runtime still used its memory (zlib, crypto, fs, a socket): it read zeroes there, and what it wrote is lost',
    { type: 'ShmWarning', code: 'ERR_SHM_CLOSED' }
  )
}

function explain(before: FaultCounts, now: FaultCounts, name: string): ShmError | undefined {
  if (now.truncated !== before.truncated) {
    return new ShmError({
      code: 'ERR_SHM_TRUNCATED',
      message: `bytes of ${name} beyond the object's present end were touched: they read zeroes, and writes to them are lost`
    })
  }
  if (now.readOnly !== before.readOnly) {
    return new ShmError({
      code: 'ERR_SHM_READ_ONLY',
      message: `read-only bytes of ${name} were written through a view: the shared bytes are unchanged, and the touched pages of this mapping are private copies until it is closed`
    })
  }
  if (now.hole !== before.hole) {
    return new ShmError({
      code: 'ERR_SHM_HOLE',
      message: `bytes of ${name} that are unmapped or protected were touched: they read zeroes, and writes to them are lost`
    })
  }
  return undefined
}

/** The guard's own counter where the runtime allows a view of it, else a word that asks the image at each look. */
function counter(): { readonly [index: number]: number | undefined } {
  try {
    return new Uint32Array(native.repairedFaults())
  } catch {
    // No external buffers here (Electron): there are no views that could fault, either.
    return [0]
  }
}
