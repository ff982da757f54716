/**
 * The rows of the bad-input table for latests and broadcasts, with their writers and readers.
 */
import { ManagedSegment, MemfdSegment } from 'shmem'
import * as bad from './bad-values.js'
import { needs, takes, type Argument } from './bad-values.js'

/** A latest and a broadcast, in each of which lie eight bytes. */
export function makeFeeds() {
  const segment = MemfdSegment.create('bad', { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment, { members: 4 })
  const latest = mem.latest('latest', { bytes: 64 })
  const broadcast = mem.broadcast('broadcast', { slots: 4, slotBytes: 64 })
  const [publisher, sender] = [latest.writer(), broadcast.writer()]
  publisher.write(Buffer.alloc(8))
  sender.send(Buffer.alloc(8))
  return { segment, mem, latest, broadcast, publisher, sender, reader: latest.reader(), receiver: broadcast.reader({ from: 'oldest' }) }
}

/** Takes them down. */
export function endFeeds({ segment, mem }: ReturnType<typeof makeFeeds>): void {
  mem.close()
  segment.close()
}

/** What methods are called on. */
export function feedInstances({ latest, broadcast, publisher, sender, reader, receiver }: ReturnType<typeof makeFeeds>): Record<string, object[]> {
  return { Latest: [latest], LatestWriter: [publisher], LatestReader: [reader], Broadcast: [broadcast], BroadcastWriter: [sender], BroadcastReader: [receiver] }
}

/** The rows. */
export function feedRows(): Record<string, Argument[]> {
  const syncWait = { timeoutMs: bad.milliseconds, spinMicros: bad.whole(0, 1_000_000).filter(micros => micros !== 1.5) }
  const asyncWait = { ...syncWait, signal: [...bad.handle, { aborted: true }], ref: bad.flag }
  const options = takes('options', { timeoutMs: 0 }, bad.object, syncWait)
  const asyncOptions = takes('options', { timeoutMs: 0 }, bad.object, asyncWait)
  const name = needs('name', 'another', [...bad.text, 'x'.repeat(65), 'é'.repeat(33), 'x'.repeat(70_000)])
  const notBytes = [null, 5, 'x', {}, [], new Int32Array(4), new DataView(new ArrayBuffer(8))]
  const notPayload = notBytes.filter(value => value !== 'x')
  const target = takes('target', new Uint8Array(8), [...notBytes, new Uint8Array(7)])
  const length = takes('length', 8, bad.whole(0, 64))
  const ofLatest = { bytes: [...bad.whole(1, 2 ** 32 - 1), undefined], readers: bad.whole(1, 1000) }
  const ofBroadcast = { slots: [...bad.whole(2, 2 ** 24), undefined], slotBytes: [...bad.whole(1, 2 ** 30), undefined] }
  const made = [needs('home', undefined, bad.handle), takes('parts', new Set(), [])]
  const ends = (type: string): Record<string, Argument[]> => ({ [`${type}#close`]: [], [`${type}#[Symbol.dispose]`]: [] })

  return {
    'ManagedSegment#latest': [name, needs('options', { bytes: 8 }, bad.object, ofLatest)],
    'ManagedSegment#broadcast': [name, needs('options', { slots: 4, slotBytes: 8 }, bad.object, ofBroadcast)],

    'new Latest': [needs('opened', undefined, bad.handle)],
    'Latest#writer': [],
    'Latest#reader': [],
    'Latest#stats': [],
    'new LatestWriter': made,
    'LatestWriter#write': [needs('value', new Uint8Array(8), [...notPayload, new Uint8Array(65), 'x'.repeat(65)])],
    'LatestWriter#begin': [],
    'LatestWriter#publish': [length],
    'LatestWriter#abort': [],
    'LatestWriter#end': [],
    ...ends('LatestWriter'),
    'new LatestReader': made,
    'LatestReader#view': [],
    'LatestReader#read': [target],
    'LatestReader#tryNext': [],
    'LatestReader#nextSync': [options],
    'LatestReader#next': [asyncOptions],
    'LatestReader#Symbol(Symbol.asyncIterator)': [],
    ...ends('LatestReader'),

    'new Broadcast': [needs('opened', undefined, bad.handle)],
    'Broadcast#writer': [],
    'Broadcast#reader': [takes('options', {}, bad.object, { from: bad.word })],
    'Broadcast#stats': [],
    'new BroadcastWriter': made,
    'BroadcastWriter#send': [needs('message', new Uint8Array(8), [...notPayload, new Uint8Array(65), 'x'.repeat(65)])],
    'BroadcastWriter#claim': [],
    'BroadcastWriter#commit': [length],
    'BroadcastWriter#abort': [],
    'BroadcastWriter#end': [],
    ...ends('BroadcastWriter'),
    'new BroadcastReader': [...made, takes('position', 0, [])],
    'BroadcastReader#tryReceive': [target],
    'BroadcastReader#receiveSync': [options],
    'BroadcastReader#receive': [asyncOptions],
    'BroadcastReader#drain': [needs('limit', 0, bad.whole(0, 2 ** 53 - 1).filter(value => value !== Infinity)), needs('onMessage', () => {}, [null, 5, {}, 'x', true])],
    'BroadcastReader#peek': [],
    'BroadcastReader#accept': [],
    'BroadcastReader#Symbol(Symbol.asyncIterator)': [],
    ...ends('BroadcastReader')
  }
}
