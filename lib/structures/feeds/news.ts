/**
 * Waiting for what a structure's one writer does: publishes, ends, or dies.
 *
 * @module
 * @internal
 */

import * as check from '../../arguments.js'
import { ShmError, wrongSize, wrongType } from '../../errors.js'
import { ANSWER } from '../../managed-layout.js'
import type { Binding } from '../../native.js'
import { beginNewsWait } from '../../waits/object-waits.js'
import { waitTerms, type AsyncWaitOptions } from '../../waits/pending.js'
import { spinLoads, spinWhile, type SpinOptions } from '../../waits/spinning.js'
import { tellDeath } from '../../tracing.js'
import { WaitQueue } from '../../waits/wait-queue.js'
import { waitInSlices, type WaitOptions } from '../../waits/waiting.js'

/** How long the writer's news may be waited for with the thread blocked. */
export type NewsSyncOptions = WaitOptions & SpinOptions
/** How long the writer's news may be waited for with a promise. */
export type NewsOptions = AsyncWaitOptions & SpinOptions

/** What a reader waits with. */
export interface NewsSource<Value> {
  object: Binding.NativeObject
  words: Int32Array
  /** Tries at once. */
  attempt(): Value | 'ended' | undefined
  /** Index of the word that its last attempt found wanting, and what it was. */
  watched(): number
  seen(): number
}

/** The waits of one reader. */
export class NewsWait<Value> {
  readonly #source: NewsSource<Value>
  readonly #queue: WaitQueue<Value | 'ended' | 'writerDied'>
  /** The token of the writer whose death was told. */
  #mourned = 0

  constructor(source: NewsSource<Value>) {
    this.#source = source
    const { object } = source
    this.#queue = new WaitQueue<Value | 'ended' | 'writerDied'>({
      object,
      operation: -1,
      argument: () => 0,
      begin: ended => beginNewsWait(object, source.watched() * 4, source.seen(), this.#mourned, ended),
      attempt: () => source.attempt(),
      outcome: answer => this.#outcome(answer),
      all: false,
      blocked: () => false
    })
  }

  sync(options: NewsSyncOptions | undefined): Value | 'ended' | 'timedOut' | 'writerDied' {
    const { timeoutMs, spinMicros } = check.options<NewsSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
    const timeout = check.timeout('options.timeoutMs', timeoutMs)
    const loads = spinLoads(spinMicros)
    const source = this.#source
    let got: Value | 'ended' | 'writerDied' | undefined = source.attempt()
    if (got !== undefined) return got
    if (timeout > 0 && spinWhile(source.words, source.watched(), source.seen() | 0, loads)) got = source.attempt()
    if (got !== undefined) return got
    // A promise of this reader waits behind this call.
    this.#queue.pause()
    try {
      waitInSlices(timeout, sliceMs => {
        const answer = source.object.waitForNews(source.watched() * 4, source.seen() >>> 0, this.#mourned, sliceMs)
        if (answer !== ANSWER.notYet) got = this.#outcome(answer) ?? source.attempt()
        return got !== undefined
      }, source.object)
      return got ?? 'timedOut'
    } finally {
      this.#queue.advance()
    }
  }

  async promise(options: NewsOptions | undefined): Promise<Value | 'ended' | 'timedOut' | 'writerDied'> {
    const terms = waitTerms(options, ['spinMicros'])
    const loads = spinLoads(options?.spinMicros)
    const source = this.#source
    if (this.#queue.length === 0) {
      let got = source.attempt()
      if (got !== undefined) return got
      if (terms.timeoutMs === 0) return 'timedOut'
      if (spinWhile(source.words, source.watched(), source.seen() | 0, loads)) got = source.attempt()
      if (got !== undefined) return got
    }
    return this.#queue.wait(terms)
  }

  /** Rejects all. */
  end(reason: () => unknown): void {
    this.#queue.end(reason)
  }

  /** News are to be fetched; a death is told once. */
  #outcome(answer: number): 'writerDied' | undefined {
    if (answer !== ANSWER.ownerDied) return undefined
    this.#mourned = this.#source.object.deadWriter()
    tellDeath(this.#source.object, 'writerDied')
    return 'writerDied'
  }
}

/** The values of an endless wait, one after the other, until the writer ends. */
export async function* each<Value>(what: string, next: () => Promise<Value | 'ended' | 'timedOut' | 'writerDied'>): AsyncGenerator<Value, void, undefined> {
  for (;;) {
    const value = await next()
    if (value === 'ended' || value === 'timedOut') return
    if (value === 'writerDied') throw new ShmError({ code: 'ERR_SHM_WRITER_DIED', message: `the writer of ${what} died` })
    yield value as Value
  }
}

/** Room for so many bytes. */
export function room(name: string, value: Uint8Array, least: number): Uint8Array {
  if (!(value instanceof Uint8Array)) throw wrongType(name, 'a Uint8Array', value)
  if (value.byteLength < least) throw wrongSize(name, `at least ${least} bytes`, `${value.byteLength} bytes`)
  return value
}
