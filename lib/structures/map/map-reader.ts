/**
 * Reading a shared map without a lock: look, copy, and look whether the shard's version is still what it was (crate/core/src/structures/map/mod.rs). Every
 * number from the map is bounded once; every walk ends after as many steps as the shard has chunks.
 *
 * @module
 * @internal
 */

import { markAsUntransferable } from 'node:worker_threads'
import type { Binding } from '../../native.js'
import {
  AREA, AREA_KEY, AREA_KEY_BYTES, AREA_SHARD, CALL, ENTRY_VERSION, EXPIRES, HASH, KEY_BYTES, LENGTH, NEXT_CHUNK, NEXT_ENTRY, PAYLOAD, RECENT, REST_PAYLOAD, VALUE_BYTES, long, mapLayout
} from './map-layout.js'
import { LOADS_IN_ORDER } from '../../memory-order.js'

/** As often as a reader begins anew before it asks for the lock. */
const READS_MAX = 64
/** Bytes of the pool from which small copies come, as Node's own buffers do, and of the largest that does. */
const POOL_BYTES = 1 << 16
const POOLED_BYTES_MAX = 1 << 12

/** From so many words on a copy by one call is quicker than by a loop. */
const RUN_WORDS = 128

/** What a read answers besides a number of bytes. */
const ABSENT = -1
const BROKEN = -2
const EXPIRED = -3

/** What a map's native side does. */
export type MapCall = (operation: number, value?: Uint8Array) => number

/** An entry of a bucket. */
export interface EntryCopy {
  key: Uint8Array
  keyIsBytes: boolean
  value: Buffer | undefined
}

type BufferMaker = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => Buffer

/** What Node's own `subarray()` makes buffers with, where it can be had: `Buffer.from` looks at its arguments for as long again. */
const BufferOver = bufferMaker()

function bufferMaker(): BufferMaker {
  const species = (Buffer as unknown as { [Symbol.species]?: BufferMaker })[Symbol.species]
  const isIt = species !== undefined && (species as { prototype: unknown }).prototype === Buffer.prototype
  return isIt ? species : (bufferFrom as unknown as BufferMaker)
}

/** As a constructor it answers what it made instead. */
function bufferFrom(buffer: ArrayBuffer, byteOffset: number, length: number): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

let pool = newPool()
/** The next word of the pool that nobody has. */
let poolNext = 0
/** Where the last copy lies: words, and the first of them. */
let copyWords = pool
let copyFirst = 0
/** The bytes of the words. */
let copyBytes = Buffer.from(pool.buffer)

/** Makes room for a copy of so many words; the last one is given up, unless {@link copied} took it. */
function takeRoom(words: number): void {
  if (words * 4 > POOLED_BYTES_MAX) {
    copyWords = new Int32Array(words)
    copyFirst = 0
    copyBytes = Buffer.from(copyWords.buffer)
    return
  }
  if (copyWords !== pool || poolNext + words > pool.length) {
    // A pool that somebody transferred has no words any more.
    if (poolNext + words > pool.length) {
      pool = newPool()
      poolNext = 0
    }
    copyWords = pool
    copyBytes = Buffer.from(pool.buffer)
  }
  copyFirst = poolNext
}

/** The last copy, as a buffer of its owner's. */
export function copied(bytes: number): Buffer {
  // Like Node's own pool: buffers begin at multiples of 8 bytes.
  if (copyWords === pool) poolNext = (copyFirst + ((bytes + 7) >> 3) * 2)
  return new BufferOver(copyWords.buffer, copyFirst * 4, bytes)
}

/** The last copy as text. */
export function copiedText(bytes: number): string {
  return copyBytes.toString('utf8', copyFirst * 4, copyFirst * 4 + bytes)
}

/** The last copy's bytes into a target that is large enough. */
export function copiedInto(target: Uint8Array, bytes: number): void {
  // Half the price of a subarray.
  target.set(new Uint8Array(copyWords.buffer, copyFirst * 4, bytes))
}

function newPool(): Int32Array<ArrayBuffer> {
  const buffer = new ArrayBuffer(POOL_BYTES)
  // Who transfers one copy must not take the others with it.
  markAsUntransferable(buffer)
  return new Int32Array(buffer)
}

/** See the module. */
export class MapReader {
  readonly #words: Int32Array
  readonly #call: MapCall
  readonly #shardShift: number
  readonly #shardMask: number
  readonly #buckets: number
  readonly #chunks: number
  readonly #chunkWords: number
  readonly #firstBucket: number
  readonly #firstChunk: number
  readonly #valueBytesMax: number
  readonly #marks: boolean
  readonly #broken: () => Error
  /** Of the entry that was read last. */
  version = 0

