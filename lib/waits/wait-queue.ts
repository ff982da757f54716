/**
 * Promises of one environment that wait for the same thing, first come, first served: at most one native wait stands for all of them.
 *
 * @module
 * @internal
 */

import { alarm } from './alarm.js'
import { beginWait, callOffWait, type Ended } from './object-waits.js'
import { Hold } from './hold.js'
import type { Binding } from '../native.js'
import type { WaitTerms } from './pending.js'
import { tellLoss } from '../tracing.js'

/** What a queue waits for. */
export interface Subject<Outcome, Request> {
  /** Tries at once what the first wishes who waits; `undefined`: not now. Never called while a native wait goes on. */
  attempt(request: Request): Outcome | undefined
  /** The native wait. */
  object: Binding.NativeObject
  operation: number
  argument(): number
  /** Begins it, where an operation and an argument do not say all. */
  begin?(ended: Ended): number
  /** What a native answer means; what was got is from now on this environment's. `undefined`: that it is time for another attempt. */
  outcome(answer: number): Outcome | undefined
  /** Whether one answer is for all that wait. */
  all: boolean
  /** Whether the queue has to stand still, as this environment has what it waits for. */
  blocked(): boolean
}

interface Waiter<Outcome, Request> {
  request: Request
  resolve(outcome: Outcome | 'timedOut'): void
  reject(reason: unknown): void
  leave(): void
}

const hold = new Hold()

/** See the module. */
export class WaitQueue<Outcome, Request = void> {
  readonly #subject: Subject<Outcome, Request>
  #waiters: Waiter<Outcome, Request>[] = []
  #wait: number | undefined

  constructor(subject: Subject<Outcome, Request>) {
    this.#subject = subject
  }

  /** How many wait. */
  get length(): number {
    return this.#waiters.length
  }

  /** Waits for the queue's turn and for the thing itself. */
  wait({ timeoutMs, signal, ref }: WaitTerms, request: Request): Promise<Outcome | 'timedOut'> {
    return new Promise((resolve, reject) => {
      let endAlarm: (() => void) | undefined
      const leave = (): void => {
        endAlarm?.()
        if (ref) hold.remove()
        signal?.removeEventListener('abort', abort)
      }
      const waiter: Waiter<Outcome, Request> = { request, resolve, reject, leave }
      const abort = (): void => {
        if (!this.#remove(waiter)) return
        reject(signal?.reason)
        tellLoss(this.#subject.object, 'aborted')
      }
      // First what may throw: who is in the queue is whole.
      signal?.addEventListener('abort', abort, { once: true })
      if (ref) hold.add()
      endAlarm = alarm(timeoutMs, () => {
        if (!this.#remove(waiter)) return
        resolve('timedOut')
        tellLoss(this.#subject.object, 'timedOut', timeoutMs)
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
    for (let first = this.#waiters[0]; first !== undefined && this.#wait === undefined && !this.#subject.blocked(); first = this.#waiters[0]) {
      try {
        const outcome = this.#subject.attempt(first.request)
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
    while (this.#first(waiter => waiter.reject(reason()))) tellLoss(this.#subject.object, 'closed')
  }

  #ended(answer: number, error: Error | undefined): void {
    this.#wait = undefined
    if (error === undefined) {
      const outcome = this.#subject.outcome(answer)
      if (outcome !== undefined) this.#serve(outcome)
    } else this.#first(waiter => waiter.reject(error))
    this.advance()
  }

  #serve(outcome: Outcome): void {
    const resolve = (waiter: Waiter<Outcome, Request>): void => waiter.resolve(outcome)
    while (this.#first(resolve) && this.#subject.all);
  }

  /** Settles the first who waits, if there is one. That comes before its signal is let go, which may be anybody's code. */
  #first(settle: (waiter: Waiter<Outcome, Request>) => void): boolean {
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

  #remove(waiter: Waiter<Outcome, Request>): boolean {
    const index = this.#waiters.indexOf(waiter)
    if (index === -1) return false
    this.#waiters.splice(index, 1)
    waiter.leave()
    if (this.#waiters.length === 0) this.pause()
    return true
  }
}
