/**
 * Typed layouts of memory, the same as those of C: a struct is defined once, and its views read and write shared bytes by name.
 *
 * @module
 */

import * as check from '../../arguments.js'
import { outOfRange, wrongType, wrongValue } from '../../errors.js'
import type { OffsetPointer } from './offset-pointer.js'
import { declareC } from './struct-c.js'
import { StructField, type SelfPointer } from './struct-fields.js'
import { canonicalText, fnv1a64, isCName, layOut } from './struct-layout.js'
import { bufferOf, isManaged, type StructMemory } from './struct-memory.js'
import { viewClass, type ViewMaker } from './struct-view.js'

/** What a struct is defined by: its fields, in the order in which they lie in memory. */
export type StructDefinition = Readonly<Record<string, StructField>>

type KeysOf<Definition, Form> = { [Name in keyof Definition]: Definition[Name] extends StructField<unknown, infer Is> ? (Is extends Form ? Name : never) : never }[keyof Definition]
type ValueOf<Field, Definition> = Field extends StructField<infer Value> ? (Value extends SelfPointer ? OffsetPointer<Fields<Definition>> : Value) : never
type Fields<Definition> = { [Name in KeysOf<Definition, 'value'>]: ValueOf<Definition[Name], Definition> } & {
  readonly [Name in KeysOf<Definition, 'part'>]: ValueOf<Definition[Name], Definition>
} & {
  /** The values, copied. */
  toJSON(): { [Name in KeysOf<Definition, 'value' | 'part'>]: unknown }
}

/** A view of a struct: `StructView<typeof State>`. Its properties are the fields. */
export type StructView<Type> = Type extends Struct<infer Definition> ? Fields<Definition> : never

/** A field where it lies. */
export interface PlacedField {
  /** Its name. */
  readonly name: string
  /** As it was defined: `i32`, `text(16)`, `array(f64, 8)`, … */
  readonly type: string
  /** Bytes from the struct's beginning. */
  readonly offset: number
  /** Bytes. */
  readonly size: number
  /** What its offset is a multiple of. */
  readonly align: number
}

let makerOf: (field: StructField) => ViewMaker

/** A layout; made by {@link struct}. It is a type of fields, too. */
export class Struct<Definition extends StructDefinition = StructDefinition> extends StructField<Fields<Definition>, 'part'> {
  static {
    makerOf = field => {
      if (field instanceof Struct) return field.#maker
      throw wrongType('type', 'a struct', field)
    }
  }

  /** The fields in their order, those without a value too. */
  readonly fields: readonly PlacedField[]
  readonly #maker: ViewMaker
  #hash: bigint | undefined

  constructor(definition: Definition) {
    const layout = layOut(definition)
    super('struct', layout.size, layout.align, { kind: 'struct', layout })
    this.fields = Object.freeze(layout.slots.map(({ name, field: { type, align }, offset, size }) => Object.freeze({ name, type, offset, size, align })))
    const View = viewClass(layout, makerOf, () => this.#maker)
    this.#maker = {
      View,
      size: this.size,
      align: this.align,
      view: (buffer, byteOffset) => new View(buffer, byteOffset),
      placeOf: value => (value instanceof View ? { buffer: value['.buffer'], byteOffset: value['.offset'] } : undefined)
    }
    Object.freeze(this)
  }

  /**
   * A view of a struct that begins there: its properties are the bytes themselves. Keep it: making one takes about as long as a hundred accesses.
   *
   * @param memory - A segment of any kind, an `ArrayBuffer` or a `SharedArrayBuffer`.
   * @param byteOffset - In the buffer, a multiple of {@link Struct.align}. A managed segment has none by default, as it begins with a header.
   * @throws RangeError `ERR_OUT_OF_RANGE` where the struct does not fit there. {@link ShmError} `ERR_SHM_CLOSED`, and as `segment.buffer`.
   */
  at(memory: StructMemory, byteOffset?: number): Fields<Definition> {
    const buffer = bufferOf(memory)
    if (byteOffset === undefined && isManaged(memory)) throw wrongType('byteOffset', 'given: the first bytes of a managed segment are its header', byteOffset)
    const offset = byteOffset === undefined ? 0 : check.integer('byteOffset', byteOffset, 0, Number.MAX_SAFE_INTEGER)
    if (offset % this.align !== 0) throw outOfRange('byteOffset', `a multiple of ${this.align}, to which the struct is aligned`, byteOffset)
    if (offset + this.size > buffer.byteLength) {
      throw outOfRange('byteOffset', `such that the ${this.size} bytes of the struct are inside the ${buffer.byteLength} bytes of the buffer`, offset)
    }
    return this.#maker.view(buffer, offset) as Fields<Definition>
  }

  /** Where a view of this struct begins in its buffer: what a pointer to it holds. */
  byteOffsetOf(view: Fields<Definition>): number {
    const place = this.#maker.placeOf(view)
    if (place === undefined) throw wrongType('view', 'a view of this struct', view)
    return place.byteOffset
  }

  /** Where a field begins, in bytes from the struct's beginning: C's `offsetof`. */
  offsetOf(name: keyof Definition & string): number {
    if (typeof name !== 'string') throw wrongType('name', 'the name of a field', name)
    const field = this.fields.find(placed => placed.name === name)
    if (field === undefined) throw wrongValue('name', `one of the fields (${this.fields.map(placed => placed.name).join(', ')})`, name)
    return field.offset
  }

  /**
   * Tells layouts apart: of two that agree in names, types, offsets and sizes of their fields, and of the structs that these contain or point to, it is the
   * same, in every version of this library; docs/struct.md says how it is computed. What only fills up is not part of it. 64 bits.
   */
  get hash(): bigint {
    const { spec } = this
    if (spec.kind !== 'struct') throw wrongType('this', 'a struct', this)
    return (this.#hash ??= fnv1a64(canonicalText(spec.layout)))
  }

  /** A header for C11 and C++11 that declares it under this name, with the structs inside it, and asserts each size and offset. */
  toC(name: string): string {
    if (typeof name !== 'string') throw wrongType('name', 'a string', name)
    if (!isCName(name)) throw wrongValue('name', 'a name in C: letters, digits and _, no digit first, no keyword', name)
    return declareC(name, this)
  }
}

/**
 * Defines a layout of memory, by C's rules (x86-64 and arm64 Linux): `struct({ count: i32, total: f64, symbol: text(16) })`.
 *
 * @throws TypeError where a field is no type, has a name that C or JavaScript needs for itself, or where there is none.
 */
export function struct<const Definition extends StructDefinition>(definition: Definition): Struct<Definition> {
  return new Struct(definition)
}
