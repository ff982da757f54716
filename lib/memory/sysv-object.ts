/**
 * What System V segments and semaphore sets have in common: an identifier, an owner that IPC_SET changes, times.
 *
 * @module
 * @internal
 */

import * as check from '../arguments.js'
import { ownerChange, type OwnerChange } from './backing-object.js'

/** The kernel's identifier of an object. */
export function identifier(value: unknown): number {
  return check.integer('id', value, 0, 2 ** 31 - 1)
}

/** What IPC_SET is to set, which takes all three: what `change` leaves out stays as it is `now`. */
export function changedOwner(
  change: OwnerChange,
  now: { uid: number; gid: number; mode: number }
): [uid: number, gid: number, mode: number] {
  const { uid = now.uid, gid = now.gid, mode = now.mode & 0o777 } = ownerChange(change)
  return [uid, gid, mode]
}

/** A time of the kernel's, in seconds since the epoch, of which 0 means never. */
export function date(seconds: number): Date | null {
  return seconds === 0 ? null : new Date(seconds * 1000)
}
