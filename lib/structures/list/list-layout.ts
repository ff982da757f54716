/**
 * The layout of lists, as it was drawn in Rust (crate/core/src/managed/geometry/list.rs).
 *
 * @module
 * @internal
 */

import { layout } from '../../managed-layout.js'
import { native } from '../../native.js'

export const listLayout = native.listLayout()

/** Where a list's words are in an `Int32Array` over it. */
export const HEAD = listLayout.headOffset / 4
export const TAIL = listLayout.tailOffset / 4
export const LENGTH = listLayout.lengthOffset / 4
export const CHANGES = listLayout.changesOffset / 4
/** Where a node's words are, from its first one on. */
export const GENERATION = listLayout.generationOffset / 4
export const NEXT = listLayout.nextOffset / 4
export const PREVIOUS = listLayout.previousOffset / 4
/** A node's value, in bytes. */
export const VALUE_OFFSET = listLayout.valueOffset

/** Where a value goes: numbers that the binding knows (crate/node/src/list.rs). */
export const POSITION = { first: 0, last: 1, before: 2, after: 3 } as const

/** A handle is an index, plus a generation times this. */
export const INDICES = 2 ** listLayout.indexBits

/** Bytes from one node to the next. */
export function nodeStride(valueBytes: number): number {
  return Math.ceil((listLayout.valueOffset + valueBytes) / listLayout.nodeAlign) * listLayout.nodeAlign
}

/** The first node's offset in the list. */
export const FIRST_NODE = layout.partsOffset
