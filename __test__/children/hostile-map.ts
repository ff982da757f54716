/**
 * Scribbles over a shared map that is in use. Played by 65.shared-map.test.ts.
 */
import assert from 'node:assert/strict'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { ManagedSegment, MemfdSegment, type SharedMap } from 'shmem'
import { play } from '../support/scenarios.js'

const SIZE = 1 << 18
const KINDS = ['bytes', 'text', 'structured'] as const
const seen = new Map<string, number>()

if (isMainThread) await play({ scribbled })
else {
  const { fd, role, first, count } = workerData as { fd: number; role: 'scribble' | 'use'; first: number; count: number }
  if (role === 'scribble') scribble(fd, first, count)
  else useFor(open(fd), 2500)
}

function open(fd: number): SharedMap<unknown, unknown>[] {
  const mem = ManagedSegment.openOrCreate(MemfdSegment.fromFd(fd), { members: 4, objects: 8 })
  return KINDS.map((values, index) => mem.map<typeof values>(values, { memory: '32KiB', chunkBytes: 64, shards: 2, values, eviction: index === 1 ? 'none' : 'lru' }) as SharedMap<unknown, unknown>)
}

async function scribbled(): Promise<void> {
  const segment = MemfdSegment.create('shmem-test', { size: SIZE })
  const maps = open(segment.fd)
  const mem = ManagedSegment.open(segment)
  const offsets = mem.objects.map(({ offset }) => offset)
  mem.close()
  const first = Math.min(...offsets) / 4
  const workers = (['use', 'scribble'] as const).map(role => new Worker(new URL(import.meta.url), { workerData: { fd: segment.fd, role, first, count: (3 * 32 * 1024) / 4 } }))
  const failed = new Promise<never>((_, reject) => workers.forEach(worker => worker.once('error', reject)))
  failed.catch(() => {})
  let rounds = 0
  for (const deadline = performance.now() + 2500; performance.now() < deadline; rounds += 1) {
    use(maps)
    if (rounds % 100 === 0) await Promise.race([failed, new Promise(resolve => setImmediate(resolve))])
  }
  await Promise.race([failed, Promise.all(workers.map(worker => worker.terminate()))])
  console.log(`did ${rounds} rounds: ${[...seen].map(([code, count]) => `${code} ${count}`).join(', ')}`)
  for (const map of maps) {
    map.clear()
    map.set('after', 'all')
    assert.equal(map.getText('after')?.endsWith('all'), true)
  }
  assert.ok(rounds > 100)
}

function useFor(maps: SharedMap<unknown, unknown>[], ms: number): void {
  for (const deadline = performance.now() + ms; performance.now() < deadline; ) use(maps)
}

function use(maps: SharedMap<unknown, unknown>[]): void {
  for (const map of maps) {
    const key = `key ${Math.floor(Math.random() * 60)}`
    attempt(() => map.set(key, 'x'.repeat(Math.floor(Math.random() * 300)), Math.random() < 0.1 ? { ttlMs: 1 } : {}))
    attempt(() => map.get(key))
    attempt(() => map.getInto(key, new Uint8Array(10)))
    attempt(() => map.update(key, old => (typeof old === 'string' ? `${old.slice(0, 50)}!` : 'new')))
    attempt(() => map.delete(`key ${Math.floor(Math.random() * 60)}`))
    attempt(() => map.size)
    if (Math.random() < 0.02) attempt(() => [...map])
    if (Math.random() < 0.01) attempt(() => map.clear())
  }
}

/** Whatever is thrown is an error of ours, or V8's about bytes that it did not serialize. */
function attempt(call: () => unknown): void {
  try {
    call()
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).message
    assert.match(code, /^E[A-Z_]+$|deserialize|^Invalid|^Unknown|allocation failed|array length/iu, String(error))
    const name = code.startsWith('E') ? code : 'V8'
    seen.set(name, (seen.get(name) ?? 0) + 1)
  }
}

/** Random words, and some of those that mean something, but for the locks: whose word names a living member by mistake is waited for, 10 s long. */
function scribble(fd: number, first: number, count: number): void {
  const words = new Int32Array(MemfdSegment.fromFd(fd).buffer)
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let round = 0; ; round += 1) {
    for (let turn = 0; turn < 10; turn += 1) {
      const random = Math.floor(Math.random() * 2 ** 32)
      const at = first + (Math.random() < 0.3 ? Math.floor(Math.random() * 300) : Math.floor(Math.random() * count))
      // A word like a token is a lock's, or would be one.
      if (((words[at] ?? 0) & 0x2000_0000) !== 0) continue
      const other = words[first + Math.floor(Math.random() * count)] ?? 0
      Atomics.store(words, at, [random & ~0x2000_0000, 0, 1, -1, other & ~0x2000_0000, random & 0xff, random & 0x3ff][turn % 7] ?? 0)
    }
    if (round % 10 === 0) Atomics.wait(pause, 0, 0, 1)
  }
}
