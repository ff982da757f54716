/**
 * How the fields of a view are read and written: one element of a typed array, at an index that the compiler knows.
 *
 * Why it looks like this, measured with benchmark/struct.bench.ts on Node 20 to 26 and Bun:
 * - A property with a plain name holds each array. Behind private names or symbols, a fifth type of struct makes all of them 15 times slower,
 *   since closures of one place in the source share what V8 learns about them.
 * - For the same reason each array has getters of its own.
 * - A look whether the number is there costs nothing: optimised code stays within bounds, so it always is.
 *
 * @module
 * @internal
 */

import { memoryGone } from './struct-memory.js'
import type { NumberName } from './struct-fields.js'

/** What a view keeps, under names that no field can have. Of the arrays it has those that its fields need. */
export interface ViewMemory {
  '.buffer': ArrayBufferLike
  '.offset': number
  /** The views, cells and arrays that its fields are, made when first asked for. */
  '.parts': unknown[]
  '.i8': Int8Array
  '.u8': Uint8Array
  '.i16': Int16Array
  '.u16': Uint16Array
  '.i32': Int32Array
  '.u32': Uint32Array
  '.i64': BigInt64Array
  '.u64': BigUint64Array
  '.f32': Float32Array
  '.f64': Float64Array
}

/** Getter and setter of a property of views. */
export interface Accessor {
  get(this: ViewMemory): unknown
  set(this: ViewMemory, value: never): void
}

/** A constant of this file alone: for a call of anything else, also one that never comes, Node 26 makes getters twenty times slower. */
const gone = (): never => {
  throw memoryGone()
}

/** An accessor for the number at an index of its array. */
export const numberAccessor: Record<NumberName, (at: number) => Accessor> = {
  i8: at => ({
    get() { return this['.i8'][at] ?? gone() },
    set(value: number) { if (this['.i8'][at] === undefined) gone(); this['.i8'][at] = value }
  }),
  u8: at => ({
    get() { return this['.u8'][at] ?? gone() },
    set(value: number) { if (this['.u8'][at] === undefined) gone(); this['.u8'][at] = value }
  }),
  i16: at => ({
    get() { return this['.i16'][at] ?? gone() },
    set(value: number) { if (this['.i16'][at] === undefined) gone(); this['.i16'][at] = value }
  }),
  u16: at => ({
    get() { return this['.u16'][at] ?? gone() },
    set(value: number) { if (this['.u16'][at] === undefined) gone(); this['.u16'][at] = value }
  }),
  i32: at => ({
    get() { return this['.i32'][at] ?? gone() },
    set(value: number) { if (this['.i32'][at] === undefined) gone(); this['.i32'][at] = value }
  }),
  u32: at => ({
    get() { return this['.u32'][at] ?? gone() },
    set(value: number) { if (this['.u32'][at] === undefined) gone(); this['.u32'][at] = value }
  }),
  i64: at => ({
    get() { return this['.i64'][at] ?? gone() },
    set(value: bigint) { if (this['.i64'][at] === undefined) gone(); this['.i64'][at] = value }
  }),
  u64: at => ({
    get() { return this['.u64'][at] ?? gone() },
    set(value: bigint) { if (this['.u64'][at] === undefined) gone(); this['.u64'][at] = value }
  }),
  f32: at => ({
    get() { return this['.f32'][at] ?? gone() },
    set(value: number) { if (this['.f32'][at] === undefined) gone(); this['.f32'][at] = value }
  }),
  f64: at => ({
    get() { return this['.f64'][at] ?? gone() },
    set(value: number) { if (this['.f64'][at] === undefined) gone(); this['.f64'][at] = value }
  })
}

/** An accessor for a byte that is true or false. */
export function boolAccessor(at: number): Accessor {
  return {
    get() { return (this['.u8'][at] ?? gone()) !== 0 },
    set(value: unknown) { if (this['.u8'][at] === undefined) gone(); this['.u8'][at] = value ? 1 : 0 }
  }
}

/** An accessor for an object over some bytes, made once a view; `assign` is what assignment does. */
export function partAccessor(at: number, make: (memory: ViewMemory) => unknown, assign: (value: unknown, part: () => unknown) => void): Accessor {
  const part = (memory: ViewMemory): unknown => {
    if (memory['.buffer'].byteLength === 0) gone()
    return (memory['.parts'][at] = make(memory))
  }
  return {
    get() { return this['.parts'][at] ?? part(this) },
    set(value: unknown) { assign(value, () => this['.parts'][at] ?? part(this)) }
  }
}
