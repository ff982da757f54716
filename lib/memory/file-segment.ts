/**
 * Files as memory: what is written reaches the file, or stays private (`'copy-on-write'`).
 *
 * @module
 */

import { resolve } from 'node:path'
import * as check from '../arguments.js'
import { native, type Binding } from '../native.js'
import type { Subject } from '../error-facts.js'
import { objectStat, refuseHugePages, setOwner, type ObjectStat, type OwnerChange } from './backing-object.js'
import { createOptions, creation, mapOptions, mapping, type CreateOptions, type MapOptions, type CheckedMap } from './options.js'
import { Segment, nativeOf } from './segment.js'
import type { StatOptions } from './segment-stat.js'
import type { FileDescriptor } from './descriptor.js'
import { removals, tellRemoval } from '../tracing.js'

/** {@link CreateOptions} for files, which have huge pages on hugetlbfs only, of the size it was mounted with. */
export type FileCreateOptions = Omit<CreateOptions, 'hugePageSize'>

/** A file, mapped. It is there under its path only once it has its size. `flush()` makes what was written durable. */
export class FileSegment extends Segment {
  override readonly kind = 'file'
  /** The absolute path. */
  readonly path: string
  readonly #opened: Binding.NativeSegment

  private constructor(path: string, opened: Binding.NativeSegment, options: CheckedMap) {
    super(opened, options)
    this.path = path
    this.#opened = opened
  }

  /** Makes a file (open(2) with O_TMPFILE, fallocate(2), linkat(2)). @throws {@link ShmError} EEXIST, ENOENT (its folder), ENOSPC, EACCES, EROFS, EMFILE. */
  static create(path: string, options: FileCreateOptions): FileSegment {
    return FileSegment.#make(path, options, native.fileCreate)
  }

  /**
   * Opens a file (open(2), mmap(2)).
   *
   * @throws {@link ShmError} ENOENT, EACCES, EISDIR, ENOTDIR, EMFILE, `ERR_SHM_EMPTY` (0 bytes), EINVAL (no regular file); RangeError
   * where `offset` and `length` are not inside it.
   */
  static open(path: string, options?: MapOptions): FileSegment {
    const checked = mapOptions(options)
    const absolute = resolve(check.path('path', path))
    return new FileSegment(absolute, native.fileOpen(absolute, ...mapping(checked)), checked).settle(checked)
  }

  /**
   * Opens a file or makes it; of many who do so at once, one makes it and none sees it half-made. A larger one keeps its size.
   *
   * @throws {@link ShmError} EINVAL (an existing one is smaller), and as {@link FileSegment.create} and {@link FileSegment.open}, but
   * for EEXIST. open(2).
   */
  static openOrCreate(path: string, options: FileCreateOptions): FileSegment {
    return FileSegment.#make(path, options, native.fileOpenOrCreate)
  }

  /** Removes a file's name (unlink(2)); who has it open goes on. @throws {@link ShmError} ENOENT, EACCES, EPERM. */
  static remove(path: string): void {
    removePath(resolve(check.path('path', path)))
  }

  static #make(path: string, options: FileCreateOptions, open: typeof native.fileCreate): FileSegment {
    const checked = createOptions(options)
    const absolute = resolve(check.path('path', path))
    refuseHugePages(checked, 'open', absolute)
    return new FileSegment(absolute, open(absolute, ...creation(checked)), checked).settle(checked)
  }

  /** The kept descriptor (`keepFd`), until `close()`. */
  get fd(): number | undefined {
    return this.closed ? undefined : (this.#opened.fd ?? undefined)
  }

  override get descriptor(): FileDescriptor {
    const [device = 0, inode = 0] = this.#opened.identity ?? []
    return { kind: 'file', path: this.path, device, inode, offset: this.offset, size: this.size, access: this.access }
  }

  /** @throws {@link ShmError} `ERR_SHM_REMOVED` once the name is gone, without `keepFd`. */
  override stat(options?: StatOptions): ObjectStat & {
    /** Which kind it is. */
    kind: 'file'
  } {
    return objectStat('file', this.commonStat(options), nativeOf(this).objectStat())
  }

  /** fchmod(2) and fchown(2) of the file; what is not given stays. @throws {@link ShmError} EPERM, EROFS. */
  set(change: OwnerChange): void {
    setOwner(nativeOf(this), change)
  }

  /** @internal */
  protected override describe(): Subject {
    return { words: wordsFor(this.path), path: this.path }
  }

  /** `unlink(2)`. Works after `close()` too. ENOENT, EACCES, EPERM. */
  override remove(): void {
    removePath(this.path)
  }
}

function removePath(path: string): void {
  native.fileRemove(path)
  if (removals.hasSubscribers) tellRemoval('file', wordsFor(path), { path })
}

function wordsFor(path: string): string {
  return `file '${path}'`
}
