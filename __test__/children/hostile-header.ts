/**
 * Spoils the bytes of managed segments, and uses them. Played by 62.hostile-header.test.ts.
 */
import assert from 'node:assert/strict'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { ManagedSegment, MemfdSegment } from 'shmem'
import { play, truncatedByAnother } from '../support/scenarios.js'

const SIZE = 1 << 18
const MEMBERS = 4
const OBJECTS = 4
const PAGE = 4096

/** Errors by their codes. */
const seen = new Map<string, number>()

if (isMainThread) {
  await play({ bytes, 'under-a-member': underAMember, scribbled, truncated, 'truncated-and-gone': truncatedAndGone })
} else {
  const { fd, role } = workerData as { fd: number; role: 'scribble' | 'use' | 'hold' }
  if (role === 'scribble') scribble(fd)
  else if (role === 'hold') hold(fd)
  else useFor(ManagedSegment.open(MemfdSegment.fromFd(fd)), 5000)
}

function create(): { segment: MemfdSegment; mem: ManagedSegment } {
  const segment = MemfdSegment.create('shmem-test', { size: SIZE })
  return { segment, mem: ManagedSegment.openOrCreate(segment, { members: MEMBERS, objects: OBJECTS }) }
}

/** What a segment with a free mutex, a held one and a dead member looks like, and where its parts are. */
function image(): { whole: Buffer; parts: Record<string, [number, number][]> } {
  const { segment, mem } = create()
  const objects = ['book', 'held'].map(name => mem.mutex(name))
  objects[1]?.lockSync()
  const whole = segment.read(0, SIZE)
  objects[1]?.unlock()
  const heap = Number(new DataView(mem.buffer).getBigUint64(72, true))
  const [book, held] = mem.objects.map(({ offset }) => offset)
  const slot = [0, 1, 2, 3].map(index => PAGE * (1 + index)).find(at => whole.readUInt32LE(at) !== 0) ?? 0
  const directory = PAGE * (1 + MEMBERS)
  const parts: Record<string, [number, number][]> = {
    header: [[0, 100], [128, 4], [256, 4], [384, 200]],
    member: [[slot, 112], [slot + PAGE - 32, 32]],
    directory: [[directory, 160]],
    object: [[book ?? 0, 112], [held ?? 0, 8]],
    heap: [[heap, 96], [(book ?? 0) - 64, 64]]
  }
  mem.close()
  segment.close()
  return { whole, parts }
}

function bytes(part: string): void {
  const { whole, parts } = image()
  let tries = 0
  const segment = MemfdSegment.create('shmem-test', { size: SIZE })
  for (const [start, count] of parts[part] ?? assert.fail(part)) {
    for (let at = start; at < start + count; at += 1) {
      const was = whole[at] ?? 0
      for (const value of new Set([0, 0xff, was ^ 1, was ^ 2, was ^ 0x20, was ^ 0x80, was ^ 0xff])) {
        if (value === was) continue
        segment.write(0, whole)
        new Uint8Array(segment.buffer)[at] = value
        tries += 1
        open(segment)
      }
    }
  }
  console.log(`tried ${tries} bytes: ${summary()}`)
  assert.ok(tries > 500)
}

function open(segment: MemfdSegment): void {
  for (const way of [() => ManagedSegment.open(segment), () => ManagedSegment.openOrCreate(segment, { members: MEMBERS, objects: OBJECTS })]) {
    const mem = attempt(way)
    if (mem === undefined) continue
    use(mem)
    attempt(() => mem.close())
    if (!mem.closed) release(mem)
  }
  using observed = MemfdSegment.fromFd(segment.fd, { access: 'read' })
  const observer = attempt(() => ManagedSegment.open(observed, { access: 'observe' }))
  if (observer === undefined) return
  attempt(() => observer.members)
  attempt(() => observer.objects)
  observer.close()
}

/** Everything, with limits of time. */
function use(mem: ManagedSegment): void {
  attempt(() => mem.members)
  attempt(() => mem.objects)
  attempt(() => mem.self)
  for (const name of ['book', 'held', `new ${Math.floor(Math.random() * 8)}`]) {
    const mutex = attempt(() => mem.mutex(name))
    if (mutex === undefined) continue
    attempt(() => mutex.owner)
    attempt(() => mutex.stats())
    const got = attempt(() => mutex.tryLock()) ?? attempt(() => mutex.lockSync({ timeoutMs: 2 }))
    if (got === 'ownerDied') attempt(() => mutex.markConsistent())
    if (mutex.isHeld) attempt(() => mutex.unlock())
    attempt(() => mutex.reset())
  }
}

function release(mem: ManagedSegment): void {
  for (const name of ['book', 'held']) attempt(() => mem.mutex(name).unlock())
  attempt(() => mem.close())
}

