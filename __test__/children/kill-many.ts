/**
 * The role of a ring of many, for `kill-member.ts`: as `crate/core/src/bin/member/many.rs` plays it.
 */
import { setImmediate } from 'node:timers/promises'
import type { ManagedSegment } from 'shmem'
import type { Book } from '../support/kill-book.js'
import { Ledger, MESSAGES } from '../support/kill-ledger.js'
import { MESSAGE_BYTES, isWhole, writeMessage } from '../support/many-message.js'

type Ring = ReturnType<ManagedSegment['ring']>
type RingOptions = Parameters<ManagedSegment['ring']>[1]

/** As the Rust members' default has it. */
export const RING: RingOptions = { slots: 4, slotBytes: MESSAGE_BYTES, producers: 'many', consumers: 'many' }

/** Even positions send, odd ones receive, until the book says stop. */
export async function playMany(ring: Ring, book: Book, bookName: string, position: number): Promise<void> {
  const ledger = new Ledger(bookName)
  if (position % 2 === 0) await send(ring, book, ledger, position)
  else await receive(ring, book, ledger, position)
}

async function send(ring: Ring, book: Book, ledger: Ledger, position: number): Promise<void> {
  const output = ring.producer()
  const bytes = new Uint8Array(MESSAGE_BYTES)
  const words = new Int32Array(bytes.buffer)
  const slots = output.memory.i32
  const stride = output.memory.strideBytes / 4
  book.write(position, 'ready', 1)
  for (let sender = ledger.sender(), number = 0; !book.isStopped && sender !== undefined; ) {
    if (number === MESSAGES) {
      sender = ledger.sender()
      number = 0
      continue
    }
    let isSent: boolean
    if (random(3) === 0) {
      const index = output.claimIndex()
      isSent = index >= 0
      if (isSent) {
        writeMessage(slots, index * stride, sender, number)
        if (random(8) === 0) {
          output.abort()
          continue
        }
        ledger.begin(sender, number)
        output.commit()
      }
    } else {
      writeMessage(words, 0, sender, number)
      ledger.begin(sender, number)
      const terms = random(4) === 0 ? { timeoutMs: random(4) } : {}
      const sent = random(4) === 0 ? await output.send(bytes, terms) : output.sendSync(bytes, terms)
      if (sent === 'ended') return
      if (sent === 'timedOut') book.count(position, 'timeouts')
      isSent = sent === 'sent'
    }
    if (isSent) {
      ledger.commit(sender, number)
      book.count(position, 'given')
      number += 1
    }
    if (random(16) === 0) await setImmediate()
  }
}

async function receive(ring: Ring, book: Book, ledger: Ledger, position: number): Promise<void> {
  const input = ring.consumer()
  const slots = input.memory.i32
  const stride = input.memory.strideBytes / 4
  const last = new Map<number, number>()
  book.write(position, 'ready', 1)
  for (;;) {
    if (random(2) === 0) {
      const index = input.takeIndex()
      if (index >= 0) {
        note(slots, index * stride)
        input.release()
        continue
      }
    }
    const terms = random(4) === 0 ? { timeoutMs: random(4) } : {}
    const message = random(4) === 0 ? await input.receive(terms) : input.receiveSync(terms)
    if (message === 'ended') return
    if (typeof message === 'string') book.count(position, 'timeouts')
    else note(new Int32Array(message.buffer, message.byteOffset, message.length / 4), 0)
    if (random(16) === 0) await setImmediate()
  }

  function note(words: Int32Array, at: number): void {
    const sender = words[at] as number
    const number = words[at + 1] as number
    if (!isWhole(words, at) || !ledger.has(sender, number)) {
      book.violation(position, 'torn')
      return
    }
    if (!ledger.mark(sender, number)) book.violation(position, 'came twice')
    if (number <= (last.get(sender) ?? -1)) book.violation(position, 'out of order')
    last.set(sender, number)
    book.count(position, 'got')
  }
}

function random(limit: number): number {
  return Math.floor(Math.random() * limit)
}
