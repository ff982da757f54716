/**
 * The rows of the bad-input table for managed segments, their mutex and what stands around it.
 */
import { ManagedSegment, MemfdSegment } from 'shmem'
import * as bad from './bad-values.js'
import { needs, takes, type Argument } from './bad-values.js'

const functions = [null, 5, {}, 'x', true]

/** A managed segment with one of everything. */
export function makeManaged() {
  const segment = MemfdSegment.create('bad', { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment, { members: 4 })
  return { segment, mem, mutex: mem.mutex('book') }
}

/** Takes it down. */
export function endManaged({ segment, mem }: ReturnType<typeof makeManaged>): void {
  mem.close()
  segment.close()
}

/** `over` is some other segment. */
export function managedRows(over: MemfdSegment): Record<string, Argument[]> {
  const geometry = { members: bad.whole(1, 4096), objects: bad.whole(1, 65_536), memberName: bad.text }
  const { size, mode, reserve, prefault, lockMemory, hugePages, placement, owner } = bad.createOptions
  const notNames = bad.objectName.filter(value => value !== 'frames')
  const name = needs('name', '/shmem-test-bad-input', notNames)
  const create = needs('options', { size: '1MiB' }, bad.object, { size, mode, reserve, prefault, lockMemory, hugePages, placement, owner, ...geometry })
  // Missing, it counts as a missing segment.
  const asName = takes('name', '/shmem-test-bad-input', notNames.filter(value => typeof value === 'string'))
  const asSegment = needs('segment', over, bad.handle.filter(value => typeof value !== 'string'))
  const object = needs('name', 'another', [...bad.text, 'x'.repeat(65), 'é'.repeat(33), 'x'.repeat(70_000)])
  const event = needs('event', 'memberDied', [...bad.word, 'error'])
  const listener = needs('listener', () => {}, functions)
  const syncWait = { timeoutMs: bad.milliseconds, spinMicros: bad.whole(0, 1_000_000).filter(value => value !== 1.5), strict: bad.flag }
  const asyncWait = { ...syncWait, signal: [...bad.handle, { aborted: true }], ref: bad.flag }
  const lockSync = takes('options', { timeoutMs: 0 }, bad.object, syncWait)
  const lock = takes('options', { timeoutMs: 0 }, bad.object, asyncWait)
  const act = needs('act', () => {}, functions)
  const repair = { repair: functions }
  const request = { mode: bad.word, ifAvailable: bad.flag, signal: asyncWait.signal, repair: functions, steal: bad.flag }

  return {
    'new ManagedSegment': [needs('segment', undefined, bad.handle)],
    'ManagedSegment.create': [name, create],
    'ManagedSegment.open': [asSegment, takes('options', {}, bad.object, { access: bad.word, memberName: bad.text, owner: [...bad.word, 'me'] })],
    'ManagedSegment.open name': [asName],
    'ManagedSegment.openOrCreate': [asSegment, takes('options', {}, bad.object, geometry)],
    'ManagedSegment.openOrCreate name': [asName, create],
    'ManagedSegment#mutex': [object],
    'ManagedSegment#on': [event, listener, takes('options', {}, bad.object, { once: bad.flag })],
    'ManagedSegment#off': [event, listener],
    'ManagedSegment#stats': [],
    'ManagedSegment#close': [],
    'ManagedSegment#remove': [],
    'ManagedSegment#[Symbol.dispose]': [],

    'new Mutex': [needs('opened', undefined, bad.handle)],
    'Mutex#tryLock': [takes('options', {}, bad.object, { strict: bad.flag })],
    'Mutex#lockSync': [lockSync],
    'Mutex#lock': [lock],
    'Mutex#unlock': [],
    'Mutex#markConsistent': [],
    'Mutex#reset': [],
    'Mutex#acquireSync': [lockSync],
    'Mutex#acquire': [lock],
    'Mutex#withLock': [act, { ...lock, options: { ...asyncWait, ...repair } }],
    'Mutex#withLockSync': [act, { ...lockSync, options: { ...syncWait, ...repair } }],

    'new HeldLock': [needs('ownerDied', undefined, bad.handle)],
    'HeldLock#markConsistent': [],
    'HeldLock#release': [],
    'HeldLock#[Symbol.dispose]': [],

    'new LockManager': [needs('home', undefined, bad.handle)],
    'LockManager#request': [object, takes('options', {}, bad.object, request), act]
  }
}
