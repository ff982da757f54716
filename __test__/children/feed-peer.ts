/**
 * Another process with writers and readers of latests and broadcasts, each under a label: any method is called by its name. Text among the arguments goes as
 * bytes, and bytes come back as text. Usage: feed-peer.js <name of the segment>
 */
import { ManagedSegment } from 'shmem'
import { answer } from '../support/replies.js'

export interface Part {
  label: string
  kind: 'latest' | 'broadcast'
  name: string
  options: object
  part: 'writer' | 'reader'
  from?: object
}

export interface Call {
  label: string
  method: string
  args: unknown[]
}

type Methods = Record<string, (...args: unknown[]) => unknown>

const mem = ManagedSegment.open(process.argv[2] ?? '', { memberName: 'peer' })
const parts = new Map<string, Methods>()
const begun = new Map<string, Promise<unknown>>()

answer({
  open: ({ label, kind, name, options, part, from }: Part) => {
    const object = (mem as unknown as Record<string, (name: string, options: object) => Record<string, (from?: object) => Methods>>)[kind]?.(name, options)
    parts.set(label, object?.[part]?.(from) as Methods)
    return label
  },
  call: async (call: Call) => told(await does(call)),
  get: ({ label, property }: { label: string; property: string }) => (parts.get(label) as unknown as Record<string, unknown>)[property],
  begin: (call: Call) => {
    const promise = Promise.resolve(does(call))
    promise.catch(() => {})
    begun.set(call.label, promise)
    return 'begun'
  },
  end: async (label: string) => told(await begun.get(label)),
  close: () => mem.close()
})

function does({ label, method, args }: Call): unknown {
  return parts.get(label)?.[method]?.(...args.map(value => (typeof value === 'string' ? Buffer.from(value) : value)))
}

function told(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value
}
