/**
 * A map from keys to values that processes share: the cache of a cluster. The algorithm is in crate/core/src/structures/map.
 *
 * @module
 */

import { deserialize, serialize } from 'node:v8'
import { types } from 'node:util'
import * as check from '../../arguments.js'
import type { Size } from '../../arguments.js'
import { closedError, outOfRange, wrongSize, wrongType } from '../../errors.js'
import { ManagedObject, type ObjectCounters, type Opened } from '../../membership/managed-object.js'
import { enterKey, type MapKeyLike } from './map-key.js'
import { AREA, AREA_EXPIRES, AREA_SHARD, AREA_VALUE_BYTES, AREA_VERSION, CALL, mapLayout, setLong } from './map-layout.js'
import { MapReader, copied, copiedInto, copiedText, type EntryCopy, type MapCall } from './map-reader.js'
import { native } from '../../native.js'

/** How a map is made, and opened: all but `ttlMs` must be the same for all. */
export interface SharedMapOptions {
  /** Bytes of all of it, 16 KiB at least; rounded down to KiB. They are taken from the segment. */
  memory: Size
  /** How many entries to expect, which decides how many lists there are: with more it grows slower, not full. @default as many as there are chunks */
  entries?: number | undefined
  /** Bytes of the parts that an entry is kept in, a multiple of 64 from 64 to 4,096. @default 192 */
  chunkBytes?: number | undefined
  /** Parts of the map that are written one at a time each, a power of two up to 1,024. No value can be larger than a shard. @default one a MiB, from 4 to 64 */
  shards?: number | undefined
  /** What goes where there is no room: what was not used for long, or nothing. @default 'lru' */
  eviction?: 'lru' | 'none' | undefined
  /** What values are. Text is kept as UTF-8, in which a lone surrogate becomes U+FFFD. @default 'bytes' */
  values?: 'bytes' | 'text' | 'structured' | undefined
  /** How long what this handle sets is there, unless the call says otherwise. @default for ever */
  ttlMs?: number | undefined
}

/** How long something is there. */
export interface MapSetOptions {
  /** Milliseconds from now, more than 0; `Infinity` is for ever. @default the map's */
  ttlMs?: number | undefined
}

/** A value, and which one it is: no two of a key have the same version. */
export interface MapEntry<Value> {
  /** The value, as the map gives them. */
  value: Value
  /** Another one after each `set` of the key. */
  version: number
}

/** What a map has come to. All but `hits` and `misses` are of all members together, modulo 2^32 a shard; stale the moment they are read. */
export interface MapStats extends ObjectCounters {
  /** Entries, those too that expired and were not come across yet. */
  entries: number
  /** Bytes of the chunks in use. */
  bytesUsed: number
  /** Bytes of all chunks. */
  bytesTotal: number
  /** Reads of this handle that found something. */
  hits: number
  /** Reads of this handle that found nothing. */
  misses: number
  /** Values set, by all members. */
  sets: number
  /** Keys deleted, by all members. */
  deletes: number
  /** Entries that went because there was no room. */
  evictions: number
  /** Entries that went because their time was over. */
  expired: number
  /** Repairs of a shard, after a member was killed in it. */
  recovered: number
}

/** A key as an iteration gives it: as it was given, text or bytes. */
export type MapKey = string | Buffer

const VALUES = ['bytes', 'text', 'structured'] as const
const OPTIONS = ['memory', 'entries', 'chunkBytes', 'shards', 'eviction', 'values', 'ttlMs'] as const
/** As often as an update begins anew. */
const UPDATES_MAX = 1_000_000
/** The latest moment that there is (ECMAScript's time range). */
const LATEST_MS = 8.64e15
/** Where short text becomes bytes. */
const TEXT = new Uint8Array(1 << 13)
const encoder = new TextEncoder()

/** What values are, as {@link SharedMapOptions.values} says: what is read, and what is taken. */
export interface MapValues {
  /** Bytes as they are. */
  bytes: [read: Buffer, taken: Uint8Array | string]
  /** UTF-8. */
  text: [read: string, taken: string]
  // oxlint-disable-next-line no-explicit-any
  /** Whatever the structured clone algorithm takes. */
  structured: [read: unknown, taken: unknown]
}

