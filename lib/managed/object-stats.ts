/**
 * What the named objects of a managed segment counted, read from outside: also by who is no member, and without a fast path that counts.
 *
 * @module
 */

import { HEAD, LOST } from '../structures/feeds/feed-layout.js'
import { latestCounts } from '../structures/feeds/latest-home.js'
import { LENGTH } from '../structures/list/list-layout.js'
import { BARRIER_PHASE, DONE, OWNER_DEATHS, PARTS, PERMIT_STRIDE, SEQUENCE, SET, TIMEOUTS, VALUE, VERSION, WAITS, WORD } from '../managed-layout.js'
import type { ObjectCounters } from '../membership/managed-object.js'
import { mapLayout } from '../structures/map/map-layout.js'
import { memberOf, type Member } from '../membership/members.js'
import { native, type Binding } from '../native.js'
import { ringCounts, ringLength } from '../structures/ring/ring.js'

/** An object that the segment's directory lists. */
export interface ObjectEntry {
  /** The name under which it was made. */
  name: string
  /** `'mutex'`, `'ring'`, `'map'`, … */
  kind: string
  /** Kind and geometry, as in an error about them. */
  words: string
  /** What its type is made of besides its kind: of a ring its slots, the bytes of each, flags; see `words`. */
  numbers: number[]
  /** First byte in the segment. */
  offset: number
  /** How long it is. */
  bytes: number
}

/** A named object with what it counted. Stale the moment it is returned, and no two counts are of the same moment. */
export interface ObjectStats extends ObjectEntry {
  /**
   * Counts by name, as the object's own `stats()` has them: `waits`, `ownerDeaths`, `timeouts` of all but structs; by kind `sent`, `received`, `lost`, `full`, …; what can be
   * seen without being a member, such as `length`, `value`, `held` permits. Those of slow paths wrap at 2^32.
   */
  counters: Record<string, number>
  /** Who holds a mutex, or a reader-writer lock for writing, alive or dead. */
  holder?: Member
}

/** What an object counted. @internal */
export function statsOf(entry: ObjectEntry, buffer: ArrayBuffer, members: Binding.NativeMember[]): ObjectStats {
  const words = new Int32Array(buffer, entry.offset, entry.bytes / 4)
  const holder = HELD_KINDS.has(entry.kind) ? holderOf(words, members) : undefined
  const counters = { ...(entry.kind === 'struct' ? {} : slowCounts(words)), ...BY_KIND[entry.kind]?.(words, entry.numbers) }
  return { ...entry, counters, ...(holder === undefined ? {} : { holder }) }
}

const HELD_KINDS = new Set(['mutex', 'rwlock'])

type Counts = (words: Int32Array, numbers: readonly number[]) => Record<string, number>

const BY_KIND: Partial<Record<string, Counts>> = {
  semaphore: (words, [permits = 0]) => ({ permits, held: heldPermits(words, permits) }),
  event: words => ({ set: (unsigned(words, WORD) & SET) === 0 ? 0 : 1 }),
  condition: words => ({ notifications: unsigned(words, SEQUENCE) }),
  barrier: (words, [parties = 0]) => ({ parties, phases: unsigned(words, BARRIER_PHASE) }),
  once: words => ({ done: unsigned(words, DONE) === 0 ? 0 : 1 }),
  seqlock: words => ({ writes: unsigned(words, VERSION) >>> 1 }),
  word: words => ({ value: words[WORD] ?? 0 }),
  counter: words => ({ value: Number(new BigInt64Array(words.buffer, words.byteOffset, 1)[0] ?? 0n) }),
  ring: (words, [slots = 0, , flags = 0]) => ({ ...ringCounts(words, flags), length: ringLength(words, flags, slots), slots }),
  broadcast: words => ({ sent: sentBy(words), lost: unsigned(words, LOST) }),
  latest: (words, [bytes = 0, readers = 0]) => latestCounts(words, bytes, readers),
  list: (words, [, capacity = 0]) => ({ length: Math.min(unsigned(words, LENGTH), capacity), capacity }),
  map: mapCounts
}

function slowCounts(words: Int32Array): ObjectCounters {
  return { waits: unsigned(words, WAITS), ownerDeaths: unsigned(words, OWNER_DEATHS), timeouts: unsigned(words, TIMEOUTS) }
}

function holderOf(words: Int32Array, members: Binding.NativeMember[]): Member | undefined {
  const token = Atomics.load(words, WORD) & VALUE
  const holder = token === 0 ? undefined : members.find(member => (member.token | 0) === token)
  return holder === undefined ? undefined : memberOf(holder, 0)
}

function heldPermits(words: Int32Array, permits: number): number {
  let held = 0
  for (let index = 0; index < permits; index += 1) if (words[PARTS + index * PERMIT_STRIDE] !== 0) held += 1
  return held
}

function sentBy(words: Int32Array): number {
  const head = new Float64Array(words.buffer, words.byteOffset, HEAD + 1)[HEAD] ?? 0
  return head >= 0 && head <= Number.MAX_SAFE_INTEGER ? Math.floor(head) : 0
}

function mapCounts(words: Int32Array, numbers: readonly number[]): Record<string, number> {
  const { shardsLog2, chunks, chunkWords } = native.mapGeometry([...numbers])
  const sum = (word: number): number => {
    let total = 0
    for (let shard = 0; shard < 2 ** shardsLog2; shard += 1) total += unsigned(words, mapLayout.shards + shard * mapLayout.shardWords + word)
    return total
  }
  return {
    entries: sum(mapLayout.entries),
    bytesUsed: sum(mapLayout.used) * chunkWords * 4,
    bytesTotal: chunks * 2 ** shardsLog2 * chunkWords * 4,
    sets: sum(mapLayout.sets),
    deletes: sum(mapLayout.deletes),
    evictions: sum(mapLayout.evictions),
    expired: sum(mapLayout.expired),
    recovered: sum(mapLayout.recovered)
  }
}

function unsigned(words: Int32Array, index: number): number {
  return (words[index] ?? 0) >>> 0
}
