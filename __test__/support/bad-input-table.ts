/**
 * Every public function of `shmem`, `shmem/sysv` and `shmem/posix` with its arguments, for 17.bad-input.test.ts, which also
 * checks that none is forgotten. `Class.method` is static, `Class#method` is called on an instance of the world.
 */
import {
  IPC_CREAT, IPC_PRIVATE, IPC_SET, IPC_STAT, SETALL, SETVAL, semget
} from 'shmem/sysv'
import { MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE, memfd_create, mmap, sem_init } from 'shmem/posix'
import {
  FileSegment, MemfdSegment, PosixSegment, PosixSemaphore, PthreadBarrier, PthreadCondition, PthreadMutex, PthreadRwLock, SysvSegment, SysvSemaphoreSet
} from 'shmem'
import { endFeeds, feedRows, makeFeeds } from './bad-input-feeds.js'
import { allocatorRows, endAllocator, makeAllocator } from './bad-input-allocator.js'
import { endManaged, makeManaged, managedRows } from './bad-input-managed.js'
import * as bad from './bad-values.js'
import { endRing, makeRing, ringRows } from './bad-input-ring.js'
import { numaRows, placementRows } from './bad-input-placement.js'
import { endMap, makeMap, mapRows } from './bad-input-map.js'
import { makeStructs, structRows } from './bad-input-struct.js'
import { systemRows } from './bad-input-system.js'
import { endWaits, makeWaits, waitRows } from './bad-input-waits.js'
import { needs, takes, type Argument } from './bad-values.js'

/** Real objects to call methods on and to pass as good arguments. */
export type World = ReturnType<typeof makeWorld>

/** A row for each function: `module:name`, and its arguments in order. */
export type Table = Record<string, Argument[]>

