/**
 * Another member of a managed segment, for the tests of locks and the like: any method of any named object, called by its name.
 * The same program as a process, asked on its standard input, and as a worker thread, asked by messages.
 * Usage: lock-peer.js <name of the segment>; as a worker with it as `workerData`.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { ManagedSegment, type ManagedObject } from 'shmem'
import { answer, plain, type Verbs } from '../support/replies.js'

/** A call: `mem[kind](name, ...options)[method](...args)`; without `method` the object is made, and that is all. */
export interface Call {
  kind: string
  name: string
  options?: unknown[]
  method?: string
  args?: unknown[]
}

type Methods = Record<string, (...args: unknown[]) => unknown>

const mem = ManagedSegment.open((isMainThread ? process.argv[2] : workerData) as string, { memberName: isMainThread ? 'peer' : 'worker' })
const begun = new Map<string, Promise<unknown>>()

const verbs: Verbs = {
  call: (call: Call) => does(call),
  get: ({ property, ...call }: Call & { property: string }) => (object(call) as unknown as Record<string, unknown>)[property],
  /** Calls, and lets the promise pend under that label. */
  begin: ({ label, ...call }: Call & { label: string }) => {
    const promise = Promise.resolve(does(call))
    promise.catch(() => {})
    begun.set(label, promise)
    return 'begun'
  },
  end: (label: string) => begun.get(label),
  close: () => mem.close(),
  /** The event loop stands still. */
  block: (ms: number) => {
    const until = performance.now() + ms
    while (performance.now() < until);
  }
}

if (isMainThread) answer(verbs)
else {
  parentPort?.on('message', async ({ verb, argument }: { verb: string; argument: unknown }) => {
    try {
      parentPort?.postMessage({ value: await verbs[verb]?.(argument) })
    } catch (error) {
      parentPort?.postMessage({ error: plain(error) })
    }
  })
}

function object({ kind, name, options = [] }: Call): ManagedObject {
  return (mem as unknown as Record<string, (name: string, ...options: unknown[]) => ManagedObject>)[kind]?.(name, ...options) as ManagedObject
}

function does(call: Call): unknown {
  const made = object(call)
  if (call.method === undefined) return undefined
  return (made as unknown as Methods)[call.method]?.(...(call.args ?? []))
}
