/** Our side of `map.bench.ts`. */
import type { SyncMap } from './map-peers.js'

/** Once there is one: `mem.map('cache', { … })` of a managed segment of that name. */
export function ourMap(_name: string): SyncMap | string {
  const m = new Map<string, Uint8Array>(); return { name: 'fake', get: (k) => m.get(k), set: (k, v) => void m.set(k, v.slice()), close: () => {} }
}
