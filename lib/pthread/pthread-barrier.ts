/**
 * pthread barriers inside a segment: those of C programs (pthread_barrier_wait(3)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { native, type Binding } from '../native.js'
import { between, madeByNew, memoryOf, place, refuseForeign, type PthreadOptions } from './pthread-place.js'
import { waitInSlices } from '../waits/waiting.js'
import type { Segment } from '../memory/segment.js'

const [SIZE_BYTES = 0, ALIGN_BYTES = 1] = native.pthreadBarrierLayout()
const MAX_COUNT = 2 ** 31 - 1

/** How a barrier is made. */
export interface PthreadBarrierOptions extends PthreadOptions {
  /** How many threads meet, 1 to 2^31 - 1. */
  count: number
}

/**
 * A `pthread_barrier_t` inside a segment, process-shared: nobody goes on before `count` threads have arrived, over and over. Not robust:
 * who dies before it arrives is waited for. After the segment's `close()` every call is `ERR_SHM_CLOSED`, as with `PthreadMutex`.
 */
export class PthreadBarrier {
  /** Bytes of one: 32 with glibc. */
  static readonly sizeBytes = SIZE_BYTES
  /** Its offset is a multiple of this. */
  static readonly alignBytes = ALIGN_BYTES

  readonly #native: Binding.NativePthreadBarrier
  readonly #segment: Segment

  private constructor(opened: Binding.NativePthreadBarrier, segment: Segment) {
    if (!(opened instanceof native.NativePthreadBarrier)) throw madeByNew('barrier', opened)
    this.#native = opened
    this.#segment = segment
  }

  /** Makes one (pthread_barrier_init(3)). Nobody may be using those bytes. Errors as `PthreadMutex.initialise`. */
  static initialise(segment: Segment, offset: number, options: PthreadBarrierOptions): PthreadBarrier {
    const memory = memoryOf(segment)
    const at = place(segment, offset, SIZE_BYTES, ALIGN_BYTES)
    const { count, abi } = check.options<PthreadBarrierOptions>('options', options, ['count', 'abi'])
    refuseForeign(abi)
    return new PthreadBarrier(native.pthreadBarrierInitialise(memory, at, check.integer('options.count', count, 1, MAX_COUNT)), segment)
  }

  /** The one at `offset`, made before by {@link PthreadBarrier.initialise} or by C. Errors as `PthreadMutex.at`. */
  static at(segment: Segment, offset: number, options?: PthreadOptions): PthreadBarrier {
    const memory = memoryOf(segment)
    const at = place(segment, offset, SIZE_BYTES, ALIGN_BYTES)
    refuseForeign(check.options<PthreadOptions>('options', options, ['abi']).abi)
    return new PthreadBarrier(native.pthreadBarrierAt(memory, at), segment)
  }

  /**
   * Arrives, and waits until `count` threads have (pthread_barrier_wait(3)). One of them gets `'serial'`.
   *
   * There is no timeout, as in C: who has arrived is counted and cannot go back. The event loop of this thread stands still until the others
   * come. With glibc the wait is in slices of 100 ms, so `worker.terminate()` ends it (the arrival stays counted); with musl nothing does.
   *
   * @throws {@link ShmError} `ERR_SHM_POSSIBLY_CORRUPT`, `ERR_SHM_TRUNCATED`, `ERR_SHM_CLOSED`.
   */
  waitSync(): 'serial' | 'released' {
    let word = 0
    waitInSlices(Infinity, (sliceMs, again) => {
      word = between(this.#segment, () => this.#native.wait(sliceMs, again))
      return word !== 0
    })
    return word === 2 ? 'serial' : 'released'
  }

  /** Makes it no barrier any more (pthread_barrier_destroy(3)). @throws {@link ShmError} EBUSY where somebody waits, or died waiting: there C waits for ever. */
  destroy(): void {
    between(this.#segment, () => this.#native.destroy())
  }
}
