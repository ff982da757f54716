/**
 * Waits for named objects that go on in native waiter threads, by the id the native side gave. One threadsafe function tells of all of them.
 *
 * @module
 * @internal
 */

import { errorOf, native, type Binding } from './native.js'

/** What is called when a wait has ended by itself: with an answer, or with an error. */
export type Ended = (answer: number, error: Error | undefined) => void

let waiters: Binding.NativeWaiters | undefined
const pending = new Map<number, Ended>()

/** Begins a wait. Answers its id. */
export function beginWait(object: Binding.NativeObject, operation: number, argument: number, ended: Ended): number {
  const id = started().begin(object, operation, argument)
  pending.set(id, ended)
  return id
}

/** Ends a wait: what it may have got is given back, and nothing will be told of it. */
export function callOffWait(id: number): void {
  pending.delete(id)
  started().callOff(id)
}

function started(): Binding.NativeWaiters {
  waiters ??= new native.NativeWaiters(tell)
  return waiters
}

function tell(): void {
  for (const { id, answer, error } of started().fetch()) {
    const ended = pending.get(id)
    pending.delete(id)
    ended?.(answer, error === undefined || error === null ? undefined : errorOf(error))
  }
}
