/**
 * The rows of the bad-input table for conditions, barriers, onces, seqlocks, words and counters, and waits on words.
 */
import { ManagedSegment, MemfdSegment } from 'shmem'
import * as bad from './bad-values.js'
import { needs, takes, type Argument } from './bad-values.js'

const functions = [null, 5, {}, 'x', true]

/** A managed segment with one of each. */
export function makeWaits() {
  const segment = MemfdSegment.create('bad', { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment, { members: 4 })
  return {
    segment,
    mem,
    mutex: mem.mutex('mutex'),
    condition: mem.condition('condition'),
    barrier: mem.barrier('barrier', { parties: 2 }),
    once: mem.once('once'),
    seqlock: mem.seqlock('seqlock', { bytes: 64 }),
    word: mem.word('word'),
    counter: mem.counter('counter')
  }
}

/** Takes it down. */
export function endWaits({ segment, mem }: ReturnType<typeof makeWaits>): void {
  mem.close()
  segment.close()
}

/** The rows. */
export function waitRows({ mem, mutex }: ReturnType<typeof makeWaits>): Record<string, Argument[]> {
  const syncWait = { timeoutMs: bad.milliseconds, spinMicros: bad.whole(0, 1_000_000).filter(micros => micros !== 1.5) }
  const asyncWait = { ...syncWait, signal: [...bad.handle, { aborted: true }], ref: bad.flag }
  const options = takes('options', { timeoutMs: 0 }, bad.object, syncWait)
  const asyncOptions = takes('options', { timeoutMs: 0 }, bad.object, asyncWait)
  const name = needs('name', 'another', [...bad.text, 'x'.repeat(65), 'é'.repeat(33), 'x'.repeat(70_000)])
  const theMutex = needs('mutex', mutex, bad.handle)
  const act = needs('act', () => {}, functions)
  const value = needs('value', 1, bad.int32)
  const expected = needs('expected', 0, bad.int32)
  const longs = [null, 5, '5', {}, true, 2n ** 63n, -(2n ** 63n) - 1n]
  const count = takes('count', 1, bad.whole(0, 2 ** 31 - 1).filter(many => many !== Infinity))
  const array = needs('int32Array', new Int32Array(mem.buffer, 0, 4), [...bad.handle, new BigInt64Array(2), new DataView(new ArrayBuffer(8))])
  const index = needs('index', 0, bad.whole(0, 3))
  const opened = [needs('opened', undefined, bad.handle)]
  const bytes = [null, 5, 'x', {}, [], new Uint8Array(63), new Int32Array(64)]

  return {
    'ManagedSegment#condition': [name],
    'ManagedSegment#barrier': [name, needs('options', { parties: 2 }, bad.object, { parties: [...bad.whole(1, 4096), undefined] })],
    'ManagedSegment#once': [name],
    'ManagedSegment#seqlock': [name, needs('options', { bytes: 8 }, bad.object, { bytes: [...bad.whole(1, 2 ** 20), undefined] })],
    'ManagedSegment#word': [name],
    'ManagedSegment#counter': [name],

    'new Condition': opened,
    'Condition#waitSync': [theMutex, options],
    'Condition#wait': [theMutex, asyncOptions],
    'Condition#notifyOne': [],
    'Condition#notifyAll': [],

    'new Barrier': opened,
    'Barrier#waitSync': [options],
    'Barrier#wait': [asyncOptions],
    'Barrier#leave': [],

    'new Once': opened,
    'Once#run': [act, asyncOptions],
    'Once#runSync': [act, options],

    'new SeqLock': opened,
    'SeqLock#read': [takes('target', new Uint8Array(64), bytes)],
    'SeqLock#write': [needs('source', new Uint8Array(64), [...bytes, new Uint8Array(65)]), options],

    'new AtomicWord': opened,
    'AtomicWord#load': [],
    ...Object.fromEntries(['store', 'and', 'or', 'xor', 'exchange'].map(method => [`AtomicWord#${method}`, [value]])),
    ...Object.fromEntries(['add', 'sub'].map(method => [`AtomicWord#${method}`, [takes('value', 1, bad.int32)]])),
    'AtomicWord#compareExchange': [expected, value],
    'AtomicWord#waitSync': [expected, options],
    'AtomicWord#wait': [expected, asyncOptions],
    'AtomicWord#notify': [count],

    'new AtomicCounter': opened,
    'AtomicCounter#load': [],
    ...Object.fromEntries(['store', 'exchange'].map(method => [`AtomicCounter#${method}`, [needs('value', 1n, longs)]])),
    ...Object.fromEntries(['add', 'sub'].map(method => [`AtomicCounter#${method}`, [takes('value', 1n, longs)]])),
    'AtomicCounter#compareExchange': [needs('expected', 0n, longs), needs('value', 1n, longs)],

    wait: [array, index, needs('value', 0, bad.int32), options],
    waitAsync: [array, index, needs('value', 0, bad.int32), asyncOptions],
    notify: [array, index, count]
  }
}
