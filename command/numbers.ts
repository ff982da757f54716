/**
 * Numbers that are given on the command line.
 */
import { InvalidArgumentError } from 'commander'

const UNITS: Record<string, number> = { '': 1, b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 }

/** `4096`, `0x1000`, `'4KiB'`. */
export function sizeInBytes(text: string): number {
  const [, number = '', unit = ''] = /^(0x[0-9a-f]+|\d+)\s*([a-z]*)$/iu.exec(text) ?? []
  const bytes = number === '' ? NaN : Number(number) * (UNITS[unit.toLowerCase()] ?? NaN)
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError("Bytes are written like 4096, 0x1000 or '4KiB'.")
  return bytes
}

/** A whole number from 1 on; as milliseconds it is no more than a timer can wait. */
export function positive(text: string): number {
  const number = /^\d+$/u.test(text) ? Number(text) : NaN
  if (!(number >= 1 && number < 2 ** 31)) throw new InvalidArgumentError('It is a whole number from 1 to 2147483647.')
  return number
}
