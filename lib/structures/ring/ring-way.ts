/**
 * What both ends of a ring of many have: its words, who stands in the way, and how a claim ends.
 *
 * @module
 * @internal
 */

import { LOADS_IN_ORDER } from '../../memory-order.js'
import { native } from '../../native.js'
import { CONSUMER_END, CONTROL, HEAD, ITEMS_GATE, PRODUCER_END, ROOM_GATE, TAIL, ring as layout } from './ring-layout.js'
import type { RingParts } from './ring-parts.js'

export const { claimed: CLAIMED, reading: READING, full: FULL, lap: LAP } = native.ringManyLayout()
export const SKIPPED = native.ringManyLayout().skipped | 0
/** Where claims are counted of which no message came. */
export const SKIPPED_COUNT = native.ringManyLayout().skippedCount / 4
/** The same of those that the head has passed. */
export const CLEARED_COUNT = native.ringManyLayout().clearedCount / 4

/** How a claim ends, as the binding numbers it. */
export const COMMIT = 0
export const ABORT = 1
export const RELEASE = 2

/** Loads of a word of its own between two looks that leave the other side alone. */
const RELAXED_LOADS = 20
const PAUSE = new Int32Array(1)

/** As often as one looks again because others went on meanwhile. */
export const LOOKS_MAX = 1 << 16
/** A claim that is in the way for so long is looked at natively: its claimant may be dead. */
const PATIENCE_MS = 1
/** Positions are counted four times a quarter, as whoever should have may have died. */
export const SETTLE_MASK = 2 ** 28 - 1

/** What both ends have: the ring's words, and who stands in the way. */
export class Way {
  words: Int32Array
  readonly mask: number
  readonly slots: number
  readonly stride: number
  readonly shift: number
  readonly token: number
  readonly #parts: RingParts
  readonly #end: number
  #obstacle = 0
  #sinceMs = 0

  constructor(parts: RingParts, end: number) {
    this.words = parts.words
    this.slots = parts.slots
    this.mask = parts.slots - 1
    this.stride = parts.controlStride
    this.shift = Math.clz32(1) - Math.clz32(parts.slots)
    this.token = parts.token
    this.#parts = parts
    this.#end = end
  }

  /** Where the control word of a position is. */
  control(position: number): number {
    return CONTROL + (position & this.mask) * this.stride
  }

  lap(position: number): number {
    return (position >>> this.shift) & LAP
  }

  /** A claim stands in the way. Whether it was a dead one's, and is gone. */
  isCleared(claim: number): boolean {
    const nowMs = performance.now()
    if (claim !== this.#obstacle) {
      this.#obstacle = claim
      this.#sinceMs = nowMs
    }
    if (nowMs - this.#sinceMs < PATIENCE_MS) return false
    this.#sinceMs = nowMs
    return native.ringUnblock(this.#parts.object, this.#end)
  }

  /** The core looks, and says what is wrong if something is. */
  ask(): void {
    native.ringUnblock(this.#parts.object, this.#end)
  }

  passTail(position: number): void {
    Atomics.compareExchange(this.words, TAIL, position, (position + 1) | 0)
  }

  passHead(position: number): void {
    Atomics.compareExchange(this.words, HEAD, position, (position + 1) | 0)
  }

  /** The head has passed a slot of which no message came, or does so now: so it is empty. */
  clearSkipped(position: number): void {
    this.passHead(position)
    const skipped = SKIPPED | this.lap(position)
    const before = Atomics.compareExchange(this.words, this.control(position), skipped, this.lap((position + this.slots) | 0))
    if (before === skipped) Atomics.add(this.words, CLEARED_COUNT, 1)
  }

  /** Ends a claim; natively where somebody sleeps already. */
  finish(position: number, from: number, to: number, ending: number): void {
    const { words } = this
    const gates = ending === RELEASE ? ROOM_GATE : ITEMS_GATE
    const others = ending === ABORT || (ending === COMMIT && (this.#parts.flags & layout.dropOldest) !== 0)
    // The first look comes behind the claim, and the second behind its end: see the core's algorithm.
    if (armed(words, gates) || (others && armed(words, ROOM_GATE))) {
      native.ringFinish(this.#parts.object, position >>> 0, ending)
      return
    }
    if (Atomics.compareExchange(words, this.control(position), from, to) !== from) {
      native.ringFinish(this.#parts.object, position >>> 0, ending)
      return
    }
    if (armed(words, gates)) native.ringWake(this.#parts.object, ending === RELEASE ? PRODUCER_END : CONSUMER_END)
    if (others && armed(words, ROOM_GATE)) native.ringWake(this.#parts.object, PRODUCER_END)
    if (ending === ABORT) Atomics.add(words, SKIPPED_COUNT, 1)
  }
}

/** Looks at most so often; where `relaxed`, the other side gets ahead between two looks. */
export function spinUntil(holds: () => boolean, loads: number, relaxed: boolean): boolean {
  for (let left = loads; left > 0; left -= relaxed ? RELAXED_LOADS : 1) {
    if (holds()) return true
    if (relaxed && left > RELAXED_LOADS) for (let pause = RELAXED_LOADS; pause > 0; pause -= 1) Atomics.load(PAUSE, 0)
  }
  return false
}

function armed(words: Int32Array, gate: number): boolean {
  return (LOADS_IN_ORDER ? words[gate] : Atomics.load(words, gate)) !== 0
}

/** Counts a quarter of the positions' range when one is passed; see `total` in ring.ts. */
export function settle(words: Int32Array, laps: number, position: number): void {
  const counted = words[laps] as number
  if ((((position >>> 30) - counted) & 3) === 1) words[laps] = (counted + 1) | 0
}
