/**
 * Words of shared memory that change in one step: `Atomics` at one place, with checked arguments.
 *
 * @module
 */

import * as check from '../../arguments.js'
import { outOfRange, wrongType } from '../../errors.js'
import { memoryGone } from './struct-memory.js'

/**
 * An integer of 32 bits in shared memory, a field `atomicI32` or `atomicU32` of a struct. Every change is one step for all processes, as those of
 * `Atomics` are for threads, and all of them see the steps in one order. Values wrap.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED` once the memory is gone.
 */
export class Atomic32<Words extends Int32Array | Uint32Array = Int32Array | Uint32Array> {
  /** The array it is in; an `Int32Array` is what {@link wait} and {@link notify} take. */
  readonly array: Words
  /** Its index there. */
  readonly index: number
  readonly #least: number

  constructor(array: Words, index: number) {
    if (!(array instanceof Int32Array) && !(array instanceof Uint32Array)) throw wrongType('array', 'an Int32Array or Uint32Array', array)
    this.array = array
    this.index = check.integer('index', index, 0, array.length - 1)
    this.#least = array instanceof Int32Array ? -(2 ** 31) : 0
  }

  /** The value; stale the moment it returns. */
  load(): number {
    return Atomics.load(this.#live(), this.index)
  }

  /** Sets the value. */
  store(value: number): void {
    Atomics.store(this.#live(), this.index, this.#checked('value', value))
  }

  /** Adds. Answers the value before, as all that follow. @default 1 */
  add(value = 1): number {
    return Atomics.add(this.#live(), this.index, this.#checked('value', value))
  }

  /** Subtracts. @default 1 */
  sub(value = 1): number {
    return Atomics.sub(this.#live(), this.index, this.#checked('value', value))
  }

  /** Keeps the bits that `value` has, too. */
  and(value: number): number {
    return Atomics.and(this.#live(), this.index, this.#checked('value', value))
  }

  /** Sets the bits that `value` has. */
  or(value: number): number {
    return Atomics.or(this.#live(), this.index, this.#checked('value', value))
  }

  /** Turns the bits round that `value` has. */
  xor(value: number): number {
    return Atomics.xor(this.#live(), this.index, this.#checked('value', value))
  }

  /** Sets the value. */
  exchange(value: number): number {
    return Atomics.exchange(this.#live(), this.index, this.#checked('value', value))
  }

  /** Sets the value, if it is `expected`. */
  compareExchange(expected: number, value: number): number {
    return Atomics.compareExchange(this.#live(), this.index, this.#checked('expected', expected), this.#checked('value', value))
  }

  #live(): Int32Array | Uint32Array {
    if (this.array.length === 0) throw memoryGone()
    return this.array
  }

  #checked(name: string, value: number): number {
    return check.integer(name, value, this.#least, this.#least + 2 ** 32 - 1)
  }
}

/**
 * An integer of 64 bits in shared memory, a field `atomicI64` or `atomicU64` of a struct; values are bigints. As {@link Atomic32}.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED` once the memory is gone.
 */
export class Atomic64<Words extends BigInt64Array | BigUint64Array = BigInt64Array | BigUint64Array> {
  /** The array it is in. */
  readonly array: Words
  /** Its index there. */
  readonly index: number
  readonly #isSigned: boolean

  constructor(array: Words, index: number) {
    if (!(array instanceof BigInt64Array) && !(array instanceof BigUint64Array)) throw wrongType('array', 'a BigInt64Array or BigUint64Array', array)
    this.array = array
    this.index = check.integer('index', index, 0, array.length - 1)
    this.#isSigned = array instanceof BigInt64Array
  }

  /** The value; stale the moment it returns. */
  load(): bigint {
    return Atomics.load(this.#live(), this.index)
  }

  /** Sets the value. */
  store(value: bigint): void {
    Atomics.store(this.#live(), this.index, this.#checked('value', value))
  }

  /** Adds. Answers the value before, as all that follow. @default 1n */
  add(value = 1n): bigint {
    return Atomics.add(this.#live(), this.index, this.#checked('value', value))
  }

  /** Subtracts. @default 1n */
  sub(value = 1n): bigint {
    return Atomics.sub(this.#live(), this.index, this.#checked('value', value))
  }

  /** Keeps the bits that `value` has, too. */
  and(value: bigint): bigint {
    return Atomics.and(this.#live(), this.index, this.#checked('value', value))
  }

  /** Sets the bits that `value` has. */
  or(value: bigint): bigint {
    return Atomics.or(this.#live(), this.index, this.#checked('value', value))
  }

  /** Turns the bits round that `value` has. */
  xor(value: bigint): bigint {
    return Atomics.xor(this.#live(), this.index, this.#checked('value', value))
  }

  /** Sets the value. */
  exchange(value: bigint): bigint {
    return Atomics.exchange(this.#live(), this.index, this.#checked('value', value))
  }

  /** Sets the value, if it is `expected`. */
  compareExchange(expected: bigint, value: bigint): bigint {
    return Atomics.compareExchange(this.#live(), this.index, this.#checked('expected', expected), this.#checked('value', value))
  }

  #live(): BigInt64Array | BigUint64Array {
    if (this.array.length === 0) throw memoryGone()
    return this.array
  }

  #checked(name: string, value: bigint): bigint {
    if (typeof value !== 'bigint') throw wrongType(name, 'a bigint', value)
    if ((this.#isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) === value) return value
    throw outOfRange(name, `a bigint from ${this.#isSigned ? '-2^63 to 2^63 - 1' : '0 to 2^64 - 1'}`, value)
  }
}
