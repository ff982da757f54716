/**
 * Anonymous shared memory: no name anywhere, gone with its last user, passed on by descriptor, sealable (memfd_create(2)).
 *
 * @module
 */

import * as check from '../arguments.js'
import { constant } from '../constants.js'
import { objectStat, setOwner, type ObjectStat, type OwnerChange } from './backing-object.js'
import { closedError, outOfRange, wrongType } from '../errors.js'
import { native, type Binding } from '../native.js'
import type { Subject } from '../error-facts.js'
import { CREATE_WORDS, createOptions, creation, mapOptions, mapping, type CreateOptions, type MapOptions, type CheckedMap } from './options.js'
import { Segment, nativeOf } from './segment.js'
import type { StatOptions } from './segment-stat.js'
import type { MemfdDescriptor } from './descriptor.js'

const MEMFD_WORDS = [...CREATE_WORDS.filter(word => word !== 'keepFd'), 'seals']
/** Of memfd_create(2), in bytes. */
const LONGEST_LABEL = 249

/**
 * What an object promises from now on, for everybody: no further seals, not to shrink, not to grow, not to be written, not to
 * be mapped for writing anew (Linux 5.1).
 */
export type Seal = 'seal' | 'shrink' | 'grow' | 'write' | 'future-write'

const SEALS: Record<Seal, number> = {
  seal: constant('F_SEAL_SEAL'),
  shrink: constant('F_SEAL_SHRINK'),
  grow: constant('F_SEAL_GROW'),
  write: constant('F_SEAL_WRITE'),
  'future-write': constant('F_SEAL_FUTURE_WRITE')
}
const SEAL_WORDS = Object.keys(SEALS) as Seal[]

/** {@link CreateOptions} for memfds. */
export interface MemfdCreateOptions extends Omit<CreateOptions, 'keepFd'> {
  /** Set once it is mapped; `'write'` needs access `'read'`. @default [] */
  seals?: readonly Seal[] | undefined
}

/** {@link MapOptions} for memfds, whose descriptor is always kept. */
export type MemfdMapOptions = Omit<MapOptions, 'keepFd'>

/** An anonymous segment. The kernel frees it with the last descriptor and mapping, however their processes end. */
export class MemfdSegment extends Segment {
  override readonly kind = 'memfd'
  /** What `/proc/<pid>/fd` shows; need not be unique. Empty where it came by descriptor. */
  readonly label: string
  readonly #opened: Binding.NativeSegment

  private constructor(label: string, opened: Binding.NativeSegment, options: CheckedMap) {
    super(opened, options)
    this.label = label
    this.#opened = opened
  }

  /**
   * Makes one.
   *
   * @throws {@link ShmError} EMFILE, ENOMEM (also an empty huge page pool), EBUSY (seal `'write'` while mapped for it),
   * `ERR_SHM_NO_MEMORY` (more than the machine or control group has left).
   */
  static create(label: string, options: MemfdCreateOptions): MemfdSegment {
    const { seals = [], ...rest } = check.options<MemfdCreateOptions>('options', options, MEMFD_WORDS)
    const checked = createOptions(rest)
    const bits = sealBits('options.seals', seals)
    const plain = check.text('label', label)
    if (Buffer.byteLength(plain) > LONGEST_LABEL) throw outOfRange('label', `at most ${LONGEST_LABEL} bytes`, plain)
    return new MemfdSegment(plain, native.memfdCreate(plain, ...creation(checked), bits), checked).settle(checked)
  }

  /**
   * Maps the object of a descriptor of this process, such as one that came through `stdio` or {@link receiveFd}. The descriptor is
   * duplicated and stays the caller's to close. Works for any regular file. @throws {@link ShmError} EBADF, EACCES, `ERR_SHM_EMPTY`.
   */
  static fromFd(fd: number, options?: MemfdMapOptions): MemfdSegment {
    const checked = mapOptions(options)
    return new MemfdSegment('', native.memfdFromFd(check.descriptorNumber('fd', fd), ...mapping(checked)), checked).settle(checked)
  }

  /**
   * Maps the object of another process's descriptor, through `/proc/<pid>/fd` or pidfd_getfd(2) (Linux 5.6): the same user, or
   * root, and the same PID namespace. @throws {@link ShmError} ENOENT, EACCES, EPERM, ESRCH.
   */
  static fromProcess(pid: number, fd: number, options?: MemfdMapOptions): MemfdSegment {
    const checked = mapOptions(options)
    const process = check.integer('pid', pid, 1, 2 ** 31 - 1)
    return new MemfdSegment('', native.memfdFromProcess(process, check.descriptorNumber('fd', fd), ...mapping(checked)), checked).settle(checked)
  }

  /** The descriptor, for `stdio` of a child or {@link sendFd}; closed by `close()`. */
  get fd(): number {
    const fd = this.closed ? undefined : this.#opened.fd
    if (fd === undefined || fd === null) throw closedError('segment')
    return fd
  }

  /** The seals set so far. */
  get seals(): Seal[] {
    const bits = nativeOf(this).seals()
    return SEAL_WORDS.filter(word => (bits & SEALS[word]) !== 0)
  }

  /** Adds seals, which nobody can take back. @throws {@link ShmError} EPERM (sealed against seals), EBUSY (mapped for writing). */
  addSeals(seals: readonly Seal[]): void {
    nativeOf(this).addSeals(sealBits('seals', seals))
  }

  override get descriptor(): MemfdDescriptor {
    const [device = 0, inode = 0] = this.#opened.identity ?? []
    return { kind: 'memfd', pid: process.pid, fd: this.fd, device, inode, offset: this.offset, size: this.size, access: this.access }
  }

  /** fchmod(2) and fchown(2): who may open it through `/proc/<pid>/fd`; what is not given stays. @throws {@link ShmError} EPERM. */
  set(change: OwnerChange): void {
    setOwner(nativeOf(this), change)
  }

  override stat(options?: StatOptions): ObjectStat & {
    /** Which kind it is. */
    kind: 'memfd'
  } {
    return objectStat('memfd', this.commonStat(options), nativeOf(this).objectStat())
  }

  /** @internal */
  protected override describe(): Subject {
    return this.label === '' ? { words: 'the memfd segment' } : { words: `memfd '${this.label}'`, objectName: this.label }
  }

  /** Nothing to do: it has no name. The kernel frees it with the last user. */
  override remove(): void {}
}

function sealBits(name: string, seals: unknown): number {
  if (!Array.isArray(seals)) throw wrongType(name, 'an array of seals', seals)
  return seals.reduce((bits: number, seal) => bits | SEALS[check.oneOf(name, seal, SEAL_WORDS)], 0)
}
