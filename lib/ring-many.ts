/**
 * The ends of a ring of many: the algorithm of crate/core/src/structures/ring/many.rs on typed arrays. What has to sleep, wake, or take from the dead is
 * done natively.
 *
 * A slot has two words: who has it, or what lies in it, with the lap; and the length. Positions are signed here, as `Atomics` gives them.
 *
 * @module
 * @internal
 */

import { LOADS_IN_ORDER } from './memory-order.js'
import { native } from './native.js'
import { Consumer } from './ring-consumer.js'
import { CONSUMER, CONSUMER_END, CONSUMER_LAPS, CONTROL, FULL as FULL_COUNT, HEAD, ITEMS_GATE, LOST, PRODUCER, PRODUCER_END, PRODUCER_LAPS, ROOM_GATE, STATE, TAIL, ring as layout } from './ring-layout.js'
import { ENDED, NOTHING, NO_WORDS, type RingParts } from './ring-parts.js'
import { Producer } from './ring-producer.js'

const { claimed: CLAIMED, reading: READING, full: FULL, lap: LAP } = native.ringManyLayout()
const SKIPPED = native.ringManyLayout().skipped | 0
/** Where claims are counted of which no message came. */
export const SKIPPED_COUNT = native.ringManyLayout().skippedCount / 4

/** How a claim ends, as the binding numbers it. */
const COMMIT = 0
const ABORT = 1
const RELEASE = 2

/** Loads of a word of its own between two looks that leave the other side alone. */
const RELAXED_LOADS = 20
const PAUSE = new Int32Array(1)

/** As often as one looks again because others went on meanwhile. */
const LOOKS_MAX = 1 << 16
/** A claim that is in the way for so long is looked at natively: its claimant may be dead. */
const PATIENCE_MS = 1
/** Positions are counted four times a quarter, as whoever should have may have died. */
const SETTLE_MASK = 2 ** 28 - 1

