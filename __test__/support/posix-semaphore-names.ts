/**
 * POSIX semaphores of tests: names that nobody else uses, removed at the end of the test whatever happened.
 */
import { readFileSync, rmSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { PosixSemaphore, type PosixSemaphoreCreateOptions } from 'shmem'

type Test = ExecutionContext<unknown>

let count = 0

/** A new name; whatever bears it at the end of the test is removed. */
export function semaphoreName(t: Test): string {
  const name = `/shmem-test-${process.pid}-sem-${count++}`
  t.teardown(() => rmSync(fileOf(name), { force: true }))
  return name
}

/** Creates a semaphore under a new name, closed and removed at the end. */
export function newSemaphore(t: Test, options?: PosixSemaphoreCreateOptions): PosixSemaphore {
  const semaphore = PosixSemaphore.create(semaphoreName(t), options)
  t.teardown(() => semaphore.close())
  return semaphore
}

/** Where the C library keeps a named semaphore. */
export function fileOf(name: string): string {
  return `/dev/shm/sem.${name.slice(1)}`
}

/** How many threads wait on a named semaphore: glibc and musl both keep the number in the second word of its file. */
export function waitersOf(name: string): number {
  return readFileSync(fileOf(name)).readUInt32LE(4)
}
