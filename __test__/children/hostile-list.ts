/**
 * Uses a list and the allocator while another thread scribbles over the bytes of both. Played by 67.list.test.ts.
 */
import assert from 'node:assert/strict'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { ManagedSegment, MemfdSegment, type ListNode } from 'shmem'
import { play } from '../support/scenarios.js'

const SIZE = 1 << 19
const OPTIONS = { valueBytes: 24, capacity: 30 }
const PLAYING_MS = 3000

/** Errors by their codes. */
const seen = new Map<string, number>()

if (isMainThread) await play({ scribbled })
else {
  const { fd, from, role } = workerData as { fd: number; from: number; role: 'scribble' | 'use' }
  if (role === 'scribble') scribble(fd, from)
  else use(ManagedSegment.open(MemfdSegment.fromFd(fd)), PLAYING_MS)
}

async function scribbled(): Promise<void> {
  const segment = MemfdSegment.create('shmem-test', { size: SIZE })
  const mem = ManagedSegment.openOrCreate(segment, { members: 4, objects: 4 })
  mem.list('list', OPTIONS)
  const from = mem.objects[0]?.offset ?? 0
  const workers = (['use', 'scribble'] as const).map(role => new Worker(new URL(import.meta.url), { workerData: { fd: segment.fd, from, role } }))
  const failed: unknown[] = []
  for (const worker of workers) worker.on('error', error => failed.push(error))
  const rounds = use(mem, PLAYING_MS)
  await Promise.all(workers.map(worker => worker.terminate()))
  assert.deepEqual(failed, [])
  console.log(`did ${rounds} rounds: ${[...seen].map(([code, count]) => `${code} ${count}`).join(', ')}`)
  assert.ok(rounds > 100)
  assert.ok(seen.has('ERR_SHM_POSSIBLY_CORRUPT'))
  attempt(() => mem.close())
}

/** Everything, again and again. Answers how often. */
function use(mem: ManagedSegment, milliseconds: number): number {
  const list = mem.list('list', OPTIONS)
  const value = Buffer.alloc(OPTIONS.valueBytes, 3)
  const known: ListNode[] = [1, 2 ** 21, Number.MAX_SAFE_INTEGER]
  const offsets = [16]
  const any = <Item>(items: Item[]): Item => items[Math.floor(Math.random() * items.length)] as Item
  let rounds = 0
  for (const deadline = performance.now() + milliseconds; performance.now() < deadline; rounds += 1) {
    for (const put of [() => list.push(value), () => list.unshift(value), () => list.insertBefore(any(known), value), () => list.insertAfter(any(known), value)]) {
      const node = attempt(put)
      if (typeof node === 'number') known.push(node)
    }
    const node = any(known)
    for (const call of [
      () => list.read(node), () => list.write(node, value), () => list.next(node), () => list.previous(node), () => list.bytes(node).fill(1),
      () => list.remove(node), () => list.pop(), () => list.shift(), () => list.first(), () => list.last(), () => [...list], () => list.length, () => list.stats()
    ]) attempt(call)
    if (rounds % 16 === 0) attempt(() => list.clear())
    const offset = attempt(() => mem.allocator.allocate(1 + Math.random() * 300 | 0))
    if (offset !== undefined) offsets.push(offset)
    for (const call of [() => mem.allocator.bytesAt(any(offsets)).fill(2), () => mem.allocator.free(any(offsets)), () => mem.allocator.stats(), () => mem.allocator.blocks(), () => mem.allocator.repair()]) attempt(call)
    if (known.length > 100) known.splice(3, 50)
    if (offsets.length > 100) offsets.splice(1, 50)
  }
  return rounds
}

/** Whatever is thrown is an error of ours. */
function attempt<Result>(call: () => Result): Result | undefined {
  try {
    return call()
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).name
    assert.match(code, /^ERR_SHM_[A-Z_]+$/, String(error))
    seen.set(code, (seen.get(code) ?? 0) + 1)
    return undefined
  }
}

/** Random words behind the directory, often in the list, and some of those that mean something; never a lock's, which would only be waited for. */
function scribble(fd: number, from: number): void {
  const words = new Int32Array(MemfdSegment.fromFd(fd).buffer)
  const list = from / 4
  const count = 1 + Math.ceil((128 + 31 * 48) / 4)
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    for (let index = 0; index < 10; index += 1) {
      const random = Math.floor(Math.random() * 2 ** 32)
      const inList = Math.random() < 0.7
      const at = inList ? list + 1 + Math.floor(Math.random() * count) : list + Math.floor(Math.random() * (words.length - list))
      const other = words[list + Math.floor(Math.random() * count)] ?? 0
      if (at === list) continue
      Atomics.store(words, at, [random, 0, 1, other, random & 0xff, 128 + 48 * (random & 31)][index % 6] ?? 0)
    }
    Atomics.wait(pause, 0, 0, 1)
  }
}
