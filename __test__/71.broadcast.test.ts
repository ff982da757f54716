/**
 * Broadcast: what one sends and many see, here and in other processes; laps and their exact count, late joiners, waits, deaths, and what is refused.
 */
import { Readable } from 'node:stream'
import test from 'ava'
import { Broadcast, BroadcastReader, BroadcastWriter, type ManagedSegment } from 'shmem'
import { FeedPeer } from './support/feed-peer.js'
import { managedSegment, untilAwaited, wordsOf } from './support/lock-peer.js'

const OPTIONS = { slots: 8, slotBytes: 16 }
const text = (value: Uint8Array | string | undefined): string | undefined => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)
const send = (out: BroadcastWriter, from: number, to: number): void => {
  for (let number = from; number < to; number++) out.send(Buffer.from(`m${number}`))
}
const all = (input: BroadcastReader): string[] => {
  const got: string[] = []
  for (;;) {
    const message = input.tryReceive()
    if (typeof message === 'string') return got
    got.push(message.toString())
  }
}

test('every reader sees every message, in order', async t => {
  const mem = managedSegment(t)
  const ticks = mem.broadcast('ticks', OPTIONS)
  const [out, here] = [ticks.writer(), ticks.reader()]
  t.true(ticks instanceof Broadcast && out instanceof BroadcastWriter && here instanceof BroadcastReader)
  const there = await new FeedPeer(t, mem).open('broadcast', 'ticks', OPTIONS, 'reader')
  t.deepEqual([here.tryReceive(), await there.call('tryReceive')], ['empty', 'empty'])
  t.deepEqual([out.send(Buffer.from('a')), out.send(Buffer.from('')), out.send(Buffer.from('c'))], [0, 1, 2])
  t.deepEqual(all(here), ['a', '', 'c'])
  t.deepEqual([await there.call('tryReceive'), await there.call('tryReceive'), await there.call('tryReceive')], ['a', '', 'c'])
  t.deepEqual([here.received, here.lost, here.position, out.sent], [3, 0, 3, 3])
  t.deepEqual(ticks.stats(), { waits: 0, ownerDeaths: 0, timeouts: 0, sent: 3, received: 3, lost: 0 })
})

test('text is sent as UTF-8, as long as a slot has bytes', t => {
  const ticks = managedSegment(t).broadcast('ticks', OPTIONS)
  const [out, input] = [ticks.writer(), ticks.reader()]
  out.send('grüße')
  const got = input.tryReceive()
  t.true(Buffer.isBuffer(got))
  t.deepEqual([got.length, got.toString()], [7, 'grüße'])
  t.throws(() => out.send('ü'.repeat(9)), { instanceOf: RangeError, message: /at most 16 bytes.*18 bytes/u })
  t.is(input.tryReceive(), 'empty')
})

test('who is overtaken is told how many it lost, to the message', t => {
  const ticks = managedSegment(t).broadcast('ticks', OPTIONS)
  const [out, input] = [ticks.writer(), ticks.reader()]
  send(out, 0, 1)
  t.deepEqual(all(input), ['m0'])
  send(out, 1, 9)
  t.deepEqual([all(input).length, input.lost], [8, 0], 'a whole ring of messages is there')
  send(out, 9, 1000)
  const first = text(input.tryReceive() as Buffer)
  t.is(input.skipped, input.lost)
  t.is(first, `m${9 + input.lost}`)
  const rest = all(input)
  t.deepEqual([rest.at(-1), input.skipped], ['m999', 0])
  t.is(input.received + input.lost, 1000)
  t.is(ticks.stats().lost, input.lost)
  t.true(input.lost <= 991 - 7, 'no more is given up than what is overwritten, and an eighth of the ring')
})

test('late ones begin with the next, the newest or the oldest message', t => {
  const ticks = managedSegment(t).broadcast('ticks', OPTIONS)
  const out = ticks.writer()
  const early = ticks.reader({ from: 'newest' })
  send(out, 0, 3)
  t.deepEqual(all(ticks.reader({ from: 'oldest' })), ['m0', 'm1', 'm2'])
  t.deepEqual(all(ticks.reader({ from: 'newest' })), ['m2'])
  t.deepEqual(all(ticks.reader({ from: 'next' })), [])
  t.deepEqual(all(early), ['m0', 'm1', 'm2'], 'when nothing was there yet')
  send(out, 3, 100)
  const oldest = ticks.reader({ from: 'oldest' })
  t.deepEqual([all(oldest), oldest.lost], [['m93', 'm94', 'm95', 'm96', 'm97', 'm98', 'm99'], 0])
})

