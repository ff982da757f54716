/**
 * Keys for System V objects, made from a file (ftok(3)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { outOfRange, wrongType } from '../errors.js'
import { native } from '../native.js'

/**
 * The key that C's `ftok(path, projectId)` makes, bit for bit: the low 8 bits of the project id, 8 of the file's device, 16 of
 * its inode. So keys collide: two files, or one file replaced by another, may give the same key or different ones.
 *
 * @param path an existing file; it is only looked at
 * @param projectId 1 to 255, or one ASCII character
 * @throws {@link ShmError} ENOENT, EACCES, ENOTDIR
 */
export function ftok(path: string, projectId: number | string): number {
  return native.ftok(check.path('path', path), projectNumber(projectId))
}

function projectNumber(projectId: unknown): number {
  if (typeof projectId === 'number') return check.integer('projectId', projectId, 1, 255)
  if (typeof projectId !== 'string') throw wrongType('projectId', 'a number from 1 to 255, or one character', projectId)
  const code = projectId.length === 1 ? projectId.charCodeAt(0) : 0
  if (code < 1 || code > 127) throw outOfRange('projectId', 'one ASCII character', projectId)
  return code
}
