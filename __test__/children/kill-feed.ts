/**
 * Node members of a storm over a latest or a broadcast, as the Rust members play it (`crate/core/src/bin/member/latest.rs`, `broadcast.rs`): even positions
 * write, odd ones read. Every word of what is sent is its version, or its position.
 */
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { BroadcastWriter, LatestReader, LatestWriter, ManagedSegment, ShmError } from 'shmem'
import type { Book } from '../support/kill-book.js'

const BYTES = 512

export async function playLatest(memory: ManagedSegment, book: Book, position: number): Promise<void> {
  const latest = memory.latest('latest', { bytes: BYTES, readers: 12 })
  book.write(position, 'ready', 1)
  for (;;) {
    if (position % 2 === 0) {
      if (book.isStopped) return
      const out = unless(() => latest.writer(), 'ERR_SHM_WRITER_TAKEN')
      if (out !== undefined) await writeLatest(book, position, out)
    } else {
      const input = unless(() => latest.reader(), 'ERR_SHM_READERS_FULL')
      if (input !== undefined && (await readLatest(book, position, input))) return
    }
    await setTimeout(random(2))
  }
}

async function writeLatest(book: Book, position: number, out: LatestWriter): Promise<void> {
  for (let turns = 1 + random(200); turns > 0 && !book.isStopped; turns--) {
    if (random(2) === 0) out.write(filled(out.version + 1))
    else {
      // Where it lies, word by word, so that a kill comes in the middle.
      const view = out.begin()
      const words = new Uint32Array(view.buffer, view.byteOffset, 1 + random(BYTES / 4))
      for (let index = 0; index < words.length; index++) words[index] = out.version + 1
      out.publish(words.byteLength)
    }
    book.count(position, 'given')
    if (random(16) === 0) await setImmediate()
  }
  // Who sat down behind the closer took back what that one had said: that nothing follows.
  if (book.isStopped || random(4) === 0) out.end()
  else out.close()
}

/** Answers whether it has come to the end of the storm. */
async function readLatest(book: Book, position: number, input: LatestReader): Promise<boolean> {
  let last = 0
  const check = (value: Uint8Array): void => {
    if (!isWhole(value, input.version)) book.violation(position, 'torn')
    if (input.version < last) book.violation(position, 'went back')
    last = input.version
    book.count(position, 'got')
  }
  try {
    for (;;) {
      if (!book.isStopped && random(64) === 0) return false
      if (random(3) === 0) {
        const view = input.view()
        if (view !== undefined) check(view)
        continue
      }
      const terms = { timeoutMs: random(3) }
      const got = random(2) === 0 ? await input.next(terms) : input.nextSync(terms)
      if (typeof got !== 'string') check(got)
      else if (got === 'writerDied') book.count(position, 'ownerDeaths')
      else if (got === 'timedOut') book.count(position, 'timeouts')
      else if (book.isStopped && input.view() !== undefined && input.version >>> 0 === book.tail) return true
      else await setTimeout(1)
    }
  } finally {
    input.close()
  }
}

export async function playBroadcast(memory: ManagedSegment, book: Book, position: number): Promise<void> {
  const broadcast = memory.broadcast('broadcast', { slots: 16, slotBytes: BYTES })
  if (position % 2 === 0) {
    book.write(position, 'ready', 1)
    while (!book.isStopped) {
      const out = unless(() => broadcast.writer(), 'ERR_SHM_WRITER_TAKEN')
      if (out !== undefined) await send(book, position, out)
      await setTimeout(random(2))
    }
    return
  }
  const input = broadcast.reader({ from: (['next', 'newest', 'oldest'] as const)[random(3)] ?? 'next' })
  const begun = input.position
  book.write(position, 'ready', 1)
  for (;;) {
    const before = input.position
    const terms = { timeoutMs: random(3) }
    const got = random(2) === 0 ? await input.receive(terms) : input.receiveSync(terms)
    if (typeof got !== 'string') {
      if (!isWhole(got, input.position - 1)) book.violation(position, 'torn')
      if (begun + input.received + input.lost !== input.position || input.position - 1 < before + input.skipped) book.violation(position, 'not counted')
      book.count(position, 'got')
    } else if (got === 'writerDied') book.count(position, 'ownerDeaths')
    else if (got === 'timedOut') book.count(position, 'timeouts')
    else if (book.isStopped && book.tail !== 0 && (begun + input.received + input.lost) >>> 0 === book.tail) return
    else await setTimeout(1)
  }
}

async function send(book: Book, position: number, out: BroadcastWriter): Promise<void> {
  for (let turns = 1 + random(200); turns > 0 && !book.isStopped; turns--) {
    if (random(2) === 0) out.send(filled(out.sent))
    else {
      const view = out.claim()
      const words = new Uint32Array(view.buffer, view.byteOffset, 1 + random(BYTES / 4))
      for (let index = 0; index < words.length; index++) words[index] = out.sent
      out.commit(words.byteLength)
    }
    book.count(position, 'given')
    if (random(16) === 0) await setImmediate()
  }
  // Who sat down behind the closer took back what that one had said: that nothing follows.
  if (book.isStopped || random(4) === 0) out.end()
  else out.close()
}

function unless<Made>(make: () => Made, code: string): Made | undefined {
  try {
    return make()
  } catch (error) {
    if ((error as ShmError).code !== code) throw error
    return undefined
  }
}

function filled(number: number): Uint8Array {
  return new Uint8Array(new Uint32Array(1 + random(BYTES / 4)).fill(number).buffer)
}

function isWhole(value: Uint8Array, number: number): boolean {
  // A view of shared memory or a Buffer of its own: both begin at a multiple of 4.
  const words = new Uint32Array(value.buffer, value.byteOffset, value.byteLength / 4)
  return words.length > 0 && words.every(word => word === number >>> 0)
}

function random(limit: number): number {
  return Math.floor(Math.random() * limit)
}
