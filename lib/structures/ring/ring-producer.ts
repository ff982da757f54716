/**
 * The end of a ring where messages go in: what every producer has, over the few steps that an algorithm gives.
 *
 * @module
 */

import * as check from '../../arguments.js'
import { OPERATION } from '../../managed-layout.js'
import { native } from '../../native.js'
import { payload, type Payload } from '../payload.js'
import { waitTerms, type AsyncWaitOptions, type WaitTerms } from '../../waits/pending.js'
import { PRODUCER_END } from './ring-layout.js'
import { ENDED, NOTHING, RingEnd, type Ready, type RingParts, type WhenFull } from './ring-parts.js'
import type { Slot } from './ring-slots.js'
import { spinLoads, type SpinOptions } from '../../waits/spinning.js'
import { WaitQueue } from '../../waits/wait-queue.js'
import type { WaitOptions } from '../../waits/waiting.js'

/** What came of sending at once. `'ended'`: one of the sides has ended, nobody will take it. */
export type TrySent = 'sent' | 'full' | 'ended'
/**
 * What came of sending. `'peerDied'`: the ring is full and its consumer died; the message was not sent. Told once for each death: the next call
 * waits for a consumer that goes on. `'full'` only where the ring is opened with `whenFull: 'fail'`.
 */
export type Sent = TrySent | 'timedOut' | 'peerDied'

/** Sends, and waits for room whatever the ring's policy is. For this library's own modules. @internal */
export let sendAndWait: (producer: Producer, message: Payload, terms: WaitTerms) => Promise<Sent>

/** How long there may be no room, with the thread blocked. */
export type SendSyncOptions = WaitOptions & SpinOptions
/** How long there may be no room, with a promise. */
export type SendOptions = AsyncWaitOptions & SpinOptions

/**
 * The end of a ring where messages go in. Made by {@link Ring.producer}.
 *
 * A message is copied in (`trySend`, `sendSync`, `send`) or written in place: `claim()` gives a slot, `commit()` publishes it. With many small messages,
 * `claimBatch()` and `commitBatch()` publish once for all of them.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT` where somebody scribbled over the ring.
 */
export abstract class Producer extends RingEnd {
  static {
    sendAndWait = (producer, message, terms) => producer.sendBy('wait', message, terms, 0)
  }

  /** What a full ring means here. */
  readonly whenFull: WhenFull
  /** Bytes of the longest message. */
  readonly slotBytes: number
  /** @internal */
  protected override readonly number = PRODUCER_END
  /** The slot in hand. */
  #claimed = NOTHING
  /** How many slots are in hand for a batch. */
  #batch = 0
  readonly #queue: WaitQueue<Sent | Ready, Payload | undefined>

