/**
 * What one sends and many see, each as far as it keeps up: a ring that overwrites, each slot guarded by a sequence lock that holds the message's
 * position (crate/core/src/structures/broadcast/feed.rs).
 *
 * @module
 */

import * as check from './arguments.js'
import { ShmError, closedError, wrongType } from './errors.js'
import { ENDED, GATE, HEAD, LOST, SLOT_LAP, SLOT_LENGTH, SLOT_STAMP, feedLayout } from './feed-layout.js'
import { PARTS } from './managed-layout.js'
import { ManagedObject, type ObjectCounters, type Opened } from './managed-object.js'
import { LOADS_IN_ORDER } from './memory-order.js'
import { native, type Binding } from './native.js'
import { NewsWait, each, payload, room, type NewsOptions, type NewsSyncOptions } from './news.js'

/** What a broadcast is made with. Part of its type: who opens it says the same. */
export interface BroadcastOptions {
  /** How many messages can be behind the newest before they are overwritten: 2 to 2^24, rounded up to a power of two. */
  slots: number
  /** The longest message, in bytes: 1 to 2^30. */
  slotBytes: number
}

/** With which message a reader begins. */
export interface BroadcastReaderOptions {
  /** `'next'`: the next one that is sent. `'newest'`: the newest that was sent. `'oldest'`: the oldest that is there. @default 'next' */
  from?: 'next' | 'newest' | 'oldest'
}

/** What a broadcast counted so far. */
export interface BroadcastCounters extends ObjectCounters {
  /** Messages sent, by all writers one after the other. */
  sent: number
  /** Messages received by the readers of this environment, since it opened the broadcast. Readers write nothing that others see, except what follows. */
  received: number
  /** Messages that readers found overwritten, all together; wraps at 2^32. */
  lost: number
}

/** So often a read that is overtaken begins anew in one call. */
const OVERTAKEN_MAX = 1000
/** A position is lap × 2^31 + low, so that both are small numbers. */
const LOW_BITS = 31
const LOW_END = 2 ** LOW_BITS
const LOW = LOW_END - 1

/** What an object's writer and readers work with. @internal */
class Home {
  /** No words: the segment is closed. */
  words: Int32Array | undefined
  readonly head: Float64Array
  readonly stride: number
  received = 0

  constructor(
    readonly object: Binding.NativeObject,
    readonly buffer: ArrayBuffer,
    readonly slots: number,
    readonly slotBytes: number,
    readonly what: string,
    words: Int32Array
  ) {
    this.words = words
    this.head = new Float64Array(buffer, object.offset, PARTS / 2)
    this.stride = (Math.ceil((feedLayout.slotPayload + slotBytes) / feedLayout.slotAlign) * feedLayout.slotAlign) / 4
  }

  /** How many messages were sent, as far as it was counted. */
  get sent(): number {
    const head = this.head[HEAD] ?? 0
    return head >= 0 && head <= Number.MAX_SAFE_INTEGER ? Math.floor(head) : 0
  }

  payloadAt(slot: number): number {
    return this.object.offset + (PARTS + slot * this.stride) * 4 + feedLayout.slotPayload
  }

  error(code: string, message: string): ShmError {
    return new ShmError({ code, message: `${this.what}: ${message}`, objectName: this.object.name })
  }
}

