/**
 * The layout of structures with one writer and many readers, as it was drawn in Rust: no offset is written twice.
 *
 * @module
 * @internal
 */

import { native } from '../../native.js'

export const feedLayout = native.feedLayout()

/** Where words are in an `Int32Array` over the object. */
export const GATE = feedLayout.gate / 4
export const ENDED = feedLayout.ended / 4
export const NEWEST = feedLayout.newest / 4
export const USED = feedLayout.used / 4
export const LOST = feedLayout.lost / 4
/** Where the head is in a `Float64Array` over the object. */
export const HEAD = feedLayout.head / 8
/** From one reader's cell to the next, in words, and what is in one. */
export const CELL_STRIDE = feedLayout.cellStride / 4
export const CELL_VALUE = feedLayout.cellValue / 4
export const CELL_RECEIVED = feedLayout.cellReceived / 4
export const CELL_MISSED = feedLayout.cellMissed / 4
/** The words of a buffer, and of a slot. */
export const BUFFER_VERSION = feedLayout.bufferVersion / 4
export const BUFFER_LENGTH = feedLayout.bufferLength / 4
export const SLOT_STAMP = feedLayout.slotStamp / 4
export const SLOT_LAP = feedLayout.slotLap / 4
export const SLOT_LENGTH = feedLayout.slotLength / 4
/** A cell whose reader chooses: all bits of a buffer's number. */
export const CLEAR = feedLayout.clear
/** The bits of a buffer's number, and how many they are. */
export const NUMBER = feedLayout.clear
export const NUMBER_BITS = 32 - Math.clz32(NUMBER)
