/**
 * Managed segments for tests: one of this test alone, other processes as its members, and looks at its words from beside the library.
 */
import type { ExecutionContext } from 'ava'
import { ManagedSegment, type ManagedCreateOptions } from 'shmem'
import { startChild, type Child, type ChildOptions } from './child.js'
import { objectName } from './peer.js'

/** A managed segment under a name; left and removed at the test's end, whatever is held. */
export function managed(t: ExecutionContext<unknown>, options: Partial<ManagedCreateOptions> = {}): { mem: ManagedSegment; name: string } {
  const name = objectName(t)
  const mem = ManagedSegment.create(name, { size: '1MiB', ...options })
  t.teardown(() => {
    for (const { name: object, kind } of mem.closed ? [] : mem.objects) {
      if (kind === 'mutex' && mem.mutex(object).isHeld) mem.mutex(object).unlock()
    }
    mem.close()
  })
  return { mem, name }
}

/** Another process, not a member yet. */
export function peer(t: ExecutionContext<unknown>, options: ChildOptions = {}): Child {
  return startChild(t, 'member-peer', options)
}

/** Another process that is a member. */
export async function member(t: ExecutionContext<unknown>, name: string, options?: ChildOptions): Promise<Child> {
  const child = peer(t, options)
  await child.ask('open', { name })
  return child
}

/** The first word of an object, as it stands. */
export function wordOf(mem: ManagedSegment, name: string): number {
  return Atomics.load(wordsOf(mem, name), 0)
}

/** The words of an object, to look at and to spoil. */
export function wordsOf(mem: ManagedSegment, name: string): Int32Array {
  const entry = mem.objects.find(object => object.name === name)
  if (entry === undefined) throw new Error(`there is no ${name}`)
  return new Int32Array(mem.buffer, entry.offset, entry.bytes / 4)
}

/** Whether somebody may sleep on a lock: bit 31 of its word. */
export function isWaitedFor(mem: ManagedSegment, name: string): boolean {
  return wordOf(mem, name) < 0
}

/** The middle one. */
export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN
}
