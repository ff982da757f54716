/**
 * What segments say of themselves.
 *
 * @module
 */

import type { FaultCounts } from './faults.js'
import type { Access } from './options.js'
import type { Segment } from './segment.js'

/** What {@link Segment.stat} says of every kind. */
export interface SegmentStat {
  /** Which kind of segment it is. */
  kind: Segment['kind']
  /** Bytes of the view. */
  size: number
  /** Bytes of whole pages that are mapped. */
  mappedBytes: number
  /** Bytes of a base page of this machine. */
  pageSizeBytes: number
  /** How the view was opened. */
  access: Access
  /** Permission bits. */
  mode: number
  /** The owner. */
  uid: number
  /** The owner's group. */
  gid: number
  /** Whether the memory is there for sure; `'unsupported'` where the file system cannot reserve. */
  reserved: boolean | 'unsupported'
  /** Whether the object has no name (POSIX, file) or is marked for removal (System V). A memfd never has one. */
  removed: boolean
  /** The huge pages that were asked for and obtained. */
  hugePages: HugePages
  /** How `lockMemory` locked it: `true` for all pages, `'onFault'` for those that were touched. System V: `SHM_LOCKED`, whoever set it. */
  memoryLock: boolean | 'onFault'
  /** Whether core dumps may hold it, as far as the option `dump` decides; advice is in `pages`. */
  dump: boolean
  /** Bad touches since it was mapped. */
  faults: FaultCounts
  /** Only with `{ pages: true }`. */
  pages?: PageFacts
}

/** What {@link Segment.stat} looks at. */
export interface StatOptions {
  /**
   * Whether to read /proc/self/smaps, which walks the page tables of the whole process: milliseconds, where the rest takes
   * microseconds. Gives `pages`, and tells transparent huge pages in `hugePages`. @default false
   */
  pages?: boolean | undefined
}

/** Huge pages, asked for and obtained. */
export interface HugePages {
  /** The option `hugePages` of this opening. */
  asked: 'require' | 'prefer' | false
  /** Pages of a reserved pool, transparent ones (seen with `{ pages: true }` only), or neither. */
  kind: 'hugetlb' | 'transparent' | 'none'
  /** Bytes of such a page; of a base page where there are none. */
  pageSizeBytes: number
  /** Bytes on such pages. */
  bytes: number
}

/** What /proc/self/smaps says of a segment's pages, as this process maps them (proc_pid_smaps(5)). */
export interface PageFacts {
  /** In RAM and touched by this process; huge pages of a pool included. */
  residentBytes: number
  /** The same, each page divided by the number of processes that map it (`Pss`; without huge pages of a pool). */
  proportionalBytes: number
  /** In swap. */
  swappedBytes: number
  /** Resident and locked by mlock(2). `SHM_LOCK` does not show here: see `lockedInMemory`. */
  lockedBytes: number
  /** On huge pages of a pool. */
  hugetlbBytes: number
  /** On transparent huge pages. */
  transparentBytes: number
  /** Kept out of core dumps (`MADV_DONTDUMP`). */
  undumpedBytes: number
}

/** How {@link Segment.lockMemory} locks. */
export interface LockMemoryOptions {
  /** Each page when it is touched, not all now (`MLOCK_ONFAULT`, Linux 4.4). @default false */
  onFault?: boolean | undefined
}

/** What {@link Segment.residency} says. */
export interface Residency {
  /** Base pages in the range. */
  pages: number
  /** Of these, in RAM, whoever brought them there. */
  residentPages: number
  /** The same in bytes. */
  residentBytes: number
  /** Bytes of a base page. */
  pageSizeBytes: number
}