/** Whatever is thrown is an error of ours, or of a view that is gone. */
function attempt<Result>(call: () => Result): Result | undefined {
  try {
    return call()
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).name
    assert.match(code, /^E[A-Z_]+$|^(Type|Range)Error$/, String(error))
    seen.set(code, (seen.get(code) ?? 0) + 1)
    return undefined
  }
}

function summary(): string {
  return [...seen].map(([code, count]) => `${code} ${count}`).join(', ')
}

function underAMember(): void {
  const { segment, mem } = create()
  mem.mutex('book')
  const view = new Uint8Array(segment.buffer)
  for (let at = 0; at < 600; at += 1) {
    for (const value of [0, 0xff]) {
      const was = view[at] ?? 0
      view[at] = value
      use(mem)
      view[at] = was
    }
  }
  console.log(`saw ${summary()}`)
  mem.close()
  segment.close()
}

async function scribbled(): Promise<void> {
  const { segment, mem } = create()
  const workers = (['use', 'scribble'] as const).map(role => new Worker(new URL(import.meta.url), { workerData: { fd: segment.fd, role } }))
  const failed = Promise.race(workers.map(worker => new Promise((_, reject) => worker.once('error', reject))))
  failed.catch(() => {})
  mem.on('memberDied', () => {}).on('memberJoined', () => {})
  const deadline = performance.now() + 5000
  let rounds = 0
  while (performance.now() < deadline) {
    use(mem)
    for (const name of ['book', 'held']) {
      const wait = attempt(() => mem.mutex(name).lock({ timeoutMs: 2 }))
      const got = await Promise.race([wait?.catch(error => attempt(() => { throw error })), failed])
      if (got !== undefined) attempt(() => mem.mutex(name).unlock())
    }
    rounds += 1
  }
  console.log(`did ${rounds} rounds: ${summary()}`)
  await Promise.all(workers.map(worker => worker.terminate()))
  attempt(() => mem.close())
  assert.ok(rounds > 10)
}

function useFor(mem: ManagedSegment, ms: number): void {
  for (const deadline = performance.now() + ms; performance.now() < deadline; ) use(mem)
}

/** Random words, and some of those that mean something; slowly enough that something works in between. */
function scribble(fd: number): void {
  const words = new Int32Array(MemfdSegment.fromFd(fd).buffer)
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let round = 0; ; round += 1) {
    for (let count = 0; count < 20; count += 1) {
      const random = Math.floor(Math.random() * 2 ** 32)
      const at = Math.random() < 0.5 ? Math.floor(Math.random() * 200) : Math.floor(Math.random() * words.length)
      const other = words[Math.floor(Math.random() * words.length)] ?? 0
      Atomics.store(words, at, [random, 0, 1, -1, other, random & 0xff, random | 0x2000_0000][count % 7] ?? 0)
    }
    if (round % 10 === 0) Atomics.wait(pause, 0, 0, 1)
  }
}

function hold(fd: number): void {
  const mem = ManagedSegment.open(MemfdSegment.fromFd(fd))
  mem.mutex('held').lockSync()
  // The object may be cut from here on.
  attempt(() => mem.on('memberDied', () => {}))
  setInterval(() => attempt(() => mem.members), 10)
}

async function truncated(size: string): Promise<void> {
  const { segment, mem } = create()
  const worker = new Worker(new URL(import.meta.url), { workerData: { fd: segment.fd, role: 'hold' } })
  const held = mem.mutex('held')
  while (held.owner === undefined) await new Promise(resolve => setTimeout(resolve, 2))
  mem.on('memberDied', () => {})
  const book = mem.mutex('book')
  book.lockSync()
  const waits = [held.lock({ timeoutMs: 200 }), held.lock({ timeoutMs: 300 }), book.lock({ timeoutMs: 100 })]
  truncatedByAnother(segment.fd, Number(size))
  for (const result of await Promise.allSettled(waits)) if (result.status === 'rejected') attempt(() => { throw result.reason })
  use(mem)
  attempt(() => held.lockSync({ timeoutMs: 50 }))
  for (const lock of [held, book]) if (lock.isHeld) attempt(() => lock.unlock())
  await worker.terminate()
  mem.close()
  assert.equal(mem.closed, true)
  segment.close()
  console.log(`saw ${summary()}`)
}

/** Neither closed nor left: the environment's end does both. */
async function truncatedAndGone(): Promise<void> {
  const { segment, mem } = create()
  const worker = new Worker(new URL(import.meta.url), { workerData: { fd: segment.fd, role: 'hold' } })
  while (mem.mutex('held').owner === undefined) await new Promise(resolve => setTimeout(resolve, 2))
  mem.mutex('book').lockSync()
  mem.on('memberDied', () => {})
  truncatedByAnother(segment.fd, 0)
  await worker.terminate()
}
