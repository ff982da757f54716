/** The memory in which the processes of a benchmark find the same locks, and how they act at the same time. */
import { ManagedSegment, PosixSegment } from 'shmem'
import type { Partner } from './partner.js'

/** Every process of a benchmark opens the locks the same way, whoever comes first. */
export function openLocks(name: string): ManagedSegment {
  return ManagedSegment.openOrCreate(name, { size: '4MiB' })
}

/** Memory beside the locks: a counter that the mutex guards, and the signal for a common start. */
export class Arena {
  readonly #segment: PosixSegment
  readonly #words: Int32Array

  constructor(name: string) {
    this.#segment = PosixSegment.openOrCreate(`/${name}-arena`, { size: 4096 })
    this.#words = new Int32Array(this.#segment.buffer, 0, 64)
  }

  get counter(): number {
    return this.#words[0] ?? 0
  }

  set counter(count: number) {
    this.#words[0] = count
  }

  /** The start that was given last; on a cache line of its own. */
  get start(): number {
    return Atomics.load(this.#words, 32)
  }

  giveStart(): void {
    Atomics.add(this.#words, 32, 1)
  }

  remove(): void {
    this.#segment.remove()
  }

  close(): void {
    this.#segment.close()
  }
}

/** What the partners count in the same stretch of time, each as `duty` with its own further numbers. */
export async function countTogether(
  arena: Arena,
  partners: readonly [Partner, ...number[]][],
  duty: string,
  durationMs: number,
): Promise<number[]> {
  const next = arena.start + 1
  const begun = await Promise.all(partners.map(([partner, ...numbers]) => partner.begin(duty, next, durationMs, ...numbers)))
  arena.giveStart()
  const answers = await Promise.all(begun.map(({ answer }) => answer))
  return answers.map(([count = 0]) => {
    if (count === 0) throw new Error('one process never got the lock')
    return count
  })
}
