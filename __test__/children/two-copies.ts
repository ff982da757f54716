/**
 * A process with two copies of the package, `first` and `second`, loaded in this order: what 90.two-copies asks it to do with both. The
 * arguments are their addresses. A worker of it is the same program.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { answer } from '../support/replies.js'

type Package = typeof import('shmem')
type Entrances = [first: string, second: string]

const { entrances, name: nameForWorker } = isMainThread ? { entrances: process.argv.slice(2) as Entrances, name: '' } : (workerData as { entrances: Entrances; name: string })
const first = (await import(entrances[0])) as Package
const second = (await import(entrances[1])) as Package
const SIZE = 65_536
const PAGE = 4096

if (isMainThread) answer({ faults, memory, misuse, locks, structures, workers, passing, holdBoth, openWith, raw })
else dieHolding()

/** Each copy answers for its own mappings, in whatever order the handlers stand, also before WebAssembly's. */
function faults(): void {
  for (let round = 0; round < 4; round++) {
    const [toucher, other] = round % 2 === 0 ? [first, second] : [second, first]
    using made = other.MemfdSegment.create('copies', { size: SIZE })
    using touched = toucher.MemfdSegment.fromFd(made.fd, { access: 'read' })
    using quiet = other.MemfdSegment.fromFd(made.fd, { access: 'read' })
    new Uint8Array(touched.buffer)[PAGE] = 1
    assert.throws(() => touched.read(0, 1), { code: 'ERR_SHM_READ_ONLY' })
    assert.deepEqual([touched.stat().faults.readOnly, quiet.stat().faults.readOnly], [1, 0])
    assert.deepEqual([quiet.read(PAGE, 1)[0], made.read(PAGE, 1)[0]], [0, 0])

    using shrunk = toucher.MemfdSegment.fromFd(made.fd)
    const view = new Uint8Array(shrunk.buffer)
    made.resize(PAGE)
    assert.equal(view[SIZE - 1], 0)
    assert.throws(() => shrunk.read(0, 1), { code: 'ERR_SHM_TRUNCATED' })
    assert.equal(made.stat().faults.truncated, 0)
    trapInWebAssembly()
  }
}

function trapInWebAssembly(): void {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: any }
  // (memory 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  const bytes = Buffer.from('0061736d0100000001060160017f017f030201000503010001070801046c6f616400000a0901070020002802000b', 'hex')
  const { load } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports
  assert.throws(() => load(-1), WebAssembly.RuntimeError)
}

/** The same bytes through both, and by descriptor from one to the other. */
function memory(name: string): void {
  using made = first.PosixSegment.create(name, { size: SIZE })
  try {
    using opened = second.openDescriptor(JSON.parse(JSON.stringify(made.descriptor)))
    const [ours, theirs] = [new Int32Array(made.buffer), new Int32Array(opened.buffer)]
    for (let round = 0; round < 1000; round++) Atomics.add(round % 2 === 0 ? ours : theirs, 5, 1)
    assert.deepEqual([ours[5], theirs[5]], [1000, 1000])
    made.close()
    assert.deepEqual([ours.length, theirs[5]], [0, 1000])
  } finally {
    first.PosixSegment.remove(name)
  }
}

/** What one made the other does not take, and says why; an error of one is an error of the other. */
function misuse(): string[] {
  using made = first.MemfdSegment.create('copies', { size: '1MiB' })
  using mem = first.ManagedSegment.openOrCreate(made)
  using other = second.ManagedSegment.openOrCreate(second.MemfdSegment.fromFd(made.fd))
  const calls = [
    () => second.ManagedSegment.open(made as never),
    () => second.PosixSemaphore.init(made as never, 0),
    () => second.PthreadMutex.initialise(made as never, 0),
    () => other.condition('condition').waitSync(mem.mutex('mutex') as never),
    () => second.struct({ one: first.i32 as never })
  ]
  const messages = calls.map(call => {
    try {
      call()
    } catch (error) {
      assert.ok(error instanceof TypeError && (error as { code?: string }).code === 'ERR_INVALID_ARG_TYPE', String(error))
      return error.message
    }
    throw new Error(`it was taken: ${call}`)
  })
  assert.throws(() => second.wait(new Int32Array(made.buffer, made.size - 64, 4), 0, 0, { timeoutMs: 0 }))
  for (const [copy, judge] of [[first, second], [second, first]] as const) {
    assert.throws(() => copy.PosixSegment.open('/shmem-test-no-such-object'), error => error instanceof judge.ShmError && error instanceof copy.ShmError && error.code === 'ENOENT')
    assert.ok(!(new Error('no') instanceof judge.ShmError))
  }
  return messages
}

