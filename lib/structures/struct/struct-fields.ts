/**
 * The types of a struct's fields: what each takes in memory, which values it has here, and how C calls it.
 *
 * @module
 */

import * as check from '../../arguments.js'
import type { Atomic32, Atomic64 } from './atomic-cell.js'
import { markCopy } from '../../copies.js'
import { wrongType, wrongValue } from '../../errors.js'
import type { OffsetPointer } from './offset-pointer.js'
import type { Struct, StructView } from './struct.js'

/** What stands in memory for each number: its bytes (which are its alignment too), its array, its name in C. @internal */
export const NUMBERS = {
  i8: { bytes: 1, Array: Int8Array, c: 'int8_t' },
  u8: { bytes: 1, Array: Uint8Array, c: 'uint8_t' },
  i16: { bytes: 2, Array: Int16Array, c: 'int16_t' },
  u16: { bytes: 2, Array: Uint16Array, c: 'uint16_t' },
  i32: { bytes: 4, Array: Int32Array, c: 'int32_t' },
  u32: { bytes: 4, Array: Uint32Array, c: 'uint32_t' },
  i64: { bytes: 8, Array: BigInt64Array, c: 'int64_t' },
  u64: { bytes: 8, Array: BigUint64Array, c: 'uint64_t' },
  f32: { bytes: 4, Array: Float32Array, c: 'float' },
  f64: { bytes: 8, Array: Float64Array, c: 'double' }
} as const

/** @internal */
export type NumberName = keyof typeof NUMBERS
/** @internal */
export type AtomicName = 'i32' | 'u32' | 'i64' | 'u64'
type ArrayOf<Name extends NumberName> = InstanceType<(typeof NUMBERS)[Name]['Array']>

/** What a field is, for those who lay it out, show it and declare it in C. @internal */
export type Spec =
  | { kind: 'number'; number: NumberName }
  | { kind: 'atomic'; number: AtomicName }
  | { kind: 'bool' | 'text' | 'bytes' | 'pad' | 'line' }
  | { kind: 'array'; element: StructField; count: number }
  | { kind: 'offset'; target: 'self' | StructField | (() => StructField) }
  | { kind: 'struct'; layout: Layout }

/** A field in its place. @internal */
export interface Slot {
  name: string
  field: StructField
  offset: number
  /** Of a cache line, the bytes up to it. */
  size: number
}

/** A struct in memory. @internal */
export interface Layout {
  slots: readonly Slot[]
  size: number
  align: number
}

/**
 * How a field appears: `'value'` is read and assigned, `'part'` is an object over its bytes, `'hole'` does not appear.
 */
export type FieldForm = 'value' | 'part' | 'hole'

/** They exist in types only. */
declare const VALUE: unique symbol
declare const FORM: unique symbol

/** The type of a field; a struct is one too. `Value` is what the field is in JavaScript. */
export class StructField<Value = unknown, Form extends FieldForm = FieldForm, Kind extends string = string> {
  static {
    markCopy(this.prototype)
  }

  /** @internal */
  declare readonly [VALUE]: Value
  /** @internal */
  declare readonly [FORM]: Form
  /** As it was defined: `i32`, `text(16)`, `array(f64, 8)`, … */
  readonly type: Kind
  /** Bytes in memory. Of `cacheLine()`, what it needs to reach the next line: known where it stands. */
  readonly size: number
  /** The field starts at a multiple of so many bytes. */
  readonly align: number
  /** @internal */
  readonly spec: Spec

  /** @internal */
  constructor(type: Kind, size: number, align: number, spec: Spec) {
    this.type = type
    this.size = size
    this.align = align
    this.spec = spec
  }
}

/** What an array of such elements is. */
type ArrayView<Element> =
  Element extends StructField<infer Value, infer Form, infer Kind>
    ? Kind extends NumberName
      ? ArrayOf<Kind>
      : Form extends 'part'
        ? readonly Value[]
        : Element extends StructField<Uint8Array>
          ? readonly Uint8Array[]
          : never
    : never

/** A pointer to a struct of the same type. @internal */
export interface SelfPointer {
  readonly self: true
}

function number<Name extends NumberName, Value>(name: Name): StructField<Value, 'value', Name> {
  const { bytes: size } = NUMBERS[name]
  return Object.freeze(new StructField<Value, 'value', Name>(name, size, size, { kind: 'number', number: name }))
}

function atomic<Cell>(name: AtomicName): StructField<Cell, 'part'> {
  const { bytes: size } = NUMBERS[name]
  return Object.freeze(new StructField<Cell, 'part'>(`atomic${name.toUpperCase()}`, size, size, { kind: 'atomic', number: name }))
}

