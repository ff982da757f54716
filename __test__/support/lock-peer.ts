/**
 * Other members of a managed segment: `children/lock-peer.ts` as another process or as a worker thread, behind the names of the objects they use.
 */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'
import { ManagedSegment } from 'shmem'
import type { Call } from '../children/lock-peer.js'
import { startChild, type Child, type ChildOptions } from './child.js'
import { objectName } from './peer.js'
import { until } from './until.js'

type Test = ExecutionContext<unknown>

/** Which object, such as `['event', 'ready', { reset: 'auto' }]`. */
export type Named = readonly [kind: string, name: string, ...options: unknown[]]

/** A managed segment of this test alone, of which this process is a member. */
export function managedSegment(t: Test, options: { members?: number } = {}): ManagedSegment {
  const mem = ManagedSegment.create(objectName(t), { size: '1MiB', ...options })
  t.teardown(() => {
    try {
      mem.close()
    } catch {
      // It holds something: the test has failed already, or it is what it is about.
    }
  })
  return mem
}

/** The segment's name, as a peer opens it. */
export function nameOf(mem: ManagedSegment): string {
  return (mem.segment as { name: string }).name
}

/** The words of a named object. */
export function wordsOf(mem: ManagedSegment, name: string): Int32Array {
  const entry = mem.objects.find(one => one.name === name)
  if (entry === undefined) throw new Error(`there is no ${name}`)
  return new Int32Array(mem.buffer, entry.offset, entry.bytes / 4)
}

/** Waits until somebody sleeps on the object: bit 31 of its first word says so. */
export async function untilAwaited(mem: ManagedSegment, name: string): Promise<void> {
  const words = wordsOf(mem, name)
  await until(`somebody sleeps on ${name}`, () => Atomics.load(words, 0) < 0)
}

/** One object in another member. */
export class RemoteObject {
  constructor(readonly ask: <T>(verb: string, argument?: unknown) => Promise<T>, readonly named: Named) {}
  call<T = unknown>(method: string, ...args: unknown[]): Promise<T> {
    return this.ask<T>('call', { ...this.#which(), method, args })
  }
  get<T = unknown>(property: string): Promise<T> {
    return this.ask<T>('get', { ...this.#which(), property })
  }
  /** Lets a promise pend there; {@link RemoteObject.end} waits for it. */
  begin(label: string, method: string, ...args: unknown[]): Promise<void> {
    return this.ask('begin', { ...this.#which(), method, args, label })
  }
  end<T = unknown>(label: string): Promise<T> {
    return this.ask<T>('end', label)
  }
  #which(): Call {
    const [kind, name, ...options] = this.named
    return { kind, name, options }
  }
}

/** Another process. */
export class LockPeer {
  readonly child: Child
  constructor(t: Test, mem: ManagedSegment, options: ChildOptions = {}) {
    this.child = startChild(t, 'lock-peer', { ...options, args: [nameOf(mem)] })
  }
  object(...named: Named): RemoteObject {
    return new RemoteObject((verb, argument) => this.child.ask(verb, argument), named)
  }
  /** By SIGKILL; answers when it is gone. */
  async kill(): Promise<void> {
    await this.child.kill('SIGKILL')
  }
}

/** Another environment of this process. */
export class LockWorker {
  readonly worker: Worker
  constructor(t: Test, mem: ManagedSegment) {
    this.worker = new Worker(fileURLToPath(new URL('../children/lock-peer.js', import.meta.url)), { workerData: nameOf(mem) })
    t.teardown(async () => void (await this.worker.terminate()))
  }
  object(...named: Named): RemoteObject {
    return new RemoteObject((verb, argument) => this.#ask(verb, argument), named)
  }
  async terminate(): Promise<void> {
    await this.worker.terminate()
  }
  async #ask<T>(verb: string, argument: unknown): Promise<T> {
    this.worker.postMessage({ verb, argument })
    const [{ value, error }] = (await once(this.worker, 'message')) as [{ value: T; error?: { message: string } }]
    if (error !== undefined) throw Object.assign(new Error(error.message), error)
    return value
  }
}
