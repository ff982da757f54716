/**
 * A reader of a broadcast: a position of its own, and a count of what was overwritten before it came (crate/core/src/structures/broadcast/feed.rs).
 *
 * @module
 */

import * as check from '../../arguments.js'
import { BroadcastHome, LOW, LOW_END } from './broadcast-home.js'
import { closedError, wrongType, type ShmError } from '../../errors.js'
import { ENDED, LOST, SLOT_LAP, SLOT_LENGTH, SLOT_STAMP } from './feed-layout.js'
import { PARTS } from '../../managed-layout.js'
import { LOADS_IN_ORDER } from '../../memory-order.js'
import { native } from '../../native.js'
import { NewsWait, each, room, type NewsOptions, type NewsSyncOptions } from './news.js'

/** So often a read that is overtaken begins anew in one call. */
const OVERTAKEN_MAX = 1000

/** A reader of a `Broadcast`, until `close()`. */
export class BroadcastReader {
  readonly #home: BroadcastHome
  readonly #parts: Set<object>
  #words: Int32Array | undefined
  /** Of the next message. */
  #low = 0
  #lap = 0
  /** Where its slot's words begin. */
  #at = 0
  /** What its stamp was when nothing was there. */
  #seen = 0
  #received = 0
  #lost = 0
  #skipped = 0
  /** Lost since the last message that was received. */
  #pendingSkip = 0
  /** Whether a message was looked at, and not accepted yet. */
  #isLooking = false
  readonly #views: (Uint8Array | undefined)[] = []
  #scratch: Buffer | undefined
  readonly #news: NewsWait<Buffer>

