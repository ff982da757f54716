/**
 * What the writer and the readers of a broadcast work with: its words, and where its slots are.
 *
 * @module
 * @internal
 */

import { ShmError } from '../../errors.js'
import { HEAD, feedLayout } from './feed-layout.js'
import { PARTS } from '../../managed-layout.js'
import type { Binding } from '../../native.js'

/** A position is lap × 2^31 + low, so that both are small numbers. */
const LOW_BITS = 31
export const LOW_END = 2 ** LOW_BITS
export const LOW = LOW_END - 1

/** What an object's writer and readers work with. @internal */
export class BroadcastHome {
  /** No words: the segment is closed. */
  words: Int32Array | undefined
  readonly head: Float64Array
  readonly stride: number
  received = 0

  constructor(
    readonly object: Binding.NativeObject,
    readonly buffer: ArrayBuffer,
    readonly slots: number,
    readonly slotBytes: number,
    readonly what: string,
    words: Int32Array
  ) {
    this.words = words
    this.head = new Float64Array(buffer, object.offset, PARTS / 2)
    this.stride = (Math.ceil((feedLayout.slotPayload + slotBytes) / feedLayout.slotAlign) * feedLayout.slotAlign) / 4
  }

  /** How many messages were sent, as far as it was counted. */
  get sent(): number {
    const head = this.head[HEAD] ?? 0
    return head >= 0 && head <= Number.MAX_SAFE_INTEGER ? Math.floor(head) : 0
  }

  payloadAt(slot: number): number {
    return this.object.offset + (PARTS + slot * this.stride) * 4 + feedLayout.slotPayload
  }

  error(code: string, message: string): ShmError {
    return new ShmError({ code, message: `${this.what}: ${message}`, objectName: this.object.name })
  }
}
