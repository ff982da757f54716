/**
 * Lifetimes of segments and of the views over them, brought to bad ends. Each scenario asserts what JavaScript may see; that the
 * process lives is asserted by 30.lifetime.test.ts.
 */
import assert from 'node:assert/strict'
import { constants } from 'node:buffer'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { KINDS, codeOf, collect, make, play, steal, survived } from '../support/scenarios.js'
import { MemfdSegment, PosixSemaphore } from 'shmem'
import * as posix from 'shmem/posix'

const SIZE = 65_536

if (isMainThread) {
  await play({
    'views-are-empty-after-close': viewsAreEmpty,
    'close-inside-builtins': closeInsideBuiltins,
    'use-after-close': useAfterClose,
    'using-closes': usingCloses,
    'stolen-memory-lives': stolenMemoryLives,
    'resize-with-stolen-buffer': resizeWithStolenBuffer,
    'refresh-with-views': refreshWithViews,
    'segment-collected-first': segmentCollectedFirst,
    'buffer-collected-first': bufferCollectedFirst,
    'raw-mapping-inside-mapping': rawMappingInsideMapping,
    'quarantine-overflow': quarantineOverflow,
    'internals-do-not-revoke': internalsDoNotRevoke,
    'grown-beyond-a-buffer': grownBeyondABuffer,
    'iterator-steals-nothing': iteratorStealsNothing,
    'exit-in-nested-calls': () => exitDeep(makeAll(), 50),
    'uncaught-exception': () => void setImmediate(throwWithEverythingOpen),
    'exit-with-busy-workers': exitWithBusyWorkers
  })
} else {
  busyWorker()
}

function makeAll() {
  return KINDS.map(kind => make(kind, SIZE))
}

function viewsAreEmpty(): void {
  for (const segment of makeAll()) {
    const { buffer, bytes } = segment
    const whole = new Uint8Array(buffer).fill(3)
    const views = [whole, new Float64Array(buffer, 8, 4), new BigInt64Array(buffer), bytes, bytes.subarray(5)]
    const view = new DataView(buffer)
    assert.ok(views.every(array => array[0] !== undefined))
    segment.close()
    segment.close()
    for (const array of views) {
      assert.equal(array.length, 0)
      assert.equal(array[0], undefined)
      if (!(array instanceof BigInt64Array)) array[0] = 1
      assert.equal(array[0], undefined)
    }
    assert.equal(buffer.byteLength, 0)
    assert.throws(() => view.getInt8(0), TypeError)
    assert.throws(() => view.setInt8(0, 1), TypeError)
    assert.throws(() => Atomics.load(whole, 0))
    assert.throws(() => bytes.writeUInt8(1, 0))
    assert.equal(segment.buffer.byteLength, 0)
    assert.equal(segment.bytes.length, 0)
    assert.equal(segment.size, 0)
  }
}

/** User code runs in the middle of these, and closes. None may touch the memory afterwards. */
function closeInsideBuiltins(): void {
  const attacks: ((view: Uint8Array, close: () => number) => unknown)[] = [
    (view, close) => view.sort(() => close()),
    (view, close) => view.fill({ valueOf: close } as never),
    (view, close) => view.copyWithin(0, { valueOf: close } as never, 100),
    (view, close) => view.set({ length: 10, get 0() { return close() }, 1: 2 } as never),
    (view, close) => view.map(() => close()),
    (view, close) => Array.from(view, () => close()),
    (view, close) => view.join({ toString: () => String(close()) } as never),
    (view, close) => view.slice({ valueOf: close } as never),
    (view, close) => view.subarray({ valueOf: close } as never)[0],
    (view, close) => view.includes(1, { valueOf: close } as never),
    (view, close) => view.indexOf(1, { valueOf: close } as never),
    (view, close) => new DataView(view.buffer).setUint8(3, { valueOf: close } as never),
    (view, close) => Atomics.store(view, 0, { valueOf: close } as never),
    (view, close) => Atomics.compareExchange(view, 0, 0, { valueOf: close } as never),
    (view, close) => Buffer.from(view.buffer).fill('x', 0, { valueOf: close } as never),
    (view, close) => Object.defineProperty(view.subarray(0), 'constructor', { get: close }).slice(0),
    (view, close) => new Uint8Array(view.buffer).set(view, { valueOf: close } as never),
    (view, close) => { view[{ toString: () => String(close()) } as never] = 1 },
    (view, close) => { view[0] = { valueOf: close } as never }
  ]
  for (const attack of attacks) {
    const segment = make('memfd', SIZE)
    const view = new Uint8Array(segment.buffer)
    codeOf(() => attack(view, () => (segment.close(), 1)))
    segment.close()
    assert.equal(view.length, 0)
  }
  // Option getters that close the segment whose method reads them.
  for (const method of ['protect', 'unmap', 'advise', 'flush', 'residency'] as const) {
    const segment = make('memfd', SIZE)
    const pages = { get offset() { segment.close(); return 0 }, length: 4096 }
    const last = { protect: 'read', advise: 'willneed' }[method as string]
    assert.equal(codeOf(() => (segment[method] as (...all: unknown[]) => unknown)(pages, last)), 'ERR_SHM_CLOSED', method)
  }
}