test('slots are rounded up to a power of two', t => {
  const mem = managedSegment(t)
  t.is(mem.broadcast('five', { slots: 5, slotBytes: 1 }).slots, 8)
  t.is(mem.broadcast('five', { slots: 8, slotBytes: 1 }).slots, 8)
  t.is(mem.broadcast('two', { slots: 2, slotBytes: 1 }).slots, 2)
  t.throws(() => mem.broadcast('five', { slots: 9, slotBytes: 1 }), { code: 'ERR_SHM_TYPE_MISMATCH', message: /slots: 8, slotBytes: 1/u })
  t.throws(() => mem.broadcast('huge', { slots: 2 ** 24, slotBytes: 2 ** 30 }), { code: 'ERR_SHM_NO_SPACE' })
})

test('a ring of two slots works, and counts', t => {
  const ticks = managedSegment(t).broadcast('ticks', { slots: 2, slotBytes: 8 })
  const [out, input] = [ticks.writer(), ticks.reader()]
  for (let number = 0; number < 100; number++) {
    send(out, number, number + 1)
    if (number % 5 === 0) all(input)
  }
  all(input)
  t.is(input.received + input.lost, 100)
  t.true(input.received >= 21)
})

test('a message is written and read where it lies, and what was overwritten meanwhile is not accepted', t => {
  const mem = managedSegment(t)
  const ticks = mem.broadcast('ticks', OPTIONS)
  const [out, input] = [ticks.writer(), ticks.reader()]
  t.is(input.peek(), undefined)
  t.false(input.accept())
  const slot = out.claim()
  t.is(out.claim(), slot)
  t.deepEqual([slot.length, slot.byteOffset, out.offset % 16, out.isWriting], [16, out.offset, 0, true])
  slot.set(Buffer.from('in place'))
  t.is(input.peek(), undefined, 'not before it is committed')
  t.throws(() => mem.close(), { code: 'ERR_SHM_HELD' })
  t.is(out.commit(8), 0)
  t.is(text(input.peek()), 'in place')
  t.is(input.offset, slot.byteOffset)
  t.true(input.accept())
  t.deepEqual([input.received, input.accept(), input.peek()], [1, false, undefined])
  send(out, 1, 2)
  t.is(text(input.peek()), 'm1')
  send(out, 2, 10)
  t.false(input.accept(), 'it was overwritten')
  t.true(input.lost > 0)
  while (input.peek() !== undefined) t.true(input.accept())
  t.is(input.received + input.lost, 10)
  t.throws(() => out.commit(), { code: 'ERR_SHM_NOT_OWNER' })
})

test('a claim that is given up costs the message that its slot held, and nothing else', t => {
  const ticks = managedSegment(t).broadcast('ticks', OPTIONS)
  const [out, input] = [ticks.writer(), ticks.reader()]
  send(out, 0, 8)
  out.claim()
  out.abort()
  t.is(out.sent, 8)
  const got = all(input)
  t.is(got.at(-1), 'm7')
  t.is(got.length + input.lost, 8)
  t.is(input.lost > 0, true)
  send(out, 8, 9)
  t.deepEqual(all(input), ['m8'])
})

test('draining takes what is there, up to a limit, through one buffer', t => {
  const ticks = managedSegment(t).broadcast('ticks', OPTIONS)
  const [out, input] = [ticks.writer(), ticks.reader()]
  send(out, 0, 5)
  const seen: string[] = []
  const buffers = new Set<Buffer>()
  const take = (bytes: Buffer, length: number): void => {
    buffers.add(bytes)
    seen.push(bytes.toString('utf8', 0, length))
  }
  t.deepEqual([input.drain(2, take), input.drain(Infinity, take), input.drain(10, take)], [2, 3, 0])
  t.deepEqual(seen, ['m0', 'm1', 'm2', 'm3', 'm4'])
  t.is(buffers.size, 1)
  const target = Buffer.alloc(3, '.')
  send(out, 5, 6)
  t.is(input.tryReceive(target), 2)
  t.is(target.toString(), 'm5.')
  send(out, 123, 124)
  t.throws(() => input.tryReceive(target), { code: 'ERR_OUT_OF_RANGE' })
  t.is(text(input.tryReceive()), 'm123', 'it stayed')
})

