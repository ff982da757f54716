/**
 * The slots of a ring as views: made once each, so that a message needs none.
 *
 * @module
 */

import { outOfRange } from '../../errors.js'

/** Views over the same bytes, each made when it is first asked for. The arrays with wide elements leave out a rest that is too short. */
export class Views {
  /** All the bytes. */
  readonly bytes: Uint8Array
  #i8: Int8Array | undefined
  #i16: Int16Array | undefined
  #u16: Uint16Array | undefined
  #i32: Int32Array | undefined
  #u32: Uint32Array | undefined
  #f32: Float32Array | undefined
  #f64: Float64Array | undefined
  #i64: BigInt64Array | undefined
  #u64: BigUint64Array | undefined

  /** @internal */
  constructor(buffer: ArrayBuffer, offset: number, bytes: number) {
    this.bytes = new Uint8Array(buffer, offset, bytes)
  }

  /** Its bytes. */
  get u8(): Uint8Array {
    return this.bytes
  }

  /** As signed bytes. */
  get i8(): Int8Array {
    return (this.#i8 ??= new Int8Array(...over(this.bytes, 1)))
  }

  /** As 16-bit integers. */
  get i16(): Int16Array {
    return (this.#i16 ??= new Int16Array(...over(this.bytes, 2)))
  }

  /** As unsigned 16-bit integers. */
  get u16(): Uint16Array {
    return (this.#u16 ??= new Uint16Array(...over(this.bytes, 2)))
  }

  /** As 32-bit integers. */
  get i32(): Int32Array {
    return (this.#i32 ??= new Int32Array(...over(this.bytes, 4)))
  }

  /** As unsigned 32-bit integers. */
  get u32(): Uint32Array {
    return (this.#u32 ??= new Uint32Array(...over(this.bytes, 4)))
  }

  /** As 32-bit floats. */
  get f32(): Float32Array {
    return (this.#f32 ??= new Float32Array(...over(this.bytes, 4)))
  }

  /** As 64-bit floats. */
  get f64(): Float64Array {
    return (this.#f64 ??= new Float64Array(...over(this.bytes, 8)))
  }

  /** As 64-bit bigints. */
  get i64(): BigInt64Array {
    return (this.#i64 ??= new BigInt64Array(...over(this.bytes, 8)))
  }

  /** As unsigned 64-bit bigints. */
  get u64(): BigUint64Array {
    return (this.#u64 ??= new BigUint64Array(...over(this.bytes, 8)))
  }
}

/**
 * One slot of a ring. A producer writes in it between `claim()` and `commit()`, a consumer reads it while it has it; at other times it is another's. The
 * views are the same objects each time the slot comes round.
 */
export class Slot extends Views {
  /** Which of the ring's slots it is. */
  readonly index: number
  /** For a consumer that has it: how many of its bytes are the message. */
  length = 0

  /** @internal */
  constructor(buffer: ArrayBuffer, offset: number, bytes: number, index: number) {
    super(buffer, offset, bytes)
    this.index = index
  }
}

/**
 * All slots of a ring at once: slot `index` begins at element `index * strideBytes / 4` of `i32`, and so on. The quickest way to small messages, since
 * one view serves them all.
 */
export class SlotMemory extends Views {
  /** From one slot to the next: `slotBytes` rounded up to 8, and from 64 bytes on to 64. */
  readonly strideBytes: number
  /** How many there are. */
  readonly slots: number
  readonly #offset: number
  readonly #slotBytes: number
  /** Slots by the thousand: one array of 2^24 would be as large as the ring. */
  readonly #chunks: (Slot | undefined)[][] = []

  /** @internal */
  constructor(buffer: ArrayBuffer, offset: number, slots: number, slotBytes: number, strideBytes: number) {
    super(buffer, offset, slots * strideBytes)
    this.strideBytes = strideBytes
    this.slots = slots
    this.#offset = offset
    this.#slotBytes = slotBytes
  }

  /** The slot of that index. */
  at(index: number): Slot {
    return this.#chunks[index >> CHUNK_BITS]?.[index & CHUNK_MASK] ?? this.#made(index)
  }

  #made(index: number): Slot {
    if (!(Number.isInteger(index) && index >= 0 && index < this.slots)) throw outOfRange('index', `a slot's, from 0 to ${this.slots - 1}`, index)
    while (this.#chunks.length <= index >> CHUNK_BITS) this.#chunks.push([])
    const chunk = this.#chunks[index >> CHUNK_BITS] as (Slot | undefined)[]
    while (chunk.length <= (index & CHUNK_MASK)) chunk.push(undefined)
    const slot = new Slot(this.bytes.buffer as ArrayBuffer, this.#offset + index * this.strideBytes, this.#slotBytes, index)
    chunk[index & CHUNK_MASK] = slot
    return slot
  }
}

const CHUNK_BITS = 10
const CHUNK_MASK = (1 << CHUNK_BITS) - 1

function over({ buffer, byteOffset, byteLength }: Uint8Array, size: number): [ArrayBuffer, number, number] {
  return [buffer as ArrayBuffer, byteOffset, Math.floor(byteLength / size)]
}
