/**
 * The options of every segment: their words for users, their checks, and their form for the native side.
 *
 * @module
 */

import { constants } from 'node:buffer'
import * as check from './arguments.js'
import { ShmError, outOfRange } from './errors.js'
import { native, type Binding } from './native.js'
import type { Size } from './arguments.js'

/**
 * How the bytes may be touched: `'read'`, `'write'` (read and write, seen by everybody), or `'copy-on-write'` (what is
 * written stays in this mapping: `MAP_PRIVATE` of mmap(2); not for System V).
 */
export type Access = 'read' | 'write' | 'copy-on-write'

/** How a segment is mapped. */
export interface MapOptions {
  /** @default 'write' */
  access?: Access
  /** First byte of the object to map, a multiple of the page size. Not for System V. @default 0 */
  offset?: Size
  /** Bytes to map. Not for System V. @default all from `offset` on */
  length?: Size
  /**
   * Whether a bad touch (a write through a read-only view, a touch of a hole or of bytes that somebody truncated) is repaired
   * and reported by an error instead of killing the process. Costs nothing without a fault. @default true
   */
  guard?: boolean
  /** Brings every page into memory at once (`MADV_POPULATE_WRITE`, Linux 5.14). @default false */
  prefault?: boolean
  /** Locks the pages in RAM: `SHM_LOCK` for System V, mlock(2) for others. RLIMIT_MEMLOCK applies. @default false */
  lockMemory?: boolean
  /** Keeps the descriptor open after mapping, as `fd`. Always so for a memfd. @default false */
  keepFd?: boolean
}

/** How an object is created. */
export interface CreateOptions extends MapOptions {
  /** Bytes, at least 1; rounded up to whole pages only for huge pages. */
  size: Size
  /** Permission bits, exact: the umask does not apply. @default 0o600 */
  mode?: number
  /**
   * Whether the memory (or disk space) is reserved at once: then a full /dev/shm is `ENOSPC` here, not a fault later.
   * `false` makes a sparse object. For System V, which has no early refusal, `true` touches every page.
   * @default true; for System V: neither reserved nor `SHM_NORESERVE`
   */
  reserve?: boolean
  /** Huge pages, for System V and memfd: all or an error (`'require'`), or base pages where there are none (`'prefer'`). @default false */
  hugePages?: 'require' | 'prefer' | false
  /** @default the machine's (Hugepagesize in /proc/meminfo) */
  hugePageSize?: '2MiB' | '1GiB'
}

/** A part of a segment, in bytes. */
export interface Range {
  /** @default 0 */
  offset?: Size
  /** @default to the end */
  length?: Size
}

const MAP_WORDS = ['access', 'offset', 'length', 'guard', 'prefault', 'lockMemory', 'keepFd'] as const
const CREATE_WORDS = [...MAP_WORDS, 'size', 'mode', 'reserve', 'hugePages', 'hugePageSize'] as const

/** Options, checked, with what the facade itself does after opening. @internal */
export interface Checked<T> {
  native: T
  access: Access
  prefault: boolean
  lockMemory: boolean
}

/** What a segment's constructor gets. @internal */
export type Opening = Checked<Binding.NativeMapOptions | Binding.NativeCreateOptions>

/** Checks the options of opening. @internal */
export function mapOptions(value: unknown, extra: readonly string[] = []): Checked<Binding.NativeMapOptions> {
  const options = check.options<MapOptions>('options', value, [...MAP_WORDS, ...extra])
  return { native: nativeMap(options), ...afterOpening(options) }
}

/** Checks the options of creating. @internal */
export function createOptions(value: unknown, extra: readonly string[] = []): Checked<Binding.NativeCreateOptions> {
  const options = check.options<CreateOptions>('options', value, [...CREATE_WORDS, ...extra])
  const map = nativeMap(options)
  const size = check.bytes('options.size', options.size, 1)
  if ((map.offset ?? 0) + (map.length ?? 1) > size) {
    throw outOfRange('options.length', `inside the ${size} bytes of options.size`, options.length ?? options.offset)
  }
  refuseTooLarge(map.length ?? size - (map.offset ?? 0))
  const checked: Binding.NativeCreateOptions = { size, mode: check.mode('options.mode', options.mode, 0o600), map }
  if (options.reserve !== undefined) checked.reserve = check.flag('options.reserve', options.reserve, true)
  if (options.hugePages !== undefined && options.hugePages !== false) {
    checked.hugePages = check.oneOf('options.hugePages', options.hugePages, ['require', 'prefer'])
  }
  if (options.hugePageSize !== undefined) {
    checked.hugePageSize = check.bytes('options.hugePageSize', check.oneOf('options.hugePageSize', options.hugePageSize, ['2MiB', '1GiB']), 1)
  }
  return { native: checked, ...afterOpening(options) }
}

/** Checks a part of a segment of `size` bytes. @internal */
export function range(name: string, value: unknown): Binding.NativeExtent | undefined {
  if (value === undefined) return undefined
  const { offset, length } = check.options<Range>(name, value, ['offset', 'length'])
  const extent: Binding.NativeExtent = { offset: offset === undefined ? 0 : check.bytes(`${name}.offset`, offset, 0) }
  if (length !== undefined) extent.length = check.bytes(`${name}.length`, length, 1)
  return extent
}

/** One buffer covers one mapping, and runtimes limit buffers: 4 GiB on Node 20. @internal */
export function refuseTooLarge(mappedBytes: number): void {
  if (mappedBytes <= constants.MAX_LENGTH) return
  throw new ShmError({
    code: 'ERR_SHM_BUFFER_TOO_LARGE',
    message: `${mappedBytes} bytes are more than one buffer of this runtime can cover (${constants.MAX_LENGTH})`,
    hint: 'Map a part: { offset, length }'
  })
}

function nativeMap(options: MapOptions): Binding.NativeMapOptions {
  const map: Binding.NativeMapOptions = {
    access: options.access === undefined ? 'write' : check.oneOf('options.access', options.access, ['read', 'write', 'copy-on-write']),
    guard: check.flag('options.guard', options.guard, true),
    keepFd: check.flag('options.keepFd', options.keepFd, false)
  }
  if (options.offset !== undefined) map.offset = pageMultiple('options.offset', options.offset)
  if (options.length !== undefined) {
    map.length = check.bytes('options.length', options.length, 1)
    refuseTooLarge(map.length)
  }
  return map
}

function pageMultiple(name: string, value: Size): number {
  const offset = check.bytes(name, value, 0)
  if (offset % native.pageSize() !== 0) throw outOfRange(name, `a multiple of the page size, ${native.pageSize()}`, value)
  return offset
}

function afterOpening(options: MapOptions): { access: Access; prefault: boolean; lockMemory: boolean } {
  return {
    access: options.access ?? 'write',
    prefault: check.flag('options.prefault', options.prefault, false),
    lockMemory: check.flag('options.lockMemory', options.lockMemory, false)
  }
}
