/**
 * What POSIX objects, memfds and files have in common beyond every segment: an inode, an owner, no huge pages by name.
 *
 * @module
 */

import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import * as check from '../arguments.js'
import { ShmError } from '../errors.js'
import { native, type Binding } from '../native.js'
import type { CheckedCreate } from './options.js'
import type { SegmentStat } from './segment-stat.js'

/** statfs(2). */
const HUGETLBFS_MAGIC = 0x9584_58f6

/** A change of owner and mode; what is not given stays. */
export interface OwnerChange {
  /** The new owner. */
  uid?: number | undefined
  /** The new group. */
  gid?: number | undefined
  /** Permission bits. */
  mode?: number | undefined
}

/** What `stat()` says of POSIX objects, memfds and files. */
export interface ObjectStat extends SegmentStat {
  /** The device of its file system. */
  device: number
  /** With `device`, tells it from every other object. */
  inode: number
  /** Bytes of the whole object, of which the segment may map a part. */
  objectSize: number
  /** Names that lead to it; 0 once it is removed. */
  links: number
  /** Bytes of memory or disk it takes. */
  allocatedBytes: number
}

/** @internal */
export function objectStat<Kind extends SegmentStat['kind']>(
  kind: Kind,
  common: Omit<SegmentStat, 'kind' | 'mode' | 'uid' | 'gid' | 'removed'>,
  stat: Binding.NativeObjectStat
): ObjectStat & { kind: Kind } {
  return {
    kind,
    ...common,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    removed: kind !== 'memfd' && stat.links === 0,
    device: stat.device,
    inode: stat.inode,
    objectSize: stat.size,
    links: stat.links,
    allocatedBytes: stat.allocatedBytes
  }
}

function isOnHugePages(folder: string): boolean {
  try {
    return statfsSync(folder).type === HUGETLBFS_MAGIC
  } catch {
    // Opening will say what is wrong with it.
    return false
  }
}

/** Checks a change; what is not given stays undefined. @internal */
export function ownerChange(value: unknown): Record<keyof OwnerChange, number | undefined> {
  const { uid, gid, mode } = check.options<OwnerChange>('change', value, ['uid', 'gid', 'mode'])
  return {
    uid: uid === undefined ? undefined : check.integer('change.uid', uid, 0, 2 ** 32 - 2),
    gid: gid === undefined ? undefined : check.integer('change.gid', gid, 0, 2 ** 32 - 2),
    mode: mode === undefined ? undefined : check.mode('change.mode', mode, 0)
  }
}

/** fchmod(2) and fchown(2). @internal */
export function setOwner(segment: Binding.NativeSegment, change: OwnerChange): void {
  const { uid, gid, mode } = ownerChange(change)
  segment.setOwner(mode, uid, gid)
}

/**
 * Named objects live on file systems of base pages, but for hugetlbfs: requiring huge ones there is an error, preferring them is
 * not. @internal
 */
export function refuseHugePages(options: CheckedCreate, syscall: 'shm_open' | 'open', name: string): void {
  if ((options.wishes & native.WISH_REQUIRE_HUGE) === 0) return
  if (syscall === 'open' && isOnHugePages(dirname(name))) return
  throw new ShmError({
    code: 'EINVAL',
    errno: -22,
    syscall,
    message: `EINVAL: invalid argument, ${syscall} '${name}' (named objects cannot be on hugetlb pages)`,
    [syscall === 'open' ? 'path' : 'objectName']: name,
    hint: 'MemfdSegment and SysvSegment can, and files on hugetlbfs; "prefer" and collapse() make transparent ones'
  })
}