test('waits get what comes: with the thread blocked, with promises, from another process', async t => {
  const mem = managedSegment(t)
  const ticks = mem.broadcast('ticks', OPTIONS)
  const out = ticks.writer()
  const [one, two] = [new FeedPeer(t, mem), new FeedPeer(t, mem)]
  const [blocked, pending] = [await one.open('broadcast', 'ticks', OPTIONS, 'reader'), await two.open('broadcast', 'ticks', OPTIONS, 'reader')]
  const sleeping = blocked.call('receiveSync')
  await pending.begin('receive')
  const input = ticks.reader()
  const here = [input.receive(), input.receive({ timeoutMs: 10_000 })]
  await untilAwaited(mem, 'ticks')
  send(out, 0, 2)
  t.deepEqual([await sleeping, await pending.end(), text(await here[0]), text(await here[1])], ['m0', 'm0', 'm0', 'm1'])
  t.deepEqual([await input.receive({ timeoutMs: 0 }), input.receiveSync({ timeoutMs: 5 }), await input.receive({ timeoutMs: 5 })], ['timedOut', 'timedOut', 'timedOut'])
  const gone = new AbortController()
  const aborted = input.receive({ signal: gone.signal })
  gone.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  const stats = ticks.stats()
  t.true(stats.waits >= 2 && stats.timeouts >= 1)
})

test('the end is told after the last message, and a later writer goes on', async t => {
  const mem = managedSegment(t)
  const ticks = mem.broadcast('ticks', OPTIONS)
  const [out, input, iterated] = [ticks.writer(), ticks.reader(), ticks.reader()]
  send(out, 0, 2)
  const sleeping = ticks.reader().receive()
  await untilAwaited(mem, 'ticks')
  out.end()
  t.deepEqual([await sleeping, all(input), input.tryReceive(), input.receiveSync(), await input.receive()], ['ended', ['m0', 'm1'], 'ended', 'ended', 'ended'])
  const got: unknown[] = []
  for await (const message of iterated) got.push(text(message))
  t.deepEqual(got, ['m0', 'm1'])
  const next = ticks.writer()
  t.deepEqual([next.sent, input.tryReceive()], [2, 'empty'])
  send(next, 2, 3)
  t.deepEqual(all(input), ['m2'])
})

test('a killed writer is replaced; what it was at is never delivered, and counts neither as sent nor as lost', async t => {
  const mem = managedSegment(t)
  const ticks = mem.broadcast('ticks', OPTIONS)
  const peer = new FeedPeer(t, mem)
  const there = await peer.open('broadcast', 'ticks', OPTIONS, 'writer')
  const [input, late] = [ticks.reader(), ticks.reader()]
  t.throws(() => ticks.writer(), { code: 'ERR_SHM_WRITER_TAKEN', message: new RegExp(`process ${peer.child.pid} \\('peer'\\)`, 'u') })
  for (const word of ['one', 'two']) await there.call('send', word)
  await there.call('claim')
  t.deepEqual([text(await input.receive()), text(await input.receive())], ['one', 'two'])
  const pending = input.receive()
  await untilAwaited(mem, 'ticks')
  await peer.kill()
  t.is(await pending, 'writerDied')
  t.is(input.receiveSync({ timeoutMs: 20 }), 'timedOut', 'a death is told once')
  const next = input.receive()
  const out = ticks.writer()
  t.is(out.sent, 2)
  out.send(Buffer.from('three'))
  t.is(text(await next), 'three')
  t.deepEqual([all(late), input.received, input.lost], [['one', 'two', 'three'], 3, 0])
})