/** Makes one of everything; files lie in `folder`. */
export function makeWorld(folder: string) {
  const posix = PosixSegment.create(`/shmem-test-${process.pid}-bad`, { size: 65_536 })
  const managed = makeManaged()
  const mapping = mmap(null, 65_536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
  return {
    folder,
    posix,
    waits: makeWaits(),
    ring: makeRing(),
    feeds: makeFeeds(),
    map: makeMap(),
    structs: makeStructs(),
    allocator: makeAllocator(),
    sysv: SysvSegment.create(IPC_PRIVATE, { size: 65_536, removeOnLastDetach: true }),
    memfd: MemfdSegment.create('bad', { size: 65_536 }),
    file: FileSegment.create(`${folder}/file`, { size: 65_536 }),
    set: SysvSemaphoreSet.create(0, { count: 2, initial: 1 }),
    semaphore: PosixSemaphore.init(posix, 0, { value: 1 }),
    pthreadMutex: PthreadMutex.initialise(posix, 1024),
    pthreadCondition: PthreadCondition.initialise(posix, 1088),
    pthreadRwlock: PthreadRwLock.initialise(posix, 1152),
    pthreadBarrier: PthreadBarrier.initialise(posix, 1216, { count: 2 }),
    managed,
    rwlock: managed.mem.rwlock('rwlock'),
    permits: managed.mem.semaphore('permits', { permits: 2 }),
    event: managed.mem.event('event'),
    mapping,
    fd: memfd_create('bad', 0),
    rawSet: semget(IPC_PRIVATE, 2, IPC_CREAT | 0o600),
    rawSemaphore: sem_init(mapping, 0, 1)
  }
}

/** Takes the world down. */
export function endWorld(world: World): void {
  endManaged(world.managed)
  endWaits(world.waits)
  endRing(world.ring)
  endFeeds(world.feeds)
  endMap(world.map)
  endAllocator(world.allocator)
  for (const segment of [world.posix, world.sysv, world.memfd, world.file]) segment.close()
  world.posix.remove()
  world.file.remove()
  world.set.remove()
  SysvSemaphoreSet.remove(world.rawSet)
}

/** The table of `shmem`. */
export function mainTable(world: World): Table {
  const key = needs('key', 0x5aa5_0001, bad.int32)
  const name = needs('name', '/shmem-test-bad-input', bad.objectName)
  const path = needs('path', `${world.folder}/new`, bad.path)
  const id = needs('id', 2 ** 31 - 1, bad.fd)
  const fd = needs('fd', world.fd, bad.fd)
  const index = needs('index', 0, bad.whole(0, 1))
  const offset = needs('offset', 0, bad.whole(0, 65_536))
  const range = takes('range', { offset: 0, length: 4096 }, bad.object, bad.range)
  const change = takes('change', { mode: 0o600 }, bad.object, bad.owner)
  const { keepFd: _, offset: _offset, length: _length, ...attachOptions } = bad.mapOptions
  const { keepFd: _fd, ...memfdMap } = bad.mapOptions
  const { keepFd: _kept, ...memfdCreate } = bad.createOptions
  const size = { size: 4096 }
  const create = needs('options', size, bad.object, bad.createOptions)
  const open = takes('options', {}, bad.object, bad.mapOptions)
  const sysvCreate = { ...attachOptions, size: bad.createOptions.size, mode: bad.createOptions.mode, reserve: bad.flag, hugePages: bad.createOptions.hugePages, hugePageSize: bad.createOptions.hugePageSize, keepFd: [true], offset: [0], length: [4096] }
  const attach = takes('options', {}, bad.object, { ...attachOptions, access: [...bad.word, 'copy-on-write'], keepFd: [true], offset: [0], length: [1] })
  const seals = [null, 5, 'shrink', {}, ['melt'], [null], [5]]
  const timeout = { timeoutMs: bad.milliseconds }
  const asyncWait = { ...timeout, signal: [...bad.handle, { aborted: true }], ref: bad.flag }
  const acquire = { count: bad.whole(1, 32_767), undo: bad.flag }
  const operations = needs('operations', [{ index: 0, delta: 1 }], [...bad.object, {}, ...bad.whole(0, 1).map(at => [{ index: at, delta: 1 }]), ...bad.whole(-32_767, 32_767).map(delta => [{ index: 0, delta }]), [{ index: 0, delta: 1, undo: 1 }], [{ index: 0, delta: 1, wait: 1 }], [null], [5]])
  const semaphore = takes('options', {}, bad.object, { value: bad.whole(0, 2 ** 31 - 1), mode: bad.whole(0, 0o777) })
  const semaphoreName = needs('name', '/shmem-test-bad-input', [...bad.objectName, `/${'x'.repeat(251)}`])
  const setOptions = needs('options', { count: 1 }, bad.object, { count: [...bad.whole(1, 32_000), undefined], initial: [...bad.whole(0, 32_767), [1, 2], [-1], ['1']], mode: bad.whole(0, 0o777) })
  const syncWait = { ...timeout, spinMicros: bad.whole(0, 1_000_000).filter(value => value !== 1.5) }
  const pendingWait = { ...asyncWait, spinMicros: syncWait.spinMicros }
  const strict = { strict: bad.flag }
  const repair = { repair: [null, 5, {}, 'x', true] }
  const act = takes('act', () => {}, [])
  const lockSync = takes('options', { timeoutMs: 0 }, bad.object, { ...syncWait, ...strict })
  const lock = takes('options', { timeoutMs: 0 }, bad.object, { ...pendingWait, ...strict })
  const named = needs('name', 'another', [...bad.text, 'x'.repeat(70_000)])
  const place = [needs('segment', world.posix, bad.handle), needs('offset', 64, [...bad.whole(0, 65_536), 1, 65_536, 65_528])]
  const abi = { abi: bad.word }
  const wait = takes('options', { timeoutMs: 0 }, bad.object, timeout)

  return {
    ...managedRows(world.memfd),
    ftok: [needs('path', '.', bad.path), needs('projectId', 7, [null, {}, true, 5n, 0, 256, -1, 1.5, NaN, 2 ** 53, '', 'ab', 'é', '\0'])],
    sendFd: [needs('socketPath', `${world.folder}/s`, bad.path), fd, takes('options', { timeoutMs: 0 }, bad.object, timeout)],
    receiveFd: [needs('socketPath', `${world.folder}/s`, bad.path), takes('options', { timeoutMs: 0 }, bad.object, timeout)],
    openDescriptor: [
      needs('descriptor', world.posix.descriptor, [...bad.object, {}, { kind: 'disk' }, { kind: 5 }]),
      takes('options', {}, bad.object, { access: bad.word, guard: bad.flag })
    ],

    ...placementRows(),
    ...waitRows(world.waits),
    ...ringRows(),
    ...feedRows(),
    ...mapRows(),
    ...structRows(world.structs),
    ...allocatorRows(world.allocator),
    ...systemRows(),

    'new Segment': [needs('segment', undefined, bad.handle)],
    'new SysvSegment': [takes('key', 0, []), needs('segment', undefined, bad.handle)],
    'SysvSegment.create': [key, needs('options', size, bad.object, { ...sysvCreate, removeOnLastDetach: [...bad.flag, true] })],
    'SysvSegment.open': [needs('key', 0x5aa5_0001, [...bad.int32, 0]), attach],
    'SysvSegment.openOrCreate': [key, needs('options', size, bad.object, sysvCreate)],
    'SysvSegment.attach': [id, attach],
    'SysvSegment.remove': [id],
    'SysvSegment#set': [change],
    'SysvSegment#unlockMemory': [],
    'SysvSegment#remove': [],

    'new PosixSegment': [takes('name', '/x', []), needs('segment', undefined, bad.handle)],
    'PosixSegment.create': [name, create],
    'PosixSegment.open': [name, open],
    'PosixSegment.openOrCreate': [name, create],
    'PosixSegment.remove': [name],
    'PosixSegment#set': [change],
    'PosixSegment#remove': [],

    'new MemfdSegment': [takes('label', 'x', []), needs('segment', undefined, bad.handle)],
    'MemfdSegment.create': [needs('label', 'x', [...bad.text, 'x'.repeat(250), 'x'.repeat(70_000)]), needs('options', size, bad.object, { ...memfdCreate, seals, keepFd: [true] })],
    'MemfdSegment.fromFd': [fd, takes('options', {}, bad.object, memfdMap)],
    'MemfdSegment.fromProcess': [needs('pid', process.pid, bad.whole(1, 2 ** 31 - 1)), fd, takes('options', {}, bad.object, memfdMap)],
    'MemfdSegment#addSeals': [needs('seals', [], seals)],
    'MemfdSegment#remove': [],
    'MemfdSegment#set': [change],

    'new FileSegment': [takes('path', '/x', []), needs('segment', undefined, bad.handle)],
    'FileSegment.create': [path, create],
    'FileSegment.open': [path, open],
    'FileSegment.openOrCreate': [path, create],
    'FileSegment.remove': [path],
    'FileSegment#set': [change],
    'FileSegment#remove': [],

    'Segment#toSharedArrayBuffer': [],
    'Segment#read': [offset, needs('target', 16, [...bad.source.filter(value => value !== 5), new Uint8Array(65_537)])],
    'Segment#read length': [offset, takes('length', 16, bad.whole(0, 65_536).filter(value => typeof value === 'number'))],
    'Segment#write': [offset, needs('source', 'text', [...bad.source, new Uint8Array(65_537), 'x'.repeat(65_537)])],
    'Segment#unlockMemory': [],
    'Segment#protect': [range, needs('protection', 'write', bad.word)],
    'Segment#advise': [range, needs('advice', 'normal', [...bad.word, 'hwpoison'])],
    'Segment#flush': [takes('options', {}, bad.object, { ...bad.range, async: bad.flag })],
    'Segment#residency': [range],
    'Segment#unmap': [needs('range', { offset: 4096, length: 4096 }, bad.object, bad.range)],
    'Segment#resize': [needs('size', 65_536, bad.bytes(1))],
    'Segment#refresh': [],
    'Segment#close': [],
    'Segment#[Symbol.dispose]': [],

    'new SysvSemaphoreSet': [needs('id', undefined, bad.fd)],
    'SysvSemaphoreSet.create': [key, setOptions],
    'SysvSemaphoreSet.open': [needs('key', 0x5aa5_0001, [...bad.int32, 0])],
    'SysvSemaphoreSet.openOrCreate': [key, setOptions],
    'SysvSemaphoreSet.attach': [id],
    'SysvSemaphoreSet.remove': [id],
    'SysvSemaphoreSet#values': [],
    'SysvSemaphoreSet#getValue': [index],
    'SysvSemaphoreSet#setValue': [index, needs('value', 1, bad.whole(0, 32_767))],
    'SysvSemaphoreSet#setAll': [needs('values', [1, 1], [...bad.object, {}, [1], [1, 2, 3], [1, NaN], [1, '1'], [-1, 1], [1, 32_768], [1, undefined]])],
    'SysvSemaphoreSet#tryOperate': [operations],
    'SysvSemaphoreSet#operateSync': [operations, takes('options', { timeoutMs: 0 }, bad.object, timeout)],
    'SysvSemaphoreSet#operate': [operations, takes('options', { timeoutMs: 0 }, bad.object, asyncWait)],
    'SysvSemaphoreSet#tryAcquire': [index, takes('options', {}, bad.object, acquire)],
    'SysvSemaphoreSet#acquireSync': [index, takes('options', { timeoutMs: 0 }, bad.object, { ...acquire, ...timeout })],
    'SysvSemaphoreSet#acquire': [index, takes('options', { timeoutMs: 0 }, bad.object, { ...acquire, ...asyncWait })],
    'SysvSemaphoreSet#release': [index, takes('options', {}, bad.object, acquire)],
    'SysvSemaphoreSet#waitForZeroSync': [index, takes('options', { timeoutMs: 0 }, bad.object, timeout)],
    'SysvSemaphoreSet#waitForZero': [index, takes('options', { timeoutMs: 0 }, bad.object, asyncWait)],
    'SysvSemaphoreSet#waiting': [index],
    'SysvSemaphoreSet#lastPid': [index],
    'SysvSemaphoreSet#stat': [],
    'SysvSemaphoreSet#set': [change],
    'SysvSemaphoreSet#remove': [],

    'new PosixSemaphore': [needs('semaphore', undefined, bad.handle)],
    'PosixSemaphore.create': [semaphoreName, semaphore],
    'PosixSemaphore.open': [semaphoreName],
    'PosixSemaphore.openOrCreate': [semaphoreName, semaphore],
    'PosixSemaphore.at': place,
    'PosixSemaphore.init': [...place, takes('options', {}, bad.object, { value: bad.whole(0, 2 ** 31 - 1) })],
    'PosixSemaphore.remove': [semaphoreName],
    'PosixSemaphore#tryWait': [],
    'PosixSemaphore#waitSync': [takes('options', { timeoutMs: 0 }, bad.object, timeout)],
    'PosixSemaphore#wait': [takes('options', { timeoutMs: 0 }, bad.object, asyncWait)],
    'PosixSemaphore#post': [],
    'PosixSemaphore#close': [],
    'PosixSemaphore#remove': [],
    'PosixSemaphore#[Symbol.dispose]': [],

    'new PthreadMutex': [needs('mutex', undefined, bad.handle)],
    'PthreadMutex.initialise': [...place, takes('options', {}, bad.object, { ...abi, type: bad.word, robust: bad.flag, protocol: bad.word })],
    'PthreadMutex.at': [...place, takes('options', {}, bad.object, abi)],
    'PthreadMutex#tryLock': [],
    'PthreadMutex#lockSync': [wait],
    'PthreadMutex#unlock': [],
    'PthreadMutex#markConsistent': [],
    'PthreadMutex#destroy': [],

    'new PthreadCondition': [needs('condition', undefined, bad.handle)],
    'PthreadCondition.initialise': [...place, takes('options', {}, bad.object, { ...abi, clock: bad.word })],
    'PthreadCondition.at': [...place, takes('options', {}, bad.object, abi)],
    'PthreadCondition#waitSync': [needs('mutex', world.pthreadMutex, bad.handle), takes('options', { timeoutMs: 0 }, bad.object, { ...timeout, until: [...bad.object, {}] })],
    'PthreadCondition#notifyOne': [],
    'PthreadCondition#notifyAll': [],
    'PthreadCondition#destroy': [],

    'new PthreadRwLock': [needs('lock', undefined, bad.handle)],
    'PthreadRwLock.initialise': [...place, takes('options', {}, bad.object, abi)],
    'PthreadRwLock.at': [...place, takes('options', {}, bad.object, abi)],
    'PthreadRwLock#tryReadLock': [],
    'PthreadRwLock#tryWriteLock': [],
    'PthreadRwLock#readLockSync': [wait],
    'PthreadRwLock#writeLockSync': [wait],
    'PthreadRwLock#unlock': [],
    'PthreadRwLock#destroy': [],

    'new PthreadBarrier': [needs('barrier', undefined, bad.handle)],
    'PthreadBarrier.initialise': [...place, needs('options', { count: 2 }, bad.object, { ...abi, count: [...bad.whole(1, 2 ** 31 - 1), undefined] })],
    'PthreadBarrier.at': [...place, takes('options', {}, bad.object, abi)],
    'PthreadBarrier#waitSync': [],
    'PthreadBarrier#destroy': [],

    'ManagedSegment#rwlock': [named],
    'ManagedSegment#semaphore': [named, needs('options', { permits: 1 }, bad.object, { permits: [...bad.whole(1, 65_536), undefined] })],
    'ManagedSegment#event': [named, takes('options', {}, bad.object, { reset: bad.word })],

    'new RwLock': [needs('opened', undefined, bad.handle)],
    'RwLock#tryReadLock': [],
    'RwLock#readLockSync': [lockSync],
    'RwLock#readLock': [lock],
    'RwLock#readUnlock': [],
    'RwLock#tryWriteLock': [],
    'RwLock#writeLockSync': [lockSync],
    'RwLock#writeLock': [lock],
    'RwLock#writeUnlock': [],
    'RwLock#markConsistent': [],
    'RwLock#reset': [],
    'RwLock#acquireReadSync': [lockSync],
    'RwLock#acquireRead': [lock],
    'RwLock#acquireWriteSync': [lockSync],
    'RwLock#acquireWrite': [lock],
    'RwLock#withReadLock': [act, lock],
    'RwLock#withReadLockSync': [act, lockSync],
    'RwLock#withWriteLock': [act, { ...lock, options: { ...lock.options, ...repair } }],
    'RwLock#withWriteLockSync': [act, { ...lockSync, options: { ...lockSync.options, ...repair } }],

    'new Semaphore': [needs('opened', undefined, bad.handle)],
    'Semaphore#tryAcquire': [],
    'Semaphore#acquireSync': [takes('options', { timeoutMs: 0 }, bad.object, syncWait)],
    'Semaphore#acquire': [takes('options', { timeoutMs: 0 }, bad.object, pendingWait)],
    'Semaphore#release': [],
    'Semaphore#withPermit': [act, takes('options', { timeoutMs: 0 }, bad.object, pendingWait)],
    'Semaphore#withPermitSync': [act, takes('options', { timeoutMs: 0 }, bad.object, syncWait)],

    'new Event': [needs('opened', undefined, bad.handle)],
    'Event#set': [],
    'Event#reset': [],
    'Event#tryWait': [],
    'Event#waitSync': [takes('options', { timeoutMs: 0 }, bad.object, syncWait)],
    'Event#wait': [takes('options', { timeoutMs: 0 }, bad.object, pendingWait)]
  }
}

/** The table of `shmem/sysv`. */
export function sysvTable(world: World): Table {
  const key = needs('key', 0x5aa5_0002, bad.int32)
  const id = needs('id', world.rawSet, bad.int32)
  const flags = needs('flags', IPC_CREAT | 0o600, bad.flagWord)
  const sembuf = { sem_num: 0, sem_op: 1, sem_flg: 0 }
  const operations = needs('operations', [sembuf], [
    ...bad.object, {}, [null], [5], [{ ...sembuf, sem_numb: 1 }], ...bad.whole(0, 65_535).map(sem_num => [{ ...sembuf, sem_num }]),
    ...bad.whole(-32_768, 32_767).map(sem_op => [{ ...sembuf, sem_op }]), ...bad.whole(-32_768, 32_767).map(sem_flg => [{ ...sembuf, sem_flg }])
  ])
  const command = needs('command', IPC_STAT, [...bad.int32, 9999])
  const change = { uid: bad.whole(0, 2 ** 32 - 1), gid: bad.whole(0, 2 ** 32 - 1), mode: bad.whole(0, 0o777) }
  return {
    ftok: [needs('path', '.', bad.path), needs('projectId', 7, bad.int32)],
    shmget: [key, needs('size', 4096, bad.bytes(0)), flags],
    shmat: [needs('id', world.sysv.id, bad.int32), takes('address', null, bad.address), takes('flags', 0, bad.flagWord)],
    shmdt: [needs('mapping', world.mapping, bad.handle)],
    shmctl: [needs('id', world.sysv.id, bad.int32), command],
    'shmctl IPC_SET': [id, takes('command', IPC_SET, []), needs('argument', { uid: 0, gid: 0, mode: 0o600 }, bad.object, change)],
    semget: [key, needs('count', 1, bad.int32), flags],
    semop: [id, operations],
    semtimedop: [id, operations, takes('timeoutMs', 0, bad.milliseconds)],
    semctl: [id, needs('index', 0, bad.int32), command],
    'semctl SETVAL': [id, needs('index', 0, bad.int32), takes('command', SETVAL, []), needs('argument', 1, bad.int32)],
    'semctl SETALL': [id, needs('index', 0, bad.int32), takes('command', SETALL, []), needs('argument', [1, 1], [...bad.handle.filter(value => !Array.isArray(value)), [-1, 0], ['1', 0], [NaN, 0], [65_536, 0]])],
    'semctl IPC_SET': [id, needs('index', 0, bad.int32), takes('command', IPC_SET, []), needs('argument', { uid: 0, gid: 0, mode: 0o600 }, bad.object, change)]
  }
}

/** The table of `shmem/posix`. */
export function posixTable(world: World): Table {
  const fd = needs('fd', world.fd, bad.int32)
  const name = needs('name', '/shmem-test-bad-raw', bad.text)
  const mode = takes('mode', 0o600, bad.whole(0, 0o7777))
  const oflag = needs('oflag', 0, bad.flagWord)
  const mapping = needs('mapping', world.mapping, bad.handle)
  const offset = needs('offset', 0, bad.bytes(0))
  const length = needs('length', 4096, bad.bytes(1))
  const value = needs('value', 1, bad.whole(0, 2 ** 32 - 1))
  const semaphore = needs('semaphore', world.rawSemaphore, bad.handle)
  const id = bad.whole(-1, 2 ** 32 - 2)
  return {
    shm_open: [name, oflag, mode],
    shm_unlink: [name],
    ftruncate: [fd, needs('length', 4096, bad.bytes(0))],
    posix_fallocate: [fd, offset, length],
    fstat: [fd],
    fchmod: [fd, needs('mode', 0o600, bad.whole(0, 0o7777))],
    fchown: [fd, needs('uid', -1, id), needs('gid', -1, id)],
    close: [needs('fd', 1_000_000, bad.int32)],
    memfd_create: [name, needs('flags', 0, bad.whole(0, 2 ** 32 - 1))],
    fcntl_add_seals: [fd, needs('seals', 0, bad.flagWord)],
    fcntl_get_seals: [fd],
    mmap: [
      takes('address', null, bad.address), length, needs('prot', PROT_READ, bad.flagWord), needs('flags', MAP_SHARED, bad.flagWord),
      fd, takes('offset', 0, bad.bytes(0))
    ],
    munmap: [mapping, takes('offset', 4096, bad.bytes(0)), takes('length', 4096, bad.bytes(1))],
    mprotect: [mapping, offset, length, needs('prot', PROT_READ, bad.flagWord)],
    msync: [mapping, offset, length, needs('flags', 4, bad.flagWord)],
    mlock: [mapping, offset, length],
    mlock2: [mapping, offset, length, needs('flags', 0, bad.flagWord)],
    munlock: [mapping, offset, length],
    madvise: [mapping, offset, length, needs('advice', 0, bad.int32)],
    mincore: [mapping, offset, length],
    ...numaRows(world.mapping),
    'new Semaphore': [needs('semaphore', undefined, bad.handle)],
    sem_open: [name, oflag, mode, takes('value', 0, bad.whole(0, 2 ** 32 - 1))],
    sem_init: [mapping, offset, value],
    sem_wait: [semaphore],
    sem_trywait: [semaphore],
    sem_timedwait: [semaphore, takes('timeoutMs', 0, bad.milliseconds)],
    sem_post: [semaphore],
    sem_getvalue: [semaphore],
    sem_close: [semaphore],
    sem_destroy: [semaphore],
    sem_unlink: [name]
  }
}
