/**
 * pthread mutexes inside a segment: those of C programs (pthread_mutex_lock(3)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { markCopy } from '../copies.js'
import { native, type Binding } from '../native.js'
import { between, madeByNew, memoryOf, place, refuseForeign, traceIn, type PthreadOptions } from './pthread-place.js'
import { tellDeath } from '../tracing.js'
import { waitInSlices, type WaitOptions } from '../waits/waiting.js'
import type { Segment } from '../memory/segment.js'

const [SIZE_BYTES = 0, ALIGN_BYTES = 1] = native.pthreadMutexLayout()
const TYPES = ['normal', 'error-checking', 'recursive'] as const

/** How a mutex is made. */
export interface PthreadMutexOptions extends PthreadOptions {
  /**
   * What C gets that locks twice or unlocks what it does not hold: `'normal'` waits for ever, `'error-checking'` is told, `'recursive'`
   * counts. This class always checks. @default 'error-checking'
   */
  type?: (typeof TYPES)[number] | undefined
  /** Whether the next one is told when an owner dies (PTHREAD_MUTEX_ROBUST); if not, the mutex stays locked for ever. @default true */
  robust?: boolean | undefined
  /** `'inherit'`: an owner has at least the priority of those who wait (PTHREAD_PRIO_INHERIT). @default 'none' */
  protocol?: 'none' | 'inherit' | undefined
}

/** The native mutex behind one, for a condition variable. @internal */
export let nativeMutexOf: (mutex: PthreadMutex) => Binding.NativePthreadMutex

/**
 * A `pthread_mutex_t` inside a segment, process-shared. It belongs to the thread that locked it, through the segment it was locked in:
 * `unlock()` through another opening of the same memory is EPERM.
 *
 * While it is held, `close()` and all else that would unmap it is `ERR_SHM_HELD`. After the segment's `close()`, `resize()`, or a
 * `refresh()` that mapped it anew every call is `ERR_SHM_CLOSED`: get it again by {@link PthreadMutex.at}.
 *
 * The C library trusts the bytes: where somebody scribbles over a mutex, it can wait for ever or end the process. Bytes that are obviously
 * none are `ERR_SHM_POSSIBLY_CORRUPT`. Limits of robust mutexes: `docs/pthread-interop.md`.
 */
export class PthreadMutex {
  /** Bytes of one: 40 with glibc on x64. */
  static readonly sizeBytes = SIZE_BYTES
  /** Its offset is a multiple of this. */
  static readonly alignBytes = ALIGN_BYTES

  static {
    nativeMutexOf = mutex => mutex.#native
    markCopy(this.prototype)
  }

  readonly #native: Binding.NativePthreadMutex
  readonly #segment: Segment

  private constructor(opened: Binding.NativePthreadMutex, segment: Segment) {
    if (!(opened instanceof native.NativePthreadMutex)) throw madeByNew('mutex', opened)
    this.#native = opened
    this.#segment = segment
    traceIn(segment, opened, 'mutex')
  }

  /**
   * Makes one (pthread_mutex_init(3)). Nobody may be using those bytes.
   *
   * @throws {@link ShmError} `ERR_SHM_READ_ONLY`, `ERR_SHM_CLOSED`, `ERR_SHM_UNSUPPORTED` (another ABI), `ERR_SHM_HELD` where this thread
   * holds a lock there; RangeError for an offset that is not aligned or too near the end.
   */
  static initialise(segment: Segment, offset: number, options?: PthreadMutexOptions): PthreadMutex {
    const memory = memoryOf(segment)
    const at = place(segment, offset, SIZE_BYTES, ALIGN_BYTES)
    const { type = 'error-checking', robust, protocol = 'none', abi } = check.options<PthreadMutexOptions>('options', options, ['type', 'robust', 'protocol', 'abi'])
    refuseForeign(abi)
    const kind = TYPES.indexOf(check.oneOf('options.type', type, TYPES))
    const inherits = check.oneOf('options.protocol', protocol, ['none', 'inherit']) === 'inherit'
    return new PthreadMutex(native.pthreadMutexInitialise(memory, at, kind, check.flag('options.robust', robust, true), inherits), segment)
  }

