/**
 * The writer of a latest: fills a buffer that is nobody's, and names it (crate/core/src/structures/latest/register.rs).
 *
 * @module
 */

import * as check from '../../arguments.js'
import { closedError, wrongType } from '../../errors.js'
import { BUFFER_LENGTH, BUFFER_VERSION, CELL_STRIDE, CELL_VALUE, CLEAR, GATE, NEWEST, NUMBER, NUMBER_BITS, USED } from './feed-layout.js'
import { LatestHome } from './latest-home.js'
import { PARTS } from '../../managed-layout.js'
import { payload, type Payload } from '../payload.js'

/** The one writer of a `Latest`, until `close()` or `end()`. */
export class LatestWriter {
  readonly #home: LatestHome
  readonly #parts: Set<object>
  #words: Int32Array | undefined
  /** By number of a buffer: the round in which it was somebody's. */
  readonly #taken = new Int32Array(NUMBER + 1)
  #round = 0
  readonly #views: (Uint8Array | undefined)[] = []
  /** The buffer that is written to; 0: none. */
  #number = 0
  #low = 0
  #high = 0

  /** @internal */
  constructor(home: LatestHome, parts: Set<object>) {
    if (!(home instanceof LatestHome)) throw wrongType('home', 'what a latest is made of', home)
    this.#home = home
    this.#parts = parts
    const { words } = home
    if (words === undefined) throw closedError(home.what)
    home.object.takeSeat()
    this.#words = words
    parts.add(this)
    const newest = Atomics.load(words, NEWEST) & NUMBER
    if (newest === 0 || newest > home.readers + 2) return
    const at = home.at(newest)
    this.#low = words[at + BUFFER_VERSION] ?? 0
    this.#high = words[at + BUFFER_VERSION + 1] ?? 0
  }

  /** How many values were published, by this writer and those before it: the version of the last one. */
  get version(): number {
    return (this.#high >>> 0) * 2 ** 32 + (this.#low >>> 0)
  }

  /** Whether a buffer was begun and not published yet. */
  get isWriting(): boolean {
    return this.#number !== 0
  }

  /**
   * Publishes a value: copies it to a free buffer and makes that the newest; text as UTF-8. Answers its version.
   *
   * @throws RangeError where it is longer than `bytes`.
   */
  write(value: Payload): number {
    const bytes = payload('value', value, this.#home.bytes)
    this.begin().set(bytes)
    return this.publish(bytes.length)
  }

  /** A free buffer to write the next value to, as long as a value can be; what is in it is an old one. Called again before `publish`, the same buffer. */
  begin(): Uint8Array {
    if (this.#number === 0) this.#number = this.#choose()
    const number = this.#number
    const known = this.#views[number]
    if (known !== undefined) return known
    const view = new Uint8Array(this.#home.buffer, this.#home.payloadAt(number), this.#home.bytes)
    this.#views[number] = view
    return view
  }

  /** Where the buffer begins, in the segment: a multiple of 16. Of the last `begin`. */
  get offset(): number {
    return this.#home.payloadAt(this.#begun())
  }

  /**
   * Publishes what was written since `begin`: its first `length` bytes. Answers its version.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` without a `begin` before.
   */
  publish(length: number = this.#home.bytes): number {
    if (!(Number.isInteger(length) && length >= 0 && length <= this.#home.bytes)) check.integer('length', length, 0, this.#home.bytes)
    const number = this.#begun()
    const words = this.#words
    if (words === undefined) throw closedError(this.#home.what)
    const at = this.#home.at(number)
    this.#low = (this.#low + 1) | 0
    if (this.#low === 0) this.#high = (this.#high + 1) | 0
    words[at + BUFFER_VERSION] = this.#low
    words[at + BUFFER_VERSION + 1] = this.#high
    words[at + BUFFER_LENGTH] = length
    this.#number = 0
    Atomics.store(words, NEWEST, (this.#low << NUMBER_BITS) | number)
    if (Atomics.load(words, GATE) !== 0) this.#home.object.tellNews()
    return this.version
  }

  /** Publishes nothing of what was written since `begin`. */
  abort(): void {
    this.#number = 0
  }

  /** Says that nothing follows, and gives the seat up. A writer that comes later begins anew. */
  end(): void {
    this.#leave(true)
  }

  /** Gives the seat up: another may become the writer. What was begun is not published. Idempotent. */
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
    this.#number = 0
    this.#views.length = 0
    this.#parts.delete(this)
    this.#home.object.leaveSeat(ends)
  }

  #begun(): number {
    if (this.#number === 0) {
      if (this.#words === undefined) throw closedError(`writer of ${this.#home.what}`)
      throw this.#home.error('ERR_SHM_NOT_OWNER', 'no buffer was begun')
    }
    return this.#number
  }

  /** A buffer that is neither the newest nor any reader's, and that no reader can come to before it is published. */
  #choose(): number {
    const words = this.#words
    if (words === undefined) throw closedError(`writer of ${this.#home.what}`)
    const taken = this.#taken
    const round = (this.#round = (this.#round + 1) | 0)
    const newest = Atomics.load(words, NEWEST)
    taken[newest & NUMBER] = round
    const { readers } = this.#home
    // Cells behind were never a reader's; who takes one from now on finds the newest of now, or a later one.
    const used = Math.min(Atomics.load(words, USED) >>> 0, readers)
    for (let index = 0, cell = PARTS + CELL_VALUE; index < used; index += 1, cell += CELL_STRIDE) {
      let value = Atomics.load(words, cell)
      if (value === CLEAR) {
        // A reader chooses. It may know a newest that is none any more.
        const before = Atomics.compareExchange(words, cell, CLEAR, newest)
        value = before === CLEAR ? newest : before
      }
      taken[value & NUMBER] = round
    }
    for (let number = 1; number <= readers + 2; number += 1) if (taken[number] !== round) return number
    throw this.#home.error('ERR_SHM_POSSIBLY_CORRUPT', 'its words make no sense: no buffer is free')
  }
}
