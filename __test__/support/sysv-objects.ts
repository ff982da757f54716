/**
 * System V objects of tests: keys that nobody else uses, and removal at the end of the test whatever happened.
 */
import { randomInt } from 'node:crypto'
import type { ExecutionContext } from 'ava'
import { IPC_PRIVATE, SysvSegment, SysvSemaphoreSet, type SysvCreateOptions, type SemaphoreSetCreateOptions } from 'shmem'
import { IPC_RMID, IPC_STAT, semctl, shmctl } from 'shmem/sysv'

type Test = ExecutionContext<unknown>

/** A key out of 2^31: two tests meet by accident in fewer than one of a million runs. */
export function uniqueKey(): number {
  return randomInt(1, 2 ** 31)
}

/** Creates a segment that is closed and removed at the end. */
export function newSegment(t: Test, key: number, options: SysvCreateOptions): SysvSegment {
  return segmentOf(t, SysvSegment.create(key, options))
}

/** A segment that the kernel removes with its last user, so that a test that is killed leaves nothing. */
export function passingSegment(t: Test, size: number): SysvSegment {
  return newSegment(t, IPC_PRIVATE, { size, removeOnLastDetach: true })
}

/** Closes and removes it at the end. */
export function segmentOf(t: Test, segment: SysvSegment): SysvSegment {
  t.teardown(() => {
    // A failed test may have left a lock held in it, and then it does not close.
    try {
      segment.close()
    } finally {
      forget(() => shmctl(segment.id, IPC_RMID))
    }
  })
  return segment
}

/** Removes the segment with this identifier at the end. */
export function segmentId(t: Test, id: number): number {
  t.teardown(() => forget(() => shmctl(id, IPC_RMID)))
  return id
}

/** Creates a semaphore set that is removed at the end. */
export function newSet(t: Test, key: number, options: SemaphoreSetCreateOptions): SysvSemaphoreSet {
  const set = SysvSemaphoreSet.create(key, options)
  setId(t, set.id)
  return set
}

/** Removes the semaphore set with this identifier at the end. */
export function setId(t: Test, id: number): number {
  t.teardown(() => forget(() => semctl(id, 0, IPC_RMID)))
  return id
}

/** Whether a segment with this identifier exists, readable or not. */
export function segmentExists(id: number): boolean {
  return exists(() => shmctl(id, IPC_STAT))
}

/** Whether a semaphore set with this identifier exists, readable or not. */
export function setExists(id: number): boolean {
  return exists(() => semctl(id, 0, IPC_STAT))
}

function exists(look: () => unknown): boolean {
  try {
    look()
    return true
  } catch (error) {
    return !gone(error)
  }
}

/** What the test removed itself is no failure. */
function forget(remove: () => unknown): void {
  try {
    remove()
  } catch (error) {
    if (!gone(error)) throw error
  }
}

function gone(error: unknown): boolean {
  return ['EINVAL', 'EIDRM'].includes((error as { code?: string }).code ?? '')
}
