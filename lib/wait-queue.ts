/**
 * Promises of one environment that wait for the same thing, first come, first served: at most one native wait stands for all of them.
 *
 * @module
 * @internal
 */

import { alarm } from './alarm.js'
import { beginWait, callOffWait, type Ended } from './object-waits.js'
import { Hold } from './hold.js'
import type { Binding } from './native.js'
import type { WaitTerms } from './pending.js'

/** What a queue waits for. */
export interface Subject<Outcome> {
  /** Tries at once; `undefined`: not now. Never called while a native wait goes on. */
  attempt(): Outcome | undefined
  /** The native wait. */
  object: Binding.NativeObject
  operation: number
  argument(): number
  /** Begins it, where an operation and an argument do not say all. */
  begin?(ended: Ended): number
  /** What a native answer means; what was got is from now on this environment's. `undefined`: it is to be tried for. */
  outcome(answer: number): Outcome | undefined
  /** Whether one answer is for all that wait. */
  all: boolean
  /** Whether the queue has to stand still, as this environment has what it waits for. */
  blocked(): boolean
}

interface Waiter<Outcome> {
  resolve(outcome: Outcome | 'timedOut'): void
  reject(reason: unknown): void
  leave(): void
}

const hold = new Hold()

/** See the module. */
export class WaitQueue<Outcome> {
  readonly #subject: Subject<Outcome>
  #waiters: Waiter<Outcome>[] = []
  #wait: number | undefined

  constructor(subject: Subject<Outcome>) {
    this.#subject = subject
  }

  /** How many wait. */
  get length(): number {
    return this.#waiters.length
  }

  /** Waits for the queue's turn and for the thing itself. */
  wait({ timeoutMs, signal, ref }: WaitTerms): Promise<Outcome | 'timedOut'> {
    return new Promise((resolve, reject) => {
      let endAlarm: (() => void) | undefined
      const leave = (): void => {
        endAlarm?.()
        if (ref) hold.remove()
        signal?.removeEventListener('abort', abort)
      }
      const waiter: Waiter<Outcome> = { resolve, reject, leave }
      const abort = (): void => {
        if (this.#remove(waiter)) reject(signal?.reason)
      }
      // First what may throw: who is in the queue is whole.
      signal?.addEventListener('abort', abort, { once: true })
      if (ref) hold.add()
      endAlarm = alarm(timeoutMs, () => {
        if (this.#remove(waiter)) resolve('timedOut')
      })
      this.#waiters.push(waiter)
      this.advance()
    })
  }

  /** Calls the native wait off while this environment's thread itself waits or has what the others wait for. */
  pause(): void {
    if (this.#wait === undefined) return
    callOffWait(this.#wait)
    this.#wait = undefined
  }

  /** Goes on where nothing stands in the way. */
  advance(): void {
    while (this.#waiters.length > 0 && this.#wait === undefined && !this.#subject.blocked()) {
      try {
        const outcome = this.#subject.attempt()
        if (outcome === undefined) {
          const { object, operation } = this.#subject
          const ended: Ended = (answer, error) => this.#ended(answer, error)
          this.#wait = this.#subject.begin?.(ended) ?? beginWait(object, operation, this.#subject.argument(), ended)
        } else this.#serve(outcome)
      } catch (error) {
        this.#first(waiter => waiter.reject(error))
      }
    }
  }

  /** Rejects all. */
  end(reason: () => unknown): void {
    this.pause()
    while (this.#first(waiter => waiter.reject(reason())));
  }

  #ended(answer: number, error: Error | undefined): void {
    this.#wait = undefined
    const outcome = error === undefined ? this.#subject.outcome(answer) : undefined
    if (outcome !== undefined) this.#serve(outcome)
    else if (error !== undefined) this.#first(waiter => waiter.reject(error))
    this.advance()
  }

  #serve(outcome: Outcome): void {
    const resolve = (waiter: Waiter<Outcome>): void => waiter.resolve(outcome)
    while (this.#first(resolve) && this.#subject.all);
  }

  /** Settles the first who waits, if there is one. That comes before its signal is let go, which may be anybody's code. */
  #first(settle: (waiter: Waiter<Outcome>) => void): boolean {
    const waiter = this.#waiters.shift()
    if (waiter === undefined) return false
    settle(waiter)
    try {
      waiter.leave()
    } catch {
      // A signal that throws when it is let go has nobody who could mend it here.
    }
    return true
  }

  #remove(waiter: Waiter<Outcome>): boolean {
    const index = this.#waiters.indexOf(waiter)
    if (index === -1) return false
    this.#waiters.splice(index, 1)
    waiter.leave()
    if (this.#waiters.length === 0) this.pause()
    return true
  }
}