  /** @internal */
  protected constructor(parts: RingParts) {
    super(parts)
    this.whenFull = parts.whenFull
    this.slotBytes = parts.slotBytes
    this.#queue = new WaitQueue<Sent | Ready, Payload | undefined>({
      object: parts.object,
      operation: OPERATION.ringRoom,
      argument: () => this.waitArgument(),
      attempt: message => {
        if (message === undefined) return this.look()
        const sent = this.trySend(message)
        return sent === 'full' ? undefined : sent
      },
      outcome: answer => this.peerDied(answer),
      all: false,
      blocked: () => this.#isBusy
    })
  }

  /**
   * Sends a copy, if there is room now.
   *
   * @throws RangeError where it is longer than a slot; {@link ShmError} `ERR_SHM_HELD` while a slot is claimed.
   */
  trySend(message: Payload): TrySent {
    const bytes = payload('message', message, this.slotBytes)
    if (this.#isBusy) this.#refuseBusy()
    const index = this.reserve()
    if (index < 0) return index === ENDED ? 'ended' : 'full'
    try {
      this.memory.bytes.set(bytes, index * this.memory.strideBytes)
    } catch (error) {
      // What only looks like an array may throw as it is read: its slot must not stand in the way of all others.
      this.withdraw(index)
      throw error
    }
    this.publish(index, bytes.length)
    return 'sent'
  }

  /**
   * Sends a copy, and blocks the thread until there is room.
   *
   * @throws as {@link Producer.trySend}; `ERR_SHM_DEADLOCK` where this thread is the consumer too, by whichever opening.
   */
  sendSync(message: Payload, options?: SendSyncOptions): Sent {
    const { timeoutMs, spinMicros } = check.options<SendSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = check.timeout('options.timeoutMs', timeoutMs)
    const loads = spinLoads(spinMicros)
    let sent: Sent = this.trySend(message)
    if (sent !== 'full' || this.whenFull === 'fail') return sent
    if (timeout === 0) return 'timedOut'
    return this.#block(timeout, loads, false, () => {
      sent = this.trySend(message)
      return sent === 'full' ? undefined : sent
    })
  }

  /**
   * Sends a copy, and leaves the thread free until there is room; messages of one environment are sent in the order of the calls. The bytes are copied when
   * there is room: leave them alone until the promise settles.
   *
   * @throws as {@link Producer.trySend}; the signal's reason (as rejections).
   */
  async send(message: Payload, options?: SendOptions): Promise<Sent> {
    const terms = waitTerms(options, ['spinMicros'])
    const loads = spinLoads(options?.spinMicros)
    return this.sendBy(this.whenFull, message, terms, loads)
  }

  /** As {@link Producer.send}, checked; streams wait whatever `whenFull` says. @internal */
  protected async sendBy(whenFull: WhenFull, message: Payload, terms: WaitTerms, loads: number): Promise<Sent> {
    if (this.#queue.length === 0) {
      const sent = this.trySend(message)
      if (sent !== 'full' || whenFull === 'fail') return sent
      if (terms.timeoutMs === 0) return 'timedOut'
      this.spin(loads, false)
    }
    this.live()
    return (await this.#queue.wait(terms, message)) as Sent
  }

  /**
   * Blocks the thread until there is room for a message, for those who write in place; `whenFull` does not matter here.
   *
   * @throws {@link ShmError} `ERR_SHM_DEADLOCK` where this thread is the consumer too, by whichever opening.
   */
  waitSync(options?: SendSyncOptions): Ready {
    const { timeoutMs, spinMicros } = check.options<SendSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = check.timeout('options.timeoutMs', timeoutMs)
    const loads = spinLoads(spinMicros)
    this.live()
    const found = this.look()
    if (found !== undefined) return found
    return timeout === 0 ? 'timedOut' : this.#block(timeout, loads, true, () => this.look())
  }

  /** Waits until there is room for a message, and leaves the thread free meanwhile. */
  async wait(options?: SendOptions): Promise<Ready> {
    const terms = waitTerms(options, ['spinMicros'])
    const loads = spinLoads(options?.spinMicros)
    this.live()
    if (this.#queue.length === 0) {
      let found = this.look()
      if (found === undefined && terms.timeoutMs > 0 && this.spin(loads, true)) found = this.look()
      if (found !== undefined) return found
      if (terms.timeoutMs === 0) return 'timedOut'
    }
    return (await this.#queue.wait(terms, undefined)) as Ready
  }

  /** Claims a slot to write in, until `commit()` or `abort()`; `undefined`: there is no room, or a side has ended. While one is claimed, the same again. */
  claim(): Slot | undefined {
    const index = this.claimIndex()
    return index < 0 ? undefined : this.memory.at(index)
  }

  /** As {@link Producer.claim}, with the slot's index in {@link RingEnd.memory}, which is quicker; below 0: there is none. */
  claimIndex(): number {
    if (this.#claimed >= 0) return this.#claimed
    if (this.#batch > 0) this.#refuseBusy()
    return (this.#claimed = this.reserve())
  }

  /**
   * Publishes the claimed slot as a message of so many bytes, all of a slot by default.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` where none is claimed.
   */
  commit(length = this.slotBytes): void {
    const index = this.#claimed
    if (index < 0) this.#refuseUnclaimed()
    if (!(length >= 0 && length <= this.slotBytes) || length !== Math.floor(length)) check.integer('length', length, 0, this.slotBytes)
    this.#claimed = NOTHING
    this.publish(index, length)
    if (this.#queue.length > 0) this.#queue.advance()
  }

  /** Gives the claimed slot, or batch, up: no message comes of it. */
  abort(): void {
    this.live()
    if (this.#claimed >= 0) this.withdraw(this.#claimed)
    this.#claimed = NOTHING
    if (this.#batch > 0) this.withdrawBatch(this.#batch)
    this.#batch = 0
    if (this.#queue.length > 0) this.#queue.advance()
  }

  /**
   * Claims up to `count` slots. Answers how many; 0: there is no room, or a side has ended. The slot of each, from 0 on, is {@link Producer.batchSlot} or
   * {@link Producer.batchIndex}. While slots are claimed, the answer is how many.
   */
  claimBatch(count: number): number {
    if (this.#batch > 0) return this.#batch
    if (!(count >= 1) || count !== Math.floor(count)) check.integer('count', count, 1, 2 ** 31 - 1)
    if (this.#claimed >= 0) this.#refuseBusy()
    return (this.#batch = this.reserveBatch(count))
  }

  /** The slot of a claimed batch's message. */
  batchSlot(message: number): Slot {
    return this.memory.at(this.batchIndex(message))
  }

  /** The index of that slot in {@link RingEnd.memory}. */
  batchIndex(message: number): number {
    if (!(message >= 0 && message < this.#batch) || message !== Math.floor(message)) check.integer('message', message, 0, this.#batch - 1)
    return this.reserved(message)
  }

  /** How many bytes a message of the batch has; one for which this is not called has all of a slot. */
  setLength(message: number, length: number): void {
    const index = this.batchIndex(message)
    if (!(length >= 0 && length <= this.slotBytes) || length !== Math.floor(length)) check.integer('length', length, 0, this.slotBytes)
    this.writeLength(index, length)
  }

  /** Publishes the first `count` messages of the claimed batch at once, all of them by default; the other slots are given up. */
  commitBatch(count = this.#batch): void {
    const batch = this.#batch
    if (batch === 0) this.#refuseUnclaimed()
    if (!(count >= 0 && count <= batch) || count !== Math.floor(count)) check.integer('count', count, 0, batch)
    this.#batch = 0
    this.publishBatch(count, batch)
    if (this.#queue.length > 0) this.#queue.advance()
  }

  /** No message follows: consumers get what is in the ring, then `'ended'`, for ever. */
  end(): void {
    this.live()
    if (this.#isBusy) this.#refuseBusy()
    native.ringEnd(this.parts.object, PRODUCER_END)
    // A wait of this end's own sleeps beside what it has just been told.
    this.#queue.pause()
    this.#queue.advance()
  }

  /** @internal */
  protected override held(): string | undefined {
    if (this.#claimed >= 0) return `a claimed slot of ring '${this.parts.name}'`
    return this.#batch > 0 ? `a batch of ${this.#batch} claimed slots of ring '${this.parts.name}'` : undefined
  }

  /** @internal */
  protected override stop(reason: () => unknown): void {
    if (this.#claimed >= 0) this.withdraw(this.#claimed)
    if (this.#batch > 0) this.withdrawBatch(this.#batch)
    this.#claimed = NOTHING
    this.#batch = 0
    this.cutOff()
    this.#queue.end(reason)
  }

  #block<Outcome>(timeout: number, loads: number, relaxed: boolean, attempt: () => Outcome | undefined): Outcome | 'timedOut' | 'peerDied' {
    if (this.waitsForItself()) throw this.error('ERR_SHM_DEADLOCK', 'this thread is its consumer too, and would wait for itself')
    // Messages that promises of this environment are to send wait behind this call.
    this.#queue.pause()
    try {
      return this.block(OPERATION.ringRoom, timeout, loads, relaxed, attempt)
    } finally {
      this.#queue.advance()
    }
  }

  get #isBusy(): boolean {
    return this.#claimed >= 0 || this.#batch > 0
  }

  #refuseBusy(): never {
    this.live()
    throw this.error('ERR_SHM_HELD', 'a slot is claimed: commit or abort it first')
  }

  #refuseUnclaimed(): never {
    this.live()
    throw this.error('ERR_SHM_NOT_OWNER', 'no slot is claimed')
  }

  // What an algorithm gives. All of them throw ERR_SHM_CLOSED after `cutOff()`.

  /** Reserves a slot: its index, {@link NOTHING} or {@link ENDED}. @internal */
  protected abstract reserve(): number
  /** Publishes what `reserve` answered last. @internal */
  protected abstract publish(index: number, length: number): void
  /** Takes it back. @internal */
  protected abstract withdraw(index: number): void
  /** Reserves up to so many slots, each with the length of a slot: how many. @internal */
  protected abstract reserveBatch(count: number): number
  /** The index of one of them. @internal */
  protected abstract reserved(message: number): number
  /** The length of one of them. @internal */
  protected abstract writeLength(index: number, length: number): void
  /** Publishes the first `count` of the `batch` that are reserved, and takes the others back. @internal */
  protected abstract publishBatch(count: number, batch: number): void
  /** Takes all back. @internal */
  protected abstract withdrawBatch(batch: number): void
  /** Whether only this thread could make room. @internal */
  protected abstract waitsForItself(): boolean
  /** The end is closed: nothing can be reserved any more. @internal */
  protected abstract cutOff(): void
}