/** What both ends have: the ring's words, and who stands in the way. */
class Way {
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
    Atomics.compareExchange(this.words, this.control(position), SKIPPED | this.lap(position), this.lap((position + this.slots) | 0))
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
    if (Atomics.compareExchange(words, this.control(position), from, to) !== from) native.ringFinish(this.#parts.object, position >>> 0, ending)
    if (armed(words, gates)) native.ringWake(this.#parts.object, ending === RELEASE ? PRODUCER_END : CONSUMER_END)
    if (others && armed(words, ROOM_GATE)) native.ringWake(this.#parts.object, PRODUCER_END)
    if (ending === ABORT) Atomics.add(words, SKIPPED_COUNT, 1)
  }
}

/** The end where messages go in. */
export class ManyProducer extends Producer {
  readonly #way: Way
  readonly #drops: boolean
  readonly #isLone: boolean
  /** The position in hand. */
  #position = 0
  /** Those of a batch. */
  #batch = new Int32Array(0)

  constructor(parts: RingParts) {
    super(parts)
    native.ringTake(parts.object, PRODUCER_END)
    this.#way = new Way(parts, PRODUCER_END)
    this.#drops = (parts.flags & layout.dropOldest) !== 0
    this.#isLone = (parts.flags & layout.manyConsumers) === 0
  }

  protected override reserve(): number {
    const way = this.#way
    const { words } = way
    if (words[STATE] !== 0) return this.#stopped()
    for (let looks = LOOKS_MAX; looks > 0; looks -= 1) {
      const position = LOADS_IN_ORDER ? (words[TAIL] as number) : Atomics.load(words, TAIL)
      const control = way.control(position)
      const lap = way.lap(position)
      const word = LOADS_IN_ORDER ? (words[control] as number) : Atomics.load(words, control)
      if (word === lap) {
        if (Atomics.compareExchange(words, control, lap, way.token) !== lap) continue
        Atomics.compareExchange(words, TAIL, position, (position + 1) | 0)
        this.#position = position
        if ((position & SETTLE_MASK) === 0) settle(words, PRODUCER_LAPS, position)
        return position & way.mask
      }
      if (this.#isBlocked(position, word)) return NOTHING
    }
    way.ask()
    return NOTHING
  }

  protected override publish(index: number, length: number): void {
    const way = this.#way
    const position = this.#position
    way.words[CONTROL + index * way.stride + 1] = length
    way.finish(position, way.token, FULL | way.lap(position), COMMIT)
  }

  protected override withdraw(): void {
    const way = this.#way
    way.finish(this.#position, way.token, SKIPPED | way.lap(this.#position), ABORT)
  }

  /** One claim after the other: those of other producers may lie between. */
  protected override reserveBatch(count: number): number {
    const most = Math.min(count, this.#way.slots)
    if (this.#batch.length < most) this.#batch = new Int32Array(most)
    for (let message = 0; message < most; message += 1) {
      const index = this.#drops && message > 0 && !this.#hasFree() ? NOTHING : this.reserve()
      if (index < 0) return message
      this.#way.words[CONTROL + index * this.#way.stride + 1] = this.slotBytes
      this.#batch[message] = this.#position
    }
    return most
  }

  protected override reserved(message: number): number {
    return (this.#batch[message] as number) & this.#way.mask
  }

  protected override writeLength(index: number, length: number): void {
    this.#way.words[CONTROL + index * this.#way.stride + 1] = length
  }

  protected override publishBatch(count: number, batch: number): void {
    const way = this.#way
    for (let message = 0; message < batch; message += 1) {
      const position = this.#batch[message] as number
      if (message < count) way.finish(position, way.token, FULL | way.lap(position), COMMIT)
      else way.finish(position, way.token, SKIPPED | way.lap(position), ABORT)
    }
  }

  protected override withdrawBatch(batch: number): void {
    this.publishBatch(0, batch)
  }

  /** The native wait finds the position itself. */
  protected override waitArgument(): number {
    return 0
  }

  protected override spin(loads: number, relaxed: boolean): boolean {
    return spinUntil(() => this.#hasRoom(), loads, relaxed)
  }

  protected override waitsForItself(): boolean {
    return this.#isLone && this.#way.words[CONSUMER] === this.parts.token
  }

  protected override cutOff(): void {
    this.#way.words = NO_WORDS
  }

  #stopped(): number {
    this.live()
    return ENDED
  }

  #hasFree(): boolean {
    const way = this.#way
    const position = Atomics.load(way.words, TAIL)
    return Atomics.load(way.words, way.control(position)) === way.lap(position)
  }

  /** A claim in the way is no room yet, and what else is there is done with by the next that claims. */
  #hasRoom(): boolean {
    const way = this.#way
    const position = Atomics.load(way.words, TAIL)
    const word = Atomics.load(way.words, way.control(position))
    return (word & CLAIMED) === 0 && (this.#drops || word !== (FULL | way.lap((position - way.slots) | 0)))
  }

  /** The slot of the tail had another word than empty. Whether there is no going on; else another look pays. */
  #isBlocked(position: number, word: number): boolean {
    const way = this.#way
    const { words } = way
    const before = (position - way.slots) | 0
    const lap = way.lap(position)
    if (word === (FULL | way.lap(before))) {
      if (this.#drops) {
        this.#drop(before)
        return false
      }
      Atomics.add(words, FULL_COUNT, 1)
      return true
    }
    if (word === (SKIPPED | way.lap(before))) way.clearSkipped(before)
    else if (word === (FULL | lap) || word === (SKIPPED | lap) || word === way.lap((position + way.slots) | 0)) way.passTail(position)
    else if ((word & CLAIMED) === 0) {
      if (Atomics.load(words, TAIL) === position) way.ask()
    } else if ((word & READING) !== 0) {
      // A reader of this position would have found the tail behind it.
      return Atomics.load(words, TAIL) === position && !way.isCleared(word)
    } else {
      const head = Atomics.load(words, HEAD)
      if (Atomics.load(words, way.control(position)) !== word) return false
      // The head cannot pass a slot that somebody writes in: if it has, the claim is of this position.
      if (head === before) return !way.isCleared(word)
      way.passTail(position)
    }
    return false
  }

  /** Takes the oldest message as a consumer would, and gives its slot back. */
  #drop(position: number): void {
    const way = this.#way
    const { words } = way
    const full = FULL | way.lap(position)
    const reading = way.token | READING
    if (Atomics.compareExchange(words, way.control(position), full, reading) !== full) return
    way.passHead(position)
    Atomics.add(words, LOST, 1)
    way.finish(position, reading, way.lap((position + way.slots) | 0), RELEASE)
  }
}

/** The end where messages come out. */
export class ManyConsumer extends Consumer {
  readonly #way: Way
  readonly #isLone: boolean
  /** The position in hand. */
  #position = 0

  constructor(parts: RingParts) {
    super(parts)
    native.ringTake(parts.object, CONSUMER_END)
    this.#way = new Way(parts, CONSUMER_END)
    this.#isLone = (parts.flags & layout.manyProducers) === 0
  }

  protected override next(): number {
    const way = this.#way
    const { words } = way
    // First: what was sent before the end is there by now.
    const state = words[STATE]
    if (words === NO_WORDS) this.live()
    for (let looks = LOOKS_MAX; looks > 0; looks -= 1) {
      const position = LOADS_IN_ORDER ? (words[HEAD] as number) : Atomics.load(words, HEAD)
      const control = way.control(position)
      const full = FULL | way.lap(position)
      const word = LOADS_IN_ORDER ? (words[control] as number) : Atomics.load(words, control)
      if (word === full) {
        if (Atomics.compareExchange(words, control, full, way.token | READING) !== full) continue
        Atomics.compareExchange(words, HEAD, position, (position + 1) | 0)
        this.#position = position
        if ((position & SETTLE_MASK) === 0) settle(words, CONSUMER_LAPS, position)
        return position & way.mask
      }
      if (word === way.lap(position)) return state === 0 ? NOTHING : ENDED
      if (this.#isBlocked(position, word)) return NOTHING
    }
    way.ask()
    return NOTHING
  }

  protected override lengthOf(index: number): number {
    return (this.#way.words[CONTROL + index * this.#way.stride + 1] as number) >>> 0
  }

  protected override free(): void {
    const way = this.#way
    const position = this.#position
    way.finish(position, way.token | READING, way.lap((position + way.slots) | 0), RELEASE)
  }

  /** The native wait finds the position itself. */
  protected override waitArgument(): number {
    return 0
  }

  protected override spin(loads: number, relaxed: boolean): boolean {
    return spinUntil(() => this.#hasMessage(), loads, relaxed)
  }

  /** What was claimed before the end may still become a message. */
  protected override look(): 'ready' | 'ended' | undefined {
    const found = super.look()
    const way = this.#way
    return found === 'ended' && (Atomics.load(way.words, way.control(Atomics.load(way.words, HEAD))) & CLAIMED) !== 0 ? undefined : found
  }

  protected override waitsForItself(): boolean {
    return this.#isLone && this.#way.words[PRODUCER] === this.parts.token
  }

  protected override cutOff(): void {
    this.#way.words = NO_WORDS
  }

  /** A claim is no message yet, and what else is there is done with by the next that takes. */
  #hasMessage(): boolean {
    const way = this.#way
    const position = Atomics.load(way.words, HEAD)
    const word = Atomics.load(way.words, way.control(position))
    return (word & CLAIMED) === 0 && word !== way.lap(position)
  }

  /** The slot of the head is neither full nor empty. Whether there is no going on; else another look pays. */
  #isBlocked(position: number, word: number): boolean {
    const way = this.#way
    const { words } = way
    const before = (position - way.slots) | 0
    if (word === (SKIPPED | way.lap(position))) way.clearSkipped(position)
    else if (word === (SKIPPED | way.lap(before))) way.clearSkipped(before)
    else if (word === way.lap((position + way.slots) | 0)) way.passHead(position)
    else if ((word & CLAIMED) === 0) {
      if (Atomics.load(words, HEAD) === position) way.ask()
    } else if ((word & READING) === 0) {
      return Atomics.load(words, HEAD) === position && !way.isCleared(word)
    } else {
      const tail = Atomics.load(words, TAIL)
      if (Atomics.load(words, way.control(position)) !== word) return false
      // The tail has passed whatever is read: if it is here, that is read which lay here a lap ago.
      if (tail === position) return true
      way.passHead(position)
    }
    return false
  }
}

/** Looks at most so often; where `relaxed`, the other side gets ahead between two looks. */
function spinUntil(holds: () => boolean, loads: number, relaxed: boolean): boolean {
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
function settle(words: Int32Array, laps: number, position: number): void {
  const counted = words[laps] as number
  if ((((position >>> 30) - counted) & 3) === 1) words[laps] = (counted + 1) | 0
}
