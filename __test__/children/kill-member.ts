/**
 * A Node member of a storm (`support/kill-storm.ts`): plays a role as the Rust members do, until the book says stop or it is killed.
 * `node kill-member.js <role> <segment> <book> <position>`
 */
import { setImmediate } from 'node:timers/promises'
import { ManagedSegment, PosixSegment, type ShmError } from 'shmem'
import { playAllocator } from '../support/kill-allocator.js'
import { Book } from '../support/kill-book.js'
import { playBroadcast, playLatest } from './kill-feed.js'
import { playList } from '../support/kill-list.js'
import { playMap } from '../support/kill-map.js'
import { playRing } from '../support/kill-ring.js'
import { RING, playMany } from './kill-many.js'

const [role = '', segmentName = '', bookName = '', number = '0'] = process.argv.slice(2)
const position = Number(number)
const book = Book.open(bookName)
const segment = PosixSegment.open(segmentName)
const memory = ManagedSegment.openOrCreate(segment, { members: 64, objects: 32, memberName: `node ${position}` })
/** Not a token, so that Rust members take it for nobody's who lives. */
const mark = 0x4000_0000 | process.pid

const roles: Record<string, () => Promise<void>> = {
  mutex: playMutex,
  heir: inherit,
  allocator: () => playAllocator(memory, book, position),
  list: () => playList(memory, book, position),
  many: () => playMany(memory.ring('ring', RING), book, bookName, position),
  'ring-one': () => playRing(memory, book, position),
  latest: () => playLatest(memory, book, position),
  broadcast: () => playBroadcast(memory, book, position),
  map: () => playMap(memory, book, position)
}

await (roles[role] ?? unknown)()
memory.close()
segment.close()

async function playMutex(): Promise<void> {
  const locks = Array.from({ length: 4 }, (_, index) => memory.mutex(`lock ${index}`))
  book.write(position, 'ready', 1)
  while (!book.isStopped) {
    const index = random(locks.length)
    const lock = locks[index]
    if (lock === undefined) continue
    try {
      const terms = random(4) === 0 ? { timeoutMs: random(4) } : {}
      const got = random(3) === 0 ? await lock.lock(terms) : lock.lockSync(terms)
      if (got === 'timedOut') {
        book.count(position, 'timeouts')
        continue
      }
      take(index, got === 'ownerDied')
      if (got === 'ownerDied') lock.markConsistent()
      change(index)
      lock.unlock()
    } catch (error) {
      if ((error as ShmError).code !== 'ERR_SHM_NOT_RECOVERABLE') throw error
      if (lock.reset()) book.count(position, 'resets')
    }
    if (random(16) === 0) await setImmediate()
  }
}

/** Waits with a promise for a lock whose owner will be killed, and notes when it got it. */
async function inherit(): Promise<void> {
  const lock = memory.mutex('owned')
  book.write(position, 'ready', 1)
  book.write(position, 'waiting', 1)
  const got = await lock.lock()
  const now = process.hrtime.bigint()
  if (got === 'ownerDied') book.count(position, 'ownerDeaths')
  else book.violation(position, 'two holders')
  book.write(position, 'stampLow', Number(BigInt.asIntN(32, now)))
  book.write(position, 'stampHigh', Number(now >> 32n))
  lock.markConsistent()
  lock.unlock()
}

/** Nobody else is there; what one who died left is made whole. */
function take(index: number, ownerDied: boolean): void {
  book.count(position, 'got')
  if (ownerDied) {
    book.count(position, 'ownerDeaths')
    book.setGuarded(index, 'second', book.guarded(index, 'first'))
  } else {
    if (book.guarded(index, 'holder') !== 0) book.violation(position, 'two holders')
    if (book.guarded(index, 'first') !== book.guarded(index, 'second')) book.violation(position, 'torn')
  }
  book.setGuarded(index, 'holder', mark)
}

function change(index: number): void {
  book.setGuarded(index, 'first', book.guarded(index, 'first') + 1)
  for (let pause = random(2000); pause > 0; pause--) if (book.guarded(index, 'holder') !== mark) break
  book.setGuarded(index, 'second', book.guarded(index, 'second') + 1)
  if (book.guarded(index, 'holder') !== mark) book.violation(position, 'mark lost')
  book.setGuarded(index, 'holder', 0)
  book.count(position, 'given')
}

function random(limit: number): number {
  return Math.floor(Math.random() * limit)
}

async function unknown(): Promise<void> {
  throw new Error(`no such role: ${role}`)
}
