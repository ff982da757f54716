/**
 * `toSharedArrayBuffer()`: the same bytes, for every thread of the process, as long as anybody holds it. Played by
 * 35.shared-array-buffer.test.ts under a runtime that has it.
 */
import assert from 'node:assert/strict'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { KINDS, codeOf, collect, make, play, readOnlyPair, stepAside, truncatedByAnother } from '../support/scenarios.js'
import { MemfdSegment } from 'shmem'

const SIZE = 65_536

if (isMainThread) {
  const probe = MemfdSegment.create('shmem-test', { size: 1 })
  const missing = codeOf(() => probe.toSharedArrayBuffer()) === 'ERR_SHM_NO_SHARED_ARRAY_BUFFER'
  const scenarios = {
    'same-bytes': sameBytes,
    'survives-close': survivesClose,
    'between-threads': betweenThreads,
    'worker-alone': workerAlone,
    'guarded': guarded,
    'many': many
  }
  await play(missing ? Object.fromEntries(Object.keys(scenarios).map(name => [name, () => stepAside('this runtime has none')])) : scenarios)
} else {
  work(workerData as { shared: SharedArrayBuffer; part: string })
}

function sameBytes(): void {
  for (const kind of KINDS) {
    const segment = make(kind, SIZE)
    const shared = segment.toSharedArrayBuffer()
    assert.ok(shared instanceof SharedArrayBuffer)
    assert.equal(shared.byteLength, SIZE)
    const view = new Uint8Array(shared)
    segment.bytes[0] = 1
    view[SIZE - 1] = 2
    assert.deepEqual([view[0], segment.bytes[SIZE - 1]], [1, 2], kind)
    segment.close()
  }
  const own = MemfdSegment.create('shmem-test', { size: SIZE })
  const copy = MemfdSegment.fromFd(own.fd, { access: 'copy-on-write' })
  assert.equal(codeOf(() => copy.toSharedArrayBuffer()), 'EINVAL')
}

async function survivesClose(): Promise<void> {
  for (const kind of KINDS) {
    const segment = make(kind, SIZE)
    const view = new Uint8Array(segment.toSharedArrayBuffer())
    view[0] = 5
    segment.close()
    await collect()
    assert.deepEqual([view.length, view[0]], [SIZE, 5])
    view.fill(6)
    assert.equal(view[SIZE - 1], 6)
    assert.equal(codeOf(() => segment.toSharedArrayBuffer()), 'ERR_SHM_CLOSED')
  }
}

async function betweenThreads(): Promise<void> {
  const segment = make('posix', SIZE)
  const shared = segment.toSharedArrayBuffer()
  const words = new Int32Array(shared)
  const worker = new Worker(new URL(import.meta.url), { workerData: { shared, part: 'ping' } })
  const ended = new Promise(resolve => worker.on('exit', resolve))
  for (let turn = 0; turn < 1000; turn++) {
    Atomics.store(words, 0, turn * 2 + 1)
    Atomics.notify(words, 0)
    assert.notEqual(Atomics.wait(words, 0, turn * 2 + 1, 10_000), 'timed-out')
    assert.equal(Atomics.load(words, 0), turn * 2 + 2)
  }
  segment.close()
  assert.equal(await ended, 0)
  assert.equal(words[1], 1000)
}

/** Dropped here first, while the worker goes on with it. */
async function workerAlone(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { shared: make('memfd', SIZE).toSharedArrayBuffer(), part: 'alone' } })
  const ended = new Promise(resolve => worker.on('exit', resolve))
  await new Promise(resolve => worker.once('message', resolve))
  await collect()
  worker.postMessage('go')
  assert.equal(await ended, 0)
  await collect()
}

/** Its mapping is guarded like the segment's. */
function guarded(): void {
  const { writer, reader } = readOnlyPair(SIZE)
  const view = new Uint8Array(reader.toSharedArrayBuffer())
  reader.close()
  view.fill(1)
  Atomics.add(view, 0, 1)
  assert.ok(writer.bytes.every(byte => byte === 0))
  const shared = new Uint8Array(writer.toSharedArrayBuffer())
  truncatedByAnother(writer.fd, 4096)
  shared.fill(2)
  assert.equal(shared[SIZE - 1], 2)
}

async function many(): Promise<void> {
  for (let round = 0; round < 300; round++) {
    const segment = make(KINDS[round % 4] ?? 'memfd', SIZE)
    const views = [0, 1].map(() => new Uint8Array(segment.toSharedArrayBuffer()))
    if (round % 2 === 0) segment.close()
    views[0]?.fill(round)
    assert.equal(views[1]?.[SIZE - 1], round & 0xff)
    if (round % 50 === 0) await collect()
  }
  await collect()
}

function work({ shared, part }: { shared: SharedArrayBuffer; part: string }): void {
  const words = new Int32Array(shared)
  if (part === 'alone') {
    parentPort?.postMessage('here')
    parentPort?.once('message', () => new Uint8Array(shared).fill(9))
    return
  }
  for (let turn = 0; turn < 1000; turn++) {
    for (let seen = Atomics.load(words, 0); seen !== turn * 2 + 1; seen = Atomics.load(words, 0)) Atomics.wait(words, 0, seen, 10_000)
    Atomics.add(words, 1, 1)
    Atomics.store(words, 0, turn * 2 + 2)
    Atomics.notify(words, 0)
  }
}