test('a message whose writer was killed before it counted it is sent, once', t => {
  const mem = managedSegment(t)
  const ticks = mem.broadcast('ticks', OPTIONS)
  const out = ticks.writer()
  const input = ticks.reader()
  send(out, 0, 3)
  // As a kill right after the stamp leaves it.
  new Float64Array(mem.buffer, wordsOf(mem, 'ticks').byteOffset)[8] = 2
  out.close()
  const next = ticks.writer()
  t.is(next.sent, 3)
  send(next, 3, 4)
  t.deepEqual(all(input), ['m0', 'm1', 'm2', 'm3'])
})

test("a reader is a stream of Node's by Readable.from()", async t => {
  const ticks = managedSegment(t).broadcast('ticks', OPTIONS)
  const [out, input, bytes] = [ticks.writer(), ticks.reader(), ticks.reader()]
  send(out, 0, 5)
  out.end()
  t.deepEqual((await Readable.from(input).toArray()).map(text), ['m0', 'm1', 'm2', 'm3', 'm4'])
  t.is((await Readable.from(bytes, { objectMode: false }).setEncoding('utf8').toArray()).join(''), 'm0m1m2m3m4')
})

test('an iteration whose writer is killed throws', async t => {
  const mem = managedSegment(t)
  const peer = new FeedPeer(t, mem)
  const there = await peer.open('broadcast', 'ticks', OPTIONS, 'writer')
  const input = mem.broadcast('ticks', OPTIONS).reader()
  await there.call('send', 'one')
  const steps = input[Symbol.asyncIterator]()
  t.is(text((await steps.next()).value as Uint8Array), 'one')
  const step = steps.next()
  await untilAwaited(mem, 'ticks')
  await peer.kill()
  await t.throwsAsync(step, { code: 'ERR_SHM_WRITER_DIED' })
})

/** As if so many messages had been sent: the head, and nothing else. */
function sentBefore(mem: ManagedSegment, count: number): void {
  new Float64Array(mem.buffer, wordsOf(mem, 'ticks').byteOffset)[8] = count
}

for (const count of [2 ** 31 - 4, 2 ** 32 - 4, 2 ** 40 - 3]) {
  test(`positions go on from ${count}`, async t => {
    const mem = managedSegment(t)
    const ticks = mem.broadcast('ticks', OPTIONS)
    sentBefore(mem, count)
    const out = ticks.writer()
    const [kept, overtaken] = [ticks.reader(), ticks.reader()]
    const there = await new FeedPeer(t, mem).open('broadcast', 'ticks', OPTIONS, 'reader', { from: 'next' })
    t.is(out.sent, count)
    for (let number = 0; number < 40; number++) {
      t.is(out.send(Buffer.from(`m${number}`)), count + number)
      t.is(text(kept.tryReceive() as Buffer), `m${number}`)
    }
    t.deepEqual([kept.received, kept.lost, kept.position], [40, 0, count + 40])
    all(overtaken)
    t.is(overtaken.received + overtaken.lost, 40)
    while ((await there.call('tryReceive')) !== 'empty');
    t.is((await there.get<number>('received')) + (await there.get<number>('lost')), 40)
  })
}

test('a reader that slept for 2^33 messages counts them all', t => {
  const mem = managedSegment(t)
  const ticks = mem.broadcast('ticks', OPTIONS)
  const input = ticks.reader()
  sentBefore(mem, 2 ** 33)
  const out = ticks.writer()
  send(out, 0, 12)
  all(input)
  t.is(input.received + input.lost, 2 ** 33 + 12)
})

test('closed ends are refused', async t => {
  const mem = managedSegment(t)
  const ticks = mem.broadcast('ticks', OPTIONS)
  const [out, input, closed] = [ticks.writer(), ticks.reader(), ticks.reader()]
  t.throws(() => out.send(Buffer.alloc(17)), { code: 'ERR_OUT_OF_RANGE' })
  closed.close()
  closed.close()
  t.throws(() => closed.tryReceive(), { code: 'ERR_SHM_CLOSED' })
  const pending = input.receive()
  mem.close()
  await t.throwsAsync(pending, { code: 'ERR_SHM_CLOSED' })
  for (const call of [() => out.send(Buffer.alloc(1)), () => out.claim(), () => input.tryReceive(), () => input.peek(), () => input.accept(), () => input.drain(1, () => {}), () => ticks.writer(), () => ticks.reader()]) {
    t.throws(call, { code: 'ERR_SHM_CLOSED' })
  }
  out.close()
  input.close()
})
