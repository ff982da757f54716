/**
 * What all four kinds of segment have in common: the memory as a buffer, copies in and out, and the controls of its pages.
 *
 * @module
 */

import { types } from 'node:util'
import * as check from '../arguments.js'
import { markCopy } from '../copies.js'
import { ShmError, closedError, wrongSize, wrongType } from '../errors.js'
import { FaultWatch } from './faults.js'
import { native, type Binding } from '../native.js'
import type { Subject } from '../error-facts.js'
import { range, refuseTooLarge, type Access, type CheckedMap, type Range } from './options.js'
import { PROTECTIONS, advice, flushFlags, type Advice } from './page-words.js'
import { PLACEMENT_WORDS, checkPlacement, place, placementOf, type PlacementOptions, type PlacementReport } from './placement.js'
import { PREFAULT_WORDS, collapseBeside, prefaultBeside, prefaultNow, prefaultOptions, transparentPageSize, type PrefaultOptions, type Prefaulted } from './prefault.js'
import type { HugePages, LockMemoryOptions, PageFacts, Residency, SegmentStat, StatOptions } from './segment-stat.js'
import type { Descriptor } from './descriptor.js'
import { closings, creations, openings, type SegmentMessage } from '../tracing.js'
import { endWaitsOn } from '../waits/word-waits.js'
import type { Size } from '../arguments.js'

const EMPTY = new ArrayBuffer(0)
/** The whole mapping, as the native side takes a range. */
const ALL: [offset: number, length: number] = [0, 0]
const NO_BYTES = Buffer.alloc(0)

/**
 * The native segment behind one, after a look at what the guard saw. For this library's own modules: with it, memory could be
 * unmapped under a view, so it is no method that anybody can call.
 *
 * @internal
 */
export let nativeOf: (segment: Segment) => Binding.NativeSegment
/** What error messages call one. For this library's own modules. @internal */
export let wordsOf: (segment: Segment) => string
/** Keeps a segment from being closed or mapped anew, until the answer is called. For this library's own modules. @internal */
export let keepOpen: (segment: Segment, user: string) => () => void

/**
 * Shared memory, open in this process until {@link Segment.close}. Made by the static methods of its kinds.
 *
 * The bytes are reached through {@link Segment.buffer}: plain typed arrays over it are the memory itself. Other processes
 * write to it at any moment; order between them is yours to make (semaphores, `Atomics`).
 *
 * Every call after `close()` but `close()`, `remove()` and the plain properties throws {@link ShmError} `ERR_SHM_CLOSED`. The first call
 * after a bad touch throws what the fault guard saw: `ERR_SHM_READ_ONLY`, `ERR_SHM_TRUNCATED`, `ERR_SHM_HOLE`.
 */
export abstract class Segment {
  /** Which kind of object is behind it. */
  abstract readonly kind: 'sysv' | 'posix' | 'memfd' | 'file'
  /** How the bytes may be touched. */
  readonly access: Access
  /** Whether this opening made the object. */
  readonly created: boolean

  static {
    markCopy(this.prototype)
    nativeOf = segment => segment.#live()
    wordsOf = segment => segment.describe().words
    keepOpen = (segment, user) => {
      segment.#users.push(user)
      return () => {
        const index = segment.#users.indexOf(user)
        if (index !== -1) segment.#users.splice(index, 1)
      }
    }
  }

  #native: Binding.NativeSegment | undefined
  #buffer: ArrayBuffer | undefined
  #bytes: Buffer | undefined
  #size: number
  #offset: number
  #watch: FaultWatch
  #lock: boolean | 'onFault' = false
  readonly #dump: boolean
  readonly #askedHuge: HugePages['asked']
  /** What keeps it open, in words. */
  readonly #users: string[] = []

  /** @internal */
  protected constructor(opened: Binding.NativeSegment, options: CheckedMap) {
    if (!(opened instanceof native.NativeSegment)) {
      throw wrongType('segment', 'made by create(), open() or openOrCreate(), not by new', opened)
    }
    this.#native = opened
    this.#watch = this.#watchOver(opened)
    this.#size = opened.size
    this.access = options.access
    this.created = opened.created
    this.#offset = options.offset
    this.#dump = options.dump
    this.#askedHuge =
      (options.wishes & native.WISH_REQUIRE_HUGE) !== 0 ? 'require' : (options.wishes & native.WISH_PREFER_HUGE) !== 0 ? 'prefer' : false
  }

