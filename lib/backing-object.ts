/**
 * What POSIX objects, memfds and files have in common beyond every segment: an inode, an owner, no huge pages by name.
 *
 * @module
 */

import * as check from './arguments.js'
import { ShmError } from './errors.js'
import { native, type Binding } from './native.js'
import type { CheckedCreate } from './options.js'
import type { SegmentStat } from './segment.js'

/** A change of owner and mode; what is not given stays. */
export interface OwnerChange {
  uid?: number
  gid?: number
  /** Permission bits. */
  mode?: number
}

/** What `stat()` says of POSIX objects, memfds and files. */
export interface ObjectStat extends SegmentStat {
  device: number
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

/** fchmod(2) and fchown(2). @internal */
export function setOwner(segment: Binding.NativeSegment, change: OwnerChange): void {
  const { uid, gid, mode } = check.options<OwnerChange>('change', change, ['uid', 'gid', 'mode'])
  segment.setOwner(
    mode === undefined ? undefined : check.mode('change.mode', mode, 0),
    uid === undefined ? undefined : check.integer('change.uid', uid, 0, 2 ** 32 - 2),
    gid === undefined ? undefined : check.integer('change.gid', gid, 0, 2 ** 32 - 2)
  )
}

/** Named objects live on file systems of base pages: requiring huge ones there is an error, preferring them is not. @internal */
export function refuseHugePages(options: CheckedCreate, name: string): void {
  if ((options.wishes & native.WISH_REQUIRE_HUGE) !== 0) {
    throw new ShmError({
      code: 'EINVAL',
      errno: -22,
      syscall: 'shm_open',
      message: `EINVAL: invalid argument, shm_open '${name}' (named objects cannot be on hugetlb pages)`,
      objectName: name,
      hint: 'MemfdSegment and SysvSegment can; advise(range, "hugepage") asks for transparent ones'
    })
  }
}
