/**
 * The book of the kill tests, as `crate/core/src/bin/member/book.rs` draws it: a plain shared object in which the processes count and mark,
 * and which the parent reads.
 */
import { PosixSegment } from 'shmem'

const LINE = 32
const LINES = 30
const ROWS = 1
const GUARDED = 17
const QUEUE = 28

/** Keys of a position in a map, and their words in its row. */
export const KEYS = 4
const KEY = 16

/** Positions that processes can have. */
export const POSITIONS = 16
/** The last: for those who come afterwards. */
export const LAST_POSITION = POSITIONS - 1

/** The words of a row, by their place. */
export const COUNT = { ready: 0, got: 1, ownerDeaths: 2, timeouts: 3, violations: 4, violation: 5, given: 6, taken: 7, resets: 8, waiting: 9, stampLow: 10, stampHigh: 11 } as const
export type Count = keyof typeof COUNT

/** What must never be seen, by its number. */
export const VIOLATION = [
  '', 'two holders', 'torn', 'mark lost', 'false death', 'reader beside writer', 'changed under reader', 'too many holders', 'ticket lost', 'phase not ended', 'objects overlap',
  'entry lost', 'came twice', 'out of order', 'went back', 'not counted'
] as const

export const GUARD = { holder: 0, first: 1, second: 2, broken: 3 } as const

/** See the module. */
export class Book {
  readonly #segment: PosixSegment
  readonly #words: Int32Array

  private constructor(segment: PosixSegment) {
    this.#segment = segment
    this.#words = new Int32Array(segment.buffer)
  }

  static create(name: string): Book {
    return new Book(PosixSegment.create(name, { size: LINES * LINE * 4 }))
  }

  static open(name: string): Book {
    return new Book(PosixSegment.open(name))
  }

  get isStopped(): boolean {
    return Atomics.load(this.#words, 0) !== 0
  }

  /** All shall come to their end. */
  stop(): void {
    Atomics.store(this.#words, 0, 1)
  }

  /** A quiet round begins. */
  go(): void {
    Atomics.store(this.#words, 1, 1)
  }

  goOn(): void {
    Atomics.store(this.#words, 0, 0)
  }

  /** The quiet round begins. */
  begin(): void {
    Atomics.store(this.#words, 1, 1)
  }

  /** All have come to their end. */
  setGone(gone: boolean): void {
    Atomics.store(this.#words, 2, Number(gone))
  }

  read(position: number, count: Count): number {
    return Atomics.load(this.#words, this.#row(position, count)) >>> 0
  }

  write(position: number, count: Count, value: number): void {
    Atomics.store(this.#words, this.#row(position, count), value)
  }

  count(position: number, count: Count): void {
    Atomics.add(this.#words, this.#row(position, count), 1)
  }

  violation(position: number, violation: (typeof VIOLATION)[number]): void {
    Atomics.compareExchange(this.#words, this.#row(position, 'violation'), 0, VIOLATION.indexOf(violation))
    this.count(position, 'violations')
  }

  sum(count: Count): number {
    let sum = 0
    for (let position = 0; position < POSITIONS; position++) sum += this.read(position, count)
    return sum
  }

  /** The first violation of each position that saw one. */
  get violations(): string[] {
    const numbers = Array.from({ length: POSITIONS }, (_, position) => this.read(position, 'violation'))
    return numbers.flatMap((number, position) => (number === 0 ? [] : [`position ${position}: ${VIOLATION[number]}`]))
  }

  guarded(lock: number, word: keyof typeof GUARD): number {
    return Atomics.load(this.#words, this.#guard(lock, word))
  }

  setGuarded(lock: number, word: keyof typeof GUARD, value: number): void {
    Atomics.store(this.#words, this.#guard(lock, word), value)
  }

  /** Of a key in a map: the number of the state that was intended last, and of that which was told to be done. */
  entry(position: number, key: number): { intended: number; told: number } {
    const first = (ROWS + position) * LINE + KEY + 2 * key
    return { intended: Atomics.load(this.#words, first) >>> 0, told: Atomics.load(this.#words, first + 1) >>> 0 }
  }

  setEntry(position: number, key: number, word: 'intended' | 'told', value: number): void {
    Atomics.store(this.#words, (ROWS + position) * LINE + KEY + 2 * key + (word === 'told' ? 1 : 0), value)
  }

  get head(): number {
    return Atomics.load(this.#words, QUEUE * LINE) >>> 0
  }

  get tail(): number {
    return Atomics.load(this.#words, QUEUE * LINE + 1) >>> 0
  }

  close(): void {
    this.#segment.close()
  }

  #row(position: number, count: Count): number {
    return (ROWS + position) * LINE + COUNT[count]
  }

  #guard(lock: number, word: keyof typeof GUARD): number {
    return (GUARDED + lock) * LINE + GUARD[word]
  }
}
