/**
 * Rings: messages from one or many producers to one or many consumers, in shared memory, without a lock.
 *
 * @module
 */

import type { Readable, Writable } from 'node:stream'
import * as check from '../../arguments.js'
import { wrongType } from '../../errors.js'
import { ManagedObject, type ObjectCounters, type Opened } from '../../membership/managed-object.js'
import { memberOf, type Member } from '../../membership/members.js'
import { native } from '../../native.js'
import type { Consumer } from './ring-consumer.js'
import { CONSUMER_END, CONSUMER_LAPS, FULL, HEAD, LOST, PRODUCER_END, PRODUCER_LAPS, RECOVERED, TAIL, TAKEN, ring as layout } from './ring-layout.js'
import { ManyConsumer, ManyProducer } from './ring-many.js'
import { OneConsumer, OneProducer } from './ring-one.js'
import { endEnd, heldAtEnd, type RingEnd, type RingParts, type WhenFull } from './ring-parts.js'
import type { Producer } from './ring-producer.js'
import { SlotMemory } from './ring-slots.js'
import { CLEARED_COUNT, SKIPPED_COUNT } from './ring-way.js'
import { readableOf, writableOf, type RingReadableOptions, type RingWritableOptions } from './ring-streams.js'

/** What a ring is made with. Who opens one says the same, but for `'wait'` and `'fail'`. */
export interface RingOptions {
  /** How many messages it holds: 2 to 2^24, rounded up to a power of two. */
  slots: number
  /** Bytes of the longest message: 1 to 2^30. */
  slotBytes: number
  /** Whether one member at a time may have the end where messages go in, or any number. @default 'one' */
  producers?: 'one' | 'many' | undefined
  /** The same for the end where they come out. Each message goes to one of the consumers. @default 'one' */
  consumers?: 'one' | 'many' | undefined
  /**
   * What sending into a full ring does: `'wait'` until there is room; `'fail'`: answer `'full'` at once; `'dropOldest'`: take the oldest message away, which
   * counts as lost. The first two are a matter of the opener, the last one of the ring. @default 'wait'
   */
  whenFull?: WhenFull | undefined
}

/** What a ring counted, since it was made, by all members together. */
export interface RingCounters extends ObjectCounters {
  /** Messages sent. */
  sent: number
  /** Messages that a consumer took. */
  received: number
  /** Messages that nobody gets: in the hands of a consumer that died, or dropped. Modulo 2^32. */
  lost: number
  /** Ends, or slots, that were taken over from the dead. Modulo 2^32. */
  recovered: number
  /** How often a producer found it full. Modulo 2^32. */
  full: number
}

/** Sets what a full ring means to producers that are made from now on. For this library's own modules. @internal */
export let setWhenFull: (ring: Ring, whenFull: WhenFull) => void

/**
 * A ring of a managed segment: messages of up to `slotBytes` bytes, first in, first out.
 *
 * Each end is taken by who uses it: {@link Ring.producer}, {@link Ring.consumer}. Whoever has one may be killed at any moment: the next one goes on, nothing is
 * torn, nothing comes twice, and lost is at most the one message that a dead consumer had in its hands.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT` where somebody scribbled over it.
 */
export class Ring extends ManagedObject {
  override readonly kind = 'ring'
  static {
    setWhenFull = (ring, whenFull) => {
      ring.#whenFull = whenFull
    }
  }