function useAfterClose(): void {
  for (const segment of makeAll()) {
    const semaphore = PosixSemaphore.init(segment, 64, { value: 1 })
    segment.close()
    const calls: Record<string, () => unknown> = {
      read: () => segment.read(0, 1),
      readInto: () => segment.read(0, new Uint8Array(1)),
      write: () => segment.write(0, 'x'),
      stat: () => segment.stat(),
      lock: () => segment.lockMemory(),
      unlock: () => segment.unlockMemory(),
      prefault: () => segment.prefault(),
      protect: () => segment.protect({ offset: 0, length: 4096 }, 'read'),
      advise: () => segment.advise(undefined, 'willneed'),
      flush: () => segment.flush(),
      residency: () => segment.residency(),
      unmap: () => segment.unmap({ offset: 0, length: 4096 }),
      resize: () => segment.resize(4096),
      refresh: () => segment.refresh(),
      shared: () => segment.toSharedArrayBuffer(),
      semaphore: () => PosixSemaphore.at(segment, 64),
      tryWait: () => semaphore.tryWait(),
      post: () => semaphore.post(),
      value: () => semaphore.value,
      wait: () => semaphore.waitSync({ timeoutMs: 1 })
    }
    for (const [name, call] of Object.entries(calls)) assert.equal(codeOf(call), 'ERR_SHM_CLOSED', `${segment.kind} ${name}`)
    semaphore.close()
  }
}

function usingCloses(): void {
  let buffer: ArrayBuffer
  let kept
  {
    using segment = make('posix', SIZE)
    buffer = segment.buffer
    kept = segment
    assert.equal(buffer.byteLength, SIZE)
  }
  assert.equal(buffer.byteLength, 0)
  assert.equal(kept.closed, true)
  assert.throws(() => {
    using again = kept
    throw new Error(`thrown while ${again.kind} is closed`)
  }, /thrown/)
}

async function stolenMemoryLives(): Promise<void> {
  for (const segment of makeAll()) {
    segment.bytes.write('shared')
    const stolen = await steal(segment)
    assert.equal(segment.buffer.byteLength, 0)
    assert.equal(segment.read(0, 6).toString(), 'shared')
    segment.close()
    segment.close()
    await collect()
    assert.equal(Buffer.from(stolen.buffer).toString('latin1', 0, 6), 'shared')
    stolen.fill(7)
    assert.equal(stolen[SIZE - 1], 7)
  }
  await collect()
}

async function resizeWithStolenBuffer(): Promise<void> {
  for (const kind of ['posix', 'memfd', 'file'] as const) {
    const segment = make(kind, SIZE)
    const stolen = await steal(segment)
    stolen[0] = 9
    segment.resize(2 * SIZE)
    assert.equal(segment.buffer.byteLength, 2 * SIZE)
    assert.equal(segment.bytes[0], 9)
    const again = await steal(segment)
    segment.resize(4096)
    assert.equal(segment.size, 4096)
    again[SIZE] = 1
    segment.close()
    await collect()
    stolen[1] = again[1] = 3
    assert.equal(stolen[1], 3)
  }
  await collect()
}

function refreshWithViews(): void {
  const owner = MemfdSegment.create('shmem-test', { size: SIZE })
  const other = MemfdSegment.fromFd(owner.fd)
  for (const size of [4096, 100, SIZE, 4 * SIZE, 1]) {
    const before = new Uint8Array(other.buffer)
    owner.resize(size)
    assert.equal(other.refresh(), true)
    assert.equal(before.length, 0)
    assert.equal(other.buffer.byteLength, size)
    other.bytes.fill(1)
    assert.equal(other.refresh(), false)
  }
  other.close()
  owner.close()
}

async function segmentCollectedFirst(): Promise<void> {
  const buffers = KINDS.map(kind => make(kind, SIZE).buffer)
  await collect()
  for (const buffer of buffers) {
    const view = new Uint8Array(buffer).fill(3)
    assert.equal(view[SIZE - 1], 3)
  }
  await collect()
}

async function bufferCollectedFirst(): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const segment = make(KINDS[round % 4] ?? 'memfd', SIZE)
    for (let look = 0; look < 3; look++) await steal(segment).catch(() => undefined)
    await collect()
    assert.equal(segment.read(0, 1).length, 1)
    segment.close()
  }
}