  /**
   * The one at `offset`, made before by {@link PthreadMutex.initialise} or by C; of any type, robust or not, but process-shared.
   *
   * @throws {@link ShmError} `ERR_SHM_POSSIBLY_CORRUPT`, `ERR_SHM_UNSUPPORTED` (another ABI, a priority ceiling), `ERR_SHM_READ_ONLY`,
   * `ERR_SHM_CLOSED`; RangeError as {@link PthreadMutex.initialise}.
   */
  static at(segment: Segment, offset: number, options?: PthreadOptions): PthreadMutex {
    const memory = memoryOf(segment)
    const at = place(segment, offset, SIZE_BYTES, ALIGN_BYTES)
    refuseForeign(check.options<PthreadOptions>('options', options, ['abi']).abi)
    return new PthreadMutex(native.pthreadMutexAt(memory, at), segment)
  }

  /**
   * Locks it now, if nobody has it (pthread_mutex_trylock(3)). One's own is `'busy'`, too, unless it is recursive. `'ownerDied'`: it is
   * locked, and what it protects may be half-written: repair, {@link PthreadMutex.markConsistent}, unlock.
   *
   * @throws {@link ShmError} ENOTRECOVERABLE, EAGAIN (locked 2^32 times), `ERR_SHM_POSSIBLY_CORRUPT`, `ERR_SHM_CLOSED`.
   */
  tryLock(): 'locked' | 'ownerDied' | 'busy' {
    const word = between(this.#segment, () => this.#native.tryLock())
    return word === 0 ? 'busy' : this.#got(word)
  }

  /**
   * Locks it, waiting until nobody has it (pthread_mutex_clocklock(3)). Blocks the thread, in slices of 100 ms.
   *
   * @throws {@link ShmError} EDEADLK where this thread has it and it is not recursive, or, with protocol `'inherit'`, where its owner
   * waits for a mutex of this thread; ESRCH with `'inherit'` where the owner is no thread of this PID namespace; else as
   * {@link PthreadMutex.tryLock}.
   */
  lockSync(options?: WaitOptions): 'locked' | 'ownerDied' | 'timedOut' {
    const { timeoutMs } = check.options<WaitOptions>('options', options, ['timeoutMs'])
    let word = 0
    waitInSlices(check.timeout('options.timeoutMs', timeoutMs), sliceMs => {
      word = between(this.#segment, () => this.#native.lock(sliceMs))
      return word !== 0
    }, this.#native)
    return word === 0 ? 'timedOut' : this.#got(word)
  }

  /**
   * Unlocks it (pthread_mutex_unlock(3)). After `'ownerDied'` without {@link PthreadMutex.markConsistent}, nobody can lock it again:
   * ENOTRECOVERABLE.
   *
   * @throws {@link ShmError} EPERM where this thread did not lock it through this segment; `ERR_SHM_POSSIBLY_CORRUPT`, `ERR_SHM_CLOSED`.
   */
  unlock(): void {
    between(this.#segment, () => this.#native.unlock())
  }

  /**
   * Says, after `'ownerDied'`, that what it protects is in order again (pthread_mutex_consistent(3)).
   *
   * @throws {@link ShmError} EINVAL where its owner did not die; EPERM as {@link PthreadMutex.unlock}.
   */
  markConsistent(): void {
    between(this.#segment, () => this.#native.markConsistent())
  }

  /** Makes it no mutex any more (pthread_mutex_destroy(3)). @throws {@link ShmError} EBUSY where somebody has it; `ERR_SHM_HELD` where this thread has. */
  destroy(): void {
    between(this.#segment, () => this.#native.destroy())
  }

  #got(word: number): 'locked' | 'ownerDied' {
    if (word !== 2) return 'locked'
    tellDeath(this.#native, 'ownerDied')
    return 'ownerDied'
  }
}
