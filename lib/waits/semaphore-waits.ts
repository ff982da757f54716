/**
 * Waits for semaphores as promises, done by native helper threads: at most 16 in the process, which take turns where more waits
 * pend. Each wait is tried for 100 ms at most before its thread looks again whether it is still wanted.
 *
 * @module
 * @internal
 */

import { errorOf, native, type Binding } from '../native.js'
import { Pending, type WaitTerms } from './pending.js'

let waits: Binding.NativeSemaphoreWaits | undefined
/** `true`: it has what it waited for; `false`: the time is over. */
const pending = new Pending<boolean>(id => started().callOff(id))

/** Begins a wait and answers its promise. `owner` is what {@link endSemaphoreWaits} is told. */
export function semaphoreWait(owner: object, terms: WaitTerms, begin: (waits: Binding.NativeSemaphoreWaits) => number): Promise<boolean> {
  return pending.promise(() => begin(started()), owner, terms)
}

/** Rejects all pending waits of one owner; what one of them has just been granted is given back. */
export function endSemaphoreWaits(owner: object, reason: () => unknown): void {
  pending.endAll(owner, reason)
}

function started(): Binding.NativeSemaphoreWaits {
  waits ??= new native.NativeSemaphoreWaits(tell)
  return waits
}

function tell(): void {
  for (const { id, granted, error } of started().fetch()) {
    if (granted) pending.granted(id, true)
    else if (error === undefined || error === null) pending.ended(id, false)
    else pending.failed(id, errorOf(error))
  }
}
