/**
 * The layout of rings, as it was drawn in Rust (crate/core/src/managed/geometry/ring.rs): no offset is written twice.
 *
 * @module
 * @internal
 */

import { native } from '../../native.js'

export const ring = native.ringLayout()

/** Where words are in an `Int32Array` over the ring. */
export const STATE = ring.state / 4
export const RECOVERED = ring.recovered / 4
export const LOST = ring.lost / 4
export const TAIL = ring.tail / 4
export const ITEMS_GATE = ring.itemsGate / 4
export const PRODUCER = ring.producer / 4
export const PRODUCER_LAPS = ring.producerLaps / 4
export const FULL = ring.full / 4
export const HEAD = ring.head / 4
export const ROOM_GATE = ring.roomGate / 4
export const CONSUMER = ring.consumer / 4
export const CONSUMER_LAPS = ring.consumerLaps / 4
export const TAKEN = ring.taken / 4
export const CONTROL = ring.control / 4

/** The ends, as the binding numbers them. */
export const PRODUCER_END = 0
export const CONSUMER_END = 1
