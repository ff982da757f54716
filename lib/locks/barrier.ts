/**
 * A barrier between processes: nobody goes on before all have arrived, and nobody waits for the dead.
 *
 * @module
 */

import * as check from '../arguments.js'
import { LoneWaits } from '../waits/lone-waits.js'
import { ANSWER, BARRIER_PHASE, KEEPS, OPERATION, RESUMES } from '../managed-layout.js'
import { ManagedObject, type Opened } from '../membership/managed-object.js'
import { beginWait } from '../waits/object-waits.js'
import { ASYNC_WAIT_OPTIONS, waitTerms, type AsyncWaitOptions } from '../waits/pending.js'
import { spinLoads, spinWhile, type SpinOptions } from '../waits/spinning.js'
import { tellDeath, tellLoss } from '../tracing.js'
import { waitInSlices, type WaitOptions } from '../waits/waiting.js'

/**
 * How a wait at a barrier ended. `'released'`: all had arrived. `'partyDied'`: the phase is over, since a party died or closed the segment without
 * `leave()`; all who waited are told, and its seat is free for another. `'timedOut'`: the arrival is taken back.
 */
export type Arrived = 'released' | 'partyDied' | 'timedOut'

/**
 * A barrier of a managed segment, for a fixed number of parties. An environment is one party: it takes a seat with its first wait, and keeps it
 * until it leaves, closes the segment or dies.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class Barrier extends ManagedObject {
  override readonly kind = 'barrier'
  /** How many must arrive. */
  readonly parties: number
  readonly #waits: LoneWaits

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.parties = opened.numbers[0] ?? 0
    this.#waits = new LoneWaits(this.object)
  }

  /**
   * Arrives, and blocks the thread until all have.
   *
   * @throws {@link ShmError} `ERR_SHM_DEADLOCK` while a promise of this environment waits at it; `ERR_SHM_BARRIER_FULL` where all seats are taken.
   */
  waitSync(options?: WaitOptions & SpinOptions): Arrived {
    const { timeoutMs, spinMicros } = check.options<WaitOptions & SpinOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = check.timeout('options.timeoutMs', timeoutMs)
    let answer = this.#arrive(timeout, spinLoads(spinMicros))
    if (answer === ANSWER.notYet && timeout > 0) {
      waitInSlices(timeout, sliceMs => (answer = this.#go(RESUMES | KEEPS, sliceMs)) !== ANSWER.notYet)
      if (answer === ANSWER.notYet) answer = this.#go(RESUMES, 0)
      if (answer === ANSWER.notYet) tellLoss(this.object, 'timedOut', timeout)
    }
    return this.#told(answer)
  }

  /** As {@link Barrier.waitSync}, with a promise. An abort takes the arrival back, unless the phase is over: then that counts. */
  async wait(options?: AsyncWaitOptions & SpinOptions): Promise<Arrived> {
    const terms = waitTerms(options, ['spinMicros'])
    const { spinMicros } = check.options<SpinOptions>('options', options, ['spinMicros', ...ASYNC_WAIT_OPTIONS])
    const answer = this.#arrive(terms.timeoutMs, spinLoads(spinMicros))
    if (answer !== ANSWER.notYet || terms.timeoutMs === 0) return this.#told(answer)
    const begin = (ended: Parameters<typeof beginWait>[3]): number => beginWait(this.object, OPERATION.arrive, RESUMES, ended)
    return (await this.#waits.wait({ begin, outcome: last => this.#told(last), isFinal: true }, terms)) ?? 'timedOut'
  }

  /**
   * Gives the seat up: the phase waits for whoever takes it.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` where this environment has no seat; `ERR_SHM_BUSY` while a promise of it waits.
   */
  leave(): void {
    if (this.#waits.size > 0) throw this.error('ERR_SHM_BUSY', 'a promise of this environment waits at it: abort that first')
    this.object.leaveBarrier()
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    this.#waits.end(reason)
  }

  /** The first look. */
  #arrive(timeoutMs: number, loads: number): number {
    if (this.#waits.size > 0) throw this.error('ERR_SHM_DEADLOCK', 'this environment is one party, and waits at it already')
    if (timeoutMs === 0) return this.#go(0, 0)
    const phase = Atomics.load(this.words, BARRIER_PHASE)
    const answer = this.#go(KEEPS, 0)
    if (answer !== ANSWER.notYet || !spinWhile(this.words, BARRIER_PHASE, phase, loads)) return answer
    return this.#go(RESUMES | KEEPS, 0)
  }

  /** The outcome; a death is told. */
  #told(answer: number): Arrived {
    if (answer === ANSWER.partyDied) tellDeath(this.object, 'partyDied')
    return outcomeOf(answer)
  }

  #go(argument: number, sliceMs: number): number {
    return this.object.wait(OPERATION.arrive, argument, sliceMs)
  }
}

function outcomeOf(answer: number): Arrived {
  if (answer === ANSWER.notYet) return 'timedOut'
  return answer === ANSWER.partyDied ? 'partyDied' : 'released'
}
