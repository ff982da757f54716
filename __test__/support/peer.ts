/**
 * The other process of 12 to 16, as an object: `children/segment-peer.ts` behind typed words. Also the names of a test's objects.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { PosixSegment, type ShmError } from 'shmem'
import { startChild, type Child, type ChildOptions } from './child.js'

let names = 0

/** A POSIX name of this test alone; removed at its end, if it is there. */
export function objectName(t: ExecutionContext<unknown>): string {
  const name = `/shmem-test-${process.pid}-${(names += 1)}`
  t.teardown(() => {
    try {
      PosixSegment.remove(name)
    } catch (error) {
      if ((error as ShmError).code !== 'ENOENT') throw error
    }
  })
  return name
}

/** An empty folder of this test alone, on the disk. */
export function temporaryFolder(t: ExecutionContext<unknown>): string {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A segment in the other process. */
export class RemoteSegment {
  constructor(readonly child: Child, readonly segment: number) {}
  call<T = unknown>(method: string, ...args: unknown[]): Promise<T> {
    return this.child.ask<T>('call', { segment: this.segment, method, args })
  }
  get<T = unknown>(property: string): Promise<T> {
    return this.child.ask<T>('get', { segment: this.segment, property })
  }
  /** A byte through a view. */
  touch(offset: number): Promise<number | undefined> {
    return this.child.ask('touch', { segment: this.segment, offset })
  }
  poke(offset: number, value: number): Promise<void> {
    return this.child.ask('poke', { segment: this.segment, offset, value })
  }
}

/** Another Node process. */
export class Peer {
  readonly child: Child
  constructor(t: ExecutionContext<unknown>, options: ChildOptions = {}) {
    this.child = startChild(t, 'segment-peer', options)
  }
  /** `open('PosixSegment.create', name, options)`, or `open('openDescriptor', descriptor)`. */
  async open(by: string, ...args: unknown[]): Promise<RemoteSegment> {
    return new RemoteSegment(this.child, await this.child.ask<number>('open', { by, args }))
  }
}
