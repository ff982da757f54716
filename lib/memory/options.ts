/**
 * The options of every segment: their words for users, their checks, and their form for the native side.
 *
 * @module
 */

import { constants } from 'node:buffer'
import * as check from '../arguments.js'
import { ShmError, outOfRange } from '../errors.js'
import { native } from '../native.js'
import { checkPlacement, type CheckedPlacement, type ThreadPlacementOptions } from './placement.js'
import type { Size } from '../arguments.js'

/**
 * How the bytes may be touched: `'read'`, `'write'` (read and write, seen by everybody), or `'copy-on-write'` (what is
 * written stays in this mapping: `MAP_PRIVATE` of mmap(2); not for System V).
 */
export type Access = 'read' | 'write' | 'copy-on-write'

/** How a segment is mapped. */
export interface MapOptions {
  /** @default 'write' */
  access?: Access | undefined
  /** First byte of the object to map, a multiple of the page size. Not for System V. @default 0 */
  offset?: Size | undefined
  /** Bytes to map. Not for System V. @default all from `offset` on */
  length?: Size | undefined
  /**
   * Whether a bad touch (a write through a read-only view, a touch of a hole or of bytes that somebody truncated) is repaired
   * and reported by an error instead of killing the process. Costs nothing without a fault. @default true
   */
  guard?: boolean | undefined
  /** Brings every page into memory at once (`MADV_POPULATE_WRITE`, Linux 5.14). @default false */
  prefault?: boolean | undefined
  /**
   * Locks the pages in RAM: `SHM_LOCK` for System V, mlock(2) for others; with `'onFault'` each page when it is touched
   * (`MLOCK_ONFAULT`, Linux 4.4), which is all that System V does. RLIMIT_MEMLOCK applies. @default false
   */
  lockMemory?: boolean | 'onFault' | undefined
  /**
   * Whether a core dump of this process may hold these bytes; `false` keeps them out (`MADV_DONTDUMP`). With `true` the kernel's
   * own rule holds (core(5), coredump_filter). Managed segments are always kept out. @default true
   */
  dump?: boolean | undefined
  /**
   * On which NUMA nodes the pages are to be. What is reserved lies somewhere already: it is prefaulted, and moved there.
   * @default no policy
   */
  placement?: ThreadPlacementOptions & {
    /** Pages that lie elsewhere, and stay there, are `EIO`. @default false */
    strict?: boolean | undefined
  } | undefined
  /** Keeps the descriptor open after mapping, as `fd`. Always so for a memfd. @default false */
  keepFd?: boolean | undefined
  /**
   * `'me'`: an existing object of another user is `ERR_SHM_FOREIGN_OWNER`. Names and keys are everybody's, and another user may
   * have made an object under yours first. Mine is what the effective user of this process owns; of System V also what it created.
   * @default 'anybody'
   */
  owner?: 'me' | 'anybody' | undefined
}

/** How an object is created. */
export interface CreateOptions extends MapOptions {
  /** Bytes, at least 1; rounded up to whole pages only for huge pages. */
  size: Size
  /** Permission bits, exact: the umask does not apply. @default 0o600 */
  mode?: number | undefined
  /**
   * Whether the memory (or disk space) is reserved at once: then a full /dev/shm is `ENOSPC` here, not a fault later.
   * `false` makes a sparse object. For System V, which has no early refusal, `true` touches every page.
   * @default true; for System V: neither reserved nor `SHM_NORESERVE`
   */
  reserve?: boolean | undefined
  /**
   * Huge pages. `'require'`: pages of a reserved pool, or an error (System V, memfd, files on hugetlbfs). `'prefer'`: those, else
   * transparent ones where the pages are there at creation (`reserve`, `prefault`), else base pages; `stat({ pages: true })` says which.
   * @default false
   */
  hugePages?: 'require' | 'prefer' | false | undefined
  /** @default the machine's (Hugepagesize in /proc/meminfo) */
  hugePageSize?: '2MiB' | '1GiB' | undefined
}

/** A part of a segment, in bytes. */
export interface Range {
  /** @default 0 */
  offset?: Size | undefined
  /** @default to the end */
  length?: Size | undefined
}

const MAP_WORDS = ['access', 'offset', 'length', 'guard', 'prefault', 'lockMemory', 'dump', 'placement', 'keepFd', 'owner'] as const
/** The names of all options of creating. @internal */
export const CREATE_WORDS = [...MAP_WORDS, 'size', 'mode', 'reserve', 'hugePages', 'hugePageSize'] as const
const ACCESS_WORDS = ['read', 'write', 'copy-on-write'] as const
const ACCESS_WISHES = { read: native.WISH_READ_ONLY, write: 0, 'copy-on-write': native.WISH_COPY_ON_WRITE }
const NO_PLACEMENT: CheckedPlacement | undefined = undefined
const ALL_DEFAULTS = Object.freeze({
  wishes: 0, offset: 0, length: 0, access: 'write' as const, prefault: false, lockMemory: false as const, dump: true, placement: NO_PLACEMENT
})

/** How an object is mapped, checked, as the native side takes it; 0 where nothing was given. @internal */
export interface CheckedMap {
  /** `WISH_…` bits. */
  wishes: number
  offset: number
  length: number
  access: Access
  prefault: boolean
  lockMemory: boolean | 'onFault'
  dump: boolean
  placement: CheckedPlacement | undefined
}

