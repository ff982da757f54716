/**
 * Permits shared by processes, which come back when their holder dies, however it died.
 *
 * @module
 */

import * as check from '../arguments.js'
import { wrongType } from '../errors.js'
import { ANSWER, BLOCKS_OWNER, OPERATION, PARTS, PERMIT_STRIDE, SEQUENCE, WORD, layout } from '../managed-layout.js'
import { ManagedObject, type Opened } from '../membership/managed-object.js'
import { LOADS_IN_ORDER } from '../memory-order.js'
import { waitTerms, type AsyncWaitOptions } from '../waits/pending.js'
import { spinLoads, type SpinOptions } from '../waits/spinning.js'
import { WaitQueue } from '../waits/wait-queue.js'
import { waitInSlices, type WaitOptions } from '../waits/waiting.js'

/** What a semaphore is made with. */
export interface SemaphoreOptions {
  /** How many may be held at once, by all members together: 1 to 65,536. Part of the object's type: who opens it says the same. */
  permits: number
}

/** How long a permit may be waited for with the thread blocked. */
export type PermitSyncOptions = WaitOptions & SpinOptions
/** How long a permit may be waited for with a promise. */
export type PermitOptions = AsyncWaitOptions & SpinOptions

/** So many cells are looked at before the search goes on natively. */
const LOOKS_MAX = 64

