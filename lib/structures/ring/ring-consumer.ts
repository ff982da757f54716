/**
 * The end of a ring where messages come out: what every consumer has, over the few steps that an algorithm gives.
 *
 * @module
 */

import * as check from '../../arguments.js'
import { wrongType } from '../../errors.js'
import { OPERATION } from '../../managed-layout.js'
import { native } from '../../native.js'
import { copyOf } from '../payload.js'
import { waitTerms, type AsyncWaitOptions } from '../../waits/pending.js'
import { CONSUMER_END } from './ring-layout.js'
import { ENDED, NOTHING, RingEnd, type Ready, type RingParts } from './ring-parts.js'
import type { Slot } from './ring-slots.js'
import { spinLoads, type SpinOptions } from '../../waits/spinning.js'
import { WaitQueue } from '../../waits/wait-queue.js'
import type { WaitOptions } from '../../waits/waiting.js'

/** What came of receiving at once: a message, as a copy. `'ended'`: there is none, and none will come. */
export type TryReceived = Buffer | 'empty' | 'ended'
/**
 * What came of receiving. `'peerDied'`: the ring is empty and its producer died. Told once for each death: the next call waits for a producer that
 * goes on.
 */
export type Received = Buffer | 'timedOut' | 'ended' | 'peerDied'

/** How long there may be no message, with the thread blocked. */
export type ReceiveSyncOptions = WaitOptions & SpinOptions
/** How long there may be no message, with a promise. */
export type ReceiveOptions = AsyncWaitOptions & SpinOptions

/** How messages are iterated over. */
export interface MessagesOptions extends Pick<AsyncWaitOptions, 'signal' | 'ref'> {
  /** `'throw'`: the death of the producer ends the iteration with `ERR_SHM_PEER_DIED`; `'wait'`: it goes on with the next producer. @default 'throw' */
  onPeerDied?: 'throw' | 'wait'
}

/** After so many messages without a pause, an iteration lets the event loop run. */
const STRETCH = 1024

/**
 * The end of a ring where messages come out. Made by {@link Ring.consumer}.
 *
 * A message is copied out (`tryReceive`, `receiveSync`, `receive`, the iteration) or read in place: `take()` and `release()` one, `drain()` as many as
 * there are. What is taken is never given to another, whatever becomes of this consumer: at most once.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT` where somebody scribbled over the ring.
 */
export abstract class Consumer extends RingEnd {
  /** @internal */
  protected override readonly number = CONSUMER_END
  /** The slot in hand. */
  #taken = NOTHING
  #isDraining = false
  readonly #queue: WaitQueue<Received | Ready, 'take' | 'look'>