  constructor(words: Int32Array, geometry: Binding.NativeMapGeometry, call: MapCall, broken: () => Error) {
    this.#words = words
    this.#call = call
    this.#broken = broken
    const { shardsLog2, buckets, chunks, chunkWords, bucketsOffset, chunksOffset, evicts } = geometry
    this.#shardShift = (32 - shardsLog2) & 31
    this.#shardMask = 2 ** shardsLog2 - 1
    this.#buckets = buckets
    this.#chunks = chunks
    this.#chunkWords = chunkWords
    this.#firstBucket = bucketsOffset / 4
    this.#firstChunk = chunksOffset / 4
    this.#valueBytesMax = chunks * chunkWords * 4
    this.#marks = evicts
  }

  /** Shards. */
  get shards(): number {
    return this.#shardMask + 1
  }

  /** Buckets of a shard. */
  get buckets(): number {
    return this.#buckets
  }

  /** The sum of a number of all shards' headers, each modulo 2^32. */
  sum(number: number): number {
    let sum = 0
    for (let shard = 0; shard <= this.#shardMask; shard += 1) sum += (this.#words[mapLayout.shards + shard * mapLayout.shardWords + number] ?? 0) >>> 0
    return sum
  }

  /** Copies the value of the area's key. Answers its bytes, or −1 where there is none. {@link copied} and its like take the copy. */
  read(hash: number): number {
    const words = this.#words
    const shard = (hash >>> this.#shardShift) & this.#shardMask
    if (LOADS_IN_ORDER) {
      const version = this.#versionOf(shard)
      for (let reads = 0; reads < READS_MAX; reads += 1) {
        const before = Atomics.load(words, version)
        const bytes = this.#attempt(shard, hash)
        // A writer that used a chunk again counted before it did.
        if (Atomics.load(words, version) === before) return bytes >= ABSENT ? bytes : this.#other(bytes)
      }
    }
    return this.#other(this.#locked(shard, () => this.#attempt(shard, hash)))
  }

  /** Whether the area's key is there. */
  has(hash: number): boolean {
    const words = this.#words
    const shard = (hash >>> this.#shardShift) & this.#shardMask
    const look = (): number => {
      const entry = this.#find(shard, hash)
      return entry > 0 && this.#hasExpired(entry) ? EXPIRED : entry
    }
    if (LOADS_IN_ORDER) {
      const version = this.#versionOf(shard)
      for (let reads = 0; reads < READS_MAX; reads += 1) {
        const before = Atomics.load(words, version)
        const entry = look()
        if (Atomics.load(words, version) === before) return this.#other(entry) > 0
      }
    }
    return this.#other(this.#locked(shard, look)) > 0
  }

  /** Copies of all entries of a bucket. */
  entriesOf(shard: number, bucket: number, withValues: boolean): EntryCopy[] {
    const words = this.#words
    const first = this.#firstBucket + shard * this.#buckets + bucket
    const entries: EntryCopy[] = []
    const look = (): number => {
      entries.length = 0
      return this.#collect(shard, bucket, withValues, entries)
    }
    if (LOADS_IN_ORDER) {
      // Nothing was ever there: most buckets of a map that is not full.
      if (words[first] === 0) return entries
      const version = this.#versionOf(shard)
      for (let reads = 0; reads < READS_MAX; reads += 1) {
        const before = Atomics.load(words, version)
        const answer = look()
        if (Atomics.load(words, version) === before) {
          this.#other(answer)
          return entries
        }
      }
    }
    this.#other(this.#locked(shard, look))
    return entries
  }

  /** A circle, or lengths that overlap, would be copied again and again: all entries together have no more chunks than the shard. */
  #collect(shard: number, bucket: number, withValues: boolean, entries: EntryCopy[]): number {
    const words = this.#words
    let number = words[this.#firstBucket + shard * this.#buckets + bucket] ?? 0
    for (let left = this.#chunks; number !== 0;) {
      if (number < 0 || number > this.#chunks) return BROKEN
      const entry = this.#chunkOf(shard, number)
      const keyWord = words[entry + KEY_BYTES] ?? 0
      const keyBytes = keyWord & LENGTH
      const valueBytes = words[entry + VALUE_BYTES] ?? 0
      if (keyBytes > mapLayout.keyBytesMax || valueBytes < 0 || valueBytes > this.#valueBytesMax) return BROKEN
      const keyWords = (keyBytes + 3) >> 2
      left -= this.#chunksFor(keyWords + Math.ceil(valueBytes / 4))
      if (left < 0 || ((words[entry + HASH] ?? 0) & (this.#buckets - 1)) !== bucket) return BROKEN
      if (!this.#hasExpired(entry)) {
        if (this.#copy(shard, entry, 0, keyBytes) < 0) return BROKEN
        const key = copied(keyBytes)
        let value: Buffer | undefined
        if (withValues) {
          if (this.#copy(shard, entry, keyWords, valueBytes) < 0) return BROKEN
          value = copied(valueBytes)
        }
        entries.push({ key, keyIsBytes: keyWord < 0, value })
      }
      number = words[entry + NEXT_ENTRY] ?? 0
    }
    return 0
  }

  /** As `MapGeometry::chunks_for`, of so many words of key and value. */
  #chunksFor(payloadWords: number): number {
    const rest = payloadWords - (this.#chunkWords - PAYLOAD)
    return rest <= 0 ? 1 : 1 + Math.ceil(rest / (this.#chunkWords - REST_PAYLOAD))
  }

  #attempt(shard: number, hash: number): number {
    const words = this.#words
    const entry = this.#find(shard, hash)
    if (entry < 0) return entry
    if (this.#hasExpired(entry)) return EXPIRED
    // A write only where it changes something: else readers would take the line from each other.
    if (this.#marks && words[entry + RECENT] === 0) words[entry + RECENT] = 1
    const bytes = words[entry + VALUE_BYTES] ?? 0
    if (bytes < 0 || bytes > this.#valueBytesMax) return BROKEN
    this.version = long(words, entry + ENTRY_VERSION)
    return this.#copy(shard, entry, ((AREA[AREA_KEY_BYTES] ?? 0) + 3) >> 2, bytes)
  }

  /** The first word of the entry of the area's key. */
  #find(shard: number, hash: number): number {
    const words = this.#words
    const chunks = this.#chunks
    let number = words[this.#firstBucket + shard * this.#buckets + (hash & (this.#buckets - 1))] ?? 0
    for (let steps = chunks; number !== 0; steps -= 1) {
      if (number < 0 || number > chunks || steps < 0) return BROKEN
      const entry = this.#chunkOf(shard, number)
      if (words[entry + HASH] === hash && this.#isOf(shard, entry)) return entry
      number = words[entry + NEXT_ENTRY] ?? 0
    }
    return ABSENT
  }

  #isOf(shard: number, entry: number): boolean {
    const words = this.#words
    const bytes = AREA[AREA_KEY_BYTES] ?? 0
    if (((words[entry + KEY_BYTES] ?? 0) & LENGTH) !== bytes) return false
    const count = (bytes + 3) >> 2
    let chunk = entry
    let from = entry + PAYLOAD
    let end = entry + this.#chunkWords
    for (let index = 0; index < count; index += 1) {
      if (from === end) {
        chunk = this.#next(shard, chunk)
        if (chunk < 0) return false
        from = chunk + REST_PAYLOAD
        end = chunk + this.#chunkWords
      }
      if (words[from] !== AREA[AREA_KEY + index]) return false
      from += 1
    }
    return true
  }

  #hasExpired(entry: number): boolean {
    const words = this.#words
    if (words[entry + EXPIRES] === 0 && words[entry + EXPIRES + 1] === 0) return false
    return long(words, entry + EXPIRES) <= Date.now()
  }

  /** Copies so many bytes of an entry's payload, from a word on. */
  #copy(shard: number, entry: number, skip: number, bytes: number): number {
    const words = this.#words
    const chunkWords = this.#chunkWords
    let left = (bytes + 3) >> 2
    takeRoom(left)
    if (left === 0) return 0
    const target = copyWords
    let to = copyFirst
    let chunk = entry
    let from = entry + PAYLOAD + skip
    let end = entry + chunkWords
    // A long key may fill the first chunk, and more.
    while (from >= end) {
      chunk = this.#next(shard, chunk)
      if (chunk < 0) return BROKEN
      from = chunk + REST_PAYLOAD + (from - end)
      end = chunk + chunkWords
    }
    for (;;) {
      const stop = Math.min(end, from + left)
      left -= stop - from
      if (stop - from < RUN_WORDS) while (from < stop) target[to++] = words[from++] ?? 0
      else {
        target.set(words.subarray(from, stop), to)
        to += stop - from
        from = stop
      }
      if (left <= 0) return bytes
      chunk = this.#next(shard, chunk)
      if (chunk < 0) return BROKEN
      from = chunk + REST_PAYLOAD
      end = chunk + chunkWords
    }
  }

  /** The next chunk of an entry: its first word. */
  #next(shard: number, chunk: number): number {
    const number = this.#words[chunk + NEXT_CHUNK] ?? 0
    return number > 0 && number <= this.#chunks ? this.#chunkOf(shard, number) : BROKEN
  }

  #chunkOf(shard: number, number: number): number {
    return this.#firstChunk + (shard * this.#chunks + number - 1) * this.#chunkWords
  }

  #versionOf(shard: number): number {
    return mapLayout.shards + shard * mapLayout.shardWords + mapLayout.version
  }

  /** What a read came to that is no copy. */
  #other(answer: number): number {
    if (answer === EXPIRED) {
      // It goes, where that needs no wait.
      this.#call(CALL.expire)
      return ABSENT
    }
    // Nobody changed it meanwhile, and still it makes no sense.
    if (answer === BROKEN) throw this.#broken()
    return answer
  }

  #locked(shard: number, read: () => number): number {
    AREA[AREA_SHARD] = shard
    this.#call(CALL.lock)
    try {
      return read()
    } finally {
      AREA[AREA_SHARD] = shard
      this.#call(CALL.unlock)
    }
  }
}
