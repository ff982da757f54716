/**
 * Promises of native waits, one native wait each, with a limit of time, an AbortSignal, a common end, and a hold on the process.
 *
 * @module
 * @internal
 */

import { alarm } from './alarm.js'
import { Hold } from './hold.js'
import { ANSWER } from '../managed-layout.js'
import { callOffWait, type Ended } from './object-waits.js'
import type { WaitTerms } from './pending.js'
import { tellLoss, type LostWaitMessage } from '../tracing.js'

/** What a wait is. */
export interface LoneWait<Outcome> {
  /** Begins the native wait, and answers its id. */
  begin(ended: Ended): number
  /** What a native answer means. */
  outcome(answer: number): Outcome
  /** Whether what it came to counts even when time or signal come first, since it cannot be given back. */
  isFinal: boolean
}

const hold = new Hold()

/** See the module. */
export class LoneWaits {
  readonly #pending = new Set<(reason: unknown) => void>()

  readonly #key: object | undefined

  /** `key` is what lost waits are told by (tracing.ts). */
  constructor(key?: object) {
    this.#key = key
  }

  /** How many pend. */
  get size(): number {
    return this.#pending.size
  }

  /** Waits; `undefined`: the time was over. */
  wait<Outcome>({ begin, outcome, isFinal }: LoneWait<Outcome>, { timeoutMs, signal, ref }: WaitTerms): Promise<Outcome | undefined> {
    return new Promise((resolve, reject) => {
      let id: number | undefined
      const abort = (): void => callOff('aborted', () => reject(signal?.reason))
      let endAlarm: (() => void) | undefined
      const end = (reason: unknown): void => callOff('closed', () => reject(reason))
      const leave = (): void => {
        this.#pending.delete(end)
        endAlarm?.()
        if (ref) hold.remove()
        signal?.removeEventListener('abort', abort)
      }
      const callOff = (why: LostWaitMessage['reason'], otherwise: () => void): void => {
        const answer = id === undefined ? ANSWER.notYet : callOffWait(id)
        const isLost = !isFinal || answer === ANSWER.notYet
        if (isLost) otherwise()
        else resolve(outcome(answer))
        leave()
        if (isLost && this.#key !== undefined) tellLoss(this.#key, why, why === 'timedOut' ? timeoutMs : undefined)
      }
      // First what may throw: a wait that has begun is always in the list.
      signal?.addEventListener('abort', abort, { once: true })
      try {
        id = begin((answer, error) => {
          if (error === undefined) resolve(outcome(answer))
          else reject(error)
          leave()
        })
      } catch (error) {
        signal?.removeEventListener('abort', abort)
        throw error
      }
      this.#pending.add(end)
      if (ref) hold.add()
      endAlarm = alarm(timeoutMs, () => callOff('timedOut', () => resolve(undefined)))
    })
  }

  /** Rejects all. */
  end(reason: () => unknown): void {
    for (const end of this.#pending) end(reason())
  }
}