  /** What opening itself leaves to do; a failure closes, and removes what this opening made. @internal */
  protected settle(options: CheckedMap): this {
    this.#tell(this.created ? creations : openings)
    try {
      refuseTooLarge(this.#size, this.kind !== 'sysv')
      this.#adviseAnew()
      if (options.placement !== undefined) {
        // The kernel moves what is mapped: a reserved page lies somewhere, and nobody maps it yet.
        if (this.#live().reservation === 'done') this.prefault()
        place(this.#live(), ALL, options.placement)
      }
      if (options.prefault) this.prefault()
      // What is there already can only be made huge by a copy.
      if (this.#wantsTransparent() && (options.prefault || this.#live().reservation === 'done')) tolerate(() => this.#live().collapse(...ALL))
      if (options.lockMemory !== false) this.lockMemory({ onFault: options.lockMemory === 'onFault' })
    } catch (error) {
      try {
        if (this.created) this.remove()
      } catch {
        // Removed already: the first error is the one that counts.
      }
      this.close()
      throw error
    }
    return this
  }

  /** Bytes of the view: the object's, or of the part that is mapped. 0 after `close()`. */
  get size(): number {
    return this.#native === undefined ? 0 : this.#size
  }

  /** First byte of the object in the view. */
  get offset(): number {
    return this.#offset
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#native === undefined
  }

  /**
   * The memory itself, as one `ArrayBuffer` a segment: nothing is copied. After `close()` it and every view over it have
   * length 0. Give views explicit lengths, and do not `transfer()` it: the memory would follow the new buffer and stay
   * mapped until that one is collected.
   *
   * @throws {@link ShmError} `ERR_SHM_NO_EXTERNAL_BUFFERS` in runtimes that forbid such buffers (Electron): use `read()` and
   * `write()` there. `ERR_SHM_READ_ONLY`, `ERR_SHM_TRUNCATED`, `ERR_SHM_HOLE` after a bad touch.
   */
  get buffer(): ArrayBuffer {
    if (this.#native === undefined) return this.#buffer ?? EMPTY
    this.#throwNews()
    // Somebody may have grown the object before refresh().
    refuseTooLarge(this.#size, this.kind !== 'sysv')
    return (this.#buffer ??= this.#native.arrayBuffer())
  }

  /** The memory as a `Buffer`, over {@link Segment.buffer}. */
  get bytes(): Buffer {
    const buffer = this.buffer
    // Closed, or stolen by transfer(): no view can be made over a detached buffer.
    if (buffer.byteLength === 0) return NO_BYTES
    return (this.#bytes ??= Buffer.from(buffer, 0, buffer.byteLength))
  }

  /**
   * The memory as a `SharedArrayBuffer`, to post to worker threads. It has a mapping of its own, which lasts until every
   * thread has dropped it: `close()` does not revoke it.
   *
   * @throws {@link ShmError} `ERR_SHM_NO_SHARED_ARRAY_BUFFER` before Node 22.23.3, 24.16 and 26.1; EINVAL for copy-on-write.
   */
  toSharedArrayBuffer(): SharedArrayBuffer {
    return this.#live().sharedArrayBuffer()
  }

  /** JSON that `openDescriptor()` accepts in a worker thread, a child process or a cluster process. */
  abstract get descriptor(): Descriptor

  /**
   * Copies bytes out: into a new `Buffer` of `length` bytes, or into `target`, as many as it holds.
   *
   * @throws RangeError `ERR_OUT_OF_RANGE` where the bytes are not all inside the segment.
   */
  read(offset: number, length: number): Buffer
  read(offset: number, target: NodeJS.ArrayBufferView): number
  read(offset: number, lengthOrTarget: number | NodeJS.ArrayBufferView): Buffer | number {
    const segment = this.#live()
    const wantsNew = typeof lengthOrTarget === 'number'
    const target = wantsNew
      ? Buffer.allocUnsafeSlow(this.#span('length', offset, check.integer('length', lengthOrTarget, 0, this.#size)))
      : asBytes('target', lengthOrTarget)
    this.#span('target', offset, target.byteLength)
    const bytes = this.#view()
    if (bytes === undefined) segment.read(offset, target)
    else target.set(bytes.subarray(offset, offset + target.byteLength))
    this.#throwNews()
    return wantsNew ? (target as Buffer) : target.byteLength
  }

  /**
   * Copies bytes in, at `offset`; text as UTF-8. Answers how many.
   *
   * @throws RangeError `ERR_OUT_OF_RANGE` where they do not all fit. {@link ShmError} `ERR_SHM_READ_ONLY` with access `'read'`.
   */
  write(offset: number, source: NodeJS.ArrayBufferView | ArrayBuffer | SharedArrayBuffer | string): number {
    const segment = this.#live()
    if (this.access === 'read') {
      const { words, ...about } = this.describe()
      throw new ShmError({ code: 'ERR_SHM_READ_ONLY', message: `${words} is open for reading only`, ...about })
    }
    const bytes = typeof source === 'string' ? Buffer.from(source) : asBytes('source', source)
    this.#span('source', offset, bytes.byteLength)
    const view = this.#view()
    if (view === undefined) segment.write(offset, bytes)
    else view.set(bytes, offset)
    this.#throwNews()
    return bytes.byteLength
  }

  /** Everything the kernel and shmem know of it, in words. May be stale the moment it returns. */
  abstract stat(options?: StatOptions): SegmentStat

  /**
   * Locks the pages in RAM (mlock(2), mlock2(2); `SHM_LOCK` for System V) until `unlockMemory()` or `close()`. Charged to RLIMIT_MEMLOCK:
   * ENOMEM, EPERM, EAGAIN, `ERR_SHM_NO_MEMORY`; then everything is as it was before. `resize()` and `refresh()` lock anew what they map.
   */
  lockMemory(options?: LockMemoryOptions): void {
    const onFault = lockOptions(options)
    this.#live().lockWhole(onFault)
    this.#lock = onFault ? 'onFault' : true
  }

  /** Undoes {@link Segment.lockMemory} (munlock(2); `SHM_UNLOCK` for System V). ENOMEM where a part is unmapped; EPERM for System V. */
  unlockMemory(): void {
    this.#live().unlockWhole()
    this.#lock = false
  }

  /**
   * Brings every page in now, so that no later touch faults (`MADV_POPULATE_WRITE`, Linux 5.14; touched one by one before), in chunks
   * where progress is asked for. Blocks the thread: {@link Segment.prefaultAsync} does not. ENOMEM, ENOSPC (a sparse object, and its
   * file system is full), EFAULT (beyond the object's end): errors, where a touch would be a fault; `ERR_SHM_NO_MEMORY` (more than the machine
   * or control group has left), where the kernel would kill a process.
   */
  prefault(options?: PrefaultOptions): Prefaulted {
    return prefaultNow(() => this.#live(), prefaultOptions(options))
  }

  /**
   * As {@link Segment.prefault}, a chunk at a time on Node's thread pool. The segment can be used meanwhile; closing it ends
   * this after the chunk under way, with `ERR_SHM_CLOSED`. An abort rejects with `signal.reason`.
   */
  async prefaultAsync(options?: PrefaultOptions): Promise<Prefaulted> {
    return await prefaultBeside(() => this.#live(), prefaultOptions(options))
  }

  /**
   * Makes transparent huge pages of whole huge pages' worth of bytes (`MADV_COLLAPSE`, Linux 6.1), which it brings in before: by a copy,
   * while others go on using them. Answers what was obtained in the whole segment. Works on System V, POSIX and memfd whatever
   * /sys/kernel/mm/transparent_hugepage says. Blocks the thread: {@link Segment.collapseAsync} does not. EINVAL (an older kernel, a file system without huge pages, fewer bytes than one), EAGAIN,
   * EBUSY (a page is in use by the kernel: once more may do), ENOMEM (memory is fragmented), ENOSPC.
   */
  collapse(pages?: Range): HugePages {
    this.#live().collapse(...range('range', pages))
    return this.#hugePages(this.#live().pageFacts())
  }

  /**
   * As {@link Segment.collapse}, a chunk at a time on Node's thread pool, whole huge pages each. The segment can be used meanwhile; closing it
   * ends this after the chunk under way, with `ERR_SHM_CLOSED`. An abort rejects with `signal.reason`; what was made huge stays so.
   */
  async collapseAsync(options?: Range & PrefaultOptions): Promise<HugePages> {
    const { offset, length, ...rest } = check.options<Range & PrefaultOptions>('options', options, ['offset', 'length', ...PREFAULT_WORDS])
    const part = range('options', { ...(offset === undefined ? {} : { offset }), ...(length === undefined ? {} : { length }) })
    await collapseBeside(() => this.#live(), prefaultOptions(rest), part, this.#offset)
    return this.#hugePages(this.#live().pageFacts())
  }

  /**
   * On which NUMA nodes the pages are, and by which policy (get_mempolicy(2), move_pages(2)); with a policy, sets that first (mbind(2)) for
   * the whole segment or the range. The policy of a System V segment, POSIX object or memfd belongs to the object, for everybody, and
   * decides about pages that nobody has touched yet; `move` moves those that are there. Counting takes about a tenth of a
   * second a GiB of base pages.
   *
   * Where only counting is refused, `pages` is not there, and `pagesUnknown` says why.
   *
   * @throws {@link ShmError} EINVAL (no such node), EIO (`strict`, and pages lie elsewhere), ENOMEM; `ERR_SHM_UNSUPPORTED` where the kernel has no
   * NUMA or a container's profile forbids mbind or, without a policy, get_mempolicy.
   */
  placement(options?: Range & Partial<PlacementOptions>): PlacementReport {
    const { offset, length, ...wanted } = check.options<Range & Partial<PlacementOptions>>('options', options, ['offset', 'length', ...PLACEMENT_WORDS])
    const part = range('options', { ...(offset === undefined ? {} : { offset }), ...(length === undefined ? {} : { length }) })
    const checked = Object.values(wanted).some(value => value !== undefined) ? checkPlacement('options', wanted) : undefined
    const segment = this.#live()
    if (checked !== undefined) place(segment, part, checked)
    return placementOf(segment, part, checked)
  }

  /**
   * Changes what may be done with whole pages of this mapping (mprotect(2)): `'none'`, `'read'`, `'write'`. The offset is a multiple of
   * `stat().pageSizeBytes`, the length is rounded up. A touch against it is caught by the guard. EACCES where the object was opened for
   * less; ENOMEM; `ERR_SHM_HELD` without `'write'` where a lock in it is held.
   */
  protect(pages: Range, protection: 'none' | 'read' | 'write'): void {
    const word = PROTECTIONS[check.oneOf('protection', protection, ['none', 'read', 'write'])]
    if (protection !== 'write') this.#refuseInUse()
    this.#live().protect(...range('range', pages), word)
  }

  /**
   * Tells the kernel how pages will be used (madvise(2)); the whole mapping without a range. `'dontneed'` and `'free'` may discard what
   * was written to private pages, `'remove'` discards it for everybody. EINVAL where it does not apply, EACCES, EBUSY, EIO, ENOMEM.
   */
  advise(pages: Range | undefined, word: Advice): void {
    this.#live().advise(...range('range', pages), advice(word))
  }

  /**
   * Brings changes to the file (msync(2)): durable when it returns, or only begun with `async`. Without meaning, but allowed,
   * where no file is behind it. EIO.
   */
  flush(options?: Range & { async?: boolean }): void {
    const { async, ...pages } = check.options<Range & { async?: boolean }>('options', options, ['offset', 'length', 'async'])
    this.#live().flush(...range('options', pages), flushFlags(check.flag('options.async', async, false)))
  }

  /** How much of it is in RAM now (mincore(2)). ENOMEM where a part is unmapped. */
  residency(pages?: Range): Residency {
    const resident = this.#live().residency(...range('range', pages))
    const residentPages = resident.reduce((count, page) => count + (page & 1), 0)
    const pageSizeBytes = native.pageSize()
    return { pages: resident.length, residentPages, residentBytes: residentPages * pageSizeBytes, pageSizeBytes }
  }

  /**
   * Unmaps whole pages (munmap(2) of a part): a hole stays, in which touches read zeroes and the next call throws `ERR_SHM_HOLE`. The
   * offset is a multiple of `stat().pageSizeBytes`, the length is rounded up. ENOMEM; `ERR_SHM_HELD` where a lock in it is held.
   */
  unmap(pages: Range): void {
    if (pages === undefined) throw wrongType('range', 'an object', pages)
    this.#refuseInUse()
    this.#live().unmapPart(...range('range', pages))
  }

  /**
   * Grows or shrinks the object (ftruncate(2)) and maps it anew, from `offset` to its new end: `buffer` is another one then,
   * and the old one has length 0. Others learn of it by {@link Segment.refresh}; who touches what is gone is told by
   * `ERR_SHM_TRUNCATED`. EFBIG, EINVAL, ENOSPC, EPERM (sealed); `ERR_SHM_UNSUPPORTED` for System V; `ERR_SHM_REMOVED` without
   * a name and without `keepFd`.
   */
  resize(size: Size): void {
    const segment = this.#live()
    this.#refuseInUse()
    const wanted = check.bytes('size', size, 1)
    refuseTooLarge(wanted)
    segment.resize(wanted, this.#buffer)
    this.#remapped(segment)
  }

  /**
   * Maps the object anew if somebody resized it: what was mapped to its end goes to its new end, a part with a length is as long
   * as it was where the object still is. Answers whether `buffer` is another one now. It takes the place of the report of
   * `ERR_SHM_TRUNCATED`. Errors as {@link Segment.resize}, `ERR_SHM_EMPTY` where nothing is left at this offset,
   * and `ERR_SHM_BUFFER_TOO_LARGE` where it grew beyond one buffer: then it is mapped, and has no buffer until it shrinks.
   */
  refresh(): boolean {
    const segment = this.#open()
    const error = this.#watch.news()
    if (error !== undefined && error.code !== 'ERR_SHM_TRUNCATED') throw error
    // A subscriber of the fault channel may have closed it just now.
    this.#open()
    this.#refuseInUse()
    const changed = segment.refresh(this.#buffer)
    if (changed) this.#remapped(segment)
    refuseTooLarge(this.#size)
    return changed
  }

  /**
   * Closes it in this process: every view over it has length 0 from now on, and the memory is unmapped at once. Idempotent,
   * never throws for a bad touch: one that was not reported yet is a process warning.
   *
   * @throws {@link ShmError} `ERR_SHM_IN_USE` while a managed segment is open over it; `ERR_SHM_HELD` while this thread holds a pthread mutex or
   * read-write lock in it. So do `resize()`, and a `refresh()` that would map anew.
   */
  close(): void {
    const segment = this.#native
    if (segment === undefined) return
    this.#refuseInUse()
    segment.refuseIfHeld()
    const unreported = this.#watch.news()
    this.#watch.end()
    this.#native = undefined
    this.#bytes = undefined
    endWaitsOn(this.#buffer)
    segment.close(this.#buffer)
    if (unreported !== undefined) process.emitWarning(unreported.message, { type: 'ShmWarning', code: unreported.code })
    this.#tell(closings)
  }

  /** Removes the object's name (IPC_RMID, shm_unlink(3), unlink(2)): nobody can open it again, who has it open goes on. */
  abstract remove(): void

  /** `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** The part of {@link SegmentStat} that is known without the object. @internal */
  protected commonStat(options?: StatOptions): Omit<SegmentStat, 'kind' | 'mode' | 'uid' | 'gid' | 'removed'> {
    const { pages } = check.options<StatOptions>('options', options, ['pages'])
    const segment = this.#live()
    const facts = check.flag('options.pages', pages, false) ? segment.pageFacts() : undefined
    return {
      size: this.#size,
      mappedBytes: segment.mappedBytes,
      pageSizeBytes: segment.pageSize,
      access: this.access,
      reserved: segment.reservation === 'unsupported' ? 'unsupported' : segment.reservation === 'done',
      hugePages: this.#hugePages(facts),
      memoryLock: this.#lock,
      dump: this.#dump,
      faults: segment.faults(),
      ...(facts === undefined ? {} : { pages: inWords(facts) })
    }
  }

  #tell(channel: typeof creations): void {
    if (!channel.hasSubscribers) return
    const { words, ...about } = this.describe()
    channel.publish({ kind: this.kind, segment: words, size: this.#size, access: this.access, ...about } satisfies SegmentMessage)
  }

  #hugePages(facts: Binding.NativePageFacts | undefined): HugePages {
    const { pageSize, mappedBytes } = this.#open()
    const asked = this.#askedHuge
    if (pageSize > native.pageSize()) return { asked, kind: 'hugetlb', pageSizeBytes: pageSize, bytes: mappedBytes }
    const transparent = facts?.transparent ?? 0
    if (transparent > 0) return { asked, kind: 'transparent', pageSizeBytes: transparentPageSize, bytes: transparent }
    return { asked, kind: 'none', pageSizeBytes: pageSize, bytes: 0 }
  }

  /** Advice belongs to a mapping, not to its object. */
  #adviseAnew(): void {
    const segment = this.#open()
    if (!this.#dump) segment.advise(...ALL, advice('dontdump'))
    if (this.#wantsTransparent()) tolerate(() => segment.advise(...ALL, advice('hugepage')))
  }

  #wantsTransparent(): boolean {
    return this.#askedHuge === 'prefer' && transparentPageSize > 0 && this.#size >= transparentPageSize && this.#open().pageSize === native.pageSize()
  }

  /** Throws what the guard saw. */
  #live(): Binding.NativeSegment {
    const segment = this.#open()
    this.#throwNews()
    return segment
  }

  #open(): Binding.NativeSegment {
    if (this.#native === undefined) throw closedError('segment')
    return this.#native
  }

  #refuseInUse(): void {
    const [user] = this.#users
    if (user === undefined) return
    const { words, ...about } = this.describe()
    throw new ShmError({ code: 'ERR_SHM_IN_USE', message: `${words} is in use by ${user}: close that first`, ...about })
  }

  #watchOver(segment: Binding.NativeSegment): FaultWatch {
    return new FaultWatch(segment, () => this.describe())
  }

  #throwNews(): void {
    const error = this.#watch.news()
    if (error !== undefined) throw error
  }

  /** The bytes for copying, or nothing where the runtime allows no view. */
  #view(): Uint8Array | undefined {
    if (this.#bytes !== undefined && this.#bytes.byteLength === this.#size) return this.#bytes
    try {
      const bytes = this.bytes
      // Stolen by transfer(): the memory is still ours to copy from.
      return bytes.byteLength === this.#size ? bytes : undefined
    } catch (error) {
      if ((error as ShmError).code === 'ERR_SHM_NO_EXTERNAL_BUFFERS') return undefined
      throw error
    }
  }

  #span(name: string, offset: number, length: number): number {
    check.integer('offset', offset, 0, this.#size)
    if (offset + length > this.#size) throw wrongSize(name, `inside the ${this.#size} bytes of the segment`, `${length} bytes at offset ${offset}`)
    return length
  }

  /** The mapping is another one: its buffer is made at the next look, and its faults count from 0. */
  #remapped(segment: Binding.NativeSegment): void {
    endWaitsOn(this.#buffer)
    this.#buffer = undefined
    this.#bytes = undefined
    this.#size = segment.size
    this.#watch.end()
    this.#watch = this.#watchOver(segment)
    this.#adviseAnew()
    const lock = this.#lock
    if (lock === false) return
    // Where this fails, what is mapped now is not locked.
    this.#lock = false
    segment.lockWhole(lock === 'onFault')
    this.#lock = lock
  }

  /** What error messages call it. @internal */
  protected abstract describe(): Subject
}

/** Whether pages are to be locked as they are touched. @internal */
export function lockOptions(value: LockMemoryOptions | undefined): boolean {
  const { onFault } = check.options<LockMemoryOptions>('options', value, ['onFault'])
  return check.flag('options.onFault', onFault, false)
}

/** For what is preferred, not required: the kernel may refuse. */
function tolerate(call: () => void): void {
  try {
    call()
  } catch (error) {
    if (!(error instanceof ShmError) || error.errno === undefined) throw error
  }
}

function inWords(facts: Binding.NativePageFacts): PageFacts {
  return {
    residentBytes: facts.resident,
    proportionalBytes: facts.proportional,
    swappedBytes: facts.swapped,
    lockedBytes: facts.locked,
    hugetlbBytes: facts.hugetlb,
    transparentBytes: facts.transparent,
    undumpedBytes: facts.undumped
  }
}

function asBytes(name: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  // Not instanceof: a buffer of another realm (vm, test runners) is one all the same.
  if (types.isAnyArrayBuffer(value)) return new Uint8Array(value)
  throw wrongType(name, name === 'target' ? 'a number of bytes or a view (TypedArray, DataView, Buffer)' : 'bytes (TypedArray, DataView, Buffer, ArrayBuffer) or text', value)
}
