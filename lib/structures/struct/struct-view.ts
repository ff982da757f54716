/**
 * The class of a struct's views: an accessor for each field, over typed arrays that begin where the view does.
 *
 * @module
 * @internal
 */

import { inspect } from 'node:util'
import { Atomic32, Atomic64 } from './atomic-cell.js'
import { outOfRange, wrongSize, wrongType, wrongValue } from '../../errors.js'
import { OffsetPointer, type Target } from './offset-pointer.js'
import { boolAccessor, numberAccessor, partAccessor, type Accessor, type ViewMemory } from './struct-accessors.js'
import { NUMBERS, targetOf, type Layout, type NumberName, type Slot, type Spec, type StructField } from './struct-fields.js'
import { visible } from './struct-layout.js'
import { memoryGone } from './struct-memory.js'

/** Makes a view; the place is checked. */
export type ViewClass = new (buffer: ArrayBufferLike, byteOffset: number) => ViewMemory

/** What a struct is for those that make views of it: its own class for fields, and a place to point to. */
export interface ViewMaker extends Target<unknown> {
  readonly View: ViewClass
}

/** How views of a field that is a struct are made; only struct.ts knows. */
export type MakerOf = (struct: StructField) => ViewMaker

const NUMBER_NAMES = ['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'f32', 'f64'] as const

/** Makes the class. */
export function viewClass(layout: Layout, makerOf: MakerOf, self: () => ViewMaker): ViewClass {
  const { size } = layout
  const slots = visible(layout.slots)
  const needs = new Set(slots.map(({ field }) => arrayOf(field.spec)))
  const [i8, u8, i16, u16, i32, u32, i64, u64, f32, f64] = NUMBER_NAMES.map(name => needs.has(name))
  const parts: undefined[] = slots.filter(({ field }) => isPart(field.spec)).map(() => undefined)

  class View {
    constructor(buffer: ArrayBufferLike, byteOffset: number) {
      const memory = this as unknown as ViewMemory
      memory['.buffer'] = buffer
      memory['.offset'] = byteOffset
      memory['.parts'] = parts.length === 0 ? parts : parts.slice()
      if (i8) memory['.i8'] = new Int8Array(buffer, byteOffset, size)
      if (u8) memory['.u8'] = new Uint8Array(buffer, byteOffset, size)
      if (i16) memory['.i16'] = new Int16Array(buffer, byteOffset, size / 2)
      if (u16) memory['.u16'] = new Uint16Array(buffer, byteOffset, size / 2)
      if (i32) memory['.i32'] = new Int32Array(buffer, byteOffset, size / 4)
      if (u32) memory['.u32'] = new Uint32Array(buffer, byteOffset, size / 4)
      if (i64) memory['.i64'] = new BigInt64Array(buffer, byteOffset, size / 8)
      if (u64) memory['.u64'] = new BigUint64Array(buffer, byteOffset, size / 8)
      if (f32) memory['.f32'] = new Float32Array(buffer, byteOffset, size / 4)
      if (f64) memory['.f64'] = new Float64Array(buffer, byteOffset, size / 8)
    }

    /** The values, copied. */
    toJSON(): Record<string, unknown> {
      const view = this as unknown as Record<string, unknown>
      return Object.fromEntries(slots.map(({ name }) => [name, plain(view[name])]))
    }

    [inspect.custom](): Record<string, unknown> {
      return this.toJSON()
    }
  }

  let part = 0
  for (const slot of slots) {
    const accessor = isPart(slot.field.spec) ? partOf(slot, part++, layout, makerOf, self) : valueAccessor(slot)
    Object.defineProperty(View.prototype, slot.name, { ...accessor, enumerable: true, configurable: false })
  }
  return View as unknown as ViewClass
}

function isPart(spec: Spec): boolean {
  return spec.kind !== 'number' && spec.kind !== 'bool'
}

/** The array of the whole view that a field's accessor uses. */
function arrayOf(spec: Spec): NumberName | undefined {
  if (spec.kind === 'number' || spec.kind === 'atomic') return spec.number
  return spec.kind === 'bool' ? 'u8' : undefined
}

function valueAccessor({ field: { spec }, offset }: Slot): Accessor {
  return spec.kind === 'number' ? numberAccessor[spec.number](indexOf(offset, NUMBERS[spec.number].bytes)) : boolAccessor(offset)
}

/** An integer for V8 too, which may keep a quotient as a float and then use it slowly as an index. */
function indexOf(offset: number, bytes: number): number {
  const index = offset / bytes
  return index < 2 ** 31 ? index | 0 : index
}

/** The accessor of a field that is an object over its bytes. */
function partOf(slot: Slot, at: number, home: Layout, makerOf: MakerOf, self: () => ViewMaker): Accessor {
  const { name, field, offset, size } = slot
  const make = maker(field, home, makerOf, self)
  const part = (memory: ViewMemory): unknown => make(memory['.buffer'], memory['.offset'] + offset, memory)
  if (field.spec.kind === 'text') return textAccessor(name, size, partAccessor(at, part, refuse))
  if (field.spec.kind !== 'bytes') return partAccessor(at, part, refuse)
  return partAccessor(at, part, (value, target) => {
    if (!(value instanceof Uint8Array)) throw wrongType(name, 'a Uint8Array', value)
    if (value.length !== size) throw wrongSize(name, `${size} bytes`, `${value.length} bytes`)
    const bytes = target() as Uint8Array
    if (bytes.length === 0) throw memoryGone()
    bytes.set(value)
  })

  function refuse(value: unknown): void {
    throw wrongValue(name, `changed by what it is, a ${field.type}: it is not assigned to`, value)
  }
}

type Make = (buffer: ArrayBufferLike, byteOffset: number, memory?: ViewMemory) => unknown

/** What makes the object of a field, or of an element of an array. */
function maker(field: StructField, home: Layout, makerOf: MakerOf, self: () => ViewMaker): Make {
  const { spec, size } = field
  switch (spec.kind) {
    case 'text':
    case 'bytes':
      return (buffer, byteOffset) => new Uint8Array(buffer, byteOffset, size)
    case 'atomic':
      return cellMaker(spec.number, size)
    case 'struct':
      return (buffer, byteOffset) => makerOf(field).view(buffer, byteOffset)
    case 'offset':
      return (buffer, byteOffset) => {
        const target = targetOf(field, home)
        return new OffsetPointer(target === 'self' ? self() : makerOf(target), buffer, byteOffset)
      }
    case 'array': {
      const { element, count } = spec
      if (element.spec.kind === 'number') {
        const { Array: Numbers } = NUMBERS[element.spec.number]
        return (buffer, byteOffset) => new Numbers(buffer as ArrayBuffer, byteOffset, count)
      }
      const make = maker(element, home, makerOf, self)
      return (buffer, byteOffset) => Object.freeze(Array.from({ length: count }, (_, index) => make(buffer, byteOffset + index * element.size)))
    }
    default:
      throw new TypeError(`a field of type ${field.type} is no object`)
  }
}

function cellMaker(number: 'i32' | 'u32' | 'i64' | 'u64', size: number): Make {
  // The view has the array already; an element of an array of atomics gets its own.
  if (number === 'i32') return (buffer, byteOffset, memory) => cell(Atomic32, memory?.['.i32'] ?? new Int32Array(buffer, byteOffset, 1), byteOffset, size)
  if (number === 'u32') return (buffer, byteOffset, memory) => cell(Atomic32, memory?.['.u32'] ?? new Uint32Array(buffer, byteOffset, 1), byteOffset, size)
  if (number === 'i64') return (buffer, byteOffset, memory) => cell(Atomic64, memory?.['.i64'] ?? new BigInt64Array(buffer, byteOffset, 1), byteOffset, size)
  return (buffer, byteOffset, memory) => cell(Atomic64, memory?.['.u64'] ?? new BigUint64Array(buffer, byteOffset, 1), byteOffset, size)
}

function cell<Words extends { byteOffset: number }, Cell>(Class: new (words: Words, index: number) => Cell, words: Words, byteOffset: number, size: number): Cell {
  return new Class(words, indexOf(byteOffset - words.byteOffset, size))
}

/**
 * Text is decoded from a copy: V8's decoders assume that bytes stand still, and crash on some that change meanwhile.
 */
function textAccessor(name: string, size: number, bytes: Accessor): Accessor {
  let copy: Buffer | undefined
  const bytesOf = (view: ViewMemory): Uint8Array => {
    const part = bytes.get.call(view) as Uint8Array
    if (part.length === 0) throw memoryGone()
    return part
  }
  return {
    get() {
      const part = bytesOf(this)
      const text = (copy ??= Buffer.allocUnsafeSlow(size))
      text.set(part)
      const end = text.indexOf(0)
      return text.toString('utf8', 0, end === -1 ? size : end)
    },
    set(value: string) {
      const part = bytesOf(this)
      if (typeof value !== 'string') throw wrongType(name, 'a string', value)
      if (value.includes('\0')) throw wrongValue(name, 'a string without NUL characters, which end it', value)
      if (Buffer.byteLength(value) > size) throw outOfRange(name, `at most ${size} bytes of UTF-8`, value)
      const text = (copy ??= Buffer.allocUnsafeSlow(size))
      text.fill(0, text.write(value))
      part.set(text)
    }
  }
}

/** A copy of what a field is, as JSON takes it, but for bigints. */
function plain(value: unknown): unknown {
  if (value instanceof Atomic32 || value instanceof Atomic64) return value.load()
  if (value instanceof OffsetPointer) return value.offset
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array)
  return Array.isArray(value) ? value.map(plain) : value instanceof Object && 'toJSON' in value ? (value as { toJSON(): unknown }).toJSON() : value
}
