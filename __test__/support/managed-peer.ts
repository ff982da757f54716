/**
 * Managed segments for tests, and other processes that have them open: `children/managed-user.ts` behind typed words.
 */
import type { ExecutionContext } from 'ava'
import { ManagedSegment, PosixSegment, type ManagedObject } from 'shmem'
import { startChild, type Child, type ChildOptions } from './child.js'
import { until } from './until.js'

let names = 0

/** A managed segment of this test alone. */
export function newManaged(t: ExecutionContext<unknown>): ManagedSegment {
  const name = `shmem-test-${process.pid}-managed-${(names += 1)}`
  const mem = ManagedSegment.create(name, { size: '4MiB' })
  t.teardown(() => {
    PosixSegment.remove(`/${name}`)
    try {
      mem.close()
    } catch {
      // A failed test may hold something still.
    }
  })
  return mem
}

/** Another process that has the segment open. */
export async function newUser(t: ExecutionContext<unknown>, mem: ManagedSegment, options?: ChildOptions): Promise<User> {
  const child = startChild(t, 'managed-user', options)
  await child.ask('call', ['ManagedSegment.open', [(mem.segment as PosixSegment).name.slice(1)], 'mem'])
  return new User(child)
}

/** See {@link newUser}. */
export class User {
  constructor(readonly child: Child) {}

  /** Keeps `mem[kind](name, options)` there under its name. */
  async has(kind: string, name: string, options?: object): Promise<void> {
    await this.child.ask('call', [`mem.${kind}`, options === undefined ? [name] : [name, options], name])
  }

  /** Calls a method there, such as `'book.lockSync'`; a word `$name` among the arguments is what is kept under that name. */
  call<T = unknown>(path: string, ...args: unknown[]): Promise<T> {
    return this.child.ask<T>('call', [path, args])
  }

  /** Begins a call that blocks there; the answer is that of {@link Child.answer}. */
  async block(path: string, ...args: unknown[]): Promise<void> {
    this.child.tell('block', [path, args])
    if ((await this.child.answer()) !== 'blocking') throw new Error('it does not block')
  }

  /** One of the programs of `children/managed-user.ts`. */
  play<T = unknown>(program: string, argument: unknown): Promise<T> {
    return this.child.ask<T>(program, argument)
  }
}

/** An object's words, as nobody should look at them but tests. */
export function wordsOf(mem: ManagedSegment, object: ManagedObject): Int32Array {
  const entry = mem.objects.find(({ name }) => name === object.name)
  if (entry === undefined) throw new Error(`${object.name} is not listed`)
  return new Int32Array(mem.buffer, entry.offset, entry.bytes / 4)
}

/** Waits until somebody sleeps at a gate: a word that is not 0 then. */
export async function untilArmed(mem: ManagedSegment, object: ManagedObject, index = 0): Promise<void> {
  const words = wordsOf(mem, object)
  await until(`somebody waits for ${object.name}`, () => Atomics.load(words, index) !== 0)
}
