/**
 * pthread read-write locks inside a segment: those of C programs (pthread_rwlock_rdlock(3)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { native, type Binding } from '../native.js'
import { between, madeByNew, memoryOf, place, refuseForeign, traceIn, type PthreadOptions } from './pthread-place.js'
import { waitInSlices, type WaitOptions } from '../waits/waiting.js'
import type { Segment } from '../memory/segment.js'

const [SIZE_BYTES = 0, ALIGN_BYTES = 1] = native.pthreadRwLockLayout()

/**
 * A `pthread_rwlock_t` inside a segment, process-shared: many readers, or one writer. Not robust: what a process held stays held when
 * it dies. While it is held, the segment's `close()` is `ERR_SHM_HELD`; after it every call is `ERR_SHM_CLOSED`, as with `PthreadMutex`.
 */
export class PthreadRwLock {
  /** Bytes of one: 56 with glibc. */
  static readonly sizeBytes = SIZE_BYTES
  /** Its offset is a multiple of this. */
  static readonly alignBytes = ALIGN_BYTES

  readonly #native: Binding.NativePthreadRwLock
  readonly #segment: Segment

  private constructor(opened: Binding.NativePthreadRwLock, segment: Segment) {
    if (!(opened instanceof native.NativePthreadRwLock)) throw madeByNew('lock', opened)
    this.#native = opened
    this.#segment = segment
    traceIn(segment, opened, 'lock')
  }

  /** Makes one (pthread_rwlock_init(3)). Nobody may be using those bytes. Errors as `PthreadMutex.initialise`. */
  static initialise(segment: Segment, offset: number, options?: PthreadOptions): PthreadRwLock {
    const memory = memoryOf(segment)
    const at = place(segment, offset, SIZE_BYTES, ALIGN_BYTES)
    refuseForeign(check.options<PthreadOptions>('options', options, ['abi']).abi)
    return new PthreadRwLock(native.pthreadRwLockInitialise(memory, at), segment)
  }

  /** The one at `offset`, made before by {@link PthreadRwLock.initialise} or by C. Errors as `PthreadMutex.at`. */
  static at(segment: Segment, offset: number, options?: PthreadOptions): PthreadRwLock {
    const memory = memoryOf(segment)
    const at = place(segment, offset, SIZE_BYTES, ALIGN_BYTES)
    refuseForeign(check.options<PthreadOptions>('options', options, ['abi']).abi)
    return new PthreadRwLock(native.pthreadRwLockAt(memory, at), segment)
  }

  /** Takes it for reading now, if no writer has it (pthread_rwlock_tryrdlock(3)). @throws {@link ShmError} EAGAIN (too many readers), `ERR_SHM_POSSIBLY_CORRUPT`, `ERR_SHM_CLOSED`. */
  tryReadLock(): 'locked' | 'busy' {
    return between(this.#segment, () => this.#native.tryRead()) ? 'locked' : 'busy'
  }

  /** Takes it for writing now, if nobody has it (pthread_rwlock_trywrlock(3)). Errors as {@link PthreadRwLock.tryReadLock}. */
  tryWriteLock(): 'locked' | 'busy' {
    return between(this.#segment, () => this.#native.tryWrite()) ? 'locked' : 'busy'
  }

  /**
   * Takes it for reading, waiting until no writer has it (pthread_rwlock_clockrdlock(3)). The same thread may do so several times, and
   * unlocks as often. Blocks the thread, in slices of 100 ms.
   *
   * @throws {@link ShmError} EDEADLK where this thread has it for writing; else as {@link PthreadRwLock.tryReadLock}.
   */
  readLockSync(options?: WaitOptions): 'locked' | 'timedOut' {
    return this.#wait(options, sliceMs => this.#native.read(sliceMs))
  }

  /**
   * Takes it for writing, waiting until nobody has it (pthread_rwlock_clockwrlock(3)). Blocks the thread, in slices of 100 ms.
   *
   * @throws {@link ShmError} EDEADLK where this thread has it, either way; else as {@link PthreadRwLock.tryReadLock}.
   */
  writeLockSync(options?: WaitOptions): 'locked' | 'timedOut' {
    return this.#wait(options, sliceMs => this.#native.write(sliceMs))
  }

  /** Gives it back, from either way (pthread_rwlock_unlock(3)). @throws {@link ShmError} EPERM where this thread did not take it through this segment. */
  unlock(): void {
    between(this.#segment, () => this.#native.unlock())
  }

  /** Makes it no lock any more (pthread_rwlock_destroy(3)). @throws {@link ShmError} EBUSY where somebody has it; `ERR_SHM_HELD` where this thread has. */
  destroy(): void {
    between(this.#segment, () => this.#native.destroy())
  }

  #wait(options: unknown, attempt: (sliceMs: number) => boolean): 'locked' | 'timedOut' {
    const { timeoutMs } = check.options<WaitOptions>('options', options, ['timeoutMs'])
    return waitInSlices(check.timeout('options.timeoutMs', timeoutMs), sliceMs => between(this.#segment, () => attempt(sliceMs)), this.#native) ? 'locked' : 'timedOut'
  }
}
