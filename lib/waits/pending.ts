/**
 * Promises of waits that go on in native threads: by the id the native side gave, with an AbortSignal, a common end, and a hold on the
 * process as long as one of them pends. Knows nothing of what is waited for.
 *
 * @module
 * @internal
 */

import * as check from '../arguments.js'
import { Hold } from './hold.js'
import { tellLoss } from '../tracing.js'

/** How long a wait with a promise may take, and what calls it off. */
export interface AsyncWaitOptions {
  /** Milliseconds; 0 tries once. @default Infinity */
  timeoutMs?: number | undefined
  /** Calls the wait off: the promise rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** Whether the process stays alive for this wait, as it does for a timer. @default true */
  ref?: boolean | undefined
}

/** {@link AsyncWaitOptions}, checked. */
export interface WaitTerms {
  timeoutMs: number
  signal: AbortSignal | undefined
  ref: boolean
}

/** The names of {@link AsyncWaitOptions}. */
export const ASYNC_WAIT_OPTIONS = ['timeoutMs', 'signal', 'ref'] as const

/** Checks the options of a wait; what a method knows besides is in `known`. Throws the reason of a signal that is aborted already. */
export function waitTerms(value: unknown, known: readonly string[] = []): WaitTerms {
  const { timeoutMs, signal, ref } = check.options<AsyncWaitOptions>('options', value, [...known, ...ASYNC_WAIT_OPTIONS])
  const terms = { timeoutMs: check.timeout('options.timeoutMs', timeoutMs), signal: check.signal('options.signal', signal), ref: check.flag('options.ref', ref, true) }
  if (terms.signal?.aborted === true) throw terms.signal.reason
  return terms
}

/** Why a wait was called off: by its signal, or with its owner. */
interface CalledOff {
  reason: unknown
  by: 'aborted' | 'closed'
}

interface Entry<Outcome> {
  /** Also what a lost wait is told by (tracing.ts). */
  owner: object
  ref: boolean
  resolve: (outcome: Outcome) => void
  reject: (reason: unknown) => void
  /** Removes the listener of its signal. */
  forget: () => void
  /** Why it was called off, where the native side could not do so at once. */
  calledOff?: CalledOff
}

/** See the module. */
export class Pending<Outcome> {
  readonly #callOff: (id: number) => boolean
  readonly #entries = new Map<number, Entry<Outcome>>()
  readonly #hold = new Hold()

  /**
   * `callOff` is the native side's: `true` where the wait is gone, and nothing will be told of it; `false` where it could not be called
   * off (yet), and its end will be told.
   */
  constructor(callOff: (id: number) => boolean) {
    this.#callOff = callOff
  }

  /** The promise of the native wait that `begin` begins and names. `owner` is whose end is the wait's, by {@link Pending.endAll}. */
  promise(begin: () => number, owner: object, { signal, ref }: Pick<WaitTerms, 'signal' | 'ref'>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      let id: number | undefined
      const abort = (): void => {
        if (id !== undefined) this.#end(id, { reason: signal?.reason, by: 'aborted' })
      }
      const forget = (): void => signal?.removeEventListener('abort', abort)
      // First what may throw: a wait that has begun is always in the list.
      signal?.addEventListener('abort', abort, { once: true })
      try {
        id = begin()
      } catch (error) {
        forget()
        throw error
      }
      this.#entries.set(id, { owner, ref, resolve, reject, forget })
      if (ref) this.#hold.add()
    })
  }

  /** The native side told: it has what it waited for. That counts, also after an abort that came too late. */
  granted(id: number, outcome: Outcome): void {
    this.#take(id)?.resolve(outcome)
  }

  /** The native side told: it ended with nothing in hand. */
  ended(id: number, outcome: Outcome): void {
    const entry = this.#take(id)
    if (entry?.calledOff === undefined) entry?.resolve(outcome)
    else giveUp(entry, entry.calledOff)
  }

  /** The native side told: it failed. */
  failed(id: number, error: unknown): void {
    const entry = this.#take(id)
    if (entry?.calledOff === undefined) entry?.reject(error)
    else giveUp(entry, entry.calledOff)
  }

  /** Calls all waits of one owner off. */
  endAll(owner: object, reason: () => unknown): void {
    for (const [id, entry] of this.#entries) if (entry.owner === owner) this.#end(id, { reason: reason(), by: 'closed' })
  }

  #end(id: number, calledOff: CalledOff): void {
    const isGone = this.#callOff(id)
    const entry = isGone ? this.#take(id) : this.#entries.get(id)
    if (entry === undefined) return
    if (isGone) giveUp(entry, calledOff)
    else entry.calledOff ??= calledOff
  }

  #take(id: number): Entry<Outcome> | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    this.#entries.delete(id)
    entry.forget()
    if (entry.ref) this.#hold.remove()
    return entry
  }
}

function giveUp<Outcome>({ owner, reject }: Entry<Outcome>, { reason, by }: CalledOff): void {
  reject(reason)
  tellLoss(owner, by)
}
