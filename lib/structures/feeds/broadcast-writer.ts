/**
 * The writer of a broadcast: fills the next slot, whatever its readers do (crate/core/src/structures/broadcast/feed.rs).
 *
 * @module
 */

import * as check from '../../arguments.js'
import { BroadcastHome, LOW, LOW_END } from './broadcast-home.js'
import { closedError, wrongType } from '../../errors.js'
import { GATE, HEAD, SLOT_LAP, SLOT_LENGTH, SLOT_STAMP } from './feed-layout.js'
import { PARTS } from '../../managed-layout.js'
import { LOADS_IN_ORDER } from '../../memory-order.js'
import { native } from '../../native.js'
import { payload, type Payload } from '../payload.js'

/** The one writer of a `Broadcast`, until `close()` or `end()`. */
export class BroadcastWriter {
  readonly #home: BroadcastHome
  readonly #parts: Set<object>
  #words: Int32Array | undefined
  /** Of the next message. */
  #low: number
  #lap: number
  /** Where its slot's words begin. */
  #at: number
  #isWriting = false
  readonly #views: (Uint8Array | undefined)[] = []

  /** @internal */
  constructor(home: BroadcastHome, parts: Set<object>) {
    if (!(home instanceof BroadcastHome)) throw wrongType('home', 'what a broadcast is made of', home)
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
   * Sends a message: copies it to the next slot; text as UTF-8. Answers its position: how many were sent before it. Never waits.
   *
   * @throws RangeError where it is longer than `slotBytes`.
   */
  send(message: Payload): number {
    const bytes = payload('message', message, this.#home.slotBytes)
    this.claim().set(bytes)
    return this.commit(bytes.length)
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
