/**
 * The ends of a ring of many: the algorithm of crate/core/src/structures/ring/many.rs on typed arrays. What has to sleep, wake, or take from the dead is
 * done natively.
 *
 * A slot has two words: who has it, or what lies in it, with the lap; and the length. Positions are signed here, as `Atomics` gives them.
 *
 * @module
 * @internal
 */

import { LOADS_IN_ORDER } from '../../memory-order.js'
import { native } from '../../native.js'
import { Consumer } from './ring-consumer.js'
import { CONSUMER, CONSUMER_END, CONSUMER_LAPS, CONTROL, FULL as FULL_COUNT, HEAD, LOST, PRODUCER, PRODUCER_END, PRODUCER_LAPS, STATE, TAIL, ring as layout } from './ring-layout.js'
import { ENDED, NOTHING, NO_WORDS, type RingParts } from './ring-parts.js'
import { Producer } from './ring-producer.js'
import { ABORT, CLAIMED, COMMIT, FULL, LOOKS_MAX, READING, RELEASE, SETTLE_MASK, SKIPPED, Way, settle, spinUntil } from './ring-way.js'

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
    let batch = 0
    try {
      for (; batch < most; batch += 1) {
        const index = this.#drops && batch > 0 && !this.#hasFree() ? NOTHING : this.reserve()
        if (index < 0) break
        this.#way.words[CONTROL + index * this.#way.stride + 1] = this.slotBytes
        this.#batch[batch] = this.#position
      }
    } catch (error) {
      // Nobody would know of those before.
      this.withdrawBatch(batch)
      throw error
    }
    return batch
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
    return this.#isLone && this.isThisThread(this.#way.words[CONSUMER] ?? 0)
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
    way.finish(position, reading, way.lap((position + way.slots) | 0), RELEASE)
    // Behind that: who takes the claim from a dead one counts the message itself.
    Atomics.add(words, LOST, 1)
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
      if (this.#isReadBefore(position, word)) return state === 0 ? NOTHING : this.#ended()
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

  /** As many as there can be: producers that keep up with it do not make it endless. */
  protected override takeAll(limit: number, onIndex: (index: number, length: number) => void): number {
    return super.takeAll(Math.min(limit, this.#way.slots), onIndex)
  }

  /** What was claimed before the end may still become a message. */
  protected override look(): 'ready' | 'ended' | undefined {
    const found = super.look()
    if (found !== 'ended') return found
    const { words } = this.#way
    const position = Atomics.load(words, HEAD)
    const word = Atomics.load(words, this.#way.control(position))
    return (word & CLAIMED) === 0 || this.#isReadBefore(position, word) ? 'ended' : undefined
  }

  protected override waitsForItself(): boolean {
    return this.#isLone && this.isThisThread(this.#way.words[PRODUCER] ?? 0)
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

  /** Nobody will need the slot in which another reads, and see that it died: so it is looked at here. */
  #ended(): number {
    this.#way.ask()
    return ENDED
  }

  /** The tail has passed whatever is read. Whether it is here: then that is read which lay in the head's slot a lap ago, and there is no message. */
  #isReadBefore(position: number, word: number): boolean {
    if ((word & CLAIMED) === 0 || (word & READING) === 0) return false
    const { words } = this.#way
    const tail = Atomics.load(words, TAIL)
    return tail === position && Atomics.load(words, this.#way.control(position)) === word
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
      if (tail !== position && Atomics.load(words, way.control(position)) === word) way.passHead(position)
    }
    return false
  }
}
