/**
 * What the writer and the readers of a latest work with: its words, and where its buffers are.
 *
 * @module
 * @internal
 */

import { ShmError } from './errors.js'
import { BUFFER_VERSION, CELL_STRIDE, feedLayout } from './feed-layout.js'
import { PARTS } from './managed-layout.js'
import type { Binding } from './native.js'

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
    this.#firstBuffer = PARTS + CELL_STRIDE * readers
    this.#stride = (Math.ceil((feedLayout.bufferPayload + bytes) / feedLayout.bufferAlign) * feedLayout.bufferAlign) / 4
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
    return ((words[at + BUFFER_VERSION + 1] ?? 0) >>> 0) * 2 ** 32 + ((words[at + BUFFER_VERSION] ?? 0) >>> 0)
  }

  error(code: string, message: string): ShmError {
    return new ShmError({ code, message: `${this.what}: ${message}`, objectName: this.object.name })
  }
}
