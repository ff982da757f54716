/** Our side of `map.bench.ts`. */
import type { SyncMap } from './map-peers.js'

/** Once there is one: `mem.map('cache', { … })` of a managed segment of that name. */
export function ourMap(_name: string): SyncMap | string {
  return 'SharedMap is not there yet.'
}
