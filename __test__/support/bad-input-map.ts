/**
 * The rows of the bad-input table for shared maps.
 */
import { ManagedSegment, MemfdSegment } from 'shmem'
import * as bad from './bad-values.js'
import { needs, takes, type Argument } from './bad-values.js'

/** A managed segment with a map in it. */
export function makeMap() {
  const segment = MemfdSegment.create('bad', { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment, { members: 4 })
  return { segment, mem, map: mem.map('map', { memory: '64KiB' }) }
}

/** Takes it down. */
export function endMap({ segment, mem }: ReturnType<typeof makeMap>): void {
  mem.close()
  segment.close()
}

/** The rows. */
export function mapRows(): Record<string, Argument[]> {
  const name = needs('name', 'another', [...bad.text, 'x'.repeat(65), 'é'.repeat(33), 'x'.repeat(70_000)])
  const ttlMs = [...bad.milliseconds, 0]
  const shape = {
    memory: [...bad.bytes(1), undefined, 1000, '1KiB'], entries: bad.whole(1, 2 ** 31), chunkBytes: [...bad.whole(64, 4096), 100], shards: [...bad.whole(1, 1024), 3],
    eviction: bad.word, values: bad.word, ttlMs
  }
  const key = needs('key', 'key', [null, 5, {}, [], true, Symbol('key'), 5n, '', 'x'.repeat(1025), 'é'.repeat(513), '\ud800', new Uint8Array(0), new Uint8Array(1025), new Int32Array(4)])
  const value = needs('value', 'value', [null, 5, {}, [], true, Symbol('value'), 5n, new Int32Array(4)])
  const options = takes('options', {}, bad.object, { ttlMs })

  return {
    'ManagedSegment#map': [name, needs('options', { memory: '64KiB' }, bad.object, shape)],
    'new SharedMap': [needs('opened', undefined, bad.handle)],
    'SharedMap#get': [key],
    'SharedMap#getText': [key],
    'SharedMap#getInto': [key, needs('target', new Uint8Array(8), [...bad.source, 'x', new Int32Array(4)])],
    'SharedMap#getEntry': [key],
    'SharedMap#has': [key],
    'SharedMap#set': [key, value, options],
    'SharedMap#add': [key, value, options],
    'SharedMap#compareAndSet': [key, takes('version', 1, bad.whole(0, 2 ** 53 - 1)), value, options],
    'SharedMap#update': [key, needs('change', () => undefined, [null, 5, {}, 'x', true]), takes('options', {}, bad.object)],
    'SharedMap#delete': [key],
    'SharedMap#clear': [],
    'SharedMap#keys': [],
    'SharedMap#values': [],
    'SharedMap#entries': [],
    'SharedMap#Symbol(Symbol.iterator)': [],
    'SharedMap#stats': []
  }
}