/** `int8_t`; a number. */
export const i8 = number<'i8', number>('i8')
/** `uint8_t`; a number. */
export const u8 = number<'u8', number>('u8')
/** `int16_t`; a number. */
export const i16 = number<'i16', number>('i16')
/** `uint16_t`; a number. */
export const u16 = number<'u16', number>('u16')
/** `int32_t`; a number. */
export const i32 = number<'i32', number>('i32')
/** `uint32_t`; a number. */
export const u32 = number<'u32', number>('u32')
/** `int64_t`; a bigint. */
export const i64 = number<'i64', bigint>('i64')
/** `uint64_t`; a bigint. */
export const u64 = number<'u64', bigint>('u64')
/** `float`; a number. */
export const f32 = number<'f32', number>('f32')
/** `double`; a number. */
export const f64 = number<'f64', number>('f64')
/** `bool`, one byte: 0 is false, whatever else stands there is true, and 1 is written. */
export const bool: StructField<boolean, 'value'> = Object.freeze(new StructField<boolean, 'value'>('bool', 1, 1, { kind: 'bool' }))
/** `int32_t`, for `Atomics`: an {@link Atomic32}. */
export const atomicI32 = atomic<Atomic32<Int32Array>>('i32')
/** `uint32_t`, for `Atomics`: an {@link Atomic32}. */
export const atomicU32 = atomic<Atomic32<Uint32Array>>('u32')
/** `int64_t`, for `Atomics`: an {@link Atomic64}. */
export const atomicI64 = atomic<Atomic64<BigInt64Array>>('i64')
/** `uint64_t`, for `Atomics`: an {@link Atomic64}. */
export const atomicU64 = atomic<Atomic64<BigUint64Array>>('u64')

/** As large as a field or struct can be. @internal */
export const SIZE_MAX = 2 ** 40

/**
 * `char[size]`: text as UTF-8, filled up with NUL. Where it takes all `size` bytes there is no NUL at its end. Bytes that are no UTF-8 read as U+FFFD.
 */
export function text(size: number): StructField<string, 'value'> {
  const bytesTaken = check.integer('size', size, 1, SIZE_MAX)
  return Object.freeze(new StructField<string, 'value'>(`text(${bytesTaken})`, bytesTaken, 1, { kind: 'text' }))
}

/** `uint8_t[size]`: a `Uint8Array` over them; assigning copies as many bytes in. */
export function bytes(size: number): StructField<Uint8Array, 'value'> {
  const bytesTaken = check.integer('size', size, 1, SIZE_MAX)
  return Object.freeze(new StructField<Uint8Array, 'value'>(`bytes(${bytesTaken})`, bytesTaken, 1, { kind: 'bytes' }))
}

/**
 * `type[count]`: a typed array where the elements are numbers, else a frozen array of what a field of that type is. Texts and booleans
 * cannot be elements: put them into a struct, or take `u8`.
 */
export function array<Element extends StructField>(type: Element, count: number): StructField<ArrayView<Element>, 'part'> {
  const element = fieldOf('type', type)
  if (['text', 'bool', 'pad', 'line'].includes(element.spec.kind)) {
    throw wrongValue('type', 'numbers, bytes, atomics, offsets, arrays or structs, which have elements of their own', element.type)
  }
  check.integer('count', count, 1, Math.floor(SIZE_MAX / element.size))
  const spec = { kind: 'array' as const, element, count }
  return Object.freeze(new StructField<ArrayView<Element>, 'part'>(`array(${element.type}, ${count})`, element.size * count, element.align, spec))
}

/**
 * `uint64_t`: where another struct begins, counted from the beginning of the buffer, 0 for none; an {@link OffsetPointer}. `'self'` points to
 * structs of the type that the field stands in. A function is called when the pointer is first used, so that types can refer to each other.
 */
export function offset(target: 'self'): StructField<SelfPointer, 'part'>
export function offset<Target extends Struct>(target: Target | (() => Target)): StructField<OffsetPointer<StructView<Target>>, 'part'>
export function offset(target: 'self' | Struct | (() => Struct)): StructField<OffsetPointer | SelfPointer, 'part'> {
  const isStruct = target instanceof StructField && target.spec.kind === 'struct'
  if (target !== 'self' && !isStruct && typeof target !== 'function') throw wrongType('target', 'a struct, a function that answers one, or "self"', target)
  return Object.freeze(new StructField<OffsetPointer | SelfPointer, 'part'>('offset', 8, 8, { kind: 'offset', target }))
}

/** What follows begins on a cache line of its own, and so does the struct. `size` is 64, or 128 for lines that are fetched in pairs. */
export function cacheLine(size: 64 | 128 = 64): StructField<never, 'hole'> {
  if (check.integer('size', size, 64, 128) % 64 !== 0) throw wrongValue('size', '64 or 128', size)
  return Object.freeze(new StructField<never, 'hole'>(`cacheLine(${size})`, 0, size, { kind: 'line' }))
}

/** So many bytes that nobody uses. */
export function pad(size: number): StructField<never, 'hole'> {
  const bytesTaken = check.integer('size', size, 1, SIZE_MAX)
  return Object.freeze(new StructField<never, 'hole'>(`pad(${bytesTaken})`, bytesTaken, 1, { kind: 'pad' }))
}

/** Checks that something is the type of a field. @internal */
export function fieldOf(name: string, value: unknown): StructField {
  if (value instanceof StructField) return value
  throw wrongType(name, 'the type of a field, such as i32, text(16) or a struct', value)
}

/** What a pointer of this field, in a struct `home`, points to. @internal */
export function targetOf(field: StructField, home: Layout): StructField | 'self' {
  const { spec } = field
  if (spec.kind !== 'offset') throw new TypeError(`${field.type} points to nothing`)
  if (spec.target === 'self') return 'self'
  const target = typeof spec.target === 'function' ? spec.target() : spec.target
  if (target instanceof StructField && target.spec.kind === 'struct') return target.spec.layout === home ? 'self' : target
  throw wrongType('target', 'a function that answers a struct', target)
}
