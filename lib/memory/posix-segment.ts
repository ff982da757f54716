/**
 * POSIX shared memory objects: a name under /dev/shm (shm_overview(7)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { native, type Binding } from '../native.js'
import type { Subject } from '../error-facts.js'
import { objectStat, refuseHugePages, setOwner, type ObjectStat, type OwnerChange } from './backing-object.js'
import { createOptions, creation, mapOptions, mapping, type CreateOptions, type MapOptions, type CheckedMap } from './options.js'
import { Segment, nativeOf } from './segment.js'
import type { StatOptions } from './segment-stat.js'
import type { PosixDescriptor } from './descriptor.js'
import { removals, tellRemoval } from '../tracing.js'

/** {@link CreateOptions} for POSIX objects, which have transparent huge pages at most. */
export type PosixCreateOptions = Omit<CreateOptions, 'hugePages' | 'hugePageSize'> & {
  /** Transparent huge pages, where the kernel gives them. `'require'` is EINVAL. @default false */
  hugePages?: 'prefer' | false
}

/**
 * A POSIX shared memory object, mapped. The name lives until `remove()` or the end of the machine's run; it is visible only once
 * the object has its size, so nobody opens a half-made one.
 */
export class PosixSegment extends Segment {
  override readonly kind = 'posix'
  /** The name, with its slash. */
  readonly name: string
  readonly #opened: Binding.NativeSegment

  private constructor(name: string, opened: Binding.NativeSegment, options: CheckedMap) {
    super(opened, options)
    this.name = name
    this.#opened = opened
  }

  /**
   * Makes an object (shm_open(3), fallocate(2), mmap(2)).
   *
   * @throws {@link ShmError} EEXIST, ENOSPC (/dev/shm is full), EACCES, EMFILE, `ERR_SHM_NO_MEMORY`; EINVAL for huge pages required.
   */
  static create(name: string, options: PosixCreateOptions): PosixSegment {
    return PosixSegment.#make(name, options, native.posixCreate)
  }

  /**
   * Opens an existing object (shm_open(3), mmap(2)).
   *
   * @throws {@link ShmError} ENOENT, EACCES, EMFILE, `ERR_SHM_EMPTY` (0 bytes), EINVAL (no regular file), ELOOP (a symbolic link);
   * RangeError where `offset` and `length` are not inside it.
   */
  static open(name: string, options?: MapOptions): PosixSegment {
    const checked = mapOptions(options)
    const plain = check.objectName('name', name)
    return new PosixSegment(plain, native.posixOpen(plain, ...mapping(checked)), checked).settle(checked)
  }

  /**
   * Opens an object or makes it; of many who do so at once, one makes it and none sees it half-made. A larger one keeps its size.
   *
   * @throws {@link ShmError} EINVAL (an existing one is smaller), and as {@link PosixSegment.create} and {@link PosixSegment.open},
   * but for EEXIST and ENOENT. shm_open(3).
   */
  static openOrCreate(name: string, options: PosixCreateOptions): PosixSegment {
    return PosixSegment.#make(name, options, native.posixOpenOrCreate)
  }

  /** Removes a name (shm_unlink(3)); who has the object open goes on. @throws {@link ShmError} ENOENT, EACCES. */
  static remove(name: string): void {
    removeName(check.objectName('name', name))
  }

  static #make(name: string, options: PosixCreateOptions, open: typeof native.posixCreate): PosixSegment {
    const checked = createOptions(options)
    const plain = check.objectName('name', name)
    refuseHugePages(checked, 'shm_open', plain)
    return new PosixSegment(plain, open(plain, ...creation(checked)), checked).settle(checked)
  }

  /** The kept descriptor (`keepFd`), until `close()`. */
  get fd(): number | undefined {
    return this.closed ? undefined : (this.#opened.fd ?? undefined)
  }

  override get descriptor(): PosixDescriptor {
    const [device = 0, inode = 0] = this.#opened.identity ?? []
    return { kind: 'posix', name: this.name, device, inode, offset: this.offset, size: this.size, access: this.access }
  }

  /** @throws {@link ShmError} `ERR_SHM_REMOVED` once the name is gone, without `keepFd`. */
  override stat(options?: StatOptions): ObjectStat & {
    /** Which kind it is. */
    kind: 'posix'
  } {
    return objectStat('posix', this.commonStat(options), nativeOf(this).objectStat())
  }

  /** fchmod(2) and fchown(2) of the object; what is not given stays. @throws {@link ShmError} EPERM. */
  set(change: OwnerChange): void {
    setOwner(nativeOf(this), change)
  }

  /** @internal */
  protected override describe(): Subject {
    return { words: wordsFor(this.name), objectName: this.name }
  }

  /** `shm_unlink(3)`. Works after `close()` too. ENOENT, EACCES. */
  override remove(): void {
    removeName(this.name)
  }
}

function removeName(name: string): void {
  native.posixRemove(name)
  tellRemovedObject(name)
}

/** @internal */
export function tellRemovedObject(name: string): void {
  if (removals.hasSubscribers) tellRemoval('posix', wordsFor(name), { objectName: name })
}

function wordsFor(name: string): string {
  return `segment '${name}'`
}
