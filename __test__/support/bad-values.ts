/**
 * Bad arguments by kind, for the table of 17.bad-input.test.ts: for each kind of argument the values that it must refuse.
 * `undefined` stands for "missing", which the table adds where the argument is required.
 */

/** An argument of a public function: a good value, the bad ones, and the options inside it. */
export interface Argument {
  name: string
  good: unknown
  bad: readonly unknown[]
  /** For an object: each option with its bad values. */
  options?: Readonly<Record<string, readonly unknown[]>>
  /** Whether leaving it out is an error. */
  required: boolean
}

const notNumbers = [null, '5', {}, [], true, Symbol('five'), 5n, () => 5]
const notTexts = [null, 5, {}, [], true, Symbol('text'), 5n]
const notFlags = [null, 0, 1, 'yes', NaN, {}, Symbol('flag')]

/** A whole number from `minimum` to `maximum`. */
export function whole(minimum: number, maximum: number): unknown[] {
  return [...notNumbers, NaN, 1.5, Infinity, -Infinity, 2 ** 53, minimum - 1, maximum + 1]
}

/** A number of bytes, as number, bigint or text. */
export function bytes(minimum: number): unknown[] {
  const few = minimum > 0 ? [0, 0n, '0'] : []
  return [
    null, {}, [], true, Symbol('size'), '', 'lots', '1XB', '-1', '1e3', '0x10', '1.5B', '9007199254740992', '16777216TiB',
    NaN, 1.5, -1, -1n, 2 ** 53, 2n ** 53n, 2n ** 64n, Infinity, ...few
  ]
}

/** One of several words. */
export const word = [null, 5, {}, true, '', 'nonsense', 'toString', '__proto__', Symbol('word')]
export const flag = notFlags
/** A path, of which `file:` URLs are a form. */
export const path = [...notTexts, '', 'a\0b', 'x'.repeat(5000), new URL('http://localhost/frames')]
/** Text for the kernel. */
export const text = [...notTexts, '', 'a\0b']
/** The portable name of a POSIX object. */
export const objectName = [...text, '/', 'frames', '/a/b', '/a/', '//', '/.', '/..', '/a\0b', `/${'x'.repeat(255)}`, `/${'x'.repeat(70_000)}`]
export const int32 = whole(-(2 ** 31), 2 ** 31 - 1)
export const flagWord = whole(-(2 ** 31), 2 ** 32 - 1)
export const fd = whole(0, 2 ** 31 - 1)
export const address = [5, '5', {}, true, Symbol('address'), -1n, 2n ** 53n, 2n ** 64n]
export const milliseconds = [null, '5', {}, true, 5n, NaN, -1, -Infinity]
export const object = [null, 5, 'x', true, [], Symbol('object'), 5n]
/** An object of ours. */
export const handle = [...object, {}, Object.create(null), new Uint8Array(8)]
/** Bytes to copy from. */
export const source = [null, 5, {}, [], true, Symbol('bytes'), 5n]

/** The options of every opening. */
export const mapOptions = {
  access: word, offset: [...bytes(0), 1, 4095], length: bytes(1), guard: flag, prefault: flag, lockMemory: flag, keepFd: flag, dump: flag, owner: word,
  placement: [null, 5, {}, { policy: 'nonsense' }, { policy: 'bind' }, { policy: 'bind', nodes: [-1] }, { policy: 'local', nodes: [0] }, { policy: 'local', move: true }]
}
/** The options of every creation. */
export const createOptions = {
  ...mapOptions, size: [...bytes(1), undefined], mode: whole(0, 0o777), reserve: flag,
  hugePages: [...word, true], hugePageSize: [...word, '4KiB', 2 ** 21]
}
export const range = { offset: bytes(0), length: bytes(1) }
export const owner = { uid: whole(0, 2 ** 32 - 2), gid: whole(0, 2 ** 32 - 2), mode: whole(0, 0o777) }

/** A required argument. */
export function needs(name: string, good: unknown, bad: readonly unknown[], options?: Argument['options']): Argument {
  return { name, good, bad, required: true, ...(options === undefined ? {} : { options }) }
}

/** An argument that may be left out. */
export function takes(name: string, good: unknown, bad: readonly unknown[], options?: Argument['options']): Argument {
  return { ...needs(name, good, bad, options), required: false }
}