  /** @internal */
  protected constructor(parts: RingParts) {
    super(parts)
    this.#queue = new WaitQueue<Received | Ready, 'take' | 'look'>({
      object: parts.object,
      operation: OPERATION.ringItems,
      argument: () => this.waitArgument(),
      attempt: wish => {
        if (wish === 'look') return this.look()
        const received = this.tryReceive()
        return received === 'empty' ? undefined : received
      },
      outcome: answer => this.peerDied(answer),
      all: false,
      blocked: () => this.#isBusy
    })
  }

  /**
   * Copies the oldest message out, if there is one now.
   *
   * @throws {@link ShmError} `ERR_SHM_HELD` while a slot is taken.
   */
  tryReceive(): TryReceived {
    if (this.#isBusy) this.#refuseBusy()
    const index = this.next()
    if (index < 0) return index === ENDED ? 'ended' : 'empty'
    const start = index * this.memory.strideBytes
    const message = copyOf(this.memory.bytes.subarray(start, start + this.checkedLength(index)))
    this.free(index)
    return message
  }

  /**
   * Copies the oldest message out, and blocks the thread until there is one.
   *
   * @throws as {@link Consumer.tryReceive}; `ERR_SHM_DEADLOCK` where this thread is the producer too, by whichever opening.
   */
  receiveSync(options?: ReceiveSyncOptions): Received {
    const { timeoutMs, spinMicros } = check.options<ReceiveSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = check.timeout('options.timeoutMs', timeoutMs)
    const loads = spinLoads(spinMicros)
    const received = this.tryReceive()
    if (received !== 'empty') return received
    if (timeout === 0) return 'timedOut'
    return this.#block(timeout, loads, false, () => {
      const later = this.tryReceive()
      return later === 'empty' ? undefined : later
    })
  }

  /**
   * Copies the oldest message out, and leaves the thread free until there is one. In one environment first come, first served.
   *
   * @throws as {@link Consumer.tryReceive}; the signal's reason (as rejections).
   */
  async receive(options?: ReceiveOptions): Promise<Received> {
    const terms = waitTerms(options, ['spinMicros'])
    const loads = spinLoads(options?.spinMicros)
    if (this.#queue.length === 0) {
      let received = this.tryReceive()
      if (received === 'empty' && terms.timeoutMs > 0 && this.spin(loads, false)) received = this.tryReceive()
      if (received !== 'empty') return received
      if (terms.timeoutMs === 0) return 'timedOut'
    }
    this.live()
    return (await this.#queue.wait(terms, 'take')) as Received
  }

  /**
   * Blocks the thread until there is a message, for those who read in place. It looks less often than {@link Consumer.receiveSync} while it spins, so that
   * the producer comes ahead: two that meet at each message are slower by far.
   *
   * @throws {@link ShmError} `ERR_SHM_DEADLOCK` where this thread is the producer too, by whichever opening.
   */
  waitSync(options?: ReceiveSyncOptions): Ready {
    const { timeoutMs, spinMicros } = check.options<ReceiveSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = check.timeout('options.timeoutMs', timeoutMs)
    const loads = spinLoads(spinMicros)
    this.live()
    const found = this.look()
    if (found !== undefined) return found
    return timeout === 0 ? 'timedOut' : this.#block(timeout, loads, true, () => this.look())
  }

  /** Waits until there is a message, and leaves the thread free meanwhile. */
  async wait(options?: ReceiveOptions): Promise<Ready> {
    const terms = waitTerms(options, ['spinMicros'])
    const loads = spinLoads(options?.spinMicros)
    this.live()
    if (this.#queue.length === 0) {
      let found = this.look()
      if (found === undefined && terms.timeoutMs > 0 && this.spin(loads, true)) found = this.look()
      if (found !== undefined) return found
      if (terms.timeoutMs === 0) return 'timedOut'
    }
    return (await this.#queue.wait(terms, 'look')) as Ready
  }

  /** Takes the oldest message in place, until `release()`; its slot's `length` is the message's. `undefined`: there is none. While one is taken, the same again. */
  take(): Slot | undefined {
    const index = this.takeIndex()
    if (index < 0) return undefined
    const slot = this.memory.at(index)
    slot.length = this.checkedLength(index)
    return slot
  }

  /** As {@link Consumer.take}, with the slot's index in {@link RingEnd.memory}, which is quicker; below 0: there is none. */
  takeIndex(): number {
    if (this.#taken >= 0) return this.#taken
    if (this.#isDraining) this.#refuseBusy()
    return (this.#taken = this.next())
  }

  /** Gives the slot that was taken back to the producers: its bytes are theirs. */
  release(): void {
    const index = this.#taken
    if (index < 0) {
      this.live()
      throw this.error('ERR_SHM_NOT_OWNER', 'no slot is taken')
    }
    this.#taken = NOTHING
    this.free(index)
    if (this.#queue.length > 0) this.#queue.advance()
  }

  /**
   * Calls `onSlot` with the slot of each message that is there, `limit` at most, and its length; answers how many. After each call the slot is the producers'
   * again, so copy what you keep. What `onSlot` throws ends it: that message is taken, those behind it are not.
   */
  drain(limit: number, onSlot: (slot: Slot, length: number) => void): number {
    if (typeof onSlot !== 'function') throw wrongType('onSlot', 'a function', onSlot)
    return this.drainIndex(limit, (index, length) => {
      const slot = this.memory.at(index)
      slot.length = length
      onSlot(slot, length)
    })
  }

  /** As {@link Consumer.drain}, with the slot's index in {@link RingEnd.memory}, which is quicker. */
  drainIndex(limit: number, onIndex: (index: number, length: number) => void): number {
    if (!(limit >= 0) || (limit !== Infinity && limit !== Math.floor(limit))) check.integer('limit', limit, 0, Number.MAX_SAFE_INTEGER)
    if (typeof onIndex !== 'function') throw wrongType('onIndex', 'a function', onIndex)
    if (this.#isBusy) this.#refuseBusy()
    this.#isDraining = true
    try {
      return this.takeAll(limit, onIndex)
    } finally {
      this.#isDraining = false
      if (this.#queue.length > 0) this.#queue.advance()
    }
  }

  /** The messages as they come, as copies, until the producers end: `for await (const message of input)`. */
  async *messages(options?: MessagesOptions): AsyncGenerator<Buffer, void, void> {
    const { onPeerDied, signal, ref } = check.options<MessagesOptions>('options', options, ['onPeerDied', 'signal', 'ref'])
    const throws = onPeerDied === undefined || check.oneOf('options.onPeerDied', onPeerDied, ['throw', 'wait']) === 'throw'
    const terms = { ...(signal === undefined ? {} : { signal }), ...(ref === undefined ? {} : { ref }) }
    for (let stretch = 0; ; stretch += 1) {
      if (stretch === STRETCH) {
        await new Promise(resolve => setImmediate(resolve))
        stretch = 0
      }
      const message = await this.receive(terms)
      if (typeof message !== 'string') yield message
      else if (message === 'ended') return
      else if (throws) throw this.error('ERR_SHM_PEER_DIED', 'its producer died')
    }
  }

  /** {@link Consumer.messages}. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    return this.messages()
  }

  /** As {@link RingEnd.close}. `ERR_SHM_HELD` inside of a `drain()`. */
  override close(): void {
    if (this.#isDraining) this.#refuseBusy()
    super.close()
  }

  /** This side takes no message any more: producers get `'ended'`, for ever. */
  end(): void {
    this.live()
    native.ringEnd(this.parts.object, CONSUMER_END)
    // A wait of this end's own sleeps beside what it has just been told.
    this.#queue.pause()
    this.#queue.advance()
  }

  /** @internal */
  protected override held(): string | undefined {
    return this.#isBusy ? `a slot of ring '${this.parts.name}' that was taken` : undefined
  }

  /** @internal */
  protected override stop(reason: () => unknown): void {
    if (this.#taken >= 0) this.free(this.#taken)
    this.#taken = NOTHING
    this.cutOff()
    this.#queue.end(reason)
  }

  #block<Outcome>(timeout: number, loads: number, relaxed: boolean, attempt: () => Outcome | undefined): Outcome | 'timedOut' | 'peerDied' {
    if (this.waitsForItself()) throw this.error('ERR_SHM_DEADLOCK', 'this thread is its producer too, and would wait for itself')
    // Promises of this environment wait behind this call.
    this.#queue.pause()
    try {
      return this.block(OPERATION.ringItems, timeout, loads, relaxed, attempt)
    } finally {
      this.#queue.advance()
    }
  }

  get #isBusy(): boolean {
    return this.#taken >= 0 || this.#isDraining
  }

  #refuseBusy(): never {
    this.live()
    throw this.error('ERR_SHM_HELD', 'a slot is taken: release it first')
  }

  /** The length of the message that is taken. @internal */
  protected checkedLength(index: number): number {
    const length = this.lengthOf(index)
    return length <= this.parts.slotBytes ? length : this.refuseLength(index, length)
  }

  /** Somebody scribbled: the message is passed over. @internal */
  protected refuseLength(index: number, length: number): never {
    this.#taken = NOTHING
    this.free(index)
    throw this.error('ERR_SHM_POSSIBLY_CORRUPT', `a message says that it has ${length} bytes; a slot has ${this.parts.slotBytes}`)
  }

  /** Takes and frees in turn; an algorithm may do it in a quicker way. @internal */
  protected takeAll(limit: number, onIndex: (index: number, length: number) => void): number {
    // One that sends from its own callback, or whose producers are as quick, would never be done.
    const most = Math.min(limit, this.parts.slots)
    let count = 0
    while (count < most) {
      const index = this.next()
      if (index < 0) break
      count += 1
      const length = this.checkedLength(index)
      try {
        onIndex(index, length)
      } finally {
        this.free(index)
      }
    }
    return count
  }

  // What an algorithm gives. `next` throws ERR_SHM_CLOSED after `cutOff()`.

  /** Takes the oldest message: its slot's index, {@link NOTHING} or {@link ENDED}. @internal */
  protected abstract next(): number
  /** The length that the message says it has, as an unsigned number. @internal */
  protected abstract lengthOf(index: number): number
  /** Gives its slot back. @internal */
  protected abstract free(index: number): void
  /** Whether only this thread could send one. @internal */
  protected abstract waitsForItself(): boolean
  /** The end is closed: nothing can be taken any more. @internal */
  protected abstract cutOff(): void
}
