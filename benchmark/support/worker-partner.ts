/**
 * The other side of a comparison with `postMessage`: a program of `benchmark/children` in a worker thread of this process, which carries out one duty
 * at a time, as a `Partner` does. What is posted beside the duties is for the duty that runs.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** What the thread hears: a duty with its numbers, or what the duty waits for. */
export type ToWorker = { duty: string; numbers: number[] } | Uint32Array
/** And what it says: that it begins, and what came of it; or what the duty sends. */
export type FromWorker = 'begun' | { answer: number[] } | Uint32Array

export class WorkerPartner {
  readonly #worker: Worker
  readonly #death: Promise<never>
  #onWords: (words: Uint32Array) => void = () => {}
  #onBegun: () => void = () => {}
  #onAnswer: (answer: number[]) => void = () => {}

  constructor(name: string) {
    this.#worker = new Worker(new URL(`../children/${name}.js`, import.meta.url))
    this.#death = once(this.#worker, 'exit').then(() => {
      throw new Error(`the worker ${name} ended early`)
    })
    this.#death.catch(() => {})
    this.#worker.on('message', (message: FromWorker) => {
      if (message instanceof Uint32Array) this.#onWords(message)
      else if (message === 'begun') this.#onBegun()
      else this.#onAnswer(message.answer)
    })
  }

  async begin(duty: string, ...numbers: number[]): Promise<{ answer: Promise<number[]> }> {
    const begun = new Promise<void>((resolve) => (this.#onBegun = resolve))
    const answer = new Promise<number[]>((resolve) => (this.#onAnswer = resolve))
    this.#worker.postMessage({ duty, numbers } satisfies ToWorker)
    await this.whileAlive(begun)
    return { answer: this.whileAlive(answer) }
  }

  /** A copy of the words goes to the thread. */
  post(words: Uint32Array): void {
    this.#worker.postMessage(words)
  }

  /** Calls back for what the duty sends, until another listener takes its place. */
  listen(onWords: (words: Uint32Array) => void): void {
    this.#onWords = onWords
  }

  whileAlive<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#death])
  }

  close(): void {
    void this.#worker.terminate()
  }
}
