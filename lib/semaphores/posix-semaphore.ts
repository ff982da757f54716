/**
 * POSIX semaphores: one counter, by name or inside a segment (sem_overview(7)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { ShmError, closedError, outOfRange, wrongType } from '../errors.js'
import { native, type Binding } from '../native.js'
import { waitTerms, type AsyncWaitOptions } from '../waits/pending.js'
import { endSemaphoreWaits, semaphoreWait } from '../waits/semaphore-waits.js'
import { Segment, nativeOf, wordsOf } from '../memory/segment.js'
import { closings, creations, openings, removals, tellLoss, tellSemaphore, traceAs, type WaitedObject } from '../tracing.js'
import { waitInSlices, type WaitOptions } from '../waits/waiting.js'

const MAX_VALUE = 2 ** 31 - 1
const [SIZE_BYTES = 0, ALIGN_BYTES = 1] = native.posixSemaphoreLayout()
/** `sem.` stands before a semaphore's name in /dev/shm. */
const LONGEST_NAME = 250

/** How a named semaphore is created. */
export interface PosixSemaphoreCreateOptions {
  /** First value, 0 to 2^31 - 1. @default 0 */
  value?: number | undefined
  /** Permission bits, exact: the umask does not apply. @default 0o600 */
  mode?: number | undefined
}

/**
 * A POSIX semaphore. Not robust: what a process took stays taken when it dies.
 *
 * Every call after `close()` throws {@link ShmError} `ERR_SHM_CLOSED`; so does every call on one inside a segment after that segment's
 * `close()`, `resize()`, or a `refresh()` that mapped it anew: get it again by {@link PosixSemaphore.at}. A truncated segment is
 * `ERR_SHM_TRUNCATED`.
 *
 * One inside a segment is a `sem_t` of the C library of the process that made it: use the same library (glibc or musl) on all sides.
 */
export class PosixSemaphore {
  /** Bytes of one inside a segment: 32 with glibc on 64 bits. */
  static readonly sizeBytes = SIZE_BYTES
  /** The offset of one inside a segment is a multiple of this. */
  static readonly alignBytes = ALIGN_BYTES

  /** The name; absent for one inside a segment. */
  readonly name: string | undefined
  /** Whether this opening made it. */
  readonly created: boolean
  readonly #native: Binding.NativePosixSemaphore
  readonly #segment: Segment | undefined
  #closed = false

