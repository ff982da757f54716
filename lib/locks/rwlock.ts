/**
 * A reader-writer lock between processes whose readers touch no common line, and whose dead block nobody.
 *
 * @module
 */

import { HeldLock } from './held-lock.js'
import {
  lockSyncTerms, lockTerms, repairOption, runHeld, runHeldSync, type LockSyncTerms, needed,
  type LockOptions, type LockSyncOptions, type Locked, type RepairOption
} from './lock-terms.js'
import { ANSWER, OPERATION, PARTS, READER_STRIDE, VALUE, WORD } from '../managed-layout.js'
import { ManagedObject, type Opened } from '../membership/managed-object.js'
import { LOADS_IN_ORDER } from '../memory-order.js'
import type { Owner } from './mutex.js'
import { spin } from '../waits/spinning.js'
import { tellDeath } from '../tracing.js'
import { WaitQueue } from '../waits/wait-queue.js'
import { waitInSlices } from '../waits/waiting.js'

const FREE = 0
const HELD = 1
/** Got from a dead writer, and not repaired yet. */
const INCONSISTENT = 2
/** The segment is closed. */
const ENDED = 3

/**
 * A reader-writer lock of a managed segment: many members read at once, or one writes. A waiting writer keeps new readers out.
 *
 * Owned by the environment (main thread or worker), not by a call stack. Reads of one environment are counted: one that reads already reads
 * again at once, also while a writer waits, so that a nested read never blocks. Who reads cannot begin to write, nor the reverse: `'busy'`, and
 * `ERR_SHM_DEADLOCK` with the thread blocked. A promise waits instead for the environment to give back what it has. Promises to read and promises
 * to write of one environment wait in a queue each, first come, first served; after a write its readers come first, after the last read its writers.
 *
 * A reader that died does not count any more. Where the writer died, the next writer and every reader until then get the lock and are told:
 * `'ownerDied'`. A writer repairs what the lock guards and calls {@link RwLock.markConsistent}; if it unlocks without that, the lock is
 * `ERR_SHM_NOT_RECOVERABLE` for everybody until {@link RwLock.reset}. A reader can but know.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT` where somebody scribbled over its word.
 */
