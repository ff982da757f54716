/**
 * The whole of the library's ground in one program without a test runner, for every runtime (scripts/test-runtimes.mjs): all kinds
 * of segments and semaphores, lifetimes, and the fault guard. Locks and structures are in `structures.ts`.
 */
import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, PosixSemaphore, ShmError, SysvSegment, SysvSemaphoreSet, ftok, openDescriptor
} from 'shmem'
import { proveAll, type Claims } from '../support/claims.js'
import { codeOf, collect, KINDS, make, readOnlyPair, steal, uniqueName } from '../support/scenarios.js'
import * as posix from 'shmem/posix'
import * as sysv from 'shmem/sysv'

const SIZE = 65_536
const PAGE = 4096

const claims: Claims = {
  'System V segments are created, opened, attached, stated and removed': () => {
    const key = (0x5e00_0000 | (process.pid & 0x3f_ffff)) | 0
    const made = SysvSegment.create(key, { size: SIZE })
    try {
      assert.equal(codeOf(() => SysvSegment.create(key, { size: SIZE })), 'EEXIST')
      const opened = SysvSegment.open(key)
      made.bytes[7] = 42
      assert.equal(opened.bytes[7], 42)
      assert.equal(SysvSegment.attach(made.id, { access: 'read' }).read(7, 1)[0], 42)
      assert.equal(opened.stat().key, key)
      opened.close()
    } finally {
      made.remove()
    }
    assert.equal(codeOf(() => SysvSegment.open(key)), 'ENOENT')
    made.close()
  },

  'POSIX segments are created, opened, resized, refreshed and removed': () => {
    const name = `/${uniqueName()}`
    const made = PosixSegment.create(name, { size: SIZE })
    try {
      assert.equal(codeOf(() => PosixSegment.create(name, { size: SIZE })), 'EEXIST')
      const opened = PosixSegment.open(name)
      made.write(0, 'hällo')
      assert.equal(opened.read(0, 6).toString(), 'hällo')
      opened.resize(2 * SIZE)
      assert.equal(made.refresh(), true)
      assert.equal(made.buffer.byteLength, 2 * SIZE)
      opened.close()
    } finally {
      made.remove()
    }
    assert.equal(codeOf(() => PosixSegment.open(name)), 'ENOENT')
    made.close()
  },

  'memfds are created, passed by descriptor and sealed': () => {
    using made = MemfdSegment.create('segments', { size: SIZE })
    using other = MemfdSegment.fromFd(made.fd)
    other.bytes[1] = 9
    assert.equal(made.bytes[1], 9)
    made.addSeals(['shrink', 'grow'])
    assert.equal(codeOf(() => made.resize(PAGE)), 'EPERM')
    assert.deepEqual(made.seals, ['shrink', 'grow'])
  },

  'files are created, opened in part, flushed and removed': () => {
    const path = join(tmpdir(), uniqueName())
    const made = FileSegment.create(path, { size: SIZE })
    try {
      const part = FileSegment.open(path, { offset: PAGE, length: PAGE })
      part.bytes[0] = 3
      part.flush()
      assert.equal(made.bytes[PAGE], 3)
      part.close()
    } finally {
      unlinkSync(path)
    }
    made.close()
  },

  'a descriptor opens the same object': () => {
    for (const kind of ['sysv', 'memfd'] as const) {
      using made = make(kind, SIZE)
      using opened = openDescriptor(JSON.parse(JSON.stringify(made.descriptor)))
      opened.bytes[5] = 5
      assert.equal(made.bytes[5], 5)
    }
  },

  'atomics on a segment are atomics': () => {
    using segment = make('posix', SIZE)
    const words = new Int32Array(segment.buffer)
    Atomics.store(words, 0, 1)
    assert.equal(Atomics.add(words, 0, 2), 1)
    assert.equal(Atomics.compareExchange(words, 0, 3, 4), 3)
    assert.equal(words[0], 4)
  },

  'page controls work on every kind': () => {
    for (const kind of KINDS) {
      using segment = make(kind, SIZE)
      segment.prefault()
      segment.advise(undefined, 'willneed')
      segment.flush({ async: true })
      assert.equal(segment.residency().residentPages, 16)
    }
  },

  'errors are ShmErrors with code, errno and syscall': () => {
    const error = thrown(() => PosixSegment.open(`/${uniqueName()}`))
    assert.ok(error instanceof ShmError && error instanceof Error)
    assert.deepEqual([error.code, error.errno, error.syscall], ['ENOENT', -2, 'shm_open'])
    assert.equal(codeOf(() => PosixSegment.open('no-slash')), 'ERR_INVALID_ARG_VALUE')
    assert.equal(codeOf(() => ftok('/', 0)) !== undefined, true)
  },

  'System V semaphores count': () => {
    const set = SysvSemaphoreSet.create(IPC_PRIVATE, { count: 2, initial: [1, 0] })
    try {
      assert.deepEqual([set.tryAcquire(0), set.tryAcquire(0)], ['acquired', 'busy'])
      assert.equal(set.acquireSync(1, { timeoutMs: 5 }), 'timedOut')
      set.release(1)
      assert.deepEqual(set.values(), [0, 1])
    } finally {
      set.remove()
    }
  },

  'POSIX semaphores count, by name and inside a segment': () => {
    const name = `/${uniqueName()}`
    const named = PosixSemaphore.create(name, { value: 1 })
    named.remove()
    using segment = make('memfd', SIZE)
    const inside = PosixSemaphore.init(segment, 64, { value: 1 })
    for (const semaphore of [named, inside]) {
      assert.deepEqual([semaphore.tryWait(), semaphore.tryWait()], ['acquired', 'busy'])
      assert.equal(semaphore.waitSync({ timeoutMs: 5 }), 'timedOut')
      semaphore.post()
      assert.equal(semaphore.value, 1)
      semaphore.close()
      assert.equal(codeOf(() => semaphore.post()), 'ERR_SHM_CLOSED')
    }
  },

  'raw System V calls work': () => {
    const id = sysv.shmget(sysv.IPC_PRIVATE, PAGE, sysv.IPC_CREAT | 0o600)
    const handle = sysv.shmat(id)
    sysv.shmctl(id, sysv.IPC_RMID)
    new Uint8Array(handle.buffer)[0] = 1
    sysv.shmdt(handle)
    assert.equal(handle.buffer.byteLength, 0)
  },

  'raw POSIX calls work': () => {
    const fd = posix.memfd_create('segments', posix.MFD_CLOEXEC)
    posix.ftruncate(fd, PAGE)
    const handle = posix.mmap(null, PAGE, posix.PROT_READ | posix.PROT_WRITE, posix.MAP_SHARED, fd)
    posix.close(fd)
    new Uint8Array(handle.buffer)[0] = 1
    posix.munmap(handle)
    assert.equal(codeOf(() => posix.munmap(handle)), 'EINVAL')
  },

  'after close every view is empty and every call ERR_SHM_CLOSED': () => {
    for (const kind of KINDS) {
      const segment = make(kind, SIZE)
      const views = [new Uint8Array(segment.buffer), segment.bytes]
      segment.close()
      segment.close()
      for (const view of views) {
        view[0] = 1
        assert.deepEqual([view.length, view[0]], [0, undefined])
      }
      assert.equal(codeOf(() => segment.read(0, 1)), 'ERR_SHM_CLOSED')
    }
  },

  'stolen memory lives on after close': async () => {
    for (const kind of KINDS) {
      const segment = make(kind, SIZE)
      const stolen = await steal(segment)
      segment.close()
      await collect()
      stolen.fill(4)
      assert.equal(stolen[SIZE - 1], 4)
    }
  },

  'views and segments may be collected in any order': async () => {
    const views = KINDS.map(kind => make(kind, SIZE).bytes)
    await collect()
    views.forEach(view => view.fill(1))
    for (let count = 0; count < 500; count++) make(KINDS[count % 4] ?? 'memfd', SIZE).bytes[0] = 1
    await collect()
    assert.equal(views[0]?.[SIZE - 1], 1)
  },

  'a write through a read-only view is private and reported once': () => {
    const { writer, reader } = readOnlyPair(SIZE)
    const { buffer } = reader
    const view = new Uint8Array(buffer)
    const words = new Int32Array(buffer)
    view[0] = 1
    view.fill(2, PAGE, 2 * PAGE)
    view.set([1, 2, 3], 2 * PAGE)
    Atomics.store(words, (3 * PAGE) / 4, 9)
    new DataView(buffer).setFloat64(4 * PAGE, 1.5)
    for (let index = 5 * PAGE; index < SIZE; index++) view[index] = index
    assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY')
    assert.equal(codeOf(() => reader.read(0, 1)), undefined)
    assert.equal(reader.stat().faults.readOnly, 16)
    assert.ok(writer.bytes.every(byte => byte === 0))
  },

  'a touch of a hole, and of truncated memory, reads zeroes': () => {
    using segment = MemfdSegment.create('segments', { size: SIZE })
    const view = new Uint8Array(segment.buffer).fill(5)
    segment.unmap({ offset: PAGE, length: PAGE })
    assert.equal(view[PAGE], 0)
    assert.equal(codeOf(() => segment.read(0, 1)), 'ERR_SHM_HOLE')
    using other = MemfdSegment.fromFd(segment.fd)
    other.resize(2 * PAGE)
    assert.equal(view[SIZE - 1], 0)
    assert.equal(codeOf(() => segment.read(0, 1)), 'ERR_SHM_TRUNCATED')
    assert.equal(segment.refresh(), true)
    assert.equal(segment.bytes[0], 5)
  },

  'WebAssembly traps after the guard ran': () => {
    const { WebAssembly } = globalThis as unknown as { WebAssembly: any }
    // (memory 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    const bytes = Buffer.from('0061736d0100000001060160017f017f030201000503010001070801046c6f616400000a0901070020002802000b', 'hex')
    const { load } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports
    for (let round = 0; round < 20_000; round++) load(round & 0xff)
    assert.throws(() => load(0x7fff_ffff), WebAssembly.RuntimeError)
    const { reader } = readOnlyPair(SIZE)
    new Uint8Array(reader.buffer)[1] = 1
    assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY')
    assert.throws(() => load(-1), WebAssembly.RuntimeError)
  },

  'a SharedArrayBuffer is the same bytes, or one clear error': () => {
    const segment = make('memfd', SIZE)
    try {
      const shared = new Uint8Array(segment.toSharedArrayBuffer())
      segment.bytes[3] = 3
      assert.equal(shared[3], 3)
      segment.close()
      assert.equal(shared[3], 3)
    } catch (error) {
      assert.equal((error as ShmError).code, 'ERR_SHM_NO_SHARED_ARRAY_BUFFER')
    }
  }
}

function thrown(call: () => unknown): ShmError {
  try {
    call()
  } catch (error) {
    return error as ShmError
  }
  throw new Error('it did not throw')
}

await proveAll(claims)
