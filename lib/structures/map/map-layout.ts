/**
 * The layout of shared maps as it was drawn in Rust, and the area through which this environment talks to their native side.
 *
 * @module
 * @internal
 */

import { native } from '../../native.js'

export const mapLayout = native.mapLayout()

/** Words of a key in the area, the numbers of a call before them. Private memory; calls never overlap. */
export const AREA = area()
export const AREA_KEY = mapLayout.areaKey
export const AREA_KEY_BYTES = mapLayout.areaKeyBytes
export const AREA_IS_BYTES = mapLayout.areaIsBytes
export const AREA_VALUE_BYTES = mapLayout.areaValueBytes
export const AREA_EXPIRES = mapLayout.areaExpires
export const AREA_VERSION = mapLayout.areaVersion
export const AREA_SHARD = mapLayout.areaShard

/** What a map's function does: numbers that the binding knows (crate/node/src/map.rs). */
export const CALL = { set: 0, setAbsent: 1, setVersion: 2, delete: 3, expire: 4, clear: 5, lock: 6, unlock: 7 } as const

/** Words of a chunk and of an entry. */
export const NEXT_CHUNK = mapLayout.nextChunk
export const RECENT = mapLayout.recent
export const REST_PAYLOAD = mapLayout.restPayload
export const NEXT_ENTRY = mapLayout.nextEntry
export const HASH = mapLayout.hash
export const KEY_BYTES = mapLayout.keyBytes
export const VALUE_BYTES = mapLayout.valueBytes
export const ENTRY_VERSION = mapLayout.entryVersion
export const EXPIRES = mapLayout.expires
export const PAYLOAD = mapLayout.payload
/** The length of a key without its mark for bytes. */
export const LENGTH = 0x7fff_ffff

/** Without external buffers (Electron) there are no managed segments, so no maps, and nobody uses it. */
function area(): Int32Array {
  try {
    return new Int32Array(native.mapArea())
  } catch {
    return new Int32Array(0)
  }
}

/** A number of two words, low and high, as far as numbers are exact. */
export function long(words: Int32Array, index: number): number {
  return ((words[index + 1] ?? 0) & 0x1f_ffff) * 2 ** 32 + ((words[index] ?? 0) >>> 0)
}

/** Writes a number of two words. */
export function setLong(words: Int32Array, index: number, value: number): void {
  words[index] = value | 0
  words[index + 1] = Math.floor(value / 2 ** 32)
}