  /** @internal */
  constructor(home: BroadcastHome, parts: Set<object>, position: number) {
    if (!(home instanceof BroadcastHome)) throw wrongType('home', 'what a broadcast is made of', home)
    const { words } = home
    if (words === undefined) throw closedError(home.what)
    this.#home = home
    this.#parts = parts
    this.#words = words
    this.#goTo(position)
    parts.add(this)
    this.#news = new NewsWait({
      object: home.object,
      words,
      attempt: () => this.#next(),
      watched: () => this.#at + SLOT_STAMP,
      seen: () => this.#seen
    })
  }

  /** How many messages it received. */
  get received(): number {
    return this.#received
  }

  /** How many messages were overwritten before it received them, since it began. With `received`, all that were sent since. */
  get lost(): number {
    return this.#lost
  }

  /** How many of them lay right before the message that was received last. */
  get skipped(): number {
    return this.#skipped
  }

  /** Of the message it waits for: how many are sent before it. */
  get position(): number {
    return this.#lap * LOW_END + this.#low
  }

  /**
   * Receives the next message if it is there: as a new `Buffer`, or at the beginning of `target`, answering its length.
   *
   * @throws RangeError where `target` is too small; the message stays. {@link ShmError} `ERR_SHM_BUSY` where the writer overtook the read a thousand times.
   */
  tryReceive(): Buffer | 'empty' | 'ended'
  tryReceive(target: Uint8Array): number | 'empty' | 'ended'
  tryReceive(target?: Uint8Array): Buffer | number | 'empty' | 'ended' {
    if (target !== undefined && !(target instanceof Uint8Array)) room('target', target, 0)
    return this.#receive(target) ?? 'empty'
  }

  /**
   * Waits for the next message, and blocks the thread. `'writerDied'` is told once for each writer that dies; the next call waits for its successor.
   *
   * @throws {@link ShmError} `ERR_SHM_BUSY`.
   */
  receiveSync(options?: NewsSyncOptions): Buffer | 'timedOut' | 'ended' | 'writerDied' {
    return this.#news.sync(options)
  }

  /** As {@link BroadcastReader.receiveSync}, with the thread free meanwhile. @throws the signal's reason (as a rejection). */
  receive(options?: NewsOptions): Promise<Buffer | 'timedOut' | 'ended' | 'writerDied'> {
    return this.#news.promise(options)
  }

  /** All messages from here on, until the writer ends. @throws {@link ShmError} `ERR_SHM_WRITER_DIED`; `ERR_SHM_BUSY`. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    return each(this.#home.what, () => this.receive())
  }

  /**
   * Receives up to `limit` messages (`Infinity`: all) that are there, without an allocation a message: `onMessage` gets the same buffer each time, of which the first `length` bytes
   * are the message, until it returns. Answers how many.
   */
  drain(limit: number, onMessage: (bytes: Buffer, length: number) => void): number {
    if (limit !== Infinity) check.integer('limit', limit, 0, Number.MAX_SAFE_INTEGER)
    if (typeof onMessage !== 'function') throw wrongType('onMessage', 'a function', onMessage)
    const scratch = (this.#scratch ??= Buffer.allocUnsafeSlow(this.#home.slotBytes))
    let count = 0
    while (count < limit) {
      const length = this.#receive(scratch)
      if (typeof length !== 'number') break
      count += 1
      onMessage(scratch, length)
    }
    return count
  }

  /**
   * The next message where it lies, without a copy; `undefined`: it is not there. The writer may overwrite it at any moment: what was read of it counts only if
   * {@link BroadcastReader.accept} says so afterwards. Not to be written to.
   */
  peek(): Uint8Array | undefined {
    const words = this.#live()
    this.#isLooking = false
    for (let tries = 0; tries < OVERTAKEN_MAX; tries += 1) {
      const at = this.#at
      if (this.#isThere(words, at)) {
        const length = lengthAt(words, at, this.#home.slotBytes)
        this.#isLooking = true
        return this.#viewOf(this.#low & (this.#home.slots - 1), length)
      }
      if (!this.#looksAgain(words)) return undefined
    }
    throw this.#busy()
  }

  /** Whether the message was whole all the time since {@link BroadcastReader.peek}: then it is received. Else it is lost, and counted so. */
  accept(): boolean {
    const words = this.#live()
    if (!this.#isLooking) return false
    this.#isLooking = false
    if (!LOADS_IN_ORDER) native.memoryFence()
    if (!this.#isThere(words, this.#at)) {
      this.#looksAgain(words)
      return false
    }
    this.#advance()
    return true
  }

  /** Where the message that {@link BroadcastReader.peek} found begins, in the segment: a multiple of 16. */
  get offset(): number {
    return this.#home.payloadAt(this.#low & (this.#home.slots - 1))
  }

  /** Ends it. Pending promises reject. Idempotent. */
  close(): void {
    this.endWith(() => closedError(`reader of ${this.#home.what}`))
  }

  /** `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  endWith(reason: () => unknown): void {
    if (this.#words === undefined) return
    this.#words = undefined
    this.#views.length = 0
    this.#parts.delete(this)
    this.#news.end(reason)
  }

  #next(): Buffer | 'ended' | undefined {
    const got = this.#receive(undefined)
    return typeof got === 'number' ? undefined : got
  }

  #receive(target: Uint8Array | undefined): Buffer | number | 'ended' | undefined {
    const words = this.#live()
    // Before the look at the slot: what was sent before the end is told before it.
    const hasEnded = Atomics.load(words, ENDED) !== 0
    this.#isLooking = false
    for (let tries = 0; tries < OVERTAKEN_MAX; tries += 1) {
      const at = this.#at
      if (this.#isThere(words, at)) {
        const { slots, slotBytes } = this.#home
        const length = lengthAt(words, at, slotBytes)
        if (target !== undefined && target.length < length) {
          // A length that the writer is just changing is none.
          if (this.#isThere(words, at)) room('target', target, length)
          continue
        }
        const got = target ?? Buffer.allocUnsafe(length)
        got.set(this.#viewOf(this.#low & (slots - 1), length))
        if (!LOADS_IN_ORDER) native.memoryFence()
        if (this.#isThere(words, at)) {
          this.#advance()
          return target === undefined ? (got as Buffer) : length
        }
      }
      if (!this.#looksAgain(words)) return hasEnded ? 'ended' : undefined
    }
    throw this.#busy()
  }

  /** Whether the slot holds the message of this position, whole. */
  #isThere(words: Int32Array, at: number): boolean {
    return Atomics.load(words, at + SLOT_STAMP) === ((this.#low << 1) | 1) && Atomics.load(words, at + SLOT_LAP) === this.#lap
  }

  #advance(): void {
    this.#received += 1
    this.#home.received += 1
    const { slots, stride } = this.#home
    if (this.#low === LOW) {
      this.#low = 0
      this.#lap += 1
    } else this.#low += 1
    this.#at = PARTS + (this.#low & (slots - 1)) * stride
    this.#skipped = this.#pendingSkip
    this.#pendingSkip = 0
  }

  /**
   * Whether to look again, as the message of this position was just sent, or was overwritten: then it goes on behind, not at the very oldest, which is
   * overwritten next, and counts what that loses.
   */
  #looksAgain(words: Int32Array): boolean {
    const at = this.#at
    const { slots } = this.#home
    const position = this.position
    let there = -1
    for (let tries = 0; tries < OVERTAKEN_MAX && there < 0; tries += 1) {
      const stamp = Atomics.load(words, at + SLOT_STAMP)
      const lap = Atomics.load(words, at + SLOT_LAP)
      // Stamp and lap of one message.
      if (Atomics.load(words, at + SLOT_STAMP) === stamp) there = (lap >>> 0) * LOW_END + (stamp >>> 1)
      this.#seen = stamp
    }
    // What it waits for is another stamp than it saw: this one is it.
    if (there === position && (this.#seen & 1) !== 0) return true
    if (there <= position || there >= Number.MAX_SAFE_INTEGER) return false
    const oldest = Math.max(this.#home.sent, there + 1) - slots
    const next = Math.max(oldest + (slots >>> 3), position + 1)
    const lost = next - position
    this.#lost += lost
    this.#pendingSkip += lost
    Atomics.add(words, LOST, lost | 0)
    this.#goTo(next)
    return true
  }

  #goTo(position: number): void {
    const { slots, stride } = this.#home
    this.#low = position % LOW_END
    this.#lap = Math.floor(position / LOW_END)
    this.#at = PARTS + (this.#low & (slots - 1)) * stride
  }

  #viewOf(slot: number, length: number): Uint8Array {
    const known = this.#views[slot]
    if (known !== undefined && known.length === length) return known
    const view = new Uint8Array(this.#home.buffer, this.#home.payloadAt(slot), length)
    this.#views[slot] = view
    return view
  }

  #live(): Int32Array {
    const words = this.#words
    if (words === undefined) throw closedError(`reader of ${this.#home.what}`)
    return words
  }

  #busy(): ShmError {
    return this.#home.error('ERR_SHM_BUSY', `the writer overtook the read ${OVERTAKEN_MAX} times`)
  }
}

function lengthAt(words: Int32Array, at: number, most: number): number {
  const length = (words[at + SLOT_LENGTH] ?? 0) >>> 0
  return length > most ? most : length
}