  /** How many messages it holds, as rounded up. */
  readonly slots: number
  /** Bytes of the longest message. */
  readonly slotBytes: number
  /** How many may have the end where messages go in. */
  readonly producers: 'one' | 'many'
  /** How many may have the end where they come out. */
  readonly consumers: 'one' | 'many'
  readonly #flags: number
  #whenFull: WhenFull = 'wait'
  readonly #memory: SlotMemory
  readonly #controlStride: number
  readonly #ends = new Set<RingEnd>()

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    const [slots = 0, slotBytes = 0, flags = 0] = opened.numbers
    const { payload, stride, controlStride } = native.ringGeometry(slots, slotBytes, flags)
    this.slots = slots
    this.slotBytes = slotBytes
    this.producers = (flags & layout.manyProducers) === 0 ? 'one' : 'many'
    this.consumers = (flags & layout.manyConsumers) === 0 ? 'one' : 'many'
    this.#flags = flags
    this.#memory = new SlotMemory(opened.buffer, opened.object.offset + payload, slots, slotBytes, stride)
    this.#controlStride = controlStride / 4
  }

  /** What sending into a full ring does here. */
  get whenFull(): WhenFull {
    return (this.#flags & layout.dropOldest) === 0 ? this.#whenFull : 'dropOldest'
  }

  /**
   * Takes the end where messages go in, until its `close()`; that of a dead producer too.
   *
   * @throws {@link ShmError} `ERR_SHM_PRODUCER_TAKEN` where a ring of one producer has one, in whichever process.
   * @throws {@link ShmError} `ERR_SHM_TIMED_OUT` where a system call of the dead one may write into what it had claimed for 10 seconds already. So long the
   * thread is blocked; without such a call, for about a millisecond.
   */
  producer(): Producer {
    const parts = this.#parts()
    return this.#taken(this.#flags === 0 ? new OneProducer(parts) : new ManyProducer(parts))
  }

  /**
   * Takes the end where messages come out, until its `close()`; that of a dead consumer too.
   *
   * @throws {@link ShmError} `ERR_SHM_CONSUMER_TAKEN` where a ring of one consumer has one, in whichever process.
   */
  consumer(): Consumer {
    const parts = this.#parts()
    return this.#taken(this.#flags === 0 ? new OneConsumer(parts) : new ManyConsumer(parts))
  }

  /**
   * The messages as a stream of Node's: the end where they come out is its own, and given back with it. It ends when the producers have ended, and fails with
   * `ERR_SHM_PEER_DIED` when the producer dies.
   *
   * @throws {@link ShmError} as {@link Ring.consumer}.
   */
  readable(options?: RingReadableOptions): Readable {
    return readableOf(() => this.consumer(), options)
  }

  /**
   * A stream of Node's that sends: the end where messages go in is its own. `end()` ends the ring's producers, when all is sent; destroyed before that, it gives the
   * end back to who goes on. A full ring holds the stream back, whatever `whenFull` says, but for `'dropOldest'`.
   *
   * @throws {@link ShmError} as {@link Ring.producer}.
   */
  writable(options?: RingWritableOptions): Writable {
    return writableOf(() => this.producer(), this.slotBytes, options)
  }

  /** Messages that are in it; stale the moment it returns. */
  get length(): number {
    this.live()
    return ringLength(this.words, this.#flags, this.slots)
  }

  /** Who has the end where messages go in, alive or dead; nothing while nobody has, or where many may. */
  get producerMember(): Member | undefined {
    return this.#member(PRODUCER_END)
  }

  /** Who has the end where messages come out, alive or dead; nothing while nobody has, or where many may. */
  get consumerMember(): Member | undefined {
    return this.#member(CONSUMER_END)
  }

  /** What was counted so far. */
  override stats(): RingCounters {
    return { ...super.stats(), ...ringCounts(this.words, this.#flags) }
  }

  /** @internal */
  protected override held(): string | undefined {
    for (const end of this.#ends) {
      const held = heldAtEnd(end)
      if (held !== undefined) return held
    }
    return undefined
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    for (const end of this.#ends) endEnd(end, reason)
  }

  #parts(): RingParts {
    this.live()
    return {
      name: this.name,
      object: this.object,
      words: this.words,
      token: this.token,
      slots: this.slots,
      slotBytes: this.slotBytes,
      flags: this.#flags,
      memory: this.#memory,
      controlStride: this.#controlStride,
      whenFull: this.whenFull,
      closed: end => this.#ends.delete(end)
    }
  }

  #member(end: number): Member | undefined {
    const member = native.ringOwner(this.object, end)
    return member === null || member === undefined ? undefined : memberOf(member, this.token)
  }

  #taken<End extends RingEnd>(end: End): End {
    this.#ends.add(end)
    return end
  }
}

/** What the words of a ring with those flags counted. @internal */
export function ringCounts(words: Int32Array, flags: number): Omit<RingCounters, keyof ObjectCounters> {
  const small = (index: number): number => (words[index] ?? 0) >>> 0
  // Before the positions, which come before what is counted here.
  const [skipped, unread] = flags === 0 ? [0, 0] : [small(SKIPPED_COUNT), small(CLEARED_COUNT) + small(LOST)]
  return {
    sent: total(small(PRODUCER_LAPS), small(TAIL)) - skipped,
    received: total(small(CONSUMER_LAPS), small(flags === 0 ? TAKEN : HEAD)) - unread,
    lost: small(LOST),
    recovered: small(RECOVERED),
    full: small(FULL)
  }
}

/** Messages in a ring with those flags and slots. @internal */
export function ringLength(words: Int32Array, flags: number, slots: number): number {
  const head = Atomics.load(words, flags === 0 ? TAKEN : HEAD)
  const length = (Atomics.load(words, TAIL) - head) >>> 0
  return Math.min(length, slots)
}

/** Messages in all, from a position that wraps and the count of the quarters that it passed, which may be one behind (crate/core/src/structures/ring/one.rs). */
function total(laps: number, position: number): number {
  const ahead = ((position >>> 30) - laps) & 3
  const quarters = ahead === 3 ? Math.max(laps - 1, 0) : laps + ahead
  return quarters * 2 ** 30 + (position & (2 ** 30 - 1))
}

/** What a ring's options are as the numbers of its type, and what its opener wishes. @internal */
export function ringPlan(options: RingOptions): { numbers: number[]; whenFull: WhenFull } {
  if (options === undefined) throw wrongType('options', 'an object', options)
  const { slots, slotBytes, producers, consumers, whenFull } = check.options<RingOptions>('options', options, ['slots', 'slotBytes', 'producers', 'consumers', 'whenFull'])
  const wished = check.integer('options.slots', slots, layout.slotsMin, layout.slotsMax)
  const policy = whenFull === undefined ? 'wait' : check.oneOf('options.whenFull', whenFull, ['wait', 'fail', 'dropOldest'])
  const flags =
    (side('options.producers', producers) ? layout.manyProducers : 0) |
    (side('options.consumers', consumers) ? layout.manyConsumers : 0) |
    (policy === 'dropOldest' ? layout.dropOldest : 0)
  return {
    numbers: [2 ** (32 - Math.clz32(wished - 1)), check.integer('options.slotBytes', slotBytes, 1, layout.slotBytesMax), flags],
    whenFull: policy
  }
}

function side(name: string, value: 'one' | 'many' | undefined): boolean {
  return value !== undefined && check.oneOf(name, value, ['one', 'many']) === 'many'
}
