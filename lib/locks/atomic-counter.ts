/**
 * An atomic counter of 64 bits that has a name.
 *
 * @module
 */

import { closedError, outOfRange, wrongType } from '../errors.js'
import { ManagedObject, type Opened } from '../membership/managed-object.js'

/**
 * A counter of a managed segment: a bigint from -2^63 to 2^63 - 1, 0 at first, which wraps. Every change is one step for all members. It
 * cannot be waited for: use an {@link AtomicWord} beside it.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class AtomicCounter extends ManagedObject {
  override readonly kind = 'counter'
  #cell: BigInt64Array | undefined

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.#cell = new BigInt64Array(opened.buffer, opened.object.offset, 1)
  }

  /** The value; stale the moment it returns. */
  load(): bigint {
    return Atomics.load(this.#live(), 0)
  }

  /** Sets the value. */
  store(value: bigint): void {
    Atomics.store(this.#live(), 0, long('value', value))
  }

  /** Adds. Answers the value before, as all that follow. @default 1n */
  add(value = 1n): bigint {
    return Atomics.add(this.#live(), 0, long('value', value))
  }

  /** Subtracts. @default 1n */
  sub(value = 1n): bigint {
    return Atomics.sub(this.#live(), 0, long('value', value))
  }

  /** Sets the value. */
  exchange(value: bigint): bigint {
    return Atomics.exchange(this.#live(), 0, long('value', value))
  }

  /** Sets the value, if it is `expected`. */
  compareExchange(expected: bigint, value: bigint): bigint {
    return Atomics.compareExchange(this.#live(), 0, long('expected', expected), long('value', value))
  }

  /** @internal */
  protected override ended(): void {
    this.#cell = undefined
  }

  #live(): BigInt64Array {
    if (this.#cell === undefined) throw closedError(this.describe())
    return this.#cell
  }
}

function long(name: string, value: unknown): bigint {
  if (typeof value !== 'bigint') throw wrongType(name, 'a bigint', value)
  if (BigInt.asIntN(64, value) !== value) throw outOfRange(name, 'a bigint from -2^63 to 2^63 - 1', value)
  return value
}
