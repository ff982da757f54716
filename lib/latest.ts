/**
 * The newest value of one writer. Readers never wait for it, nor it for them: the N-buffer register of Chen and Burns (1997), in
 * crate/core/src/structures/latest/register.rs.
 *
 * @module
 */

import * as check from './arguments.js'
import { ShmError, closedError, wrongType } from './errors.js'
import {
  BUFFER_LENGTH, BUFFER_VERSION, CELL_MISSED, CELL_RECEIVED, CELL_STRIDE, CELL_VALUE, CLEAR, ENDED, GATE, NEWEST, NUMBER, NUMBER_BITS, USED, feedLayout
} from './feed-layout.js'
import { PARTS } from './managed-layout.js'
import { ManagedObject, type ObjectCounters, type Opened } from './managed-object.js'
import type { Binding } from './native.js'
import { NewsWait, each, payload, room, type NewsOptions, type NewsSyncOptions } from './news.js'

/** What a latest is made with. Part of its type: who opens it says the same. */
export interface LatestOptions {
  /** The longest value, in bytes: 1 to 2^32 − 1. */
  bytes: number
  /** Readers at once, 1 to 1,000. There are two more buffers of `bytes` than readers. @default 8 */
  readers?: number
}

/** What a latest counted so far. */
export interface LatestCounters extends ObjectCounters {
  /** Values published: the newest one's version. */
  sent: number
  /** Values that readers got, all together; wraps at 2^32. */
  received: number
  /** Values that were overtaken before a reader that had got one before came to them; wraps at 2^32. */
  missed: number
}

const READERS_DEFAULT = 8

/** What an object's writer and readers work with. @internal */
class Home {
  /** No words: the segment is closed. */
  words: Int32Array | undefined
  readonly #firstBuffer: number
  readonly #stride: number

  constructor(
    readonly object: Binding.NativeObject,
    readonly buffer: ArrayBuffer,
    readonly bytes: number,
    readonly readers: number,
    readonly what: string,
    words: Int32Array
  ) {
    this.words = words
    this.#firstBuffer = PARTS + CELL_STRIDE * readers
    this.#stride = (Math.ceil((feedLayout.bufferPayload + bytes) / feedLayout.bufferAlign) * feedLayout.bufferAlign) / 4
  }

  /** The buffer of that number, 1 being the first: where its words begin. */
  at(number: number): number {
    if (number < 1 || number > this.readers + 2) throw this.error('ERR_SHM_POSSIBLY_CORRUPT', 'its words make no sense: it names no buffer')
    return this.#firstBuffer + this.#stride * (number - 1)
  }

  /** In the segment. */
  payloadAt(number: number): number {
    return this.object.offset + this.at(number) * 4 + feedLayout.bufferPayload
  }

  version(words: Int32Array, at: number): number {
    return ((words[at + BUFFER_VERSION + 1] ?? 0) >>> 0) * 2 ** 32 + ((words[at + BUFFER_VERSION] ?? 0) >>> 0)
  }

  error(code: string, message: string): ShmError {
    return new ShmError({ code, message: `${this.what}: ${message}`, objectName: this.object.name })
  }
}

/**
 * The newest value of one writer, for many readers. A read is wait-free: a bounded number of steps, whatever others do or wherever they died. The writer
 * never waits. Values are whole, and versions never go back.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class Latest extends ManagedObject {
  override readonly kind = 'latest'
  /** The longest value. */
  readonly bytes: number
  /** Readers at once. */
  readonly readers: number
  readonly #home: Home
  readonly #parts = new Set<LatestWriter | LatestReader>()

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.bytes = opened.numbers[0] ?? 0
    this.readers = opened.numbers[1] ?? 0
    this.#home = new Home(this.object, opened.buffer, this.bytes, this.readers, this.describe(), this.words)
  }

  /**
   * Becomes the writer.
   *
   * @throws {@link ShmError} `ERR_SHM_WRITER_TAKEN` where a living member is it already; the message says which. A dead one is replaced.
   */
  writer(): LatestWriter {
    this.live()
    return new LatestWriter(this.#home, this.#parts)
  }

  /**
   * Becomes a reader, with a cell of its own.
   *
   * @throws {@link ShmError} `ERR_SHM_READERS_FULL` where as many living readers as there can be are there.
   */
  reader(): LatestReader {
    this.live()
    return new LatestReader(this.#home, this.#parts)
  }

  /** What was counted so far. It looks at every reader's cell. */
  override stats(): LatestCounters {
    const { words } = this
    const home = this.#home
    let received = 0
    let missed = 0
    let sent = 0
    if (home.words !== undefined) {
      for (let cell = PARTS; cell < PARTS + home.readers * CELL_STRIDE; cell += CELL_STRIDE) {
        received += words[cell + CELL_RECEIVED] ?? 0
        missed += words[cell + CELL_MISSED] ?? 0
      }
      const number = Atomics.load(words, NEWEST) & NUMBER
      if (number !== 0) sent = home.version(words, home.at(number))
    }
    return { ...super.stats(), sent, received: received >>> 0, missed: missed >>> 0 }
  }

  /** @internal */
  protected override held(): string | undefined {
    for (const part of this.#parts) if (part instanceof LatestWriter && part.isWriting) return `a buffer of ${this.describe()}`
    return undefined
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    for (const part of this.#parts) {
      try {
        if (part instanceof LatestReader) part.endWith(reason)
        else part.close()
      } catch {
        // The memory was truncated away: nobody is there to be told.
      }
    }
    this.#home.words = undefined
  }
}

/** The one writer of a {@link Latest}, until `close()` or `end()`. */
export class LatestWriter {
  readonly #home: Home
  readonly #parts: Set<unknown>
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
  constructor(home: Home, parts: Set<LatestWriter | LatestReader>) {
    if (!(home instanceof Home)) throw wrongType('home', 'what a latest is made of', home)
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
   * Publishes a value: copies it to a free buffer and makes that the newest. Answers its version.
   *
   * @throws RangeError where it is longer than `bytes`.
   */
  write(value: Uint8Array): number {
    payload('value', value, this.#home.bytes)
    this.begin().set(value)
    return this.publish(value.byteLength)
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

/** A reader of a {@link Latest}, until `close()`. */
export class LatestReader {
  readonly #home: Home
  readonly #parts: Set<unknown>
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
  constructor(home: Home, parts: Set<LatestWriter | LatestReader>) {
    if (!(home instanceof Home)) throw wrongType('home', 'what a latest is made of', home)
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
    this.#held = held
    this.#view = undefined
    const number = held & NUMBER
    if (number === 0) return
    const home = this.#home
    const at = home.at(number)
    const length = (words[at + BUFFER_LENGTH] ?? 0) >>> 0
    this.#view = this.#viewOf(number, length > home.bytes ? home.bytes : length)
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

function copyOf(view: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(view.length)
  copy.set(view)
  return copy
}

/** What a latest's options are as numbers of its type. @internal */
export function latestNumbers(options: LatestOptions): number[] {
  const { bytes, readers } = check.options<LatestOptions>('options', options, ['bytes', 'readers'])
  return [
    check.integer('options.bytes', bytes, 1, 2 ** 32 - 1),
    readers === undefined ? READERS_DEFAULT : check.integer('options.readers', readers, 1, feedLayout.readersMax)
  ]
}