/**
 * Keys lead to values, in memory that all members share. Reads take no lock and copy; a set writes a whole new entry and then swings one word to it. A member that is
 * killed anywhere in here leaves the old value or the new one, and nobody waits for it.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT` where somebody scribbled over it; of those that write
 * `ERR_SHM_TIMED_OUT` where another member was stopped in the middle of a write for 10 s. A key of no or more than 1,024 bytes is a RangeError.
 */
export class SharedMap<Value = Buffer, Taken = Value extends Buffer ? Uint8Array | string : Value> extends ManagedObject {
  override readonly kind = 'map'
  readonly #values: number
  readonly #call: MapCall
  readonly #k0: number
  readonly #k1: number
  readonly #chunkBytes: number
  readonly #chunks: number
  #reader: MapReader | undefined
  #ttlMs = Infinity
  #hits = 0
  #misses = 0

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    const { numbers, object } = opened
    const geometry = native.mapGeometry([...numbers])
    const { first, second } = native.mapSeed(object)
    this.#k0 = first
    this.#k1 = second
    this.#values = (numbers[3] ?? 0) >> 16
    this.#call = native.mapFunction(object)
    this.#chunkBytes = geometry.chunkWords * 4
    this.#chunks = geometry.chunks * 2 ** geometry.shardsLog2
    this.#reader = new MapReader(this.words, geometry, this.#call, () => this.error('ERR_SHM_POSSIBLY_CORRUPT', 'a list leads outside or in a circle: clear() makes the map usable again'))
  }

  /** How long what this handle sets is there, unless the call says otherwise: 'Infinity' is for ever. Each opening with `ttlMs` sets it. */
  get ttlMs(): number {
    return this.#ttlMs
  }

  /** In milliseconds. Counts for this handle only, from its next call on. */
  set ttlMs(ttlMs: number) {
    this.#ttlMs = lifetime('ttlMs', ttlMs)
  }

  /** A copy of a key's value; nothing where there is none, or its time is over. */
  get(key: MapKeyLike): Value | undefined {
    const bytes = this.#read(key)
    if (bytes < 0) return undefined
    if (this.#values === 0) return copied(bytes) as Value
    return this.#value(bytes)
  }

  /** A copy of a key's value as text, whatever kind of values the map has. */
  getText(key: MapKeyLike): string | undefined {
    const bytes = this.#read(key)
    return bytes < 0 ? undefined : copiedText(bytes)
  }

  /** Copies a key's value to the beginning of `target`, without an allocation. Answers how many bytes it has, or −1. RangeError where `target` is too small. */
  getInto(key: MapKeyLike, target: Uint8Array): number {
    if (!types.isUint8Array(target)) throw wrongType('target', 'a Uint8Array', target)
    const bytes = this.#read(key)
    if (bytes > target.length) throw wrongSize('target', `at least ${bytes} bytes`, `${target.length} bytes`)
    if (bytes > 0) copiedInto(target, bytes)
    return bytes
  }

  /** A copy of a key's value, and its version, for {@link SharedMap.compareAndSet}. */
  getEntry(key: MapKeyLike): MapEntry<Value> | undefined {
    const bytes = this.#read(key)
    if (bytes < 0) return undefined
    const version = this.#live().version
    return { value: this.#value(bytes), version }
  }

  /** Whether there is such a key. */
  has(key: MapKeyLike): boolean {
    const reader = this.#live()
    return reader.has(enterKey(key, this.#k0, this.#k1))
  }

  /**
   * Sets a key's value. Where there is no room, others go.
   *
   * @throws {@link ShmError} `ERR_SHM_NO_SPACE` where nothing may go (`eviction: 'none'`). RangeError where no shard has room for so large a value.
   */
  set(key: MapKeyLike, value: Taken, options?: MapSetOptions): true {
    this.#write(CALL.set, key, value, options)
    return true
  }

  /** Sets a key's value if there is none. Answers whether there was none. Errors as of {@link SharedMap.set}. */
  add(key: MapKeyLike, value: Taken, options?: MapSetOptions): boolean {
    return this.#write(CALL.setAbsent, key, value, options)
  }

  /**
   * Sets a key's value if it still is of that version, or, with `undefined`, if there is none. Answers whether it was. Errors as of {@link SharedMap.set}.
   */
  compareAndSet(key: MapKeyLike, version: number | undefined, value: Taken, options?: MapSetOptions): boolean {
    if (version === undefined) return this.#write(CALL.setAbsent, key, value, options)
    check.integer('version', version, 0, Number.MAX_SAFE_INTEGER)
    return this.#write(CALL.setVersion, key, value, options, version)
  }

  /**
   * Sets a key's value to what `change` makes of the one there is, and answers it; `undefined` leaves everything as it is. Where another member was quicker, `change`
   * is asked again: no lock is held while it runs.
   *
   * @throws {@link ShmError} `ERR_SHM_BUSY` where others were quicker a million times; as of {@link SharedMap.set}.
   */
  update(key: MapKeyLike, change: (value: Value | undefined) => Taken | undefined, options?: MapSetOptions): Taken | undefined {
    if (typeof change !== 'function') throw wrongType('change', 'a function', change)
    for (let tries = 0; tries < UPDATES_MAX; tries += 1) {
      const entry = this.getEntry(key)
      const changed = change(entry?.value)
      if (changed === undefined || this.compareAndSet(key, entry?.version, changed, options)) return changed
    }
    throw this.error('ERR_SHM_BUSY', 'others were quicker a million times')
  }

  /** Deletes a key. Answers whether it was there. */
  delete(key: MapKeyLike): boolean {
    this.#live()
    enterKey(key, this.#k0, this.#k1)
    return this.#call(CALL.delete) === 1
  }

  /** Takes everything away, one shard after the other: what others set meanwhile may stay. */
  clear(): void {
    const { shards } = this.#live()
    for (let shard = 0; shard < shards; shard += 1) {
      AREA[AREA_SHARD] = shard
      this.#call(CALL.clear)
    }
  }

  /** How many entries there are, those too that expired and were not come across yet; stale the moment it returns. */
  get size(): number {
    return this.#live().sum(mapLayout.entries)
  }

  /** All keys; see {@link SharedMap.entries}. */
  *keys(): IterableIterator<MapKey> {
    for (const entry of this.#entries(false)) yield keyOf(entry)
  }

  /** Copies of all values; see {@link SharedMap.entries}. */
  *values(): IterableIterator<Value> {
    for (const entry of this.#entries(true)) yield this.#valueOf(entry)
  }

  /**
   * All keys with copies of their values, in no order. What is there all the while comes exactly once, nothing comes twice, and what comes or goes meanwhile
   * may come or not. No lock is held between two steps.
   */
  *entries(): IterableIterator<[MapKey, Value]> {
    for (const entry of this.#entries(true)) yield [keyOf(entry), this.#valueOf(entry)]
  }

  /** As {@link SharedMap.entries}. */
  [Symbol.iterator](): IterableIterator<[MapKey, Value]> {
    return this.entries()
  }

  /** What it has come to. */
  override stats(): MapStats {
    const reader = this.#live()
    return {
      ...super.stats(),
      entries: reader.sum(mapLayout.entries),
      bytesUsed: reader.sum(mapLayout.used) * this.#chunkBytes,
      bytesTotal: this.#chunks * this.#chunkBytes,
      hits: this.#hits,
      misses: this.#misses,
      sets: reader.sum(mapLayout.sets),
      deletes: reader.sum(mapLayout.deletes),
      evictions: reader.sum(mapLayout.evictions),
      expired: reader.sum(mapLayout.expired),
      recovered: reader.sum(mapLayout.recovered)
    }
  }

  /** @internal */
  protected override ended(): void {
    this.#reader = undefined
  }

  #live(): MapReader {
    const reader = this.#reader
    if (reader === undefined) throw closedError(this.describe())
    return reader
  }

  #read(key: MapKeyLike): number {
    const reader = this.#reader
    if (reader === undefined) throw closedError(this.describe())
    const bytes = reader.read(enterKey(key, this.#k0, this.#k1))
    if (bytes < 0) this.#misses += 1
    else this.#hits += 1
    return bytes
  }

  #write(operation: number, key: MapKeyLike, value: Taken, options: MapSetOptions | undefined, version = 0): boolean {
    this.#live()
    const ttlMs = options === undefined ? this.#ttlMs : lifetimeOf(options, this.#ttlMs)
    // What makes bytes of a value may be anybody's code, and use a map itself: nothing of this call is in the area before it.
    const bytes = this.#bytesOf(value)
    enterKey(key, this.#k0, this.#k1)
    if (operation === CALL.setVersion) setLong(AREA, AREA_VERSION, version)
    if (ttlMs === Infinity) {
      AREA[AREA_EXPIRES] = 0
      AREA[AREA_EXPIRES + 1] = 0
    } else setLong(AREA, AREA_EXPIRES, Math.min(Math.ceil(Date.now() + ttlMs), LATEST_MS))
    return this.#call(operation, bytes) === 1
  }

  /** A value's bytes; how many of them count is in the area. */
  #bytesOf(value: Taken): Uint8Array {
    const given: unknown = this.#values === 2 ? serialize(value) : value
    if (typeof given === 'string') {
      if (given.length * 3 <= TEXT.length) {
        AREA[AREA_VALUE_BYTES] = encoder.encodeInto(given, TEXT).written
        return TEXT
      }
      const bytes = Buffer.from(given)
      AREA[AREA_VALUE_BYTES] = bytes.length
      return bytes
    }
    if (this.#values === 1) throw wrongType('value', 'a string', value)
    if (!types.isUint8Array(given)) throw wrongType('value', 'a Uint8Array or a string', value)
    if (given.length > 0x7fff_ffff) throw wrongSize('value', 'at most 2^31 - 1 bytes', `${given.length} bytes`)
    AREA[AREA_VALUE_BYTES] = given.length
    return given
  }

  /** What the last copy is. */
  #value(bytes: number): Value {
    if (this.#values === 1) return copiedText(bytes) as Value
    const copy = copied(bytes)
    return (this.#values === 0 ? copy : this.#structured(copy)) as Value
  }

  #valueOf({ value = Buffer.alloc(0) }: EntryCopy): Value {
    if (this.#values === 1) return value.toString() as Value
    return (this.#values === 0 ? value : this.#structured(value)) as Value
  }

  #structured(bytes: Buffer): unknown {
    try {
      return deserialize(bytes)
    } catch (error) {
      throw this.error('ERR_SHM_POSSIBLY_CORRUPT', `a value is not what v8.serialize makes: ${(error as Error).message}`)
    }
  }

  *#entries(withValues: boolean): IterableIterator<EntryCopy> {
    const { shards, buckets } = this.#live()
    for (let shard = 0; shard < shards; shard += 1) {
      for (let bucket = 0; bucket < buckets; bucket += 1) yield* this.#live().entriesOf(shard, bucket, withValues)
    }
  }
}

/** What a map's options are as numbers of its type. @internal */
export function mapNumbers(options: SharedMapOptions): number[] {
  if (options === undefined) throw wrongType('options', 'an object', options)
  const { memory, entries, chunkBytes, shards, eviction, values } = check.options<SharedMapOptions>('options', options, OPTIONS)
  const partBytes = whole('chunkBytes', chunkBytes, mapLayout.chunkBytesMin, mapLayout.chunkBytesMax)
  if (partBytes % 64 !== 0) throw outOfRange('options.chunkBytes', 'a multiple of 64', chunkBytes)
  const parts = whole('shards', shards, 1, 2 ** mapLayout.shardsLog2Max)
  if ((parts & (parts - 1)) !== 0) throw outOfRange('options.shards', 'a power of two', shards)
  return native.mapNumbers(
    check.bytes('options.memory', memory, 1 << 14),
    whole('entries', entries, 1, 2 ** 31),
    partBytes,
    parts,
    eviction === undefined || check.oneOf('options.eviction', eviction, ['lru', 'none']) === 'lru',
    VALUES.indexOf(values === undefined ? 'bytes' : check.oneOf('options.values', values, VALUES))
  )
}

/** A whole number, or 0 where nothing was said. */
function whole(name: string, value: number | undefined, least: number, most: number): number {
  return value === undefined ? 0 : check.integer(`options.${name}`, value, least, most)
}

function lifetimeOf(options: MapSetOptions, fallback: number): number {
  const { ttlMs } = check.options<MapSetOptions>('options', options, ['ttlMs'])
  return ttlMs === undefined ? fallback : lifetime('options.ttlMs', ttlMs)
}

/** Milliseconds, more than 0. @internal */
export function lifetime(name: string, value: unknown): number {
  if (typeof value !== 'number') throw wrongType(name, 'a number of milliseconds', value)
  if (Number.isNaN(value) || value <= 0) throw outOfRange(name, 'more than 0 milliseconds, or Infinity', value)
  return value
}

function keyOf({ key, keyIsBytes }: EntryCopy): MapKey {
  return keyIsBytes ? Buffer.from(key) : Buffer.from(key.buffer, key.byteOffset, key.length).toString()
}