/**
 * A semaphore of a managed segment: at most so many permits are held at once. An environment (main thread or worker) may hold several.
 *
 * Permits belong to the environment that took them, and only it can give them back; those of a dead one are free for the next who asks. So this is
 * a limit of how many do something, no counter of things done: a semaphore that one posts and another waits for is {@link PosixSemaphore}.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class Semaphore extends ManagedObject {
  override readonly kind = 'semaphore'
  /** How many there are. */
  readonly permits: number
  /** How many this environment holds. */
  #held = 0
  /** The cell to look at first: the one used last. */
  #cell = PARTS
  /** Behind the last cell. */
  readonly #end: number
  readonly #queue: WaitQueue<'acquired'>

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.permits = opened.numbers[0] ?? 0
    this.#end = PARTS + this.permits * PERMIT_STRIDE
    this.#queue = new WaitQueue({
      object: this.object,
      operation: OPERATION.acquire,
      argument: () => 0,
      attempt: () => (this.tryAcquire() === 'acquired' ? 'acquired' : undefined),
      outcome: () => this.#got(),
      all: false,
      blocked: () => false
    })
  }

  /** Takes a permit if one is free now, or its holder is dead. */
  tryAcquire(): 'acquired' | 'busy' {
    if (this.#takeFree()) return 'acquired'
    return this.object.wait(OPERATION.acquire, 0, 0) === ANSWER.notYet ? 'busy' : this.#got()
  }

  /**
   * Takes a permit, and blocks the thread until one is free or its holder dies.
   *
   * @throws {@link ShmError} `ERR_SHM_DEADLOCK` where this thread holds all of them, by whichever opening.
   */
  acquireSync(options?: PermitSyncOptions): 'acquired' | 'timedOut' {
    if (options === undefined && this.#takeFree()) return 'acquired'
    const { timeoutMs, spinMicros } = check.options<PermitSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = check.timeout('options.timeoutMs', timeoutMs)
    const loads = spinLoads(spinMicros)
    this.live()
    if (this.#held >= this.permits) throw this.error('ERR_SHM_DEADLOCK', 'this environment holds all its permits, and would wait for itself')
    // What a promise of this environment took, this blocked thread could not give back: promises wait behind this call.
    this.#queue.pause()
    try {
      if (timeout > 0) this.#spin(loads)
      if (this.#takeFree()) return 'acquired'
      const got = waitInSlices(timeout, sliceMs => this.object.wait(OPERATION.acquire, BLOCKS_OWNER, sliceMs) !== ANSWER.notYet, this.object)
      return got ? this.#got() : 'timedOut'
    } finally {
      this.#queue.advance()
    }
  }

  /**
   * Takes a permit, and leaves the thread free meanwhile. In one environment first come, first served.
   *
   * @throws the signal's reason (as a rejection).
   */
  async acquire(options?: PermitOptions): Promise<'acquired' | 'timedOut'> {
    const terms = waitTerms(options, ['spinMicros'])
    const loads = spinLoads(options?.spinMicros)
    this.live()
    if (this.#queue.length === 0) {
      if (terms.timeoutMs > 0) this.#spin(loads)
      if (this.tryAcquire() === 'acquired') return 'acquired'
      if (terms.timeoutMs === 0) return 'timedOut'
    }
    return this.#queue.wait(terms)
  }

  /**
   * Gives a permit back.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` where this environment holds none.
   */
  release(): void {
    if (!this.#giveBack()) this.#releaseSlow()
  }

  /** Runs `act` with a permit, and gives it back. `ERR_SHM_TIMED_OUT` where there was none in time. */
  async withPermit<Result>(act: () => Result | Promise<Result>, options?: PermitOptions): Promise<Result> {
    this.#refuseLate(await this.acquire(options))
    try {
      return await act()
    } finally {
      this.release()
    }
  }

  /** As {@link Semaphore.withPermit}, with the thread blocked; `act` must not be asynchronous. */
  withPermitSync<Result>(act: () => Result, options?: PermitSyncOptions): Result {
    this.#refuseLate(this.acquireSync(options))
    try {
      return act()
    } finally {
      this.release()
    }
  }

  /** How many permits are free, or held by the dead; stale the moment it returns. */
  get available(): number {
    return this.object.available()
  }

  /** How many permits this environment holds. */
  get heldHere(): number {
    return this.#held
  }

  /** @internal */
  protected override held(): string | undefined {
    return this.#held === 0 ? undefined : `${this.#held === 1 ? 'a permit' : `each of ${this.#held} permits`} of ${this.describe()}`
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    this.#queue.end(reason)
  }

  /** Looks at the cells in turn until one is free, at most so many times. */
  #spin(loads: number): void {
    for (let left = loads; left > 0 && Atomics.load(this.words, this.#cell) !== 0; left -= 1) this.#forward()
  }

  /** A plain look first: of a taken cell, an exchange would take the line from its holder. */
  #takeFree(): boolean {
    const { words, token } = this
    for (let looks = Math.min(this.permits, LOOKS_MAX); looks > 0; looks -= 1) {
      const cell = this.#cell
      if (words[cell] === 0 && Atomics.compareExchange(words, cell, 0, token) === 0) {
        this.#held += 1
        return true
      }
      this.#forward()
    }
    return false
  }

  /**
   * Gives a cell back where nobody sleeps at the gate. Who came to sleep there after the first look is woken after the second; were this thread killed
   * between the two, that sleeper watches its life.
   */
  #giveBack(): boolean {
    const { words, token } = this
    if (this.#held === 0 || words[WORD] !== 0) return false
    for (let looks = Math.min(this.permits, LOOKS_MAX); looks > 0; looks -= 1) {
      const cell = this.#cell
      if (words[cell] === token && Atomics.compareExchange(words, cell, token, 0) === token) {
        this.#held -= 1
        // Always, so that who armed the gate in between never sleeps on the sequence of before (crate/core/src/sync/gate.rs).
        Atomics.add(words, SEQUENCE, 1)
        if ((LOADS_IN_ORDER ? words[WORD] : Atomics.load(words, WORD)) !== 0) this.object.returned()
        return true
      }
      this.#backward()
    }
    return false
  }

  #forward(): void {
    const next = this.#cell + PERMIT_STRIDE
    this.#cell = next < this.#end ? next : PARTS
  }

  #backward(): void {
    this.#cell = (this.#cell > PARTS ? this.#cell : this.#end) - PERMIT_STRIDE
  }

  #releaseSlow(): void {
    this.live()
    if (this.#held === 0) throw this.error('ERR_SHM_NOT_OWNER', 'this environment holds no permit')
    this.#held -= 1
    this.object.release()
  }

  #got(): 'acquired' {
    this.#held += 1
    return 'acquired'
  }

  #refuseLate(outcome: 'acquired' | 'timedOut'): void {
    if (outcome === 'timedOut') throw this.error('ERR_SHM_TIMED_OUT', 'no permit was free in time')
  }
}

/** What a semaphore's options are as a number of its type. @internal */
export function semaphoreNumber(options: SemaphoreOptions): number {
  if (options === undefined) throw wrongType('options', 'an object', options)
  const { permits } = check.options<SemaphoreOptions>('options', options, ['permits'])
  return check.integer('options.permits', permits, 1, layout.permitsMax)
}
