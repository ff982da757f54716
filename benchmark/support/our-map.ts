/** Our side of `map.bench.ts`. */
import { ManagedSegment } from 'shmem'
import type { SyncMap } from './map-peers.js'

/** A map with room for all keys, in a managed segment of that name, which is gone when the benchmark is. */
export function ourMap(name: string): SyncMap | string {
  const mem = ManagedSegment.create(name, { size: '18MiB' })
  mem.remove()
  const map = mem.map('cache', { memory: '16MiB' })
  return { name: 'SharedMap', get: key => map.get(key), set: (key, value) => map.set(key, value), close: () => mem.close() }
}
