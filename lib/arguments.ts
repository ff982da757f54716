/**
 * Arguments, checked in the user's words: each error names the argument, what was expected and what came.
 *
 * @module
 * @internal
 */

import { fileURLToPath } from 'node:url'
import { outOfRange, wrongType, wrongValue } from './errors.js'

const UNITS: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 }

/** A number of bytes: a number, a bigint, or text with a unit (`B`, `KiB`, `MiB`, `GiB`, `TiB`), such as `'64MiB'` or `'1.5KiB'`. */
export type Size = number | bigint | string

/** Bytes from `minimum` to 2^53 - 1. */
export function bytes(name: string, value: unknown, minimum: number): number {
  const parsed = typeof value === 'string' ? parseSize(name, value) : value
  if (typeof parsed !== 'number' && typeof parsed !== 'bigint') {
    throw wrongType(name, 'a number of bytes, a bigint, or text like "64MiB"', value)
  }
  const count = Number(parsed)
  if (!Number.isSafeInteger(count) || count < minimum) {
    throw outOfRange(name, `a whole number of bytes from ${minimum} to ${Number.MAX_SAFE_INTEGER}`, value)
  }
  return count
}

function parseSize(name: string, given: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]iB|B)?$/.exec(given) ?? []
  if (digits === undefined) throw wrongValue(name, 'bytes as text like "64MiB" (B, KiB, MiB, GiB, TiB)', given)
  return Number(digits) * (UNITS[unit ?? 'B'] ?? 1)
}

/** A whole number within bounds. */
export function integer(name: string, value: unknown, minimum: number, maximum: number): number {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value)
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw outOfRange(name, `a whole number from ${minimum} to ${maximum}`, value)
  }
  return value
}

/** A C int. */
export function int32(name: string, value: unknown): number {
  return integer(name, value, -(2 ** 31), 2 ** 31 - 1)
}

/** A flag word: a C int, also when it was put together as an unsigned number. */
export function flags(name: string, value: unknown): number {
  return integer(name, value, -(2 ** 31), 2 ** 32 - 1) | 0
}

/** A descriptor. */
export function descriptorNumber(name: string, value: unknown): number {
  return integer(name, value, 0, 2 ** 31 - 1)
}

/** An address: a bigint below 2^53, or null for none. Answers a number, 0 for none. */
export function address(name: string, value: unknown): number {
  if (value === null || value === undefined) return 0
  if (typeof value !== 'bigint') throw wrongType(name, 'an address as a bigint, or null', value)
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw outOfRange(name, 'an address from 0 to 2^53 - 1', value)
  return Number(value)
}

/** Text without NUL, not empty. */
export function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value)
  if (value.length === 0) throw wrongValue(name, 'a string that is not empty', value)
  if (value.includes('\0')) throw wrongValue(name, 'a string without NUL characters', value)
  return value
}

/** A path, as text or as a `file:` URL. */
export function path(name: string, value: unknown): string {
  const plain = text(name, value instanceof URL && value.protocol === 'file:' ? fileURLToPath(value) : value)
  if (Buffer.byteLength(plain) > 4095) throw outOfRange(name, 'a path of at most 4095 bytes', plain)
  return plain
}

/** A portable POSIX object name: a slash, then 1 to 254 bytes without another slash (shm_overview(7)). */
export function objectName(name: string, value: unknown, longest = 254): string {
  const plain = text(name, value)
  const rest = plain.slice(1)
  if (!plain.startsWith('/') || rest.length === 0 || rest.includes('/') || rest === '.' || rest === '..') {
    throw wrongValue(name, 'a name that begins with a slash and has no other, such as "/frames"', plain)
  }
  if (Buffer.byteLength(rest) > longest) throw outOfRange(name, `a slash and at most ${longest} bytes`, plain)
  return plain
}

/** One of several words. */
export function oneOf<T extends string>(name: string, value: unknown, words: readonly T[]): T {
  if (typeof value !== 'string') throw wrongType(name, `one of ${words.map(word => `"${word}"`).join(', ')}`, value)
  if (!(words as readonly string[]).includes(value)) {
    throw wrongValue(name, `one of ${words.map(word => `"${word}"`).join(', ')}`, value)
  }
  return value as T
}

/** True or false, or the default where nothing was said. */
export function flag(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw wrongType(name, 'true or false', value)
  return value
}

/** An options object with known names only; a misspelled one is an error, not a default. */
export function options<T extends object>(name: string, value: unknown, known: readonly string[]): T {
  if (value === undefined) return {} as T
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(name, 'an object', value)
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw wrongValue(`${name}.${key}`, `one of the known options (${known.join(', ')})`, key)
  }
  return value as T
}

/** Permission bits, such as `0o600`. */
export function mode(name: string, value: unknown, fallback: number): number {
  return value === undefined ? fallback : integer(name, value, 0, 0o777)
}

/** Milliseconds to wait: 0 or more; `Infinity` or nothing means as long as it takes. */
export function timeout(name: string, value: unknown): number {
  if (value === undefined) return Infinity
  if (typeof value !== 'number') throw wrongType(name, 'a number of milliseconds', value)
  if (Number.isNaN(value) || value < 0) throw outOfRange(name, '0 milliseconds or more, or Infinity', value)
  return value
}

/** An AbortSignal of any realm, or nothing. */
export function signal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  const given = value as Partial<AbortSignal> | null
  if (typeof given !== 'object' || given === null || typeof given.aborted !== 'boolean' || typeof given.addEventListener !== 'function' || typeof given.removeEventListener !== 'function') {
    throw wrongType(name, 'an AbortSignal', value)
  }
  return value as AbortSignal
}

/** A function, or nothing. */
export function func<F extends (...given: never[]) => unknown>(name: string, value: F | undefined): F | undefined {
  if (value !== undefined && typeof value !== 'function') throw wrongType(name, 'a function', value)
  return value
}
