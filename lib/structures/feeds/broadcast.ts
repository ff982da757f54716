/**
 * What one sends and many see, each as far as it keeps up: a ring that overwrites, each slot guarded by a sequence lock that holds the message's
 * position (crate/core/src/structures/broadcast/feed.rs).
 *
 * @module
 */

import * as check from '../../arguments.js'
import { BroadcastHome } from './broadcast-home.js'
import { BroadcastReader } from './broadcast-reader.js'
import { BroadcastWriter } from './broadcast-writer.js'
import { HEAD, LOST, feedLayout } from './feed-layout.js'
import { ManagedObject, type ObjectCounters, type Opened } from '../../membership/managed-object.js'

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
  from?: 'next' | 'newest' | 'oldest' | undefined
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
  readonly #home: BroadcastHome
  readonly #parts = new Set<BroadcastWriter | BroadcastReader>()

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.slots = opened.numbers[0] ?? 0
    this.slotBytes = opened.numbers[1] ?? 0
    this.#home = new BroadcastHome(this.object, opened.buffer, this.slots, this.slotBytes, this.describe(), this.words)
  }

  /**
   * Becomes the writer. Positions go on where the one before ended, however it ended: a message that a dead one was at counts neither as sent nor as lost.
   *
   * @throws {@link ShmError} `ERR_SHM_WRITER_TAKEN` where a living member is it already; the message says which.
   * @throws {@link ShmError} `ERR_SHM_TIMED_OUT` where a system call of the dead one may write into what it had claimed for 10 seconds already. So long the
   * thread is blocked; without such a call, for about a millisecond.
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

  /** What was counted so far. @throws {@link ShmError} `ERR_SHM_POSSIBLY_CORRUPT` where the number of messages is none. */
  override stats(): BroadcastCounters {
    const { head, sent, received, words } = this.#home
    if (words !== undefined && head[HEAD] !== sent) throw this.#home.error('ERR_SHM_POSSIBLY_CORRUPT', 'its head is no number of messages')
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

/** What a broadcast's options are as numbers of its type. @internal */
export function broadcastNumbers(options: BroadcastOptions): number[] {
  const { slots, slotBytes } = check.options<BroadcastOptions>('options', options, ['slots', 'slotBytes'])
  const least = check.integer('options.slots', slots, 2, feedLayout.slotsMax)
  return [2 ** Math.ceil(Math.log2(least)), check.integer('options.slotBytes', slotBytes, 1, feedLayout.slotBytesMax)]
}
