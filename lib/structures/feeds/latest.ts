/**
 * The newest value of one writer. Readers never wait for it, nor it for them: the N-buffer register of Chen and Burns (1997), in
 * crate/core/src/structures/latest/register.rs.
 *
 * @module
 */

import * as check from '../../arguments.js'
import { NEWEST, NUMBER, feedLayout } from './feed-layout.js'
import { LatestHome, latestCounts } from './latest-home.js'
import { LatestReader } from './latest-reader.js'
import { LatestWriter } from './latest-writer.js'
import { ManagedObject, type ObjectCounters, type Opened } from '../../membership/managed-object.js'

/** What a latest is made with. Part of its type: who opens it says the same. */
export interface LatestOptions {
  /** The longest value, in bytes: 1 to 2^32 − 1. */
  bytes: number
  /** Readers at once, 1 to 1,000. There are two more buffers of `bytes` than readers. @default 8 */
  readers?: number | undefined
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
  readonly #home: LatestHome
  readonly #parts = new Set<LatestWriter | LatestReader>()

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.bytes = opened.numbers[0] ?? 0
    this.readers = opened.numbers[1] ?? 0
    this.#home = new LatestHome(this.object, opened.buffer, this.bytes, this.readers, this.describe(), this.words)
  }

  /**
   * Becomes the writer.
   *
   * @throws {@link ShmError} `ERR_SHM_WRITER_TAKEN` where a living member is it already; the message says which. A dead one is replaced.
   * @throws {@link ShmError} `ERR_SHM_TIMED_OUT` where a system call of the dead one may write into what it had claimed for 10 seconds already. So long the
   * thread is blocked; without such a call, for about a millisecond.
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

  /** What was counted so far. It looks at every reader's cell. @throws {@link ShmError} `ERR_SHM_POSSIBLY_CORRUPT` where the register names no buffer. */
  override stats(): LatestCounters {
    const { words } = this.#home
    if (words === undefined) return { ...super.stats(), sent: 0, received: 0, missed: 0 }
    const newest = Atomics.load(words, NEWEST) & NUMBER
    if (newest !== 0) this.#home.at(newest)
    return { ...super.stats(), ...latestCounts(words, this.bytes, this.readers) }
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

/** What a latest's options are as numbers of its type. @internal */
export function latestNumbers(options: LatestOptions): number[] {
  const { bytes, readers } = check.options<LatestOptions>('options', options, ['bytes', 'readers'])
  return [
    check.integer('options.bytes', bytes, 1, 2 ** 32 - 1),
    readers === undefined ? READERS_DEFAULT : check.integer('options.readers', readers, 1, feedLayout.readersMax)
  ]
}
