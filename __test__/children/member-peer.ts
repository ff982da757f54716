/**
 * Another member of a managed segment, for 51 to 62: opens it as it is told, calls its locks, and holds, waits, stops or dies with them.
 */
import { fstatSync, openSync, read, readSync } from 'node:fs'
import { FileSegment, ManagedSegment, MemfdSegment, PosixSegment, type LockSyncOptions, type ManagedCreateOptions, type ManagedOpenOptions } from 'shmem'
import { answer, say } from '../support/replies.js'

type Call = (...values: unknown[]) => unknown

let mem: ManagedSegment

answer({
  open({ name, options }: { name: string; options?: ManagedOpenOptions }): number {
    mem = ManagedSegment.open(name, options)
    return mem.members.length
  },
  openOrCreate({ name, options }: { name: string; options: ManagedCreateOptions }): boolean {
    mem = ManagedSegment.openOrCreate(name, options)
    return (mem.segment as PosixSegment).created
  },
  /** A descriptor of another process, or a file. */
  over({ pid, fd, path }: { pid?: number; fd?: number; path?: string }): string[] {
    mem = ManagedSegment.open(path === undefined ? MemfdSegment.fromProcess(pid ?? 0, fd ?? 0) : FileSegment.open(path))
    return mem.members.map(member => member.name)
  },
  mutex: ({ name, method, args = [] }: { name: string; method: string; args?: unknown[] }) =>
    (mem.mutex(name) as unknown as Record<string, Call>)[method]?.(...args),
  /** Answers what it got, and when. */
  lockSync({ name, options }: { name: string; options?: LockSyncOptions }): { got: string; at: number } {
    const got = mem.mutex(name).lockSync(options)
    return { got, at: now() }
  },
  async lock({ name, options }: { name: string; options?: LockSyncOptions }): Promise<{ got: string; at: number }> {
    const got = await mem.mutex(name).lock(options)
    return { got, at: now() }
  },
  /** Joins and leaves. */
  come(name: string): void {
    ManagedSegment.open(name).close()
  },
  members: () => mem.members,
  objects: () => mem.objects,
  close: () => mem.close(),
  /** Reads a file into the segment: on this thread and without an end, or in Node's pool. */
  read({ path, offset, inPool }: { path: string; offset: number; inPool: boolean }): void {
    const fd = openSync(path, 'r')
    const view = new Uint8Array(mem.buffer, offset, fstatSync(fd).size)
    say('reading')
    if (inPool) {
      read(fd, view, 0, view.length, 0, () => {})
      return
    }
    for (;;) readSync(fd, view, 0, view.length, 0)
  }
})

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
