/**
 * The files of /dev/shm: POSIX objects, and named semaphores, which glibc and musl keep there too.
 *
 * @module
 * @internal
 */

import { lstatSync, readdirSync, type Stats } from 'node:fs'
import { mustNotBeOurs } from '../kernel-text.js'

/** Where POSIX objects have their names. */
export const SHM_DIRECTORY = '/dev/shm'
/** A named semaphore `/gate` is the file `sem.gate` there. */
export const SEMAPHORE_PREFIX = 'sem.'

/** A file of /dev/shm. */
export interface NamedFile {
  kind: 'posix' | 'posix-semaphore'
  name: string
  /** The name's own bytes, which need be no UTF-8. */
  path: Buffer
  stat: Stats
}

/** The regular files of /dev/shm: what is a folder, link or socket there is no object. */
export function namedFiles(): NamedFile[] {
  const files: NamedFile[] = []
  let names: Buffer[] = []
  try {
    names = readdirSync(SHM_DIRECTORY, { encoding: 'buffer' })
  } catch (error) {
    mustNotBeOurs(error)
    // No /dev/shm, no objects.
  }
  for (const given of names) {
    // Not every runtime gives the bytes.
    const bytes = Buffer.from(given)
    const path = Buffer.concat([Buffer.from(`${SHM_DIRECTORY}/`), bytes])
    const name = bytes.toString()
    try {
      const stat = lstatSync(path)
      if (stat.isFile()) files.push({ kind: isSemaphore(name) ? 'posix-semaphore' : 'posix', name, path, stat })
    } catch {
      // Removed meanwhile.
    }
  }
  return files
}

/** No semaphore has an empty name, but an object may be called `/sem.`. */
function isSemaphore(name: string): boolean {
  return name.startsWith(SEMAPHORE_PREFIX) && name.length > SEMAPHORE_PREFIX.length
}
