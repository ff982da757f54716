/**
 * What the writer and the readers of a latest work with: its words, and where its buffers are.
 *
 * @module
 * @internal
 */

import { ShmError } from '../../errors.js'
import { BUFFER_VERSION, CELL_MISSED, CELL_RECEIVED, CELL_STRIDE, NEWEST, NUMBER, feedLayout } from './feed-layout.js'
import { PARTS } from '../../managed-layout.js'
import type { Binding } from '../../native.js'

/** What an object's writer and readers work with. @internal */
export class LatestHome {
  /** No words: the segment is closed. */
  words: Int32Array | undefined
  readonly #firstBuffer: number
  readonly #stride: number

  constructor(
    readonly object: Binding.NativeObject,
    readonly buffer: ArrayBuffer,
    readonly bytes: number,
    readonly readers: number,
    readonly what: string,
    words: Int32Array
  ) {
    this.words = words
    this.#firstBuffer = firstBuffer(readers)
    this.#stride = bufferStride(bytes)
  }

  /** Whether that is a buffer's number, 1 being the first. */
  hasBuffer(number: number): boolean {
    return number >= 1 && number <= this.readers + 2
  }

  /** The buffer of that number: where its words begin. */
  at(number: number): number {
    if (!this.hasBuffer(number)) throw this.error('ERR_SHM_POSSIBLY_CORRUPT', 'its words make no sense: it names no buffer')
    return this.#firstBuffer + this.#stride * (number - 1)
  }

  /** In the segment. */
  payloadAt(number: number): number {
    return this.object.offset + this.at(number) * 4 + feedLayout.bufferPayload
  }

  version(words: Int32Array, at: number): number {
    return versionAt(words, at)
  }

  error(code: string, message: string): ShmError {
    return new ShmError({ code, message: `${this.what}: ${message}`, objectName: this.object.name })
  }
}

/** What the words of a latest counted. It looks at every reader's cell; a number that names no buffer counts as none, here where one object must not hide the others. */
export function latestCounts(words: Int32Array, bytes: number, readers: number): { sent: number; received: number; missed: number } {
  let received = 0
  let missed = 0
  for (let cell = PARTS; cell < PARTS + readers * CELL_STRIDE; cell += CELL_STRIDE) {
    received += words[cell + CELL_RECEIVED] ?? 0
    missed += words[cell + CELL_MISSED] ?? 0
  }
  const number = Atomics.load(words, NEWEST) & NUMBER
  const sent = number >= 1 && number <= readers + 2 ? versionAt(words, firstBuffer(readers) + bufferStride(bytes) * (number - 1)) : 0
  return { sent, received: received >>> 0, missed: missed >>> 0 }
}

function versionAt(words: Int32Array, at: number): number {
  return ((words[at + BUFFER_VERSION + 1] ?? 0) >>> 0) * 2 ** 32 + ((words[at + BUFFER_VERSION] ?? 0) >>> 0)
}

function firstBuffer(readers: number): number {
  return PARTS + CELL_STRIDE * readers
}

function bufferStride(bytes: number): number {
  return (Math.ceil((feedLayout.bufferPayload + bytes) / feedLayout.bufferAlign) * feedLayout.bufferAlign) / 4
}
