/**
 * What the two ends of a ring have in common: the ring's words and slots, whose they are, and their end.
 *
 * @module
 */

import { ShmError, closedError } from '../../errors.js'
import { ANSWER } from '../../managed-layout.js'
import { native, type Binding } from '../../native.js'
import { SlotMemory } from './ring-slots.js'
import { CONSUMER_END, STATE, ring as layout } from './ring-layout.js'
import { tellDeath } from '../../tracing.js'
import { waitInSlices } from '../../waits/waiting.js'

/** What to do when a ring is full. See {@link RingOptions.whenFull}. */
export type WhenFull = 'wait' | 'fail' | 'dropOldest'

/** A ring as its ends see it. @internal */
export interface RingParts {
  name: string
  object: Binding.NativeObject
  /** Over the whole ring. */
  words: Int32Array
  /** This environment's, as a signed word. */
  token: number
  slots: number
  slotBytes: number
  /** The ring's flags. */
  flags: number
  memory: SlotMemory
  /** From one slot's control words to the next, in words. */
  controlStride: number
  whenFull: WhenFull
  /** Told when an end is closed. */
  closed(end: RingEnd): void
}

/** Reserving found no room, taking found no message. @internal */
export const NOTHING = -1
/** It never will. @internal */
export const ENDED = -2

/** Ends an end with its segment. For this library's own modules. @internal */
export let endEnd: (end: RingEnd, reason: () => unknown) => void
/** What of an end this environment holds, in words. For this library's own modules. @internal */
export let heldAtEnd: (end: RingEnd) => string | undefined

/**
 * What waiting for something to do came to. `'ready'`: a message is there, or room for one. `'ended'`: there will be none. `'peerDied'`: who has the other
 * end died and left nothing to do; told once for each death.
 */
export type Ready = 'ready' | 'timedOut' | 'ended' | 'peerDied'

/** One end of a ring, in this environment's hands until `close()`. */
export abstract class RingEnd {
  static {
    endEnd = (end, reason) => end.finish(reason)
    heldAtEnd = end => end.held()
  }

  /** All slots at once, for the calls that answer an index. */
  readonly memory: SlotMemory
  /** @internal */
  protected readonly parts: RingParts
  #isOpen = true
  /** An owner of the other end that was asked for, and is not this thread. */
  #stranger = 0

  /** @internal */
  protected constructor(parts: RingParts) {
    this.parts = parts
    this.memory = parts.memory
  }

  /** Whether this end was closed, or the segment. */
  get closed(): boolean {
    return !this.#isOpen
  }

  /**
   * Gives the end back: another member, or this one, may take it, and goes on where this one was. Pending promises reject with `ERR_SHM_CLOSED`. Idempotent.
   */
  close(): void {
    if (!this.#isOpen) return
    this.finish(() => closedError(this.describe()))
  }

  /** `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** Gives the end back natively, and makes every fast path fail. @internal */
  protected finish(reason: () => unknown): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.stop(reason)
    this.parts.closed(this)
    try {
      native.ringGive(this.parts.object, this.number)
    } catch {
      // Truncated away under us: nobody has it any more.
    }
  }

  /** Whether there is something to do at this end: a look at words that both algorithms have. @internal */
  protected look(): 'ready' | 'ended' | undefined {
    if (this.spin(1, false)) return 'ready'
    if (Atomics.load(this.parts.words, STATE) === 0) return undefined
    // What was sent before the end is there by now; nobody sends into a ring that has ended.
    return this.number === CONSUMER_END && this.spin(1, false) ? 'ready' : 'ended'
  }

  /** Spins, then sleeps, until `attempt` answers something. @internal */
  protected block<Outcome>(operation: number, timeout: number, loads: number, relaxed: boolean, attempt: () => Outcome | undefined): Outcome | 'timedOut' | 'peerDied' {
    let outcome: Outcome | 'peerDied' | undefined
    if (this.spin(loads, relaxed) && (outcome = attempt()) !== undefined) return outcome
    const isDone = waitInSlices(timeout, sliceMs => {
      const answer = this.parts.object.wait(operation, this.waitArgument(), sliceMs)
      if (answer === ANSWER.notYet) return false
      outcome = this.peerDied(answer) ?? attempt()
      return outcome !== undefined
    }, this.parts.object)
    return isDone && outcome !== undefined ? outcome : 'timedOut'
  }

  /** Whether the owner of the other end is this very thread, by whichever opening or copy of this package: it could do nothing while it is blocked. @internal */
  protected isThisThread(owner: number): boolean {
    if (owner === this.parts.token) return true
    if (owner === this.#stranger || owner === 0) return false
    if (native.isThisThread(this.parts.object, owner >>> 0)) return true
    this.#stranger = owner
    return false
  }

  /** What a native wait was answered: that the other side is dead, or that it is time for a look. @internal */
  protected peerDied(answer: number): 'peerDied' | undefined {
    if (answer !== ANSWER.partyDied) return undefined
    tellDeath(this.parts.object, 'peerDied')
    return 'peerDied'
  }

  /** Throws once the end is closed. @internal */
  protected live(): void {
    if (!this.#isOpen) throw closedError(this.describe())
  }

  /** An error about the ring. @internal */
  protected error(code: string, message: string): ShmError {
    return new ShmError({ code, message: `ring '${this.parts.name}': ${message}`, objectName: this.parts.name })
  }

  /** What error messages call it. @internal */
  protected describe(): string {
    return `${this.number === 0 ? 'producer' : 'consumer'} of ring '${this.parts.name}'`
  }

  /** The end, as the binding numbers it. @internal */
  protected abstract readonly number: number
  /** The argument of the native wait at this end. @internal */
  protected abstract waitArgument(): number
  /** Looks for something to do at most so often, with pauses between the looks where `relaxed`; whether there is something. @internal */
  protected abstract spin(loads: number, relaxed: boolean): boolean
  /** What is in hand, in words. @internal */
  protected abstract held(): string | undefined
  /** Promises reject, and no fast path succeeds any more. @internal */
  protected abstract stop(reason: () => unknown): void
}

/** What an end has for words when it is closed: each word says that all has ended, so that no fast path succeeds. @internal */
export const NO_WORDS = new Int32Array(layout.control / 4).fill(-1)
