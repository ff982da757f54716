/**
 * A process that locks: alone, or at the same time as another one from the same start.
 * Its arguments are the name of the managed segment and the path of the C addon.
 */
import { createRequire } from 'node:module'
import { nowNs, serve } from '../support/duties.js'
import { Arena, openLocks } from '../support/locks.js'
import { nanosecondsPerCall } from '../support/pairing.js'

/** Asking for the time costs more than an increment; the C probe asks as often. */
const locksAClock = 64

const [name = '', addonPath = ''] = process.argv.slice(2)
const segment = openLocks(name)
const arena = new Arena(name)
const mutex = segment.mutex('mutex')
const rwlocks = [segment.rwlock('read by all'), segment.rwlock('read by one'), segment.rwlock('read by the other')]
const lockAndUnlockInC = createRequire(import.meta.url)(addonPath) as (rounds: number) => number

function lockAndUnlock(): void {
  if (mutex.lockSync() !== 'locked') throw new Error('the lock was not simply locked')
  mutex.unlock()
}

function increment(): void {
  if (mutex.lockSync() !== 'locked') throw new Error('the lock was not simply locked')
  arena.counter += 1
  mutex.unlock()
}

/** How often `operation` ran within so long after the start. The clocks of two processes need not have the same zero. */
function countAfterStart(start: number, durationMs: number, operation: () => void): number {
  let count = 0
  while (arena.start !== start) continue
  const endsAtNs = nowNs() + durationMs * 1e6
  while (nowNs() < endsAtNs) {
    for (let round = 0; round < locksAClock; round += 1) operation()
    count += locksAClock
  }
  return count
}

await serve({
  'lock in JavaScript': (rounds = 0) => [nanosecondsPerCall(lockAndUnlock, rounds)],
  'lock in C': (rounds = 0) => [lockAndUnlockInC(rounds)],
  increment: (start = 0, durationMs = 0) => [countAfterStart(start, durationMs, increment)],
  'read lock': (start = 0, durationMs = 0, which = 0) => {
    const rwlock = rwlocks[which]
    if (rwlock === undefined) throw new RangeError(`there is no rwlock ${which}`)
    const count = countAfterStart(start, durationMs, () => {
      rwlock.readLockSync()
      rwlock.readUnlock()
    })
    return [count]
  },
})
arena.close()
segment.close()
