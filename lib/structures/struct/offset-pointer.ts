/**
 * Pointers of shared memory: offsets, since every process has the memory at another address.
 *
 * @module
 */

import * as check from '../../arguments.js'
import { ShmError, outOfRange, wrongType } from '../../errors.js'
import { memoryGone } from './struct-memory.js'

/** What a pointer knows of the struct that it points to. @internal */
export interface Target<View> {
  readonly size: number
  readonly align: number
  /** A view there; the place is checked. */
  view(buffer: ArrayBufferLike, byteOffset: number): View
  /** Where a view lies, if it is one of this struct. */
  placeOf(value: unknown): { buffer: ArrayBufferLike; byteOffset: number } | undefined
}

/**
 * Where another struct begins, as 64 bits in shared memory: bytes from the beginning of the buffer, 0 for none. Reading and writing it is one
 * step, with the order of `Atomics`: who sees a new offset sees what was written before it was set.
 *
 * @throws {@link ShmError} on every use: `ERR_SHM_CLOSED` once the memory is gone.
 */
export class OffsetPointer<View = unknown> {
  readonly #buffer: ArrayBufferLike
  readonly #words: BigUint64Array
  readonly #target: Target<View>

  /** @internal */
  constructor(target: Target<View>, buffer: ArrayBufferLike, byteOffset: number) {
    if (typeof (target as Partial<Target<View>> | null | undefined)?.placeOf !== 'function') throw wrongType('target', 'made by a field of a struct, not by new', target)
    this.#target = target
    this.#buffer = buffer
    this.#words = new BigUint64Array(buffer, byteOffset, 1)
  }

  /** The offset; 0 for none. As it stands there: whoever can write the memory may have put anything. */
  get offset(): number {
    return Number(Atomics.load(this.#live(), 0))
  }

  /** RangeError unless such a struct can lie there. */
  set offset(offset: number) {
    Atomics.store(this.#live(), 0, this.#checked('offset', offset))
  }

  /** Whether it points to nothing. */
  get isNull(): boolean {
    return Atomics.load(this.#live(), 0) === 0n
  }

  /**
   * A view of what it points to, new each time, or nothing.
   *
   * @throws {@link ShmError} `ERR_SHM_POSSIBLY_CORRUPT` where no such struct can lie: outside of the buffer, or not aligned.
   */
  get target(): View | undefined {
    const offset = this.offset
    if (offset === 0) return undefined
    const { size, align } = this.#target
    // A number from 2^53 on, which may have been rounded, is outside of every buffer.
    if (offset > this.#buffer.byteLength - size || offset % align !== 0) {
      throw new ShmError({
        code: 'ERR_SHM_POSSIBLY_CORRUPT',
        message: `an offset of ${offset} leads to no struct of ${size} bytes, aligned to ${align}, in a buffer of ${this.#buffer.byteLength} bytes`
      })
    }
    return this.#target.view(this.#buffer, offset)
  }

  /** Points it to a struct of its type in the same buffer, or, with `undefined`, to nothing. */
  set target(view: View | undefined) {
    Atomics.store(this.#live(), 0, view === undefined ? 0n : this.#placeOf(view))
  }

  /** Sets the offset, and answers the one before, in one step. RangeError as for `offset`. */
  exchange(offset: number): number {
    return Number(Atomics.exchange(this.#live(), 0, this.#checked('offset', offset)))
  }

  /** Sets the offset if it is `expected`, in one step, and answers what it was before. RangeError as for `offset`. */
  compareExchange(expected: number, offset: number): number {
    const before = BigInt(check.integer('expected', expected, 0, Number.MAX_SAFE_INTEGER))
    return Number(Atomics.compareExchange(this.#live(), 0, before, this.#checked('offset', offset)))
  }

  #live(): BigUint64Array {
    if (this.#words.length === 0) throw memoryGone()
    return this.#words
  }

  #checked(name: string, offset: number): bigint {
    const { size, align } = this.#target
    this.#live()
    check.integer(name, offset, 0, this.#buffer.byteLength - size)
    if (offset % align !== 0) throw outOfRange(name, `a multiple of ${align}, to which the struct is aligned`, offset)
    return BigInt(offset)
  }

  #placeOf(view: View): bigint {
    const place = this.#target.placeOf(view)
    if (place === undefined) throw wrongType('target', 'a view of the struct that the field points to, or undefined', view)
    if (place.buffer !== this.#buffer) throw outOfRange('target', 'in the same buffer as the pointer', view)
    if (place.byteOffset === 0) throw outOfRange('target', 'behind byte 0 of the buffer, which stands for none', view)
    return BigInt(place.byteOffset)
  }
}
