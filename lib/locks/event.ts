/**
 * An event between processes: set or not, and a wake for whoever waits for it.
 *
 * @module
 */

import * as check from '../arguments.js'
import { ANSWER, OPERATION, SET, VALUE, WORD } from '../managed-layout.js'
import { ManagedObject, type Opened } from '../membership/managed-object.js'
import { waitTerms, type AsyncWaitOptions } from '../waits/pending.js'
import { spinForBits, spinLoads, type SpinOptions } from '../waits/spinning.js'
import { WaitQueue } from '../waits/wait-queue.js'
import { waitInSlices, type WaitOptions } from '../waits/waiting.js'

/** What an event is made with. */
export interface EventOptions {
  /**
   * `'manual'`: set, it lets everybody through until {@link Event.reset}. `'auto'`: it lets one through, who resets it with that. Part of the object's type:
   * who opens it says the same. @default 'manual'
   */
  reset?: 'manual' | 'auto' | undefined
}

/** How long an event may be waited for with the thread blocked. */
export type EventSyncOptions = WaitOptions & SpinOptions
/** How long an event may be waited for with a promise. */
export type EventWaitOptions = AsyncWaitOptions & SpinOptions

/**
 * An event of a managed segment. It counts nothing: set twice before somebody got through is set once, and what is set and reset at once may be missed
 * by who sleeps. So look at the data after a wait, and wait again where it is not there; who sets writes the data first. Nobody owns an
 * event: a member that dies leaves it as it is.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT` where somebody scribbled over its word.
 */
export class Event extends ManagedObject {
  override readonly kind = 'event'
  /** What resets it. */
  readonly resets: 'manual' | 'auto'
  readonly #isAuto: boolean
  #options: EventSyncOptions | undefined
  readonly #queue: WaitQueue<'set'>

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.#isAuto = opened.numbers[0] === AUTO
    this.resets = this.#isAuto ? 'auto' : 'manual'
    this.#queue = new WaitQueue({
      object: this.object,
      operation: OPERATION.event,
      argument: () => 0,
      attempt: () => (this.tryWait() === 'set' ? 'set' : undefined),
      outcome: () => 'set',
      all: !this.#isAuto,
      blocked: () => false
    })
  }

  /**
   * Sets it: with manual reset all who wait get through, else one. Answers whether it was not set before. A burst of calls before somebody got
   * through costs one wake.
   */
  set(): boolean {
    const before = Atomics.compareExchange(this.words, WORD, 0, SET)
    if (before === 0) return true
    // An exchange again, not a look: who takes or resets it later sees what this setter wrote (crate/core/src/sync/event.rs).
    if ((before & SET) !== 0 && Atomics.compareExchange(this.words, WORD, before, before) === before) return false
    return this.object.setEvent()
  }

  /** Makes it not set. Answers whether it was set. */
  reset(): boolean {
    const before = Atomics.compareExchange(this.words, WORD, SET, 0)
    if (before === SET) return true
    return (before & VALUE) !== 0 && this.object.resetEvent()
  }

  /** Whether it is set; stale the moment it returns. */
  get isSet(): boolean {
    this.live()
    return (Atomics.load(this.words, WORD) & SET) !== 0
  }

  /** Gets through if it is set now. */
  tryWait(): 'set' | 'busy' {
    if (this.#passes()) return 'set'
    // Neither set nor anything else: no native look is needed.
    if ((Atomics.load(this.words, WORD) & VALUE) === 0) return 'busy'
    return this.object.wait(OPERATION.event, 0, 0) === ANSWER.notYet ? 'busy' : 'set'
  }

  /** Waits until it is set, and blocks the thread. */
  waitSync(options?: EventSyncOptions): 'set' | 'timedOut' {
    // The names in one options object are looked at once: a wait that spins would miss its moment over it.
    if (options !== this.#options) this.#options = check.options<EventSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = options?.timeoutMs === undefined ? Infinity : check.timeout('options.timeoutMs', options.timeoutMs)
    const loads = spinLoads(options?.spinMicros)
    if (this.#passes()) return 'set'
    this.live()
    // A promise of this environment waits behind this call.
    this.#queue.pause()
    try {
      if (this.#passesSoon(timeout > 0 ? loads : 0)) return 'set'
      const got = waitInSlices(timeout, sliceMs => this.object.wait(OPERATION.event, 0, sliceMs) !== ANSWER.notYet, this.object)
      return got ? 'set' : 'timedOut'
    } finally {
      this.#queue.advance()
    }
  }

  /**
   * Waits until it is set, and leaves the thread free meanwhile. In one environment, with auto reset, first come, first served.
   *
   * @throws the signal's reason (as a rejection).
   */
  async wait(options?: EventWaitOptions): Promise<'set' | 'timedOut'> {
    const terms = waitTerms(options, ['spinMicros'])
    const loads = spinLoads(options?.spinMicros)
    this.live()
    if (this.#queue.length === 0) {
      if (loads > 0 && terms.timeoutMs > 0) spinForBits(this.words, WORD, SET, loads)
      if (this.tryWait() === 'set') return 'set'
      if (terms.timeoutMs === 0) return 'timedOut'
    }
    return this.#queue.wait(terms)
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    this.#queue.end(reason)
  }

  /**
   * Tries again and again. With auto reset by the exchange itself: a look before it would fetch the setter's cache line twice, once to read and once to
   * write.
   */
  #passesSoon(loads: number): boolean {
    for (let left = loads; left >= 0; left -= 1) if (this.#passes()) return true
    return false
  }

  #passes(): boolean {
    if (this.#isAuto) return Atomics.compareExchange(this.words, WORD, SET, 0) === SET
    return Atomics.load(this.words, WORD) === SET
  }
}

const AUTO = 1

/** What an event's options are as a number of its type. @internal */
export function eventNumber(options: EventOptions | undefined): number {
  const { reset } = check.options<EventOptions>('options', options, ['reset'])
  return reset !== undefined && check.oneOf('options.reset', reset, ['manual', 'auto']) === 'auto' ? AUTO : 0
}