/**
 * One writer, many readers: each reader sees every message, or is told exactly how many it lost. The writer never waits, and readers cost it nothing.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class Broadcast extends ManagedObject {
  override readonly kind = 'broadcast'
  /** A power of two. */
  readonly slots: number
  /** The longest message. */
  readonly slotBytes: number
  readonly #home: Home
  readonly #parts = new Set<BroadcastWriter | BroadcastReader>()

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.slots = opened.numbers[0] ?? 0
    this.slotBytes = opened.numbers[1] ?? 0
    this.#home = new Home(this.object, opened.buffer, this.slots, this.slotBytes, this.describe(), this.words)
  }

  /**
   * Becomes the writer. Positions go on where the one before ended, however it ended: a message that a dead one was at counts neither as sent nor as lost.
   *
   * @throws {@link ShmError} `ERR_SHM_WRITER_TAKEN` where a living member is it already; the message says which.
   */
  writer(): BroadcastWriter {
    this.live()
    return new BroadcastWriter(this.#home, this.#parts)
  }

  /** A reader, with a position of its own. Nobody knows of it, so there can be any number. */
  reader(options?: BroadcastReaderOptions): BroadcastReader {
    const { from } = check.options<BroadcastReaderOptions>('options', options, ['from'])
    const where = from === undefined ? 'next' : check.oneOf('options.from', from, ['next', 'newest', 'oldest'])
    this.live()
    const { sent } = this.#home
    const position = where === 'next' ? sent : where === 'newest' ? sent - 1 : sent + 1 - this.slots
    return new BroadcastReader(this.#home, this.#parts, Math.max(0, position))
  }

  /** What was counted so far. */
  override stats(): BroadcastCounters {
    const { sent, received, words } = this.#home
    return { ...super.stats(), sent, received, lost: (words?.[LOST] ?? 0) >>> 0 }
  }

  /** @internal */
  protected override held(): string | undefined {
    for (const part of this.#parts) if (part instanceof BroadcastWriter && part.isWriting) return `a slot of ${this.describe()}`
    return undefined
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    for (const part of this.#parts) {
      try {
        if (part instanceof BroadcastReader) part.endWith(reason)
        else part.close()
      } catch {
        // The memory was truncated away: nobody is there to be told.
      }
    }
    this.#home.words = undefined
  }
}

/** The one writer of a {@link Broadcast}, until `close()` or `end()`. */
export class BroadcastWriter {
  readonly #home: Home
  readonly #parts: Set<unknown>
  #words: Int32Array | undefined
  /** Of the next message. */
  #low: number
  #lap: number
  /** Where its slot's words begin. */
  #at: number
  #isWriting = false
  readonly #views: (Uint8Array | undefined)[] = []

  /** @internal */
  constructor(home: Home, parts: Set<BroadcastWriter | BroadcastReader>) {
    if (!(home instanceof Home)) throw wrongType('home', 'what a broadcast is made of', home)
    const { words } = home
    if (words === undefined) throw closedError(home.what)
    // The native side counts what a dead writer had sent and not counted.
    home.object.takeSeat()
    this.#home = home
    this.#parts = parts
    this.#words = words
    const { sent } = home
    this.#low = sent % LOW_END
    this.#lap = Math.floor(sent / LOW_END)
    this.#at = PARTS + (this.#low & (home.slots - 1)) * home.stride
    parts.add(this)
  }

  /** How many messages were sent, by this writer and those before it: the next one's position. */
  get sent(): number {
    return this.#lap * LOW_END + this.#low
  }

  /** Whether a slot was claimed and not committed yet. */
  get isWriting(): boolean {
    return this.#isWriting
  }

  /**
   * Sends a message: copies it to the next slot. Answers its position: how many were sent before it. Never waits.
   *
   * @throws RangeError where it is longer than `slotBytes`.
   */
  send(message: Uint8Array): number {
    payload('message', message, this.#home.slotBytes)
    this.claim().set(message)
    return this.commit(message.byteLength)
  }

  /**
   * The next slot, to write a message to where it will lie; as long as a message can be. What was in it is gone for the readers from now on, though nothing is
   * sent. Called again before `commit`, the same slot.
   */
  claim(): Uint8Array {
    const words = this.#words
    if (words === undefined) throw closedError(`writer of ${this.#home.what}`)
    const home = this.#home
    const at = this.#at
    const slot = this.#low & (home.slots - 1)
    if (!this.#isWriting) {
      Atomics.store(words, at + SLOT_STAMP, this.#low << 1)
      // Who reads one of the bytes that are written from now on sees the stamp before them.
      if (!LOADS_IN_ORDER) native.memoryFence()
      words[at + SLOT_LAP] = this.#lap
      this.#isWriting = true
    }
    const known = this.#views[slot]
    if (known !== undefined) return known
    const view = new Uint8Array(home.buffer, home.payloadAt(slot), home.slotBytes)
    this.#views[slot] = view
    return view
  }

  /** Where the claimed slot's message begins, in the segment: a multiple of 16. */
  get offset(): number {
    this.#claimed()
    return this.#home.payloadAt(this.#low & (this.#home.slots - 1))
  }

  /**
   * Sends what was written since `claim`: its first `length` bytes. Answers its position.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` without a `claim` before.
   */
  commit(length: number = this.#home.slotBytes): number {
    const home = this.#home
    if (!(Number.isInteger(length) && length >= 0 && length <= home.slotBytes)) check.integer('length', length, 0, home.slotBytes)
    const words = this.#claimed()
    const at = this.#at
    words[at + SLOT_LENGTH] = length
    const low = this.#low
    const position = this.#lap * LOW_END + low
    Atomics.store(words, at + SLOT_STAMP, (low << 1) | 1)
    // One store, so that a kill leaves this position or the next.
    home.head[HEAD] = position + 1
    this.#isWriting = false
    if (low === LOW) {
      this.#low = 0
      this.#lap += 1
    } else this.#low = low + 1
    this.#at = PARTS + (this.#low & (home.slots - 1)) * home.stride
    if (Atomics.load(words, GATE) !== 0) home.object.tellNews()
    return position
  }

  /** Sends nothing of what was written since `claim`. The message that the slot held before stays lost. */
  abort(): void {
    this.#isWriting = false
  }

  /** Says that nothing follows, and gives the seat up. Readers are told when they have received all. A writer that comes later goes on. */
  end(): void {
    this.#leave(true)
  }

  /** Gives the seat up: another may become the writer. What was claimed is not sent. Idempotent. */
  close(): void {
    this.#leave(false)
  }

  /** `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }

  #leave(ends: boolean): void {
    if (this.#words === undefined) return
    this.#words = undefined
    this.#isWriting = false
    this.#views.length = 0
    this.#parts.delete(this)
    this.#home.object.leaveSeat(ends)
  }

  #claimed(): Int32Array {
    const words = this.#words
    if (words === undefined) throw closedError(`writer of ${this.#home.what}`)
    if (!this.#isWriting) throw this.#home.error('ERR_SHM_NOT_OWNER', 'no slot was claimed')
    return words
  }
}

/** A reader of a {@link Broadcast}, until `close()`. */
export class BroadcastReader {
  readonly #home: Home
  readonly #parts: Set<unknown>
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
  constructor(home: Home, parts: Set<BroadcastWriter | BroadcastReader>, position: number) {
    if (!(home instanceof Home)) throw wrongType('home', 'what a broadcast is made of', home)
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
   * Receives up to `limit` messages that are there, without an allocation a message: `onMessage` gets the same buffer each time, of which the first `length` bytes
   * are the message, until it returns. Answers how many.
   */
  drain(limit: number, onMessage: (bytes: Buffer, length: number) => void): number {
    check.integer('limit', limit, 0, Number.MAX_SAFE_INTEGER)
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
        const got = target ?? Buffer.allocUnsafeSlow(length)
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

/** What a broadcast's options are as numbers of its type. @internal */
export function broadcastNumbers(options: BroadcastOptions): number[] {
  const { slots, slotBytes } = check.options<BroadcastOptions>('options', options, ['slots', 'slotBytes'])
  const least = check.integer('options.slots', slots, 2, feedLayout.slotsMax)
  return [2 ** Math.ceil(Math.log2(least)), check.integer('options.slotBytes', slotBytes, 1, feedLayout.slotBytesMax)]
}