  private constructor(opened: Binding.NativePosixSemaphore, home: string | Segment) {
    if (!(opened instanceof native.NativePosixSemaphore)) throw wrongType('semaphore', 'made by create(), open() or at(), not by new', opened)
    this.#native = opened
    this.name = typeof home === 'string' ? home : undefined
    this.#segment = typeof home === 'string' ? undefined : home
    this.created = opened.created
    traceAs(this, () => ({ kind: 'posix-semaphore', ...this.#describe() }))
    this.#tell(this.created ? creations : openings)
  }

  /** Makes a named one (sem_open(3)). @throws {@link ShmError} EEXIST, EACCES, EMFILE, ENOSPC. */
  static create(name: string, options?: PosixSemaphoreCreateOptions): PosixSemaphore {
    const { value, mode } = creation(options)
    const plain = check.objectName('name', name, LONGEST_NAME)
    return new PosixSemaphore(native.posixSemaphoreCreate(plain, value, mode), plain)
  }

  /** Opens a named one. @throws {@link ShmError} ENOENT, EACCES. */
  static open(name: string): PosixSemaphore {
    const plain = check.objectName('name', name, LONGEST_NAME)
    return new PosixSemaphore(native.posixSemaphoreOpen(plain), plain)
  }

  /** Opens a named one or makes it (sem_open(3)); the value of an existing one stays as it is. @throws {@link ShmError} EACCES, EMFILE, ENOSPC. */
  static openOrCreate(name: string, options?: PosixSemaphoreCreateOptions): PosixSemaphore {
    const { value, mode } = creation(options)
    const plain = check.objectName('name', name, LONGEST_NAME)
    return new PosixSemaphore(native.posixSemaphoreOpenOrCreate(plain, value, mode), plain)
  }

  /**
   * The one at `offset` of a segment, made before by {@link PosixSemaphore.init} or by C's `sem_init(…, 1, …)`.
   * Once the segment is closed, every call on it is `ERR_SHM_CLOSED`.
   *
   * @throws {@link ShmError} `ERR_SHM_READ_ONLY`, `ERR_SHM_CLOSED`; RangeError for an offset that is not aligned or too near the end.
   */
  static at(segment: Segment, offset: number): PosixSemaphore {
    return new PosixSemaphore(native.posixSemaphoreAt(memoryOf(segment), place(segment, offset)), segment)
  }

  /** Makes one at `offset` of a segment (sem_init(3), shared between processes). Nobody may be using those bytes. Errors as {@link PosixSemaphore.at}. */
  static init(segment: Segment, offset: number, options?: Pick<PosixSemaphoreCreateOptions, 'value'>): PosixSemaphore {
    const { value = 0 } = check.options<PosixSemaphoreCreateOptions>('options', options, ['value'])
    return new PosixSemaphore(
      native.posixSemaphoreAt(memoryOf(segment), place(segment, offset), check.integer('options.value', value, 0, MAX_VALUE)),
      segment
    )
  }

  /** Removes a name (sem_unlink(3)); who has it open goes on. @throws {@link ShmError} ENOENT, EACCES. */
  static remove(name: string): void {
    removeName(check.objectName('name', name, LONGEST_NAME))
  }

  /** The value (sem_getvalue(3)); stale the moment it returns. */
  get value(): number {
    return this.#run(semaphore => semaphore.value())
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closed
  }

  /** Takes one now, if there is one (sem_trywait(3)). */
  tryWait(): 'acquired' | 'busy' {
    for (;;) {
      const word = this.#run(semaphore => semaphore.tryWait())
      if (word >= 0) return word === 1 ? 'acquired' : 'busy'
    }
  }

  /** Takes one, waiting until there is one (sem_timedwait(3)). Blocks the thread. */
  waitSync(options?: WaitOptions): 'acquired' | 'timedOut' {
    const { timeoutMs } = check.options<WaitOptions>('options', options, ['timeoutMs'])
    return waitInSlices(check.timeout('options.timeoutMs', timeoutMs), sliceMs => this.#run(semaphore => semaphore.wait(sliceMs)) === 1, this) ? 'acquired' : 'timedOut'
  }

  /**
   * Takes one, waiting until there is one, beside the event loop. Rejects with `signal.reason` when it is aborted, with `ERR_SHM_CLOSED`
   * when the semaphore or its segment is closed meanwhile; what it had taken in that moment is posted back.
   */
  async wait(options?: AsyncWaitOptions): Promise<'acquired' | 'timedOut'> {
    const terms = waitTerms(options)
    if (this.tryWait() === 'acquired') return 'acquired'
    if (terms.timeoutMs === 0) return 'timedOut'
    try {
      const taken = await semaphoreWait(this, terms, waits => waits.take(this.#native, terms.timeoutMs))
      if (!taken) tellLoss(this, 'timedOut', terms.timeoutMs)
      return taken ? 'acquired' : 'timedOut'
    } catch (error) {
      if (error instanceof ShmError) this.#look()
      throw error
    }
  }

  /** Gives one (sem_post(3)). @throws {@link ShmError} EOVERFLOW beyond 2^31 - 1. */
  post(): void {
    this.#run(semaphore => semaphore.post())
  }

  /** Closes it in this process (sem_close(3)); the semaphore itself stays, pending waits reject with `ERR_SHM_CLOSED`. Idempotent. */
  close(): void {
    const wasClosed = this.#closed
    this.#closed = true
    endSemaphoreWaits(this, () => closedError('semaphore'))
    this.#native.close()
    if (!wasClosed) this.#tell(closings)
  }

  /** Removes its name (sem_unlink(3)). Works after `close()` too. `ERR_SHM_UNSUPPORTED` for one inside a segment. */
  remove(): void {
    if (this.name === undefined) {
      throw new ShmError({ code: 'ERR_SHM_UNSUPPORTED', message: 'a semaphore inside a segment has no name: it goes with the segment' })
    }
    removeName(this.name)
  }

  #describe(): Omit<WaitedObject, 'kind'> {
    if (this.#segment !== undefined) return { object: 'a semaphore', segment: wordsOf(this.#segment) }
    return this.name === undefined ? { object: 'a semaphore' } : { object: wordsFor(this.name), objectName: this.name }
  }

  /** One inside a segment is told of with its segment. */
  #tell(channel: typeof creations): void {
    if (this.name !== undefined && channel.hasSubscribers) tellSemaphore(channel, 'posix-semaphore', wordsFor(this.name), { objectName: this.name })
  }

  /** What was done on bytes that were truncated or taken away was done on a private page: then the segment's error is the answer. */
  #run<Answer>(act: (semaphore: Binding.NativePosixSemaphore) => Answer): Answer {
    this.#look()
    try {
      return act(this.#native)
    } finally {
      this.#look()
    }
  }

  #look(): void {
    if (!this.#closed && this.#segment !== undefined) nativeOf(this.#segment)
  }

  /** `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }
}

function removeName(name: string): void {
  native.posixSemaphoreRemove(name)
  tellRemovedSemaphore(name)
}

/** @internal */
export function tellRemovedSemaphore(name: string): void {
  if (removals.hasSubscribers) tellSemaphore(removals, 'posix-semaphore', wordsFor(name), { objectName: name })
}

function wordsFor(name: string): string {
  return `semaphore '${name}'`
}

function creation(value: unknown): { value: number; mode: number } {
  const { value: first = 0, mode } = check.options<PosixSemaphoreCreateOptions>('options', value, ['value', 'mode'])
  return { value: check.integer('options.value', first, 0, MAX_VALUE), mode: check.mode('options.mode', mode, 0o600) }
}

/** Never in an array that is spread: the iterator of arrays is anybody's to replace, and would be handed the native segment. */
function memoryOf(segment: Segment): Binding.NativeSegment {
  if (!(segment instanceof Segment)) throw wrongType('segment', 'a segment', segment)
  return nativeOf(segment)
}

function place(segment: Segment, offset: number): number {
  if (segment.access === 'read') {
    throw new ShmError({ code: 'ERR_SHM_READ_ONLY', message: 'a semaphore needs a segment that is open for writing' })
  }
  check.integer('offset', offset, 0, segment.size)
  if (offset % ALIGN_BYTES !== 0) throw outOfRange('offset', `a multiple of ${ALIGN_BYTES}`, offset)
  if (offset + SIZE_BYTES > segment.size) throw outOfRange('offset', `at least ${SIZE_BYTES} bytes before the end (${segment.size})`, offset)
  return offset
}
