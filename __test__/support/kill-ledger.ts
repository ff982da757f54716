/**
 * What became of every message of a ring in a storm, as `crate/core/src/bin/member/ledger.rs` draws it: a sparse shared object beside the book.
 */
import type { ExecutionContext } from 'ava'
import { PosixSegment } from 'shmem'

/** Messages of one sender. */
export const MESSAGES = 1 << 16
const FIRST = 4096 / 4
const STRIDE = (64 + MESSAGES / 8) / 4

/** Makes the ledger of a storm; it goes with its test. */
export function createLedger(t: ExecutionContext<unknown>, book: string, kills: number): void {
  // A life of a producer each, and the long lives of those who are left.
  const senders = 2 * kills + 4096
  const segment = PosixSegment.create(`${book}.ledger`, { size: 4 * (FIRST + senders * STRIDE) })
  t.teardown(() => {
    segment.remove()
    segment.close()
  })
}

/** See the module. */
export class Ledger {
  readonly #words: Int32Array
  readonly #senders: number

  constructor(book: string) {
    this.#words = new Int32Array(PosixSegment.open(`${book}.ledger`).buffer)
    this.#senders = Math.floor((this.#words.length - FIRST) / STRIDE)
  }

  /** A sender of one's own; none when the ledger is full. */
  sender(): number | undefined {
    const sender = Atomics.add(this.#words, 0, 1)
    return sender < this.#senders ? sender : undefined
  }

  begin(sender: number, number: number): void {
    Atomics.store(this.#words, this.#at(sender), number + 1)
  }

  commit(sender: number, number: number): void {
    Atomics.store(this.#words, this.#at(sender) + 1, number + 1)
  }

  /** Somebody got the message. Answers whether it was the first. */
  mark(sender: number, number: number): boolean {
    const bit = 1 << (number & 31)
    return (Atomics.or(this.#words, this.#at(sender) + 16 + (number >>> 5), bit) & bit) === 0
  }

  /** Whether there can be such a message. */
  has(sender: number, number: number): boolean {
    return sender >= 0 && sender < this.#senders && number >= 0 && number < MESSAGES
  }

  #at(sender: number): number {
    return FIRST + sender * STRIDE
  }
}
