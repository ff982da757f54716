/**
 * The allocator of a managed segment: bytes by offset, given out and taken back by any member.
 *
 * @module
 */

import * as check from '../arguments.js'
import { outOfRange, wrongType } from '../errors.js'
import { native, type Binding } from '../native.js'

/** As a block is aligned at least, and the unit of its bytes. */
const UNIT_BYTES = 16

/** The largest alignment of a block: a page. */
const ALIGN_MAX = native.alignMax()

/** How a block is taken. */
export interface AllocateOptions {
  /** Its offset is a multiple of this: a power of two from 1 to 4,096; 16 at least is given. @default 16 */
  align?: number | undefined
}

/** A block that was allocated and not freed. */
export interface Block {
  /** First byte in the segment. */
  offset: number
  /** What was asked for, rounded up to a multiple of 16. */
  bytes: number
}

/** What {@link Allocator.repair} took back. */
export interface Repaired {
  /** Blocks that came back. */
  blocks: number
  /** Their bytes. */
  bytes: number
}

/** What is in a segment's heap; stale the moment it returns. */
export interface HeapStats {
  /** Bytes of the heap: of blocks, free and taken, and the 16 of each block's header. */
  totalBytes: number
  /** Bytes of all taken blocks, those of named objects too. */
  usedBytes: number
  /** Bytes of free blocks, without their headers. */
  freeBytes: number
  /** Bytes of the largest free block: the most that `allocate` can get. */
  largestFreeBytes: number
  /** Bytes of the blocks that `allocate` gave out. */
  allocatedBytes: number
  /** Taken blocks, those of named objects too. */
  usedBlocks: number
  /** Free blocks: more of them, with less in each, where the heap is fragmented. */
  freeBlocks: number
  /** Blocks that `allocate` gave out and nobody freed. */
  allocatedBlocks: number
  /** Blocks that a call is just taking, or that a member had just taken when it was killed: `repair()` frees these. */
  inFlightBlocks: number
  /** Blocks that were taken back from killed members, ever. */
  reclaimedBlocks: number
}

/**
 * `mem.allocator`. A block is its user's from the moment `allocate` returns until somebody frees it, whoever dies meanwhile. All members take and free
 * blocks of one heap, under one lock, which comes free when its owner is killed.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_READ_ONLY` for an observer; `ERR_SHM_POSSIBLY_CORRUPT` where something wrote over the
 * heap; `ERR_SHM_TIMED_OUT` where a member is stopped in the middle of a call for 10 seconds already.
 */
export class Allocator {
  readonly #native: Binding.NativeManaged
  readonly #buffer: () => ArrayBuffer

  /** @internal */
  constructor(opened: { native: Binding.NativeManaged; buffer: () => ArrayBuffer }) {
    const { native: managed, buffer } = (opened ?? {}) as Partial<typeof opened>
    if (!(managed instanceof native.NativeManaged) || typeof buffer !== 'function') throw wrongType('opened', 'what a managed segment opened', opened)
    this.#native = managed
    this.#buffer = buffer
  }

  /**
   * Takes a block. Its bytes are whatever was there.
   *
   * @param bytes - 1 or more
   * @returns the offset of its first byte in the segment
   * @throws {@link ShmError} `ERR_SHM_NO_SPACE`, with the largest block that is free.
   */
  allocate(bytes: check.Size, options?: AllocateOptions): number {
    const count = check.bytes('bytes', bytes, 1)
    const align = options === undefined ? UNIT_BYTES : alignment(options)
    return this.#native.allocate(count, align)
  }

  /**
   * Gives a block back, whoever took it. Views over it show what comes to lie there next.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_ALLOCATED` where no block that `allocate` gave out begins at this offset: freed already, never allocated,
   * or a named object's. A block that was freed and given out again is the new user's, and is freed.
   */
  free(offset: number): void {
    this.#native.free(offsetOf(offset))
  }

  /**
   * A view over exactly the block: what was asked for, rounded up to a multiple of 16. No copy.
   *
   * @throws {@link ShmError} `ERR_SHM_NOT_ALLOCATED`, as of {@link Allocator.free}.
   */
  bytesAt(offset: number): Uint8Array {
    const at = offsetOf(offset)
    const bytes = this.#native.blockBytes(at)
    return new Uint8Array(this.#buffer(), at, bytes)
  }

  /** Every block that was allocated and not freed, by offset: for who knows which are in use still, and frees the others. Visits all blocks. */
  blocks(): Block[] {
    return this.#native.blocks()
  }

  /** Frees what killed members left in flight, found by their tokens. Visits all blocks. The next call does it too where the lock's owner was killed. */
  repair(): Repaired {
    return this.#native.repair()
  }

  /** Counts by a visit to all blocks. */
  stats(): HeapStats {
    return this.#native.heapStatistics()
  }
}

function alignment(options: AllocateOptions): number {
  const { align } = check.options<AllocateOptions>('options', options, ['align'])
  if (align === undefined) return UNIT_BYTES
  const given = check.integer('options.align', align, 1, ALIGN_MAX)
  if ((given & (given - 1)) !== 0) throw outOfRange('options.align', `a power of two from 1 to ${ALIGN_MAX}`, align)
  return given
}

function offsetOf(value: unknown): number {
  return check.integer('offset', value, 0, Number.MAX_SAFE_INTEGER)
}
