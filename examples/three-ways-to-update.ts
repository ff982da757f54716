/**
 * Three ways to update many fields at once, so that a reader in another process never sees half of an update, and no lock is taken: a version number
 * around the record, two records in turns, and a pointer that is swapped to a new copy. A run without any of them shows what they are for.
 *
 * A child process writes, the parent reads meanwhile and looks whether all fields of what it read belong together.
 *
 *     npm run build && node dist/examples/three-ways-to-update.js
 *
 * A run that was killed leaves /dev/shm/shmem-three-ways-<its pid> behind.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment, array, atomicU32, cacheLine, f64, offset, struct, text, u32, type StructView } from 'shmem'

const UPDATES = 30_000

/** All fields follow from the number. */
const Quote = struct({ number: u32, bid: f64, ask: f64, symbol: text(16), depth: array(f64, 16) })
type QuoteView = StructView<typeof Quote>

interface Way {
  name: string
  /** Writes a quote; called by one process only. */
  write(number: number): void
  /** Answers a copy of a quote. */
  read(): QuoteCopy
}

interface QuoteCopy {
  number: number
  isWhole: boolean
}

/** Nothing is done about it. */
function unprotected(segment: PosixSegment): Way {
  const quote = Quote.at(segment, 0)
  return { name: 'without any care', write: number => fill(quote, number), read: () => copyOf(quote) }
}

/** A version number, odd while the record changes: a reader that saw it odd, or changed, reads again. A writer that dies in between leaves it odd. */
function versionNumber(segment: PosixSegment): Way {
  const { version, quote } = struct({ version: atomicU32, line: cacheLine(), quote: Quote }).at(segment, 1024)
  return {
    name: 'version-numbered record',
    write(number) {
      version.add(1)
      fill(quote, number)
      version.add(1)
    },
    read() {
      for (;;) {
        const before = version.load()
        // On arm64 the reads of the copy may move below the next load of the version: there, SeqLock is the way.
        const copy = copyOf(quote)
        if (before % 2 === 0 && version.load() === before) return copy
      }
    }
  }
}

/** Two records: the writer fills the one that readers do not look at, then counts. A whole record is there at any time, also if the writer dies. */
function doubleBuffer(segment: PosixSegment): Way {
  const { count, quotes } = struct({ count: atomicU32, line: cacheLine(), quotes: array(Quote, 2) }).at(segment, 2048)
  return {
    name: 'double buffer',
    write(number) {
      const next = count.load() + 1
      fill(at(quotes, next % 2), number)
      count.store(next)
    },
    read() {
      for (;;) {
        const before = count.load()
        const copy = copyOf(at(quotes, before % 2))
        // Once it counted, the writer may come to this record again.
        if (count.load() === before) return copy
      }
    }
  }
}

/** A pointer to the current record: the writer fills one that nobody looks at, and swaps. A reader says which one it looks at, and may take its time. */
function copyOnWrite(segment: PosixSegment): Way {
  const { current, read, quotes } = struct({ current: offset(Quote), read: offset(Quote), line: cacheLine(), quotes: array(Quote, 3) }).at(segment, 4096)
  const offsets = quotes.map(quote => Quote.byteOffsetOf(quote))
  return {
    name: 'swap of an offset',
    write(number) {
      // Each looked at once: the reader goes on meanwhile.
      const [newest, inUse] = [current.offset, read.offset]
      const free = offsets.findIndex(place => place !== newest && place !== inUse)
      fill(at(quotes, free), number)
      current.target = at(quotes, free)
    },
    read() {
      // Said first, then looked again: if it is still the current one, the writer has seen what was said, or will.
      do read.offset = current.offset
      while (read.offset !== current.offset)
      const quote = read.target
      const copy = quote === undefined ? { number: 0, isWhole: true } : copyOf(quote)
      read.offset = 0
      return copy
    }
  }
}

const ways = [unprotected, versionNumber, doubleBuffer, copyOnWrite]

async function parent(name: string): Promise<void> {
  const segment = PosixSegment.create(name, { size: 8192 })
  try {
    for (const [index, way] of ways.entries()) {
      const ended = once(fork(import.meta.filename, [name, String(index)]), 'exit')
      console.log(watch(way(segment)))
      const [code] = await ended
      if (code !== 0) throw new Error(`the child ended with ${code}`)
    }
  } finally {
    segment.close()
    segment.remove()
  }
}

/** Reads until the last update is there. */
function watch(way: Way): string {
  const deadline = Date.now() + 30_000
  let [torn, seen, last] = [0, 0, 0]
  for (let isLast = false; !isLast; ) {
    const { number, isWhole } = way.read()
    if (number !== last) seen += 1
    if (!isWhole) torn += 1
    last = number
    isLast = isWhole && number === UPDATES
    if (Date.now() > deadline) throw new Error('the writer is gone')
  }
  return `${way.name}: ${seen} of ${UPDATES} quotes were seen, ${torn === 0 ? 'none of them torn' : `and ${torn} reads were torn`}`
}

function child(name: string, index: number): void {
  const segment = PosixSegment.open(name)
  try {
    const way = at(ways, index)(segment)
    for (let number = 1; number <= UPDATES; number += 1) {
      way.write(number)
      if (number % 1000 === 0) sleep(1)
    }
  } finally {
    segment.close()
  }
}

function fill(quote: QuoteView, number: number): void {
  quote.number = number
  quote.bid = number
  // Now and then a process is interrupted just here; so that it is seen on every machine, it sleeps.
  if (number % 1000 === 500) sleep(5)
  quote.ask = number + 1
  quote.symbol = `N${number}`
  for (let level = 0; level < quote.depth.length; level += 1) quote.depth[level] = number + level
}

function copyOf(quote: QuoteView): QuoteCopy {
  const { number, bid, ask, symbol } = quote
  const isFirst = number === 0 && symbol === ''
  const isWhole = bid === number && ask === number + 1 && symbol === `N${number}` && quote.depth.every((depth, level) => depth === number + level)
  return { number, isWhole: isFirst || isWhole }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index]
  if (item === undefined) throw new RangeError(`nothing at ${index}`)
  return item
}

const [, , name, index] = process.argv
if (name === undefined) await parent(`/shmem-three-ways-${process.pid}`)
else child(name, Number(index))
