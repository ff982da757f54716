/**
 * Bytes of a message or a value: copied out, and taken in.
 *
 * @module
 * @internal
 */

import { types } from 'node:util'
import { wrongSize, wrongType } from '../errors.js'

/** What can be sent or published: bytes, or text as UTF-8. */
export type Payload = Uint8Array | string

/** A copy of bytes that others may write, as a `Buffer`. */
export function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length)
  copy.set(bytes)
  return copy
}

/** The bytes of what is to be sent, at most so many. */
export function payload(name: string, value: Payload, most: number): Uint8Array {
  if (typeof value === 'string') {
    const length = Buffer.byteLength(value)
    if (length > most) throw tooLong(name, most, length)
    return Buffer.from(value)
  }
  if (!(value instanceof Uint8Array) && !types.isUint8Array(value)) throw wrongType(name, 'a Uint8Array or text', value)
  if (value.length > most) throw tooLong(name, most, value.length)
  return value
}

function tooLong(name: string, most: number, length: number): RangeError {
  return wrongSize(name, `at most ${most} bytes`, `${length} bytes`)
}