/** How an object is created, checked, as the native side takes it; 0 where nothing was given. @internal */
export interface CheckedCreate extends CheckedMap {
  size: number
  mode: number
  hugePageSize: number
}

/** Checks the options of opening. @internal */
export function mapOptions(value: MapOptions | undefined): CheckedMap {
  return value === undefined ? ALL_DEFAULTS : checkMap(check.options<MapOptions>('options', value, MAP_WORDS))
}

/** Checks the options of creating. @internal */
export function createOptions(value: CreateOptions): CheckedCreate {
  const options = check.options<CreateOptions>('options', value, CREATE_WORDS)
  const map = checkMap(options)
  const size = check.bytes('options.size', options.size, 1)
  if (map.offset + (map.length || 1) > size) {
    throw outOfRange('options.length', `inside the ${size} bytes of options.size`, options.length ?? options.offset)
  }
  refuseTooLarge(map.length || size - map.offset)
  return {
    wishes: map.wishes | reserveWish(options.reserve) | hugeWish(options.hugePages),
    offset: map.offset,
    length: map.length,
    access: map.access,
    prefault: map.prefault,
    lockMemory: map.lockMemory,
    dump: map.dump,
    placement: map.placement,
    size,
    mode: check.mode('options.mode', options.mode, 0o600),
    hugePageSize: hugePageSize(options.hugePageSize)
  }
}

/** The arguments of a native function that maps. @internal */
export function mapping(map: CheckedMap): [wishes: number, offset: number, length: number] {
  return [map.wishes, map.offset, map.length]
}

/** The arguments of a native function that creates. @internal */
export function creation(
  made: CheckedCreate
): [wishes: number, offset: number, length: number, size: number, mode: number, hugePageSize: number] {
  return [made.wishes, made.offset, made.length, made.size, made.mode, made.hugePageSize]
}

/** A part of a segment, checked: offset, and a length of which 0 means to the end. @internal */
export function range(name: string, value: unknown): [offset: number, length: number] {
  const { offset, length } = check.options<Range>(name, value, ['offset', 'length'])
  return [
    offset === undefined ? 0 : check.bytes(`${name}.offset`, offset, 0),
    length === undefined ? 0 : check.bytes(`${name}.length`, length, 1)
  ]
}

/** One buffer covers one mapping, and runtimes limit buffers: 4 GiB on Node 20. @internal */
export function refuseTooLarge(mappedBytes: number, parts = true): void {
  if (mappedBytes <= constants.MAX_LENGTH) return
  throw new ShmError({
    code: 'ERR_SHM_BUFFER_TOO_LARGE',
    message: `${mappedBytes} bytes are more than one buffer of this runtime can cover (${constants.MAX_LENGTH})`,
    hint: parts ? 'Map a part: { offset, length }' : 'System V segments are attached whole: use another kind, or a newer runtime'
  })
}

function checkMap(options: MapOptions): CheckedMap {
  const access = options.access === undefined ? 'write' : check.oneOf('options.access', options.access, ACCESS_WORDS)
  const length = options.length === undefined ? 0 : check.bytes('options.length', options.length, 1)
  refuseTooLarge(length)
  return {
    wishes:
      ACCESS_WISHES[access] |
      (check.flag('options.guard', options.guard, true) ? 0 : native.WISH_NO_GUARD) |
      (check.flag('options.keepFd', options.keepFd, false) ? native.WISH_KEEP_FD : 0) |
      (ownerWord('options.owner', options.owner) === 'me' ? native.WISH_OWN_ONLY : 0),
    offset: options.offset === undefined ? 0 : pageMultiple('options.offset', options.offset),
    length,
    access,
    prefault: check.flag('options.prefault', options.prefault, false),
    lockMemory: options.lockMemory === 'onFault' ? 'onFault' : check.flag('options.lockMemory', options.lockMemory, false),
    dump: check.flag('options.dump', options.dump, true),
    placement: options.placement === undefined ? undefined : creationPlacement(options.placement)
  }
}

/** Checks whose object may be opened. @internal */
export function ownerWord(name: string, value: unknown): 'me' | 'anybody' {
  return value === undefined ? 'anybody' : check.oneOf(name, value, ['me', 'anybody'])
}

/** What is reserved lies somewhere already: it is moved. */
function creationPlacement(value: unknown): CheckedPlacement {
  const given = check.options<ThreadPlacementOptions>('options.placement', value, ['policy', 'nodes', 'strict'])
  return checkPlacement('options.placement', { ...given, move: true })
}

function reserveWish(reserve: unknown): number {
  if (reserve === undefined) return 0
  return check.flag('options.reserve', reserve, true) ? native.WISH_RESERVE : native.WISH_NO_RESERVE
}

function hugeWish(hugePages: unknown): number {
  if (hugePages === undefined || hugePages === false) return 0
  const word = check.oneOf('options.hugePages', hugePages, ['require', 'prefer'])
  return word === 'require' ? native.WISH_REQUIRE_HUGE : native.WISH_PREFER_HUGE
}

function hugePageSize(size: unknown): number {
  return size === undefined ? 0 : check.bytes('options.hugePageSize', check.oneOf('options.hugePageSize', size, ['2MiB', '1GiB']), 1)
}

function pageMultiple(name: string, value: Size): number {
  const offset = check.bytes(name, value, 0)
  if (offset % native.pageSize() !== 0) throw outOfRange(name, `a multiple of the page size, ${native.pageSize()}`, value)
  return offset
}
