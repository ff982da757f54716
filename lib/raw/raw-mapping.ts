/**
 * What the raw `mmap` and `shmat` answer: a handle instead of a bare address, because whoever unmaps must first take the memory
 * away from JavaScript.
 *
 * @module
 */

import * as check from '../arguments.js'
import { markCopy } from '../copies.js'
import { ShmError, wrongType } from '../errors.js'
import { FaultWatch } from '../memory/faults.js'
import { refuseTooLarge } from '../memory/options.js'
import { endWaitsOn } from '../waits/word-waits.js'
import type { Binding } from '../native.js'

const EMPTY = new ArrayBuffer(0)

/**
 * The native mapping behind a handle, and unmapping it whole, in the words of a call. For this library's own modules: with the native
 * mapping, memory could be unmapped under a view, so these are no methods that anybody can call.
 *
 * @internal
 */
export let openRaw: (mapping: RawMapping, syscall: string) => Binding.NativeSegment
/** @internal */
export let unmapRaw: (mapping: RawMapping, syscall: string) => void

/** A raw mapping of this library's own. */
export class RawMapping {
  /** First address, where the kernel put it. */
  readonly address: bigint
  /** Bytes of {@link RawMapping.buffer}. */
  readonly size: number
  static {
    markCopy(this.prototype)
    openRaw = (mapping, syscall) => mapping.#open(syscall)
    unmapRaw = (mapping, syscall) => mapping.#unmap(syscall)
  }

  readonly #syscall: string
  #native: Binding.NativeSegment | undefined
  #buffer: ArrayBuffer | undefined
  readonly #watch: FaultWatch

  /** @internal */
  constructor(opened: Binding.NativeSegment, syscall: string) {
    try {
      refuseTooLarge(opened.size, syscall === 'mmap')
    } catch (error) {
      opened.close(undefined)
      throw error
    }
    this.#native = opened
    this.#watch = new FaultWatch(opened, () => ({ words: `the raw mapping at 0x${this.address.toString(16)}` }))
    this.#syscall = syscall
    this.address = BigInt(opened.address)
    this.size = opened.size
  }

  /** The memory itself; length 0 once it is unmapped. Throws what the fault guard saw, once. */
  get buffer(): ArrayBuffer {
    if (this.#native === undefined) return this.#buffer ?? EMPTY
    const error = this.#watch.news()
    if (error !== undefined) throw error
    return (this.#buffer ??= this.#native.arrayBuffer())
  }

  /** Whether it is unmapped. */
  get closed(): boolean {
    return this.#native === undefined
  }

  /** `using` unmaps. */
  [Symbol.dispose](): void {
    if (this.#native !== undefined) this.#unmap('munmap')
  }

  /** EINVAL of `syscall` once it is unmapped, as C has it. */
  #open(syscall: string): Binding.NativeSegment {
    if (this.#native !== undefined) return this.#native
    throw new ShmError({
      code: 'EINVAL',
      errno: -22,
      syscall,
      message: `EINVAL: invalid argument, ${syscall} (the mapping of ${this.#syscall} at 0x${this.address.toString(16)} is gone)`
    })
  }

  /** Detaches the buffer and unmaps. */
  #unmap(syscall: string): void {
    const opened = this.#open(syscall)
    this.#watch.end()
    this.#native = undefined
    endWaitsOn(this.#buffer)
    opened.close(this.#buffer)
  }
}

/** Checks a handle. @internal */
export function rawMapping(name: string, value: unknown): RawMapping {
  if (!(value instanceof RawMapping)) throw wrongType(name, 'a handle that mmap() or shmat() answered', value)
  return value
}

/** Checks a part of a mapping. @internal */
export function rawExtent(offset: unknown, length: unknown): [offset: number, length: number] {
  return [check.bytes('offset', offset, 0), check.bytes('length', length, 1)]
}
