/**
 * A mutex between processes that comes free when its owner dies, however it died.
 *
 * @module
 */

import * as check from '../arguments.js'
import type { ShmError } from '../errors.js'
import { HeldLock } from './held-lock.js'
import {
  lockSyncTerms, lockTerms, needed, repairOption, runHeld, runHeldSync, strictness,
  type LockOptions, type LockSyncOptions, type Locked, type RepairOption, type StrictOption
} from './lock-terms.js'
import { ANSWER, OPERATION, WORD } from '../managed-layout.js'
import { ManagedObject, type Opened } from '../membership/managed-object.js'
import { nap, spin } from '../waits/spinning.js'
import { tellDeath } from '../tracing.js'
import { WaitQueue } from '../waits/wait-queue.js'
import { waitInSlices } from '../waits/waiting.js'

/** Who holds a lock. */
export interface Owner {
  /** As its own PID namespace numbers it. */
  pid: number
  /** What it called itself when it joined. */
  name: string
  /** When it joined the segment. */
  since: Date
  /** False: it died with the lock, which the next one gets. */
  alive: boolean
}

const FREE = 0
const HELD = 1
/** Got from a dead owner, and not repaired yet. */
const INCONSISTENT = 2

/** Two processes that fight for a lock get more done by napping than by looking. */
const SPIN_MICROS = 1
/** A wait that is shorter has no time to nap. */
const NAPS_FROM_MS = 1


/**
 * Gives a mutex back for a wait for something else: promises of this environment do not get it before {@link serveWaiters}, since their code
 * could not run. `ERR_SHM_NOT_OWNER`; `ERR_SHM_OWNER_DIED` before `markConsistent()`. For this library's own modules. @internal
 */
export let letGo: (mutex: Mutex) => number
/** Goes on with the promises of this environment that wait for a mutex. For this library's own modules. @internal */
export let serveWaiters: (mutex: Mutex) => void
/** The mutex is held again after {@link letGo}, as the same hold: a block around the wait gives it back. @internal */
export let takenAgain: (mutex: Mutex, turn: number) => void

/**
 * A mutex of a managed segment: one member at a time holds it, whichever process or worker it is. Not recursive.
 *
 * Owned by the environment (main thread or worker), not by a call stack: promises of one environment wait for each other too, first come,
 * first served. Where the owner died (SIGKILL, `terminate()`, a crash), the next one gets the lock at once and is told: `'ownerDied'`. It repairs
 * what the lock guards and calls {@link Mutex.markConsistent}; if it unlocks without that, the lock is `ERR_SHM_NOT_RECOVERABLE` for everybody until
 * {@link Mutex.reset}.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT` where somebody scribbled over its word.
 */
export class Mutex extends ManagedObject {
  override readonly kind: string = 'mutex'
  static {
    letGo = mutex => mutex.#letGo()
    takenAgain = (mutex, turn) => {
      mutex.#turn = turn
    }
    serveWaiters = mutex => mutex.#queue.advance()
  }

