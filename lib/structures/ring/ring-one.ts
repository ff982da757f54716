/**
 * The two ends of a ring of one producer and one consumer: the algorithm of crate/core/src/structures/ring/one.rs on typed arrays.
 *
 * Positions count messages and wrap at 2^32; each end keeps its own, and a copy of the other's that may be behind. Both are signed here, as `Atomics`
 * gives them.
 *
 * @module
 * @internal
 */

import { LOADS_IN_ORDER } from '../../memory-order.js'
import { native } from '../../native.js'
import { Consumer } from './ring-consumer.js'
import { CONSUMER, CONSUMER_END, CONSUMER_LAPS, CONTROL, FULL, HEAD, ITEMS_GATE, PRODUCER, PRODUCER_END, PRODUCER_LAPS, ROOM_GATE, STATE, TAIL, TAKEN } from './ring-layout.js'
import { ENDED, NOTHING, NO_WORDS, type RingParts } from './ring-parts.js'
import { Producer } from './ring-producer.js'
import { pause, relaxedSpinWhile, spinWhile } from '../../waits/spinning.js'

/** A drain gives slots back so often on its way, in parts of the ring: a producer that waits need not wait for its end. */
const RELEASES = 4
/** And it looks so often whether one waits, in messages. */
const LOOK = 16
/** Fewer messages than these are few. */
const FEW = 256
/** How long the producer may come ahead: some 1 µs. */
const AHEAD_LOADS = 200
/** A cache line, in words. */
const LINE_WORDS = 16
/** How many lines a producer brings near together. */
const NEAR_LINES = 8

/** The end where messages go in. */
export class OneProducer extends Producer {
  #words: Int32Array
  readonly #slots: number
  readonly #mask: number
  /** Where the next message goes. */
  #tail: number
  /** The consumer's position, as it was. */
  #head: number
  /** All slots. */
  readonly #payload: Int32Array
  /** From one slot to the next, in words. */
  readonly #stride: number
  /** How many slots it brings near together; 0: they are too large to gain by it. */
  readonly #together: number
  /** Up to where they are near. */
  #near: number

