/**
 * Rings as Node's streams: bytes and messages, back-pressure, and their ends.
 */
import test from 'ava'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { managedSegment, nameOf } from './support/lock-peer.js'
import { startChild } from './support/child.js'
import { until } from './support/until.js'

test('bytes go through a ring as they are, however they are divided', async t => {
  const ring = managedSegment(t).ring('bytes', { slots: 4, slotBytes: 100 })
  const bytes = randomBytes(50_000)
  const chunks = function* () {
    for (let start = 0, length = 1; start < bytes.length; start += length, length = (length * 7 + 3) % 1000) yield bytes.subarray(start, start + length)
  }
  const hash = createHash('sha256')
  await Promise.all([pipeline(Readable.from(chunks(), { objectMode: false }), ring.writable()), pipeline(ring.readable(), hash)])
  t.is(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
})

test('in object mode a chunk is a message, also an empty one', async t => {
  const ring = managedSegment(t).ring('messages', { slots: 2, slotBytes: 8 })
  const sent = ['one', '', 'two', Buffer.from([1, 2, 3]), 'größer', '']
  const writing = pipeline(Readable.from(sent), ring.writable({ objectMode: true }))
  const got: string[] = []
  for await (const message of ring.readable({ objectMode: true })) got.push(Buffer.from(message as Uint8Array).toString())
  await writing
  t.deepEqual(got, sent.map(one => one.toString()))
})

test('a full ring holds the writer back, and room lets it go on', async t => {
  const ring = managedSegment(t).ring('pressure', { slots: 2, slotBytes: 8, whenFull: 'fail' })
  const out = ring.writable({ objectMode: true, highWaterMark: 1 })
  const writes = Array.from({ length: 5 }, (_, number) => new Promise<void>((resolve, reject) => out.write(`${number}`, error => (error ? reject(error) : resolve()))))
  t.true(out.writableNeedDrain)
  await Promise.all(writes.slice(0, 2))
  t.is(ring.length, 2)
  const input = ring.consumer()
  const got: string[] = []
  while (got.length < 5) got.push(Buffer.from((await input.receive()) as Uint8Array).toString())
  await Promise.all(writes)
  t.deepEqual(got, ['0', '1', '2', '3', '4'])
  out.destroy()
  await until('the end is given back', () => ring.producerMember === undefined)
  ring.producer().trySend('more')
  t.is(ring.length, 1)
})

test('a message that is too long fails the stream, and not the ring', async t => {
  const ring = managedSegment(t).ring('long', { slots: 2, slotBytes: 8 })
  await t.throwsAsync(pipeline(Readable.from(['0123456789']), ring.writable({ objectMode: true })), { code: 'ERR_OUT_OF_RANGE' })
  t.is(ring.producer().trySend('short'), 'sent')
})

test('a stream whose other end has ended or died says so', async t => {
  const mem = managedSegment(t)
  const options = { slots: 2, slotBytes: 8 }
  const ring = mem.ring('ring', options)
  const peer = startChild(t, 'ring-peer')
  await peer.ask('open', { name: nameOf(mem), options })
  await peer.ask('produce')
  const reading = Readable.prototype.toArray.call(ring.readable({ objectMode: true }))
  await peer.ask('send', 'x')
  await peer.kill()
  await t.throwsAsync(reading, { code: 'ERR_SHM_PEER_DIED' })
  await until('the end is given back', () => ring.consumerMember === undefined)
  ring.consumer().end()
  await t.throwsAsync(pipeline(Readable.from(['x']), ring.writable({ objectMode: true })), { code: 'ERR_SHM_ENDED' })
})

test('a readable that is destroyed gives its end back', async t => {
  const ring = managedSegment(t).ring('destroyed', { slots: 2, slotBytes: 8 })
  const readable = ring.readable()
  readable.on('data', () => {})
  t.is(ring.consumerMember?.isSelf, true)
  readable.destroy()
  await until('the end is given back', () => ring.consumerMember === undefined)
  t.is(ring.consumer().tryReceive(), 'empty')
})
