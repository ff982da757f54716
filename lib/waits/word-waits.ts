/**
 * `Atomics.wait`, `Atomics.waitAsync` and `Atomics.notify` that work between processes: on any 32-bit word of a segment.
 *
 * @module
 */

import { types } from 'node:util'
import * as check from '../arguments.js'
import { closedError, wrongType } from '../errors.js'
import { LoneWaits } from './lone-waits.js'
import { ANSWER } from '../managed-layout.js'
import { native } from '../native.js'
import { beginWordWait, type Ended } from './object-waits.js'
import { ASYNC_WAIT_OPTIONS, waitTerms, type AsyncWaitOptions } from './pending.js'
import { spinLoads, spinWhile, type SpinOptions } from './spinning.js'
import { waitInSlices, type WaitOptions } from './waiting.js'

/**
 * What a wait on a word came to. `'ok'`: it was notified, or changed; look at the value again, since a waiter may wake for no reason.
 * `'not-equal'`: it had another value from the beginning. `'timed-out'`.
 */
export type WordOutcome = 'ok' | 'not-equal' | 'timed-out'

/** How long a word may be waited for with the thread blocked. */
export type WordWaitOptions = WaitOptions & SpinOptions
/** How long a word may be waited for with a promise. */
export type WordWaitAsyncOptions = AsyncWaitOptions & SpinOptions

/** The waits on words of a buffer. */
const waitsOn = new WeakMap<ArrayBufferLike, LoneWaits>()

/**
 * Blocks the thread until another process, thread or promise notifies the word, if it has that value now: `Atomics.wait` for an
 * `Int32Array` over any segment of ours, managed or not, System V or raw, also one that is open for reading only.
 *
 * Change the value before you notify: every 100 ms the thread looks after its own affairs, and a notification of an unchanged word in that
 * moment is missed.
 *
 * @throws TypeError where it is no `Int32Array` (a futex has 32 bits); {@link ShmError} `ERR_SHM_NOT_OURS` where its memory is no segment of ours,
 * EFAULT where somebody truncated it away.
 */
export function wait(int32Array: Int32Array, index: number, value: number, options?: WordWaitOptions): WordOutcome {
  const [words, at, expected] = place(int32Array, index, value)
  return waitSyncWith(words, at, expected, options, sliceMs => native.waitForWord(words, at, expected >>> 0, sliceMs))
}

/**
 * As {@link wait}, with a promise: the thread is free meanwhile. Closing the segment rejects with `ERR_SHM_CLOSED`, an abort with the signal's reason.
 * A thread of ours serves about 120 of them.
 */
export async function waitAsync(int32Array: Int32Array, index: number, value: number, options?: WordWaitAsyncOptions): Promise<WordOutcome> {
  const [words, at, expected] = place(int32Array, index, value)
  const { buffer } = words
  let waits = waitsOn.get(buffer)
  if (waits === undefined) waitsOn.set(buffer, (waits = new LoneWaits()))
  return waitWith(words, at, expected, options, {
    waits,
    attempt: () => native.waitForWord(words, at, expected >>> 0, 0),
    begin: ended => beginWordWait(words, at, expected, ended)
  })
}

/**
 * Wakes those who wait for the word, in any process: `count` of them, or all. Answers how many; who was about to sleep and finds the
 * value changed is not counted, and a promise that was aborted a moment ago may be. Errors as {@link wait}.
 */
export function notify(int32Array: Int32Array, index: number, count?: number): number {
  const [words, at] = place(int32Array, index, 0)
  return native.notifyWord(words, at, notifyCount(count))
}

/** The buffer's memory goes: promises on it reject. @internal */
export function endWaitsOn(buffer: ArrayBufferLike | undefined): void {
  if (buffer !== undefined) waitsOn.get(buffer)?.end(() => closedError('segment'))
}

/** How many to wake, for the kernel. @internal */
export function notifyCount(count: number | undefined): number {
  return count === undefined || count === Infinity ? 2 ** 31 - 1 : check.integer('count', count, 0, 2 ** 31 - 1)
}

/** A blocking wait, by whichever native call. @internal */
export function waitSyncWith(
  words: Int32Array, index: number, value: number, options: WordWaitOptions | undefined, attempt: (sliceMs: number) => number, key?: object
): WordOutcome {
  const { timeoutMs, spinMicros } = check.options<WordWaitOptions>('options', options, ['timeoutMs', 'spinMicros'])
  const timeout = check.timeout('options.timeoutMs', timeoutMs)
  const loads = spinLoads(spinMicros)
  if (timeout > 0 && changesSoon(words, index, value, loads)) return 'ok'
  let outcome: WordOutcome = 'timed-out'
  waitInSlices(timeout, (sliceMs, again) => {
    const answer = attempt(sliceMs)
    if (answer === ANSWER.notYet) return false
    // A change between two slices is what was waited for.
    outcome = again ? 'ok' : outcomeOf(answer)
    return true
  }, key)
  return outcome
}

/** A wait with a promise, by whichever native calls. @internal */
export async function waitWith(
  words: Int32Array, index: number, value: number, options: WordWaitAsyncOptions | undefined,
  by: { waits: LoneWaits; attempt: () => number; begin: (ended: Ended) => number }
): Promise<WordOutcome> {
  const terms = waitTerms(options, ['spinMicros'])
  const { spinMicros } = check.options<WordWaitAsyncOptions>('options', options, ['spinMicros', ...ASYNC_WAIT_OPTIONS])
  const loads = spinLoads(spinMicros)
  if (terms.timeoutMs === 0) {
    const answer = by.attempt()
    return answer === ANSWER.notYet ? 'timed-out' : outcomeOf(answer)
  }
  // Here and not where the waiter thread looks: a value that changes on the way is what was waited for.
  if (Atomics.load(words, index) !== value) return 'not-equal'
  if (changesSoon(words, index, value, loads)) return 'ok'
  return (await by.waits.wait({ begin: by.begin, outcome: () => 'ok', isFinal: false }, terms)) ?? 'timed-out'
}

/** Whether a word that has the value has another one soon. */
function changesSoon(words: Int32Array, index: number, value: number, loads: number): boolean {
  return loads > 0 && Atomics.load(words, index) === value && spinWhile(words, index, value, loads)
}

function outcomeOf(answer: number): WordOutcome {
  return answer === ANSWER.notEqual ? 'not-equal' : 'ok'
}

function place(int32Array: unknown, index: unknown, value: unknown): [words: Int32Array, index: number, value: number] {
  // Not instanceof: an array of another realm (vm, test runners) is one all the same.
  if (!types.isInt32Array(int32Array)) throw wrongType('int32Array', 'an Int32Array over a segment (words that can be waited for have 32 bits)', int32Array)
  return [int32Array, check.integer('index', index, 0, int32Array.length - 1), check.int32('value', value)]
}
