/**
 * Reading the kernel's files, /proc and /sys: texts that may vanish while one reads. Names in there may be any bytes, so texts are
 * latin1: every byte is a character.
 *
 * @module
 * @internal
 */

import { readFileSync } from 'node:fs'
import { ShmError } from './errors.js'

/** What a file says; nothing where it cannot be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    mustNotBeOurs(error)
    return undefined
  }
}

/** Failures that tell nothing of what was looked at: who took them for "not there" would see no users, and remove what is used. */
const OURS = ['EMFILE', 'ENFILE', 'ENOMEM']

/** Throws a failure that is about this process, not about the file. */
export function mustNotBeOurs(error: unknown): void {
  const { code = '', errno, syscall, message } = error as NodeJS.ErrnoException
  if (OURS.includes(code)) throw new ShmError({ code, errno, syscall, message })
}