/** Two members of one thread, which neither knows to be the other's. */
async function locks(name: string): Promise<void> {
  using ours = first.ManagedSegment.create(name, { size: '1MiB' })
  try {
    using theirs = second.ManagedSegment.open(name)
    assert.deepEqual([ours.members.length, theirs.members.filter(({ alive }) => alive).length], [2, 2])
    const [mine, yours] = [ours.mutex('book'), theirs.mutex('book')]
    mine.lockSync()
    assert.equal(yours.tryLock(), 'busy')
    assert.throws(() => yours.lockSync(), { code: 'ERR_SHM_DEADLOCK' })
    assert.throws(() => yours.unlock(), { code: 'ERR_SHM_NOT_OWNER' })
    const granted = yours.lock({ timeoutMs: 20_000 })
    mine.unlock()
    assert.equal(await granted, 'locked')
    assert.equal(mine.tryLock(), 'busy')
    assert.throws(() => mine.lockSync(), { code: 'ERR_SHM_DEADLOCK' })
    yours.unlock()
    assert.equal(mine.lockSync(), 'locked')
    mine.unlock()

    const [reads, writes] = [ours.rwlock('table'), theirs.rwlock('table')]
    reads.readLockSync()
    assert.equal(writes.tryReadLock(), 'locked')
    writes.readUnlock()
    assert.equal(writes.tryWriteLock(), 'busy')
    assert.throws(() => writes.writeLockSync(), { code: 'ERR_SHM_DEADLOCK' })
    reads.readUnlock()
    assert.equal(writes.tryWriteLock(), 'locked')
    assert.throws(() => reads.readLockSync(), { code: 'ERR_SHM_DEADLOCK' })
    writes.writeUnlock()

    const [few, same] = [ours.semaphore('few', { permits: 2 }), theirs.semaphore('few', { permits: 2 })]
    few.acquireSync()
    assert.equal(same.acquireSync(), 'acquired')
    for (const each of [few, same]) assert.throws(() => each.acquireSync({ timeoutMs: 1000 }), { code: 'ERR_SHM_DEADLOCK' })
    few.release()
    same.release()

    const [waits, sets] = [ours.event('event'), theirs.event('event')]
    const told = waits.wait({ timeoutMs: 20_000 })
    sets.set()
    assert.equal(await told, 'set')
  } finally {
    ours.remove()
  }
}

/** Both allocate, send, receive, set and get in turns; nothing is lost or doubled. */
function structures(name: string): void {
  using ours = first.ManagedSegment.create(name, { size: '4MiB' })
  try {
    using theirs = second.ManagedSegment.open(name)
    const blocks = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? ours : theirs).allocator.allocate(100))
    assert.equal(new Set(blocks).size, 200)
    blocks.forEach((block, index) => (index % 3 === 0 ? ours : theirs).allocator.free(block))
    assert.deepEqual(ours.allocator.stats(), theirs.allocator.stats())

    const shape = { slots: 16, slotBytes: 64 }
    using out = ours.ring('ring', shape).producer()
    using into = theirs.ring('ring', shape).consumer()
    assert.throws(() => theirs.ring('ring', shape).producer(), { code: 'ERR_SHM_PRODUCER_TAKEN' })
    assert.throws(() => into.receiveSync({ timeoutMs: 1000 }), { code: 'ERR_SHM_DEADLOCK' })
    for (let number = 0; number < 1000; number++) {
      assert.equal(out.trySend(`message ${number}`), 'sent')
      assert.equal(Buffer.from(into.tryReceive() as Uint8Array).toString(), `message ${number}`)
    }
    const [map, same] = [ours.map('map', { memory: '256KiB' }), theirs.map('map', { memory: '256KiB' })]
    for (let number = 0; number < 500; number++) (number % 2 === 0 ? map : same).set(`key ${number % 50}`, Buffer.from(`${number}`))
    for (let number = 450; number < 500; number++) assert.equal(Buffer.from((number % 2 === 0 ? same : map).get(`key ${number % 50}`) as Uint8Array).toString(), String(number))
  } finally {
    ours.remove()
  }
}

