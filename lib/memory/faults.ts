/**
 * What the fault guard saw, brought to the user: the next call on a marked segment throws. The channel `shmem:fault` of
 * `node:diagnostics_channel` tells at once of segments that were opened after somebody subscribed, and of others with their next call.
 *
 * A look costs one read of a word in memory; only when the process-wide counter moved is the segment asked.
 *
 * @module
 * @internal
 */

import { ShmError } from '../errors.js'
import type { Subject } from '../error-facts.js'
import { native, type Binding } from '../native.js'
import { faults, type FaultMessage } from '../tracing.js'

/** Bad touches of one segment since it was opened. */
export interface FaultCounts {
  /** Writes through a view to pages that forbid writing. */
  readOnly: number
  /** Touches beyond the end of an object that somebody shrank. */
  truncated: number
  /** Touches of pages that were unmapped or protected against any access. */
  hole: number
}

const NO_FAULTS: FaultCounts = { readOnly: 0, truncated: 0, hole: 0 }
const repaired = counter()

/** Watches one segment's marks, from its mapping to its next or its end. */
export class FaultWatch {
  readonly #segment: Binding.NativeSegment
  readonly #describe: () => Subject
  #seenTotal = repaired[0] ?? 0
  #reported = NO_FAULTS
  #published = NO_FAULTS
  #told: WeakRef<FaultWatch> | undefined

  constructor(segment: Binding.NativeSegment, describe: () => Subject) {
    this.#segment = segment
    this.#describe = describe
    if (faults.hasSubscribers) this.#told = tellAtOnce(this)
  }

  /** The segment is closed, or mapped anew: what it counts from now on is not of this mapping. */
  end(): void {
    if (this.#told !== undefined) told.delete(this.#told)
  }

  /** The error to throw if the segment was touched badly since the last look. */
  news(): ShmError | undefined {
    const total = repaired[0] ?? 0
    if (total === this.#seenTotal) return undefined
    this.#seenTotal = total
    warnOfClosedTouches()
    const counts = this.publish()
    const error = explain(this.#reported, counts, this.#describe())
    this.#reported = counts
    return error
  }

  /** Tells the channel what it was not told yet. */
  publish(): FaultCounts {
    const counts = this.#segment.faults()
    const error = faults.hasSubscribers ? explain(this.#published, counts, this.#describe()) : undefined
    this.#published = counts
    if (error !== undefined) faults.publish({ segment: this.#describe().words, code: error.code, counts } satisfies FaultMessage)
    return counts
  }
}

/** Segments that were opened while somebody listened, and are not collected yet. */
const told = new Set<WeakRef<FaultWatch>>()
let listening = false

/** From the first call on, a thread of the image wakes the event loop when a fault was repaired. */
function tellAtOnce(watch: FaultWatch): WeakRef<FaultWatch> {
  if (!listening) native.watchFaults(tellAll)
  listening = true
  const reference = new WeakRef(watch)
  told.add(reference)
  return reference
}

function tellAll(): void {
  for (const reference of told) {
    const watch = reference.deref()
    if (watch === undefined) told.delete(reference)
    else watch.publish()
  }
}

let closedTouches = native.touchesAfterClose()

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

function explain(before: FaultCounts, now: FaultCounts, { words, ...about }: Subject): ShmError | undefined {
  if (now.truncated !== before.truncated) {
    return new ShmError({
      code: 'ERR_SHM_TRUNCATED',
      ...about,
      message: `bytes of ${words} were touched that the object does not have: they read zeroes, and writes to them are lost`
    })
  }
  if (now.readOnly !== before.readOnly) {
    return new ShmError({
      code: 'ERR_SHM_READ_ONLY',
      ...about,
      message: `read-only bytes of ${words} were written through a view: the shared bytes are unchanged, and the touched pages of this mapping are private copies until it is closed`
    })
  }
  if (now.hole !== before.hole) {
    return new ShmError({
      code: 'ERR_SHM_HOLE',
      ...about,
      message: `bytes of ${words} that are unmapped or protected were touched: they read zeroes, and writes to them are lost`
    })
  }
  return undefined
}

/** The guard's own counter where the runtime allows a view of it, else a word that never moves. */
function counter(): { readonly [index: number]: number | undefined } {
  try {
    return new Uint32Array(native.repairedFaults())
  } catch {
    // No external buffers here (Electron): there are no views that could fault, either.
    return [0]
  }
}
