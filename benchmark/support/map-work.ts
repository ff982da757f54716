/** The same work for every map: 10,000 keys of 16 characters with values of 100 bytes, visited in no order; each answer is checked. */
import { nanosecondsPerCall } from './pairing.js'
import type { AsyncMap, SyncMap } from './map-peers.js'

export const keyCount = 10_000
export const keyBytes = 16
export const valueBytes = 100
/** Visits every key once before it comes to one again: it has no common factor with their number. */
const stride = 7919

const keys = Array.from({ length: keyCount }, (_, index) => `key-${String(index).padStart(keyBytes - 4, '0')}`)
const values = keys.map((_, index) => {
  const value = Buffer.alloc(valueBytes, index & 0xff)
  value[0] = index >> 8
  return value
})
let visited = 0

/** All keys, so that every get finds one. */
export async function fill(map: SyncMap | AsyncMap): Promise<void> {
  for (const [index, key] of keys.entries()) await map.set(key, valueAt(index))
}

/** Nanoseconds a get. */
export function timeGets(map: SyncMap, count: number): number {
  return nanosecondsPerCall(() => {
    const index = nextIndex()
    check(map, index, map.get(keyAt(index)))
  }, count)
}

/** Nanoseconds a set of a key that is there. */
export function timeSets(map: SyncMap, count: number): number {
  const sample = nanosecondsPerCall(() => {
    const index = nextIndex()
    map.set(keyAt(index), valueAt(index))
  }, count)
  check(map, visited, map.get(keyAt(visited)))
  return sample
}

/** Nanoseconds a get, so many of them on their way at once. */
export function timeAsyncGets(map: AsyncMap, count: number, atOnce: number): Promise<number> {
  return timeAsync(count, atOnce, async (index) => check(map, index, await map.get(keyAt(index))))
}

/** Nanoseconds a set of a key that is there, so many of them on their way at once. */
export async function timeAsyncSets(map: AsyncMap, count: number, atOnce: number): Promise<number> {
  const sample = await timeAsync(count, atOnce, (index) => map.set(keyAt(index), valueAt(index)))
  check(map, visited, await map.get(keyAt(visited)))
  return sample
}

async function timeAsync(count: number, atOnce: number, operation: (index: number) => Promise<unknown>): Promise<number> {
  const started = process.hrtime.bigint()
  for (let done = 0; done < count; done += atOnce) {
    if (atOnce === 1) await operation(nextIndex())
    else await Promise.all(Array.from({ length: atOnce }, () => operation(nextIndex())))
  }
  return Number(process.hrtime.bigint() - started) / count
}

function nextIndex(): number {
  visited = (visited + stride) % keyCount
  return visited
}

function keyAt(index: number): string {
  return keys[index] ?? ''
}

function valueAt(index: number): Buffer {
  return values[index] ?? Buffer.alloc(0)
}

/** The first byte and the last one tell a key apart from those that could be mistaken for it. */
function check({ name }: { name: string }, index: number, value: Uint8Array | null | undefined): void {
  if (value?.[0] !== index >> 8 || value[valueBytes - 1] !== (index & 0xff)) throw new Error(`${name} answers other bytes for ${keyAt(index)}`)
}