export class RwLock extends ManagedObject {
  override readonly kind = 'rwlock'
  /** How often this environment reads: one mark in its cell stands for all. */
  #readers = 0
  /** What the first of them was told. */
  #readAfterDeath = false
  /** What this environment has of it for writing. */
  #writing = FREE
  readonly #cell: number
  readonly #reads: WaitQueue<Locked>
  readonly #writes: WaitQueue<Locked>
  /** Whether a queue's waits are strict: they are while one of those who wait asked for it. */
  #readArgument = 0
  #writeArgument = 0
  /** Which write it is, so that a block gives back its own only. */
  #writeTurn = 0
  /** Which reads blocks have in hand, so that each ends its own only: never more than there are reads. */
  readonly #readsInHand = new Set<number>()
  /** The number that the last of them was given. */
  #lastRead = 0

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.#cell = PARTS + opened.slot * READER_STRIDE
    this.#reads = new WaitQueue({
      object: this.object,
      operation: OPERATION.read,
      argument: () => this.#readArgument,
      attempt: () => this.#attemptRead(this.#readArgument),
      outcome: answer => this.#gotRead(answer),
      // Each of them counts: the first one's success is the others', in turn.
      all: false,
      blocked: () => this.#writing !== FREE
    })
    this.#writes = new WaitQueue({
      object: this.object,
      operation: OPERATION.write,
      argument: () => this.#writeArgument,
      attempt: () => this.#attemptWrite(this.#writeArgument),
      outcome: answer => this.#gotWrite(answer),
      all: false,
      blocked: () => this.#writing !== FREE || this.#readers > 0
    })
  }

  /** Begins to read if no writer is at work or waits. While this environment writes, that is `'busy'`. */
  tryReadLock(): Locked | 'busy' {
    return this.#readAtOnce() ? 'locked' : this.#tryReadHard()
  }

  /**
   * Begins to read, and blocks the thread until no writer is at work.
   *
   * @throws {@link ShmError} `ERR_SHM_DEADLOCK` where this environment writes; `ERR_SHM_NOT_RECOVERABLE`.
   */
  readLockSync(options?: LockSyncOptions): Locked | 'timedOut' {
    return options === undefined && this.#readAtOnce() ? 'locked' : this.#readSlow(options)
  }

  /**
   * Begins to read, and leaves the thread free meanwhile.
   *
   * @throws {@link ShmError} (as a rejection) `ERR_SHM_NOT_RECOVERABLE`; the signal's reason.
   */
  async readLock(options?: LockOptions): Promise<Locked | 'timedOut'> {
    const { loads, argument, ...terms } = lockTerms(options)
    this.live()
    if (this.#readers > 0) return this.#readAgain()
    if (this.#reads.length === 0) {
      this.#readArgument = 0
      if (this.#writing === FREE) {
        if (loads > 0) spin(this.words, WORD, loads)
        const got = this.#attemptRead(argument)
        if (got !== undefined) return got
        if (terms.timeoutMs === 0) return 'timedOut'
      }
    }
    this.#readArgument |= argument
    return this.#reads.wait(terms)
  }

  /**
   * Ends a read: one that no block has in hand, where there is one.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` where this environment does not read.
   */
  readUnlock(): void {
    if (this.#readers === 1 && Atomics.compareExchange(this.words, this.#cell, this.token, 0) === this.token) {
      this.#readers = 0
      if (this.#readsInHand.size > 0) this.#readsInHand.clear()
      if (this.#writes.length > 0) this.#writes.advance()
      return
    }
    this.#readUnlockSlow()
  }

  /** Takes the lock for writing if nobody has it, or only the dead. While this environment reads or writes, that is `'busy'`. */
  tryWriteLock(): Locked | 'busy' {
    return this.#writeAtOnce() ? 'locked' : this.#tryWriteHard()
  }

  /**
   * Takes the lock for writing, and blocks the thread until nobody has it.
   *
   * @throws {@link ShmError} `ERR_SHM_DEADLOCK` where this environment reads or writes; `ERR_SHM_NOT_RECOVERABLE`.
   */
  writeLockSync(options?: LockSyncOptions): Locked | 'timedOut' {
    return options === undefined && this.#writeAtOnce() ? 'locked' : this.#writeSlow(options)
  }

  /**
   * Takes the lock for writing, and leaves the thread free meanwhile. While this environment reads or writes, the promise waits for that to end.
   *
   * @throws {@link ShmError} (as a rejection) `ERR_SHM_NOT_RECOVERABLE`; the signal's reason.
   */
  async writeLock(options?: LockOptions): Promise<Locked | 'timedOut'> {
    const { loads, argument, ...terms } = lockTerms(options)
    this.live()
    if (this.#writes.length === 0) {
      this.#writeArgument = 0
      if (this.#writing === FREE && this.#readers === 0) {
        if (loads > 0) spin(this.words, WORD, loads)
        const got = this.#attemptWrite(argument)
        if (got !== undefined) return got
        if (terms.timeoutMs === 0) return 'timedOut'
      }
    }
    this.#writeArgument |= argument
    return this.#writes.wait(terms)
  }

  /**
   * Ends the write.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_OWNER` where this environment does not write.
   */
  writeUnlock(): void {
    if (this.#writing === HELD && Atomics.compareExchange(this.words, WORD, this.token, 0) === this.token) {
      this.#endWrite()
      this.#afterWrite()
      return
    }
    this.#writeUnlockSlow()
  }

  /** Says that what the lock guards is whole again, after an `'ownerDied'`. `ERR_SHM_NOT_OWNER` where this environment does not write. */
  markConsistent(): void {
    if (this.#writing !== HELD && this.#writing !== INCONSISTENT) throw this.#notOwner('writing')
    this.#writing = HELD
  }

  /** Makes a lock that is not recoverable free again: the caller answers for what it guards. Answers whether it was one. */
  reset(): boolean {
    return this.object.resetLock()
  }

  /** Reads as {@link RwLock.readLockSync} until the end of a block: `using held = book.acquireReadSync()`. Throws `ERR_SHM_TIMED_OUT`. */
  acquireReadSync(options?: LockSyncOptions): HeldLock {
    return this.#heldRead(this.readLockSync(options))
  }

  /** Reads as {@link RwLock.readLock} until the end of a block: `using held = await book.acquireRead()`. Rejects with `ERR_SHM_TIMED_OUT`. */
  async acquireRead(options?: LockOptions): Promise<HeldLock> {
    return this.#heldRead(await this.readLock(options))
  }

  /** Writes as {@link RwLock.writeLockSync} until the end of a block: `using held = book.acquireWriteSync()`. Throws `ERR_SHM_TIMED_OUT`. */
  acquireWriteSync(options?: LockSyncOptions): HeldLock {
    return this.#heldWrite(this.writeLockSync(options))
  }

  /** Writes as {@link RwLock.writeLock} until the end of a block: `using held = await book.acquireWrite()`. Rejects with `ERR_SHM_TIMED_OUT`. */
  async acquireWrite(options?: LockOptions): Promise<HeldLock> {
    return this.#heldWrite(await this.writeLock(options))
  }

  /**
   * Runs `act` while reading.
   *
   * @throws {@link ShmError} `ERR_SHM_OWNER_DIED` where a writer died and none repaired yet what it left (who wants to read that takes
   * {@link RwLock.acquireRead}); `ERR_SHM_TIMED_OUT`.
   */
  async withReadLock<Result>(act: () => Result | Promise<Result>, options?: LockOptions): Promise<Result> {
    const plain = needed('act', act)
    return runHeld(await this.acquireRead(options), undefined, () => this.#refuseRead(), plain)
  }

  /** As {@link RwLock.withReadLock}, with the thread blocked; `act` must not be asynchronous: a TypeError, once it has answered a promise. */
  withReadLockSync<Result>(act: () => Result, options?: LockSyncOptions): Result {
    const plain = needed('act', act)
    return runHeldSync(this.acquireReadSync(options), undefined, () => this.#refuseRead(), plain)
  }

  /**
   * Runs `act` while writing.
   *
   * @throws {@link ShmError} `ERR_SHM_OWNER_DIED` where the writer before died and there is no `repair`: the lock is left to the next, who is told the
   * same; `ERR_SHM_TIMED_OUT`.
   */
  async withWriteLock<Result>(act: () => Result | Promise<Result>, options?: LockOptions & RepairOption): Promise<Result> {
    const { repair, wait } = repairOption(options, 'async')
    const plain = needed('act', act)
    return runHeld(await this.acquireWrite(wait), repair, () => this.#refuseWrite(), plain)
  }

  /** As {@link RwLock.withWriteLock}, with the thread blocked; `act` must not be asynchronous: a TypeError, once it has answered a promise. */
  withWriteLockSync<Result>(act: () => Result, options?: LockSyncOptions & RepairOption): Result {
    const { repair, wait } = repairOption(options, 'sync')
    const plain = needed('act', act)
    return runHeldSync(this.acquireWriteSync(wait), repair, () => this.#refuseWrite(), plain)
  }

  /** Who writes, or waits for the readers to end, or nothing; stale the moment it returns. */
  get owner(): Owner | undefined {
    const member = this.object.owner()
    return member === null || member === undefined
      ? undefined
      : { pid: member.pid, name: member.name, since: new Date(member.joinedAtMs), alive: member.alive }
  }

  /** Whether this environment reads. */
  get isReading(): boolean {
    return this.#readers > 0
  }

  /** Whether this environment writes. */
  get isWriting(): boolean {
    return this.#writing === HELD || this.#writing === INCONSISTENT
  }

  /** @internal */
  protected override held(): string | undefined {
    return this.isReading || this.isWriting ? this.describe() : undefined
  }

  /** @internal */
  protected override ended(reason: () => unknown): void {
    this.#writing = ENDED
    this.#readers = 0
    this.#readsInHand.clear()
    this.#reads.end(reason)
    this.#writes.end(reason)
  }

  #readAtOnce(): boolean {
    // A wait that goes on would write the same cell.
    return this.#readers === 0 && this.#writing === FREE && this.#reads.length === 0 && this.#mark()
  }

  /** Marks the cell, then looks at the writer's word; a writer does the reverse. */
  #mark(): boolean {
    Atomics.store(this.words, this.#cell, this.token)
    const writer = LOADS_IN_ORDER ? this.words[WORD] as number : Atomics.load(this.words, WORD)
    if ((writer & VALUE) === 0) {
      this.#readers = 1
      this.#readAfterDeath = false
      return true
    }
    if (Atomics.compareExchange(this.words, this.#cell, this.token, 0) !== this.token) this.object.readUnlock()
    return false
  }

  /** For who knows that no native wait to read goes on. */
  #attemptRead(argument: number): Locked | undefined {
    if (this.#readers > 0) return this.#readAgain()
    if (this.#mark()) return 'locked'
    const answer = this.object.wait(OPERATION.read, argument, 0)
    return answer === ANSWER.notYet ? undefined : this.#gotRead(answer)
  }

  #readAgain(): Locked {
    this.#readers += 1
    return this.#readAfterDeath ? 'ownerDied' : 'locked'
  }

  #tryReadHard(): Locked | 'busy' {
    this.live()
    if (this.#writing !== FREE) return 'busy'
    this.#reads.pause()
    try {
      return this.#attemptRead(0) ?? 'busy'
    } finally {
      this.#reads.advance()
    }
  }

  #readSlow(options: LockSyncOptions | undefined): Locked | 'timedOut' {
    const terms = lockSyncTerms(options)
    this.live()
    if (this.#readers > 0) return this.#readAgain()
    if (this.#writing !== FREE) throw this.error('ERR_SHM_DEADLOCK', 'this thread writes, and would wait for itself')
    return this.#waitSync(OPERATION.read, terms, () => this.#mark(), answer => this.#gotRead(answer))
  }

  #readUnlockSlow(): void {
    if (this.#readers === 0) throw this.#notOwner('reading')
    this.#readers -= 1
    // All that is left is in hand, and somebody ended one of those by hand: its block comes too late. Which one, nobody knows.
    if (this.#readsInHand.size > this.#readers) {
      const [first] = this.#readsInHand
      this.#readsInHand.delete(first as number)
    }
    if (this.#readers > 0) return
    try {
      this.object.readUnlock()
    } finally {
      this.#writes.advance()
    }
  }

  #gotRead(answer: number): Locked {
    this.#readers = 1
    this.#readAfterDeath = answer === ANSWER.ownerDied
    if (this.#readAfterDeath) tellDeath(this.object, 'ownerDied')
    return this.#readAfterDeath ? 'ownerDied' : 'locked'
  }

  #writeAtOnce(): boolean {
    return this.#readers === 0 && this.#writing === FREE && this.#takeWord()
  }

  /** Takes the writer's word if it is free, and keeps it if nobody reads. */
  #takeWord(): boolean {
    const { words, token } = this
    if (Atomics.compareExchange(words, WORD, 0, token) !== 0) return false
    for (let cell = PARTS; cell < words.length; cell += READER_STRIDE) {
      if ((LOADS_IN_ORDER ? words[cell] : Atomics.load(words, cell)) === 0) continue
      // A reader, who may be dead: that is decided natively.
      if (Atomics.compareExchange(words, WORD, token, 0) !== token) this.object.unlock(true)
      return false
    }
    this.#writing = HELD
    return true
  }

  #attemptWrite(argument: number): Locked | undefined {
    if (this.#takeWord()) return 'locked'
    const answer = this.object.wait(OPERATION.write, argument, 0)
    return answer === ANSWER.notYet ? undefined : this.#gotWrite(answer)
  }

  #tryWriteHard(): Locked | 'busy' {
    this.live()
    if (this.#writing !== FREE || this.#readers > 0) return 'busy'
    return this.#attemptWrite(0) ?? 'busy'
  }

  #writeSlow(options: LockSyncOptions | undefined): Locked | 'timedOut' {
    const terms = lockSyncTerms(options)
    this.live()
    if (this.#readers > 0) throw this.error('ERR_SHM_DEADLOCK', 'this thread reads, and would wait for itself')
    if (this.#writing !== FREE) throw this.error('ERR_SHM_DEADLOCK', 'this thread writes already, and would wait for itself')
    return this.#waitSync(OPERATION.write, terms, () => this.#takeWord(), answer => this.#gotWrite(answer))
  }

  #writeUnlockSlow(): void {
    if (!this.isWriting) throw this.#notOwner('writing')
    const consistent = this.#writing === HELD
    this.#endWrite()
    try {
      this.object.unlock(consistent)
    } finally {
      this.#afterWrite()
    }
  }

  #gotWrite(answer: number): Locked {
    const died = answer === ANSWER.ownerDied
    this.#writing = died ? INCONSISTENT : HELD
    if (died) tellDeath(this.object, 'ownerDied')
    return died ? 'ownerDied' : 'locked'
  }

  /** What a block has in hand of it is stale from now on, whoever gets it next. */
  #endWrite(): void {
    this.#writing = FREE
    this.#writeTurn = (this.#writeTurn + 1) | 0
  }

  #afterWrite(): void {
    if (this.#reads.length > 0) this.#reads.advance()
    if (this.#writes.length > 0) this.#writes.advance()
  }

  /** Blocks the thread. `attempt` is the fast way. */
  #waitSync(operation: number, { timeoutMs, loads, argument }: LockSyncTerms, attempt: () => boolean, got: (answer: number) => Locked): Locked | 'timedOut' {
    // A promise of this environment may be about to get it: it waits behind this call.
    this.#reads.pause()
    this.#writes.pause()
    try {
      if (loads > 0) spin(this.words, WORD, loads)
      if (attempt()) return 'locked'
      let answer: number = ANSWER.notYet
      const isOver = waitInSlices(timeoutMs, sliceMs => (answer = this.object.wait(operation, argument, sliceMs)) !== ANSWER.notYet, this.object)
      return isOver ? got(answer) : 'timedOut'
    } finally {
      this.#reads.advance()
      this.#writes.advance()
    }
  }

  #heldRead(got: Locked | 'timedOut'): HeldLock {
    if (got === 'timedOut') throw this.#notInTime()
    const turn = this.#lastRead = (this.#lastRead + 1) | 0
    // Where somebody ended it before it came to hand, there is none for it.
    if (this.#readsInHand.size < this.#readers) this.#readsInHand.add(turn)
    const markConsistent = (): never => {
      throw this.#notOwner('writing')
    }
    return new HeldLock(got === 'ownerDied', markConsistent, () => {
      if (this.#readsInHand.delete(turn)) this.readUnlock()
    })
  }

  #heldWrite(got: Locked | 'timedOut'): HeldLock {
    if (got === 'timedOut') throw this.#notInTime()
    const turn = this.#writeTurn
    const isMine = (): boolean => this.isWriting && this.#writeTurn === turn
    const markConsistent = (): void => {
      if (!isMine()) throw this.#notOwner('writing')
      this.markConsistent()
    }
    return new HeldLock(got === 'ownerDied', markConsistent, () => {
      if (isMine()) this.writeUnlock()
    })
  }

  #notInTime(): Error {
    return this.error('ERR_SHM_TIMED_OUT', 'it was not free in time')
  }

  #refuseRead(): never {
    throw this.error('ERR_SHM_OWNER_DIED', 'its writer died with it, and no other repaired yet what it left')
  }

  /** Leaves the lock to the next as it was got: a dead writer's. */
  #refuseWrite(): never {
    this.#endWrite()
    this.object.handOn()
    this.#afterWrite()
    throw this.error('ERR_SHM_OWNER_DIED', 'its writer died with it, and there is no repair')
  }

  #notOwner(what: string): Error {
    this.live()
    return this.error('ERR_SHM_NOT_OWNER', `this environment does not hold it for ${what}`)
  }
}
