/**
 * A reader of a latest: makes the newest buffer its own, and reads it (crate/core/src/structures/latest/register.rs).
 *
 * @module
 */

import { closedError, wrongType } from '../../errors.js'
import { BUFFER_LENGTH, BUFFER_VERSION, CELL_MISSED, CELL_RECEIVED, CELL_STRIDE, CLEAR, ENDED, NEWEST, NUMBER } from './feed-layout.js'
import { LatestHome } from './latest-home.js'
import { PARTS } from '../../managed-layout.js'
import { NewsWait, each, room, type NewsOptions, type NewsSyncOptions } from './news.js'
import { copyOf } from '../payload.js'

/** A reader of a `Latest`, until `close()`. */
export class LatestReader {
  readonly #home: LatestHome
  readonly #parts: Set<object>
  #words: Int32Array | undefined
  readonly #cellNumber: number
  /** Where its cell is. */
  readonly #cell: number
  /** What its cell names, and the view of that. */
  #held = 0
  #view: Uint8Array | undefined
  /** Its version. */
  #low = 0
  #high = 0
  readonly #views: (Uint8Array | undefined)[] = []
  readonly #news: NewsWait<Buffer>

  /** @internal */
  constructor(home: LatestHome, parts: Set<object>) {
    if (!(home instanceof LatestHome)) throw wrongType('home', 'what a latest is made of', home)
    this.#home = home
    this.#parts = parts
    const { words } = home
    if (words === undefined) throw closedError(home.what)
    this.#cellNumber = home.object.takeCell()
    this.#cell = PARTS + CELL_STRIDE * this.#cellNumber
    this.#words = words
    parts.add(this)
    this.#news = new NewsWait({
      object: home.object,
      words,
      attempt: () => this.#next(),
      watched: () => NEWEST,
      seen: () => this.#held
    })
  }

  /**
   * The newest value where it lies, without a copy: good until the next call of this reader, and the same bytes until then. `undefined`: nothing was published
   * yet. Not to be written to.
   */
  view(): Uint8Array | undefined {
    const words = this.#words
    if (words === undefined) throw closedError(`reader of ${this.#home.what}`)
    if (Atomics.load(words, NEWEST) !== this.#held) this.#hold(words)
    return this.#view
  }

  /** Copies the newest value: into a new `Buffer`, or to the beginning of `target`, answering its length. `undefined`: nothing was published yet. */
  read(): Buffer | undefined
  read(target: Uint8Array): number | undefined
  read(target?: Uint8Array): Buffer | number | undefined {
    const view = this.view()
    if (target === undefined) return view === undefined ? undefined : copyOf(view)
    const length = view === undefined ? 0 : view.length
    if (!(target instanceof Uint8Array) || target.length < length) room('target', target, length)
    if (view === undefined) return undefined
    target.set(view)
    return length
  }

  /** Where the value that was read last lies, in the segment: a multiple of 16. As good as {@link LatestReader.view}. */
  get offset(): number {
    if (this.#view === undefined) throw this.#home.error('ERR_SHM_NOT_OWNER', 'no value was read')
    return this.#home.payloadAt(this.#held & NUMBER)
  }

  /** Of the value that was read last: how many were published before it, and one. 0: none was read. */
  get version(): number {
    return (this.#high >>> 0) * 2 ** 32 + (this.#low >>> 0)
  }

  /** Whether there is a newer value than the one read last; stale the moment it returns. */
  get isNewer(): boolean {
    const words = this.#words
    if (words === undefined) throw closedError(`reader of ${this.#home.what}`)
    return Atomics.load(words, NEWEST) !== this.#held
  }

  /** A copy of the newest value if it is newer than the one read last. */
  tryNext(): Buffer | 'empty' | 'ended' {
    return this.#next() ?? 'empty'
  }

  /**
   * Waits for a value that is newer than the one read last, and blocks the thread. Answers a copy of the newest, whatever lies between. `'writerDied'` is told
   * once for each writer that dies; the next call waits for its successor.
   */
  nextSync(options?: NewsSyncOptions): Buffer | 'timedOut' | 'ended' | 'writerDied' {
    return this.#news.sync(options)
  }

  /** As {@link LatestReader.nextSync}, with the thread free meanwhile. @throws the signal's reason (as a rejection). */
  next(options?: NewsOptions): Promise<Buffer | 'timedOut' | 'ended' | 'writerDied'> {
    return this.#news.promise(options)
  }

  /** The newest value, again and again, as it is at each turn, until the writer ends. @throws {@link ShmError} `ERR_SHM_WRITER_DIED`. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    return each(this.#home.what, () => this.next())
  }

  /** Gives its cell back, for another reader. Pending promises reject. Idempotent. */
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
    this.#view = undefined
    this.#views.length = 0
    this.#parts.delete(this)
    this.#news.end(reason)
    this.#home.object.giveCellBack(this.#cellNumber)
  }

  #next(): Buffer | 'ended' | undefined {
    const words = this.#words
    if (words === undefined) throw closedError(`reader of ${this.#home.what}`)
    // Before the look at the value: what was published before the end is told before it.
    const hasEnded = Atomics.load(words, ENDED) !== 0
    if (Atomics.load(words, NEWEST) !== this.#held) {
      this.#hold(words)
      if (this.#view !== undefined) return copyOf(this.#view)
    }
    return hasEnded ? 'ended' : undefined
  }

  /** Makes the newest buffer its own. In crate/core/src/structures/latest/register.rs it is said why it is that buffer, and stays as it is. */
  #hold(words: Int32Array): void {
    const cell = this.#cell
    Atomics.store(words, cell, CLEAR)
    const newest = Atomics.load(words, NEWEST)
    const filled = Atomics.compareExchange(words, cell, CLEAR, newest)
    const held = filled === CLEAR ? newest : filled
    // Where a number makes no sense it holds nothing, so that the next call looks again.
    this.#held = 0
    const number = held & NUMBER
    const home = this.#home
    if (!home.hasBuffer(number)) this.#view = undefined
    const at = number === 0 ? 0 : home.at(number)
    this.#held = held
    if (number === 0) return
    const length = (words[at + BUFFER_LENGTH] ?? 0) >>> 0
    const view = this.#viewOf(number, length > home.bytes ? home.bytes : length)
    // To store an object costs more than to look.
    if (view !== this.#view) this.#view = view
    const low = words[at + BUFFER_VERSION] ?? 0
    words[cell + CELL_RECEIVED] = ((words[cell + CELL_RECEIVED] ?? 0) + 1) | 0
    const missed = (low - this.#low - 1) | 0
    if (missed !== 0 && (this.#low | this.#high) !== 0) words[cell + CELL_MISSED] = ((words[cell + CELL_MISSED] ?? 0) + missed) | 0
    this.#low = low
    this.#high = words[at + BUFFER_VERSION + 1] ?? 0
  }

  #viewOf(number: number, length: number): Uint8Array {
    const known = this.#views[number]
    if (known !== undefined && known.length === length) return known
    const view = new Uint8Array(this.#home.buffer, this.#home.payloadAt(number), length)
    this.#views[number] = view
    return view
  }
}