  /** What this environment has of it. */
  #hold = FREE
  readonly #queue: WaitQueue<Locked>

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.#queue = new WaitQueue({
      object: this.object,
      operation: OPERATION.lock,
      argument: () => this.#strict,
      attempt: () => this.#attempt(),
      outcome: answer => this.#got(answer),
      all: false,
      blocked: () => this.#hold !== FREE
    })
  }

  /** Whether the queue's waits are strict: they are while one of those who wait asked for it. */
  #strict = 0
  /** Which hold it is, so that a block gives back its own only. */
  #turn = 0
  /** The number that was given out last. */
  #last = 0

  /**
   * Takes the lock if it is free now, or its owner is dead; with `strict`, if that one's whole process is gone. A lock that this environment holds
   * already is `'busy'`.
   */
  tryLock(options?: StrictOption): Locked | 'busy' {
    if (options === undefined && this.#hold === FREE && Atomics.compareExchange(this.words, WORD, 0, this.token) === 0) {
      this.#hold = HELD
      return 'locked'
    }
    const { strict } = check.options<StrictOption>('options', options, ['strict'])
    return this.#tryHard(strictness(strict))
  }

  /**
   * Takes the lock, and blocks the thread until it is free or its owner dies.
   *
   * @throws {@link ShmError} `ERR_SHM_DEADLOCK` where this thread holds it already; `ERR_SHM_NOT_RECOVERABLE`.
   */
  lockSync(options?: LockSyncOptions): Locked | 'timedOut' {
    if (options === undefined && this.#hold === FREE && Atomics.compareExchange(this.words, WORD, 0, this.token) === 0) {
      this.#hold = HELD
      return 'locked'
    }
    return this.#lockSlow(options)
  }

  /**
   * Takes the lock, and leaves the thread free meanwhile. In one environment first come, first served.
   *
   * @throws {@link ShmError} (as a rejection) `ERR_SHM_NOT_RECOVERABLE`; the signal's reason.
   */
  async lock(options?: LockOptions): Promise<Locked | 'timedOut'> {
    const terms = lockTerms(options, SPIN_MICROS)
    if (this.#queue.length === 0) {
      this.#strict = 0
      if (this.#hold === FREE) {
        if (terms.loads > 0) spin(this.words, WORD, terms.loads)
        const got = this.#tryHard(terms.argument)
        if (got !== 'busy') return got
        if (terms.timeoutMs === 0) return 'timedOut'
      }
    }
    this.#strict |= terms.argument
    return this.#queue.wait(terms)
  }

  /**
   * Gives the lock back.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` where this environment does not hold it.
   */
  unlock(): void {
    if (this.#hold === HELD && Atomics.compareExchange(this.words, WORD, this.token, 0) === this.token) {
      this.#hold = FREE
      this.#turn = this.#last = (this.#last + 1) | 0
      if (this.#queue.length > 0) this.#queue.advance()
      return
    }
    this.#unlockSlow()
  }

  /** Says that what the lock guards is whole again, after an `'ownerDied'`. `ERR_SHM_NOT_OWNER` where this environment does not hold it. */
  markConsistent(): void {
    if (this.#hold === FREE) throw this.#notOwner()
    this.#hold = HELD
  }

  /** Makes a lock that is not recoverable free again: the caller answers for what it guards. Answers whether it was one. */
  reset(): boolean {
    return this.object.resetLock()
  }

  /** Takes the lock as {@link Mutex.lockSync}, to give it back at the end of a block: `using held = book.acquireSync()`. Throws `ERR_SHM_TIMED_OUT`. */
  acquireSync(options?: LockSyncOptions): HeldLock {
    return this.#handle(this.lockSync(options))
  }

  /** Takes the lock as {@link Mutex.lock}, to give it back at the end of a block: `using held = await book.acquire()`. Rejects with `ERR_SHM_TIMED_OUT`. */
  async acquire(options?: LockOptions): Promise<HeldLock> {
    return this.#handle(await this.lock(options))
  }

  /**
   * Runs `act` with the lock, and gives it back.
   *
   * @throws {@link ShmError} `ERR_SHM_OWNER_DIED` where the owner before died and there is no `repair`: the lock is left to the next, who is told the
   * same; `ERR_SHM_TIMED_OUT`.
   */
  async withLock<Result>(act: () => Result | Promise<Result>, options?: LockOptions & RepairOption): Promise<Result> {
    const { repair, wait } = repairOption<LockOptions & RepairOption>(options, 'async')
    const plain = needed('act', act)
    return runHeld(await this.acquire(wait), repair, () => this.#refuse(), plain)
  }

  /** As {@link Mutex.withLock}, with the thread blocked; `act` must not be asynchronous: a TypeError, once it has answered a promise. */
  withLockSync<Result>(act: () => Result, options?: LockSyncOptions & RepairOption): Result {
    const { repair, wait } = repairOption<LockSyncOptions & RepairOption>(options, 'sync')
    const plain = needed('act', act)
    return runHeldSync(this.acquireSync(wait), repair, () => this.#refuse(), plain)
  }

  /** Who holds it, or nothing; stale the moment it returns. */
  get owner(): Owner | undefined {
    const member = this.object.owner()
    return member === null || member === undefined
      ? undefined
      : { pid: member.pid, name: member.name, since: new Date(member.joinedAtMs), alive: member.alive }
  }

  /** Whether this environment holds it. */
  get isHeld(): boolean {
    return this.#hold !== FREE
  }

  /** @internal */
  protected override held(): string | undefined {
    return this.#hold === FREE ? undefined : this.describe()
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    this.#queue.end(reason)
    this.#hold = FREE
  }

  /** For the queue: no native wait goes on. */
  #attempt(): Locked | undefined {
    const got = this.#tryHard(this.#strict)
    return got === 'busy' ? undefined : got
  }

  #tryHard(argument: number): Locked | 'busy' {
    if (this.#hold !== FREE) return 'busy'
    if (Atomics.compareExchange(this.words, WORD, 0, this.token) === 0) {
      this.#hold = HELD
      return 'locked'
    }
    // Who is dead is decided natively.
    const answer = this.object.wait(OPERATION.lock, argument, 0)
    return answer === ANSWER.notYet ? 'busy' : this.#got(answer)
  }

  #lockSlow(options: LockSyncOptions | undefined): Locked | 'timedOut' {
    const { timeoutMs, loads, argument } = lockSyncTerms(options, SPIN_MICROS)
    if (this.#hold !== FREE) throw this.error('ERR_SHM_DEADLOCK', 'this thread holds it already, and would wait for itself')
    // A promise of this environment may be about to get it: it waits behind this call.
    this.#queue.pause()
    try {
      if (loads > 0) spin(this.words, WORD, loads)
      // NB: two processes that do nothing else count 40 M/s with two naps, and 24 without; see benchmark/mutex.bench.ts.
      for (let naps = timeoutMs > NAPS_FROM_MS ? 2 : 0; naps >= 0; naps -= 1) {
        if (Atomics.compareExchange(this.words, WORD, 0, this.token) === 0) {
          this.#hold = HELD
          return 'locked'
        }
        if (naps > 0) nap()
      }
      let answer: number = ANSWER.notYet
      const got = waitInSlices(timeoutMs, sliceMs => (answer = this.object.wait(OPERATION.lock, argument, sliceMs)) !== ANSWER.notYet, this.object)
      return got ? this.#got(answer) : 'timedOut'
    } finally {
      this.#queue.advance()
    }
  }

  #unlockSlow(): void {
    if (this.#hold === FREE) throw this.#notOwner()
    const consistent = this.#hold === HELD
    this.#hold = FREE
    this.#turn = this.#last = (this.#last + 1) | 0
    try {
      this.object.unlock(consistent)
    } finally {
      this.#queue.advance()
    }
  }

  #letGo(): number {
    if (this.#hold === FREE) throw this.error('ERR_SHM_NOT_OWNER', 'this environment does not hold it')
    if (this.#hold === INCONSISTENT) throw this.error('ERR_SHM_OWNER_DIED', 'its owner died with it: repair, and markConsistent() first')
    const turn = this.#turn
    this.#queue.pause()
    this.#hold = FREE
    this.#turn = this.#last = (this.#last + 1) | 0
    if (Atomics.compareExchange(this.words, WORD, this.token, 0) !== this.token) this.object.unlock(true)
    return turn
  }

  #got(answer: number): Locked {
    const died = answer === ANSWER.ownerDied
    this.#hold = died ? INCONSISTENT : HELD
    if (died) tellDeath(this.object, 'ownerDied')
    return died ? 'ownerDied' : 'locked'
  }

  #handle(got: Locked | 'timedOut'): HeldLock {
    if (got === 'timedOut') throw this.error('ERR_SHM_TIMED_OUT', 'it was not free in time')
    const turn = this.#turn
    const isMine = (): boolean => this.#hold !== FREE && this.#turn === turn
    const markConsistent = (): void => {
      if (!isMine()) throw this.#notOwner()
      this.markConsistent()
    }
    return new HeldLock(got === 'ownerDied', markConsistent, () => {
      if (isMine()) this.unlock()
    })
  }

  #notOwner(): ShmError {
    this.live()
    return this.error('ERR_SHM_NOT_OWNER', 'this environment does not hold it')
  }

  /** Leaves the lock to the next as it was got: held by the dead. */
  #refuse(): never {
    this.#hold = FREE
    this.#turn = this.#last = (this.#last + 1) | 0
    this.object.handOn()
    this.#queue.advance()
    throw this.error('ERR_SHM_OWNER_DIED', 'its owner died with it, and there is no repair')
  }
}
