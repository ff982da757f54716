/**
 * What the kernel's files say, as tables, numbers, links and processes.
 *
 * @module
 * @internal
 */

import { readdirSync, readlinkSync, statSync, type Stats } from 'node:fs'
import { basename } from 'node:path'
import { mustNotBeOurs, textOf } from '../kernel-text.js'

/** The lines of a table without its heading; none where it cannot be read. */
export function rowsOf(path: string): string[] {
  return (textOf(path) ?? '').split('\n').slice(1).filter(line => line !== '')
}

/** The number that a file of one number holds; text where it holds something else, such as `max`. */
export function valueOf(path: string): number | string | undefined {
  const text = textOf(path)?.trim()
  if (text === undefined || text === '') return undefined
  return /^\d+$/.test(text) ? Number(text) : text
}

/** Whether a failure says that one may not look, rather than that it is gone. */
export function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** The processes that /proc shows. */
export function processIds(): number[] {
  try {
    return readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number)
  } catch (error) {
    mustNotBeOurs(error)
    return []
  }
}

/** Where a link leads; nothing where it cannot be read. */
export function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** stat(2), or nothing. */
export function statOf(path: string | Buffer): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** How Node.js names its first thread, 24 and 26; other programs do so, too. It says nothing of the program. */
const NAMES_OF_FIRST_THREADS: readonly (string | undefined)[] = ['MainThread', 'node-MainThread']

/** What `ps` calls a process; nothing once it is gone. */
export function commandOf(pid: number): string | undefined {
  const name = textOf(`/proc/${pid}/comm`)?.trimEnd()
  if (!NAMES_OF_FIRST_THREADS.includes(name)) return name
  const program = textOf(`/proc/${pid}/cmdline`)?.split('\0')[0] ?? ''
  return program === '' ? name : basename(program)
}

/** A device as /proc/pid/maps and /proc/locks write it. */
export function deviceText(device: number): string {
  const major = Math.floor(device / 256) & 0xfff
  const minor = (device & 0xff) | (Math.floor(device / 4096) & 0xfff00)
  return `${hex(major)}:${hex(minor)}`
}

function hex(number: number): string {
  return number.toString(16).padStart(2, '0')
}

/** A line of /proc/meminfo, or of a file like it, in bytes. */
export function kibibytes(text: string | undefined, label: string): number | undefined {
  const [, number] = new RegExp(`^${label}:\\s+(\\d+) kB$`, 'm').exec(text ?? '') ?? []
  return number === undefined ? undefined : Number(number) * 1024
}

/** The names of users by number, from /etc/passwd; a directory service is not asked. */
export function userNames(): Map<number, string> {
  const names = new Map<number, string>()
  for (const line of (textOf('/etc/passwd') ?? '').split('\n')) {
    const [name, , uid] = line.split(':')
    if (name !== undefined && uid !== undefined && /^\d+$/.test(uid) && !names.has(Number(uid))) names.set(Number(uid), name)
  }
  return names
}
