/**
 * A Node member at one end of a ring under the kill tests: what `crate/core/src/bin/member/ring_one.rs` does, with the same messages and the same book.
 */
import { setImmediate } from 'node:timers/promises'
import type { Consumer, ManagedSegment, Producer, ShmError } from 'shmem'
import type { Book } from './kill-book.js'

const SLOT_BYTES = 200
const WORDS = SLOT_BYTES / 4

/** Plays until the book says stop, or it is killed. */
export async function playRing(memory: ManagedSegment, book: Book, position: number): Promise<void> {
  const ring = memory.ring('ring', { slots: 8, slotBytes: SLOT_BYTES })
  book.write(position, 'ready', 1)
  const turn = position % 2 === 0 ? sendSome : receiveSome
  while (!book.isStopped) {
    await turn(ring, memory, book, position)
    await setImmediate()
  }
}

type RingOf = ReturnType<ManagedSegment['ring']>

/** How many this process has sent. */
let messages = 0

async function sendSome(ring: RingOf, memory: ManagedSegment, book: Book, position: number): Promise<void> {
  const out = free(() => ring.producer())
  if (out === undefined) return
  enter(memory, book, position, 1)
  const mark = memory.self?.tid ?? 0
  for (let left = 1 + random(40); left > 0 && !book.isStopped; left--) {
    if (!(await sendOne(out, ring, book, position, mark, messages))) break
    messages += 1
  }
  book.setGuarded(1, 'holder', 0)
  out.close()
}

async function sendOne(out: Producer, ring: RingOf, book: Book, position: number, sender: number, number: number): Promise<boolean> {
  // Nobody else sends meanwhile: as many as were sent is the position of the next one.
  const words = messageOf(ring.stats().sent >>> 0, sender, number)
  const dice = random(6)
  if (dice < 2) {
    const slot = out.claim()
    if (slot !== undefined && random(8) === 0) {
      slot.i32.fill(-1)
      out.abort()
    } else if (slot !== undefined) {
      slot.u32.set(words)
      out.commit()
      book.count(position, 'given')
      return true
    }
  }
  for (;;) {
    const bytes = new Uint8Array(words.buffer)
    const terms = random(4) === 0 ? { timeoutMs: random(3) } : {}
    book.write(position, 'waiting', 1)
    const sent = dice < 4 ? out.sendSync(bytes, terms) : await out.send(bytes, terms)
    book.write(position, 'waiting', 0)
    if (sent === 'sent') book.count(position, 'given')
    if (sent === 'timedOut') book.count(position, 'timeouts')
    if (sent !== 'peerDied') return sent === 'sent'
    book.count(position, 'ownerDeaths')
  }
}

async function receiveSome(ring: RingOf, memory: ManagedSegment, book: Book, position: number): Promise<void> {
  const input = free(() => ring.consumer())
  if (input === undefined) return
  enter(memory, book, position, 0)
  const seen = new Seen(book, position)
  for (let left = 1 + random(40); left > 0 && !book.isStopped; left--) if (!(await receiveOne(input, ring, book, position, seen))) break
  book.setGuarded(0, 'holder', 0)
  input.close()
}

async function receiveOne(input: Consumer, ring: RingOf, book: Book, position: number, seen: Seen): Promise<boolean> {
  const dice = random(6)
  const at = ring.stats().received >>> 0
  if (dice < 2) {
    const count = input.drain(1 + random(4), (slot, length) => seen.check((at + seen.drained) >>> 0, slot.u32.slice(0, length / 4)))
    seen.drained = 0
    if (count > 0) return true
  }
  for (;;) {
    const terms = random(4) === 0 ? { timeoutMs: random(3) } : {}
    book.write(position, 'waiting', 1)
    const message = dice < 4 ? input.receiveSync(terms) : await input.receive(terms)
    book.write(position, 'waiting', 0)
    if (typeof message !== 'string') {
      seen.check(at, new Uint32Array(message.buffer, message.byteOffset, message.byteLength / 4))
      seen.drained = 0
      return true
    }
    if (message === 'timedOut') book.count(position, 'timeouts')
    if (message !== 'peerDied') return false
    book.count(position, 'ownerDeaths')
  }
}

/** What a consumer checks, with what it and those before it wrote down. */
class Seen {
  drained = 0
  #isFirst = true
  readonly #book: Book
  readonly #position: number

  constructor(book: Book, position: number) {
    this.#book = book
    this.#position = position
  }

  check(at: number, words: Uint32Array): void {
    const book = this.#book
    this.drained += 1
    const [said = 0, sender = 0, number = 0] = words
    const expected = messageOf(said, sender, number)
    if (said !== at || words.length !== WORDS || words.some((word, index) => word !== expected[index])) book.violation(this.#position, 'torn')
    const gap = (at - book.guarded(0, 'first')) | 0
    // Others took these, and died before they wrote that down: one each, as the test counts.
    if (gap > 0 && this.#isFirst) for (let lost = gap; lost > 0; lost--) book.count(this.#position, 'resets')
    else if (gap !== 0) book.violation(this.#position, gap < 0 ? 'came twice' : 'ticket lost')
    const ahead = (number - book.guarded(0, 'broken') - 1) | 0
    if (!this.#isFirst && sender === book.guarded(0, 'second') >>> 0 && ahead !== 0) book.violation(this.#position, ahead < 0 ? 'came twice' : 'ticket lost')
    this.#isFirst = false
    book.setGuarded(0, 'first', at + 1)
    book.setGuarded(0, 'second', sender)
    book.setGuarded(0, 'broken', number)
    book.count(this.#position, 'got')
  }
}

function messageOf(position: number, sender: number, number: number): Uint32Array {
  const words = new Uint32Array(WORDS)
  let mixed = position ^ rotate(sender, 7) ^ rotate(number, 19)
  for (let index = 0; index < WORDS; index++) {
    mixed = rotate(Math.imul(mixed, 0x9e3779b1), 13)
    words[index] = index === 0 ? position : index === 1 ? sender : index === 2 ? number : mixed
  }
  return words
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

/** The end, or nothing where another has it. */
function free<End>(take: () => End): End | undefined {
  try {
    return take()
  } catch (error) {
    if (!(error as ShmError).code.endsWith('_TAKEN')) throw error
    return undefined
  }
}

/** Not a token, so that Rust members take it for nobody's who lives. */
function enter(memory: ManagedSegment, book: Book, position: number, end: number): void {
  const holder = book.guarded(end, 'holder')
  const isNode = (holder & 0x4000_0000) !== 0
  if (isNode && memory.members.some(member => member.alive && member.pid === (holder & 0x3fff_ffff))) book.violation(position, 'two holders')
  book.setGuarded(end, 'holder', 0x4000_0000 | process.pid)
}

function random(limit: number): number {
  return Math.floor(Math.random() * limit)
}
