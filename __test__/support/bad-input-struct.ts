/**
 * The rows of the bad-input table for structs, their fields, and what is in them.
 */
import { Atomic32, Atomic64, i32, offset, struct, u64 } from 'shmem'
import * as bad from './bad-values.js'
import { needs, takes, type Argument } from './bad-values.js'

/** One of everything. */
export function makeStructs() {
  const Link = struct({ count: i32, next: offset('self'), total: u64 })
  const memory = new ArrayBuffer(256)
  const link = Link.at(memory, 64)
  return { Link, memory, link, atomic32: new Atomic32(new Int32Array(4), 0), atomic64: new Atomic64(new BigUint64Array(4), 0) }
}

/** The rows. */
export function structRows({ Link, memory, link }: ReturnType<typeof makeStructs>): Record<string, Argument[]> {
  const definition = needs('definition', { a: i32 }, [
    ...bad.object, {}, { a: 5 }, { a: 'i32' }, { a: null }, { a: [] }, { 'a b': i32 }, { int: i32 }, { constructor: i32 }, { toJSON: i32 }, { ['__proto__']: i32 }
  ])
  const size = needs('size', 8, bad.whole(1, 2 ** 40))
  const type = needs('type', Link, [...bad.handle, 'i32'])
  const name = needs('name', 'another', [...bad.text, 'x'.repeat(65), 'é'.repeat(33), 'x'.repeat(70_000)])
  const int = (argument: string): Argument => needs(argument, 1, bad.int32)
  const longs = [null, 5, '5', {}, true, 2n ** 64n, -1n]
  const long = (argument: string): Argument => needs(argument, 1n, longs)
  const place = (argument: string): Argument => needs(argument, 128, [...bad.whole(0, 256 - 24), 1, 4, 129])
  const words = [...bad.handle, new DataView(new ArrayBuffer(8))]
  const index = needs('index', 0, bad.whole(0, 3))

  return {
    struct: [definition],
    'new Struct': [definition],
    'Struct#at': [needs('memory', memory, bad.handle), takes('byteOffset', 0, [...bad.whole(0, 256 - 24), 1, 4, 240])],
    'Struct#byteOffsetOf': [needs('view', link, [...bad.handle, Link])],
    'Struct#offsetOf': [needs('name', 'count', [...bad.text, 'toString', '__proto__', 'counts'])],
    'Struct#toC': [needs('name', 'Link', [...bad.text, 'a b', '5', 'struct', 'é'])],
    text: [size],
    bytes: [size],
    pad: [size],
    array: [type, needs('count', 2, bad.whole(1, Math.floor(2 ** 40 / Link.size)))],
    offset: [needs('target', 'self', [...bad.object.filter(value => typeof value !== 'function'), {}, i32])],
    cacheLine: [takes('size', 64, [...bad.whole(64, 128), 65, 96])],
    'ManagedSegment#struct': [name, type],

    'new Atomic32': [needs('array', new Int32Array(4), [...words, new Int16Array(4), new BigInt64Array(4)]), index],
    'Atomic32#load': [],
    ...Object.fromEntries(['store', 'and', 'or', 'xor', 'exchange'].map(method => [`Atomic32#${method}`, [int('value')]])),
    ...Object.fromEntries(['add', 'sub'].map(method => [`Atomic32#${method}`, [takes('value', 1, bad.int32)]])),
    'Atomic32#compareExchange': [int('expected'), int('value')],

    'new Atomic64': [needs('array', new BigInt64Array(4), [...words, new Int32Array(4)]), index],
    'Atomic64#load': [],
    ...Object.fromEntries(['store', 'and', 'or', 'xor', 'exchange'].map(method => [`Atomic64#${method}`, [long('value')]])),
    ...Object.fromEntries(['add', 'sub'].map(method => [`Atomic64#${method}`, [takes('value', 1n, longs)]])),
    'Atomic64#compareExchange': [long('expected'), long('value')],

    'new OffsetPointer': [needs('target', undefined, bad.handle)],
    'OffsetPointer#exchange': [place('offset')],
    'OffsetPointer#compareExchange': [needs('expected', 0, bad.whole(0, Number.MAX_SAFE_INTEGER)), place('offset')]
  }
}