/** MAP_FIXED inside our own range: parents and children close in both orders. */
async function rawMappingInsideMapping(): Promise<void> {
  const { MAP_SHARED, MAP_ANONYMOUS, MAP_FIXED, PROT_READ, PROT_WRITE } = posix
  const map = (at: bigint | null, length: number, flags = 0) => posix.mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | flags, -1)
  for (const parentFirst of [true, false]) {
    const parent = map(null, SIZE)
    const child = map(parent.address + 4096n, 8192, MAP_FIXED)
    const sibling = map(parent.address + 8192n, 4096, MAP_FIXED)
    const views = [parent, child, sibling].map(handle => new Uint8Array(handle.buffer))
    for (const handle of parentFirst ? [parent, child, sibling] : [child, sibling, parent]) {
      posix.munmap(handle)
      for (const view of views) if (view.length > 0) view.fill(1)
    }
    assert.deepEqual(views.map(view => view.length), [0, 0, 0])
    assert.equal(codeOf(() => posix.munmap(parent)), 'EINVAL')
  }
  const lone = map(null, SIZE)
  assert.equal(codeOf(() => map(lone.address - 4096n * 1024n * 1024n, 4096, MAP_FIXED)), 'ERR_SHM_NOT_OURS')
  assert.equal(codeOf(() => map(lone.address + BigInt(SIZE) - 4096n, 8192, MAP_FIXED)), 'ERR_SHM_NOT_OURS')
  map(lone.address, 4096, MAP_FIXED)
  await collect()
  posix.munmap(lone)
  await collect()
}

/** More closed segments than the quarantine keeps, with views of all of them kept. */
function quarantineOverflow(): void {
  const views: Uint8Array[] = []
  for (let count = 0; count < 1000; count++) {
    const segment = make(KINDS[count % 4] ?? 'memfd', 4096)
    views.push(new Uint8Array(segment.buffer))
    segment.close()
  }
  for (const view of views) {
    view[0] = 1
    assert.equal(view[0], undefined)
  }
}

/** What carries `@internal` in its documentation can be called all the same. */
function internalsDoNotRevoke(): void {
  const views: Uint8Array[] = []
  const segment = make('memfd', SIZE) as ReturnType<typeof make> & { live?: () => { close(): void; arrayBuffer(): ArrayBuffer } }
  views.push(new Uint8Array(segment.buffer))
  const second = segment.live?.().arrayBuffer()
  if (second !== undefined) views.push(new Uint8Array(second))
  segment.live?.().close()
  codeOf(() => segment.close())
  for (const view of views) assert.equal(view.length, 0, 'a view is left over memory that is gone')
}

/** Node calls the finalizer of a buffer that it refuses as too large: to free what it holds ourselves was a double free. */
function grownBeyondABuffer(): void {
  if (constants.MAX_LENGTH > 2 ** 40) return
  using segment = MemfdSegment.create('shmem-test', { size: SIZE, reserve: false })
  posix.ftruncate(segment.fd, constants.MAX_LENGTH + SIZE)
  assert.equal(codeOf(() => segment.refresh()), 'ERR_SHM_BUFFER_TOO_LARGE')
  for (let time = 0; time < 3; time++) assert.equal(codeOf(() => segment.buffer), 'ERR_SHM_BUFFER_TOO_LARGE')
  posix.ftruncate(segment.fd, SIZE)
  segment.refresh()
  assert.equal(segment.bytes.length, SIZE)
}

function iteratorStealsNothing(): void {
  using segment = MemfdSegment.create('shmem-test', { size: SIZE })
  const original = Array.prototype[Symbol.iterator]
  const seen: unknown[] = []
  const replace = (iterator: unknown): boolean => Reflect.set(Array.prototype, Symbol.iterator, iterator)
  replace(function (this: unknown[]) {
    for (let at = 0; at < this.length; at++) seen.push(this[at])
    return original.call(this)
  })
  try {
    PosixSemaphore.init(segment, 0)
    PosixSemaphore.at(segment, 0)
    segment.flush({ offset: 0, length: SIZE })
  } finally {
    replace(original)
  }
  assert.equal(seen.some(value => typeof value === 'object'), false)
}

function exitDeep(open: unknown[], depth: number): void {
  if (depth > 0) return [1].forEach(() => exitDeep([...open, make('memfd', SIZE).bytes], depth - 1))
  survived()
  process.exit(0)
}

function throwWithEverythingOpen(): void {
  const open = [makeAll().map(segment => segment.bytes), makeAll()]
  throw new Error(`uncaught with ${open.length} lists open`)
}

async function exitWithBusyWorkers(): Promise<void> {
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: 'busy' }))
  await Promise.all(workers.map(worker => new Promise(resolve => worker.once('message', resolve))))
  survived()
  process.exit(0)
}

function busyWorker(): void {
  assert.equal(workerData, 'busy')
  const views = makeAll().map(segment => segment.bytes)
  parentPort?.postMessage('busy')
  for (;;) for (const view of views) view.fill(1)
}
