/**
 * The layout of managed segments and their objects, as it was drawn in Rust: no offset is written twice.
 *
 * @module
 * @internal
 */

import { native } from './native.js'

export const layout = native.managedLayout()

/** Where words of an object are in an `Int32Array` over it. */
export const WORD = layout.wordOffset / 4
export const SEQUENCE = layout.sequenceOffset / 4
export const BARRIER_PHASE = layout.barrierPhaseOffset / 4
export const DONE = layout.doneOffset / 4
export const VERSION = layout.versionOffset / 4
export const WAITS = layout.waitsOffset / 4
export const OWNER_DEATHS = layout.ownerDeathsOffset / 4
export const TIMEOUTS = layout.timeoutsOffset / 4
export const PARTS = layout.partsOffset / 4
/** From one reader's cell to the next, and from one permit's. */
export const READER_STRIDE = layout.readerStride / 4
export const PERMIT_STRIDE = layout.permitStride / 4

/** A word without its mark for waiters. */
export const VALUE = ~layout.waiters
/** An event's word: set. */
export const SET = layout.set

/** What is waited for: numbers that the binding knows (crate/node/src/managed_object.rs). */
export const OPERATION = { lock: 0, read: 1, write: 2, acquire: 3, event: 4, arrive: 5, notified: 6, word: 7, ringItems: 20, ringRoom: 21 } as const

/** What a wait came to: numbers that the binding knows. */
export const ANSWER = { notYet: -1, done: 0, ownerDied: 1, partyDied: 2, notEqual: 3 } as const

/** The argument of a lock: bits. */
export const STRICT = 1
/** The waiting thread cannot unlock meanwhile. */
export const BLOCKS_OWNER = 2

/** The argument of an arrival: bits. It goes on with an earlier slice. */
export const RESUMES = 1
/** Another slice follows: the arrival stays. */
export const KEEPS = 2
