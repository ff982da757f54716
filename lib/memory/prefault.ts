/**
 * Bringing pages in before they are needed: in chunks, with progress, at once or beside the event loop.
 *
 * @module
 */

import * as check from '../arguments.js'
import { ShmError } from '../errors.js'
import { native, type Binding } from '../native.js'
import type { Size } from '../arguments.js'

/** How far a prefault is. */
export interface PrefaultProgress {
  /** Brought in so far. */
  doneBytes: number
  /** To be brought in. */
  totalBytes: number
  /** Since the beginning. */
  milliseconds: number
  /** Page faults of this thread since the beginning. */
  pageFaults: number
}

/** How to prefault. */
export interface PrefaultOptions {
  /** Called after each chunk. What it throws ends the prefault, and comes out of it. */
  onProgress?: ((progress: PrefaultProgress) => void) | undefined
  /** Bytes between two calls of `onProgress` and two looks at `signal`; rounded up to whole pages, of `collapseAsync` to huge ones. @default '64MiB' */
  chunkBytes?: Size | undefined
  /** Ends it after the chunk under way, with `signal.reason`. */
  signal?: AbortSignal | undefined
}

/** What a prefault took. */
export interface Prefaulted {
  /** How long it took. */
  milliseconds: number
  /** How many page faults it took. */
  pageFaults: number
}

/** Checked. @internal */
export interface CheckedPrefault {
  onProgress: ((progress: PrefaultProgress) => void) | undefined
  chunkBytes: number
  signal: AbortSignal | undefined
}

/** The names of the options. @internal */
export const PREFAULT_WORDS = ['onProgress', 'chunkBytes', 'signal'] as const
const CHUNK_BYTES = 64 * 2 ** 20

/** Checks the options. @internal */
export function prefaultOptions(value: PrefaultOptions | undefined): CheckedPrefault {
  const { onProgress, chunkBytes, signal } = check.options<PrefaultOptions>('options', value, PREFAULT_WORDS)
  return {
    onProgress: check.func('options.onProgress', onProgress),
    chunkBytes: chunkBytes === undefined ? CHUNK_BYTES : check.bytes('options.chunkBytes', chunkBytes, 1),
    signal: check.signal('options.signal', signal)
  }
}

/** Brings all pages in, on this thread. `live` answers the native segment, or throws once it is closed. @internal */
export function prefaultNow(live: () => Binding.NativeSegment, options: CheckedPrefault): Prefaulted {
  const course = new Course(live, options)
  for (let part = course.next(); part !== undefined; part = course.next()) {
    course.done(live().populate(...part), part)
  }
  return course.taken()
}

/** As {@link prefaultNow}, on threads of the pool. @internal */
export async function prefaultBeside(live: () => Binding.NativeSegment, options: CheckedPrefault): Promise<Prefaulted> {
  const course = new Course(live, options)
  await course.runBeside(false, part => live().populate(...part))
  return course.taken()
}

/** Makes transparent huge pages of a range of a segment that begins at `base` of its object, on threads of the pool. @internal */
export async function collapseBeside(live: () => Binding.NativeSegment, options: CheckedPrefault, range: [number, number], base: number): Promise<void> {
  const course = new Course(live, options, { range, base, stepBytes: transparentPageSize })
  await course.runBeside(true, part => {
    live().collapse(...part)
    return 0
  })
}

/** What a course goes over: a range of which a length of 0 means to the end, in steps that begin at multiples in the object. */
interface Ground {
  range: [offset: number, length: number]
  base: number
  stepBytes: number
}

class Course {
  readonly #live: () => Binding.NativeSegment
  readonly #options: CheckedPrefault
  readonly #first: number
  readonly #end: number
  readonly #base: number
  readonly #stepBytes: number
  readonly #chunkBytes: number
  readonly #start = performance.now()
  #doneBytes = 0
  #pageFaults = 0

  constructor(live: () => Binding.NativeSegment, options: CheckedPrefault, { range: [offset, length], base, stepBytes }: Ground = { range: [0, 0], base: 0, stepBytes: 0 }) {
    this.#live = live
    this.#options = options
    this.#first = offset
    this.#end = length === 0 ? Infinity : offset + length
    this.#base = base
    // The whole at once: chunk by chunk, what is too much would be found when all that is left is taken.
    live().refuseMoreThanMemory(offset, length)
    this.#stepBytes = Math.max(stepBytes, live().pageSize)
    this.#chunkBytes = Math.ceil(options.chunkBytes / this.#stepBytes) * this.#stepBytes
  }

  /** The next chunk, or nothing. The segment may be another size by now. What is less than a step goes with the chunk before. */
  next(): [offset: number, length: number] | undefined {
    this.#options.signal?.throwIfAborted()
    const at = this.#first + this.#doneBytes
    const end = Math.min(this.#end, this.#live().mappedBytes)
    if (at >= end) return undefined
    const step = this.#stepBytes
    const until = Math.ceil((at + this.#base) / step) * step - this.#base + this.#chunkBytes
    return [at, (end - until < step ? end : until) - at]
  }

  /** Goes over all of it on threads of the pool; `here` does a chunk on this thread, and answers its page faults. */
  async runBeside(collapses: boolean, here: (part: [offset: number, length: number]) => number): Promise<void> {
    for (let part = this.next(); part !== undefined; part = this.next()) {
      const { pageFaults, error } = await this.#live().populateBeside(...part, collapses)
      if (error === undefined || error === null) this.done(pageFaults, part)
      // Mapped anew meanwhile; where it is closed, the next look throws.
      else if (error.code === 'ERR_SHM_CLOSED') continue
      else if (error.code === 'EFAULT') {
        // Here it fails at once, and with the true reason: a full file system is no bad address. Unless the segment was made shorter meanwhile.
        const again = this.next()
        if (again !== undefined) this.done(here(again), again)
      } else throw new ShmError(error)
    }
  }

  done(pageFaults: number, [, length]: [number, number]): void {
    this.#doneBytes += length
    this.#pageFaults += pageFaults
    const totalBytes = Math.min(this.#end, this.#live().mappedBytes) - this.#first
    this.#options.onProgress?.({ doneBytes: this.#doneBytes, totalBytes, ...this.taken() })
  }

  taken(): Prefaulted {
    return { milliseconds: performance.now() - this.#start, pageFaults: this.#pageFaults }
  }
}

/** Bytes of a transparent huge page of this machine; 0 where the kernel has none. @internal */
export const transparentPageSize = native.transparentPageSize()
