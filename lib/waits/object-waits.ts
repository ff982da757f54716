/**
 * Waits for named objects and words that go on in native waiter threads, by the id the native side gave. One threadsafe function tells of all of them.
 *
 * @module
 * @internal
 */

import { errorOf, native, type Binding } from '../native.js'

/** What is called when a wait has ended by itself: with an answer, or with an error. */
export type Ended = (answer: number, error: Error | undefined) => void

let waiters: Binding.NativeWaiters | undefined
/** What to call, and what an error is about. */
const pending = new Map<number, { ended: Ended; objectName?: string }>()

/** Begins a wait. Answers its id. */
export function beginWait(object: Binding.NativeObject, operation: number, argument: number, ended: Ended): number {
  const id = started().begin(object, operation, argument)
  pending.set(id, { ended, objectName: object.name })
  return id
}

/** Begins a wait for what an object's writer does: while the word at `watched` is `seen`. Answers its id. */
export function beginNewsWait(object: Binding.NativeObject, watched: number, seen: number, mourned: number, ended: Ended): number {
  const id = started().beginNews(object, watched, seen >>> 0, mourned)
  pending.set(id, { ended, objectName: object.name })
  return id
}

/** Begins a wait for the next change among a segment's members. Answers its id. It does not keep the process alive. */
export function beginMemberWatch(managed: Binding.NativeManaged, ended: Ended): number {
  const id = started().beginMemberWatch(managed)
  pending.set(id, { ended })
  return id
}

/** Begins a wait for a word over a mapping of ours. Answers its id. */
export function beginWordWait(words: Int32Array, index: number, value: number, ended: Ended): number {
  const id = started().beginWord(words, index, value >>> 0)
  pending.set(id, { ended })
  return id
}

/** Ends a wait: what it may have got is given back, and nothing will be told of it. Answers what that was; `ANSWER.notYet`: nothing. */
export function callOffWait(id: number): number {
  pending.delete(id)
  return started().callOff(id)
}

function started(): Binding.NativeWaiters {
  waiters ??= new native.NativeWaiters(tell)
  return waiters
}

function tell(): void {
  for (const { id, answer, error } of started().fetch()) {
    const wait = pending.get(id)
    pending.delete(id)
    const { objectName } = wait ?? {}
    try {
      wait?.ended(answer, error === undefined || error === null ? undefined : errorOf({ ...error, ...(objectName === undefined ? {} : { objectName }) }))
    } catch (problem) {
      // Of code that is not ours (a signal's): the other answers are told all the same.
      queueMicrotask(() => {
        throw problem
      })
    }
  }
}