/** Threads that end as members of both; the main thread has both to the end. */
async function workers(name: string): Promise<void> {
  using ours = first.ManagedSegment.create(name, { size: '1MiB' })
  try {
    using theirs = second.ManagedSegment.open(name)
    for (let round = 0; round < 3; round++) {
      const order = round % 2 === 0 ? entrances : [...entrances].reverse()
      const worker = new Worker(new URL(import.meta.url), { workerData: { entrances: order, name } })
      await once(worker, 'exit')
      assert.equal(await ours.mutex('a').lock({ timeoutMs: 20_000 }), 'ownerDied')
      assert.equal(await theirs.mutex('b').lock({ timeoutMs: 20_000 }), 'ownerDied')
      for (const mutex of [ours.mutex('a'), theirs.mutex('b')]) {
        mutex.markConsistent()
        mutex.unlock()
      }
    }
    faults()
  } finally {
    ours.remove()
  }
}

/** A third copy that only a worker had: its handlers stay before ours when the worker is gone. */
async function passing(third: string): Promise<void> {
  const program = `
    import(${JSON.stringify(third)}).then(({ MemfdSegment }) => {
      const made = MemfdSegment.create('copies', { size: 4096 })
      const reader = MemfdSegment.fromFd(made.fd, { access: 'read' })
      new Uint8Array(reader.buffer)[0] = 1
      require('node:worker_threads').parentPort.postMessage(made.bytes[0])
      process.exit()
    })`
  faults()
  const worker = new Worker(program, { eval: true })
  const [[byte]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
  assert.equal(byte, 0)
  globalThis.gc?.()
  faults()
}

function dieHolding(): void {
  const [ours, theirs] = [first, second].map(copy => copy.ManagedSegment.open(nameForWorker))
  ours?.mutex('a').lockSync()
  theirs?.mutex('b').lockSync()
  process.exit()
}

/** Until it is killed. */
function holdBoth(name: string): number[] {
  const [ours, theirs] = [first, second].map(copy => copy.ManagedSegment.open(name))
  ours?.mutex('a').lockSync()
  theirs?.mutex('b').lockSync()
  return [ours, theirs].map(mem => mem?.members.length ?? 0)
}

/** What comes of opening that object in every way, by each copy. */
function openWith(name: string): { code: string; message: string }[] {
  return [first, second].flatMap(copy =>
    [
      () => copy.ManagedSegment.open(name),
      () => copy.ManagedSegment.open(name, { access: 'observe' }),
      () => copy.ManagedSegment.openOrCreate(name, { size: '1MiB' }),
      () => copy.ManagedSegment.openOrCreate(copy.PosixSegment.open(`/${name.replace('/', '')}`))
    ].map(open => {
      try {
        open()
        return { code: 'none', message: '' }
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        return { code, message }
      }
    })
  )
}

/** Handles of raw calls; addresses of one are not the other's. */
async function raw(): Promise<string[]> {
  const [ours, theirs] = (await Promise.all(entrances.map(entrance => import(entrance.replace(/index\.js$|shmem$/u, found => (found === 'shmem' ? 'shmem/posix' : 'lib/raw/posix.js')))))) as [typeof import('shmem/posix'), typeof import('shmem/posix')]
  const fd = ours.memfd_create('copies', ours.MFD_CLOEXEC)
  ours.ftruncate(fd, PAGE)
  const handle = ours.mmap(null, PAGE, ours.PROT_READ | ours.PROT_WRITE, ours.MAP_SHARED, fd)
  ours.close(fd)
  const messages = [() => theirs.munmap(handle as never), () => theirs.mprotect(handle as never, 0, PAGE, 0)].map(call => {
    try {
      call()
      return 'it was taken'
    } catch (error) {
      return (error as Error).message
    }
  })
  assert.throws(() => theirs.mmap(handle.address, PAGE, 3, theirs.MAP_PRIVATE | theirs.MAP_ANONYMOUS | theirs.MAP_FIXED, -1), { code: 'ERR_SHM_NOT_OURS' })
  new Uint8Array(handle.buffer)[0] = 7
  ours.munmap(handle)
  return messages
}
