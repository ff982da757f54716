/** Our side of `map.bench.ts`. */
import { ManagedSegment } from 'shmem'
import type { SyncMap } from './map-peers.js'
import { valueBytes } from './map-work.js'

export interface OurMap extends SyncMap {
  /** Gets into one buffer again and again. */
  reusing: SyncMap
}

/** A map with room for all keys, in a managed segment of that name, which is gone when the benchmark is. */
export function ourMap(name: string): OurMap {
  const mem = ManagedSegment.create(name, { size: '18MiB' })
  mem.remove()
  const map = mem.map('cache', { memory: '16MiB' })
  const target = Buffer.alloc(valueBytes)
  const atOnce: SyncMap = { name: 'SharedMap', get: key => map.get(key), set: (key, value) => map.set(key, value), close: () => mem.close() }
  const into = (key: string): Buffer | undefined => (map.getInto(key, target) === valueBytes ? target : undefined)
  return { ...atOnce, reusing: { ...atOnce, name: 'SharedMap, getInto', get: into } }
}