  constructor(parts: RingParts) {
    super(parts)
    const { position, limit } = native.ringTake(parts.object, PRODUCER_END)
    this.#words = parts.words
    this.#slots = parts.slots
    this.#mask = parts.slots - 1
    this.#tail = position | 0
    this.#head = limit | 0
    this.#payload = parts.memory.i32
    this.#stride = parts.memory.strideBytes / 4
    const together = Math.floor((NEAR_LINES * LINE_WORDS) / this.#stride)
    this.#together = together > 1 ? together : 0
    this.#near = this.#tail
  }

  protected override reserve(): number {
    const tail = this.#tail
    if (this.#words[STATE] !== 0) return this.#stopped()
    if (((tail - this.#head) | 0) >= this.#slots && !this.#refresh()) return NOTHING
    if (((tail - this.#near) | 0) >= 0 && this.#together > 0) this.#bringNear()
    return tail & this.#mask
  }

  protected override publish(index: number, length: number): void {
    const words = this.#words
    // Where messages are of one length, nobody writes here, and the line of the lengths is never taken from the consumer.
    if (words[CONTROL + index] !== length) words[CONTROL + index] = length
    this.#advance((this.#tail + 1) | 0)
  }

  /** Nobody has seen it. */
  protected override withdraw(): void {}

  protected override reserveBatch(count: number): number {
    const words = this.#words
    if (words[STATE] !== 0) {
      this.live()
      return 0
    }
    let room = this.#slots - ((this.#tail - this.#head) | 0)
    if (room < count && this.#refresh()) room = this.#slots - ((this.#tail - this.#head) | 0)
    const batch = Math.min(count, room)
    const tail = this.#tail
    // A larger batch waits once for all its lines.
    if (batch > 0 && batch <= this.#together && ((tail - this.#near) | 0) >= 0) this.#bringNear()
    const mask = this.#mask
    const full = this.slotBytes
    for (let message = 0; message < batch; message += 1) {
      const control = CONTROL + ((tail + message) & mask)
      if (words[control] !== full) words[control] = full
    }
    return batch
  }

  protected override reserved(message: number): number {
    return (this.#tail + message) & this.#mask
  }

  protected override writeLength(index: number, length: number): void {
    this.#words[CONTROL + index] = length
  }

  protected override publishBatch(count: number): void {
    if (count > 0) this.#advance((this.#tail + count) | 0)
  }

  /** Nobody has seen them. */
  protected override withdrawBatch(): void {}

  protected override waitArgument(): number {
    return this.#tail >>> 0
  }

  protected override spin(loads: number, relaxed: boolean): boolean {
    if (((this.#tail - this.#head) | 0) < this.#slots) return true
    return (relaxed ? relaxedSpinWhile : spinWhile)(this.#words, HEAD, this.#head, loads)
  }

  protected override waitsForItself(): boolean {
    return this.isThisThread(this.#words[CONSUMER] ?? 0)
  }

  protected override cutOff(): void {
    this.#words = NO_WORDS
  }

  /** One store makes all messages up to there the consumer's. It comes before the look at the gate, as the consumer marks the gate before it looks at the tail. */
  #advance(tail: number): void {
    const words = this.#words
    this.#tail = tail
    Atomics.store(words, TAIL, tail)
    if ((LOADS_IN_ORDER ? words[ITEMS_GATE] : Atomics.load(words, ITEMS_GATE)) !== 0) native.ringWake(this.parts.object, CONSUMER_END)
  }

  #stopped(): number {
    this.live()
    return ENDED
  }

  /**
   * Makes the lines of the next free slots this processor's, by a store of what is there: their reads for ownership (RFO) overlap. They are the consumer's, which read them, and who publishes each
   * message waits for each line by itself: in C as well, three times as long. No slot is in hand: what is written there meanwhile would be undone.
   */
  #bringNear(): void {
    const tail = this.#tail
    const index = tail & this.#mask
    const count = Math.min(this.#together, this.#slots - ((tail - this.#head) | 0), this.#slots - index)
    const payload = this.#payload
    const end = (index + count) * this.#stride
    for (let word = index * this.#stride; word < end; word += LINE_WORDS) {
      const same = payload[word] as number
      payload[word] = same
    }
    this.#near = (tail + count) | 0
  }

  /** Whether there is room, after a look at the consumer's position. */
  #refresh(): boolean {
    const words = this.#words
    settle(words, PRODUCER_LAPS, this.#tail)
    const head = Atomics.load(words, HEAD)
    const used = (this.#tail - head) >>> 0
    if (used > this.#slots) throw this.error('ERR_SHM_POSSIBLY_CORRUPT', 'its positions contradict each other')
    this.#head = head
    if (used < this.#slots) return true
    words[FULL] = ((words[FULL] as number) + 1) | 0
    return false
  }
}

/** The end where messages come out. */
export class OneConsumer extends Consumer {
  #words: Int32Array
  readonly #slots: number
  readonly #mask: number
  /** The oldest message that was not taken. */
  #head: number
  /** The producer's position, as it was. */
  #tail: number

  constructor(parts: RingParts) {
    super(parts)
    const { position, limit } = native.ringTake(parts.object, CONSUMER_END)
    this.#words = parts.words
    this.#slots = parts.slots
    this.#mask = parts.slots - 1
    this.#head = position | 0
    this.#tail = limit | 0
  }

  protected override next(): number {
    const head = this.#head
    if (head === this.#tail && !this.#refresh()) return this.#nothing()
    this.#head = (head + 1) | 0
    // Taken before it is read, so that no other ever reads it. A plain store does: a kill leaves what the program did so far, in its order.
    this.#words[TAKEN] = (head + 1) | 0
    return head & this.#mask
  }

  protected override lengthOf(index: number): number {
    return (this.#words[CONTROL + index] as number) >>> 0
  }

  protected override free(): void {
    this.#release(this.#head)
  }

  /** As one after the other, with one store for many slots; what is in hand at a kill is one message all the same. */
  protected override takeAll(limit: number, onIndex: (index: number, length: number) => void): number {
    const words = this.#words
    const mask = this.#mask
    const { slotBytes } = this.parts
    const most = Math.min(limit, this.#slots)
    const stretch = Math.max(1, this.#slots / RELEASES)
    const between = Math.min(stretch, LOOK) - 1
    let head = this.#head
    let released = head
    let count = 0
    if (((this.#tail - head) | 0) < most && !this.#refreshFar(Math.min(most, FEW, stretch))) {
      this.live()
      return 0
    }
    try {
      while (count < most && head !== this.#tail) {
        const index = head & mask
        head = (head + 1) | 0
        this.#head = head
        words[TAKEN] = head
        const length = (words[CONTROL + index] as number) >>> 0
        if (length > slotBytes) this.refuseLength(index, length)
        count += 1
        onIndex(index, length)
        if ((head & between) !== 0) continue
        if (((head - released) | 0) >= stretch || words[ROOM_GATE] !== 0) {
          this.#release(head)
          released = head
        }
      }
    } finally {
      if (released !== head) this.#release(head)
    }
    return count
  }

  protected override waitArgument(): number {
    return this.#head >>> 0
  }

  protected override spin(loads: number, relaxed: boolean): boolean {
    return this.#head !== this.#tail || (relaxed ? relaxedSpinWhile : spinWhile)(this.#words, TAIL, this.#tail, loads)
  }

  protected override waitsForItself(): boolean {
    return this.isThisThread(this.#words[PRODUCER] ?? 0)
  }

  protected override cutOff(): void {
    this.#words = NO_WORDS
    this.#tail = this.#head
  }

  /** One store makes all slots up to there the producer's. It comes before the look at the gate. */
  #release(head: number): void {
    const words = this.#words
    Atomics.store(words, HEAD, head)
    if ((LOADS_IN_ORDER ? words[ROOM_GATE] : Atomics.load(words, ROOM_GATE)) !== 0) native.ringWake(this.parts.object, PRODUCER_END)
  }

  /** Whether there is a message, after a look at the producer's position. */
  #refresh(): boolean {
    const words = this.#words
    if (words === NO_WORDS) return false
    settle(words, CONSUMER_LAPS, this.#head)
    const tail = Atomics.load(words, TAIL)
    const used = (tail - this.#head) >>> 0
    if (used > this.#slots) throw this.error('ERR_SHM_POSSIBLY_CORRUPT', 'its positions contradict each other')
    this.#tail = tail
    return used > 0
  }

  /**
   * As `#refresh`; where there are few messages, it lets the producer come ahead for a moment. On its heels, each message costs both sides several cache lines:
   * NB: with a publication each, 13 of 100 million messages a second that C sends, and 22 so (AMD EPYC, Node 20).
   */
  #refreshFar(few: number): boolean {
    if (!this.#refresh()) return false
    if (((this.#tail - this.#head) | 0) < few) {
      pause(AHEAD_LOADS)
      this.#refresh()
    }
    return true
  }

  #nothing(): number {
    if (Atomics.load(this.#words, STATE) === 0) return NOTHING
    this.live()
    // What was sent before the end is there by now.
    return this.#refresh() ? this.next() : ENDED
  }
}

/** Counts a quarter of the positions' range when one is passed; see `total`. */
function settle(words: Int32Array, laps: number, position: number): void {
  const counted = words[laps] as number
  if ((((position >>> 30) - counted) & 3) === 1) words[laps] = (counted + 1) | 0
}
