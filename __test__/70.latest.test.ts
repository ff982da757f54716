/**
 * Latest: the newest value of one writer, here and in other processes; waits, deaths, room for readers, and what is refused.
 */
import test from 'ava'
import { Latest, LatestReader, LatestWriter } from 'shmem'
import { NEWEST, NUMBER } from '../lib/structures/feeds/feed-layout.js'
import { FeedPeer } from './support/feed-peer.js'
import { managedSegment, untilAwaited, wordsOf } from './support/lock-peer.js'

const text = (value: Uint8Array | string | undefined): string | undefined => (value instanceof Uint8Array ? Buffer.from(value).toString() : value)

test('before the first value there is none', t => {
  const pose = managedSegment(t).latest('pose', { bytes: 16 })
  const input = pose.reader()
  t.true(pose instanceof Latest && input instanceof LatestReader)
  t.deepEqual([input.read(), input.view(), input.read(new Uint8Array(16)), input.tryNext(), input.version, input.isNewer], [undefined, undefined, undefined, 'empty', 0, false])
  t.deepEqual(pose.stats(), { waits: 0, ownerDeaths: 0, timeouts: 0, sent: 0, received: 0, missed: 0 })
})

test('readers get the newest value, and skip those between', t => {
  const pose = managedSegment(t).latest('pose', { bytes: 16, readers: 2 })
  const [out, one, two] = [pose.writer(), pose.reader(), pose.reader()]
  t.true(out instanceof LatestWriter)
  t.is(out.write(Buffer.from('first')), 1)
  t.is(text(one.read()), 'first')
  for (const word of ['second', 'third', 'fourth']) out.write(Buffer.from(word))
  t.true(one.isNewer)
  const target = Buffer.alloc(8, '.')
  t.is(one.read(target), 6)
  t.is(target.toString(), 'fourth..')
  t.deepEqual([one.isNewer, one.version, out.version, text(two.read()), two.version], [false, 4, 4, 'fourth', 4])
  t.is(text(one.read()), 'fourth', 'again and again')
  const { sent, received, missed } = pose.stats()
  t.deepEqual({ sent, received, missed }, { sent: 4, received: 3, missed: 2 })
})

test('text is published as UTF-8, as long as a value has bytes', t => {
  const pose = managedSegment(t).latest('pose', { bytes: 8 })
  const [out, input] = [pose.writer(), pose.reader()]
  out.write('grüße')
  t.deepEqual([text(input.read()), input.read()?.length], ['grüße', 7])
  t.throws(() => out.write('ü'.repeat(5)), { instanceOf: RangeError, message: /at most 8 bytes.*10 bytes/u })
  t.is(text(input.read()), 'grüße')
})

test('a value in place stays the same until the next call, whatever is written', t => {
  const mem = managedSegment(t)
  const pose = mem.latest('pose', { bytes: 8, readers: 3 })
  const out = pose.writer()
  const readers = [pose.reader(), pose.reader(), pose.reader()]
  const views = readers.map((reader, index) => {
    out.write(Buffer.from(`kept ${index}`))
    return reader.view()
  })
  for (let count = 0; count < 1000; count++) out.write(Buffer.from(`n ${count}`))
  t.deepEqual(views.map(text), ['kept 0', 'kept 1', 'kept 2'])
  const [first] = readers
  t.is(text(Buffer.from(mem.buffer, first?.offset, 6)), 'kept 0')
  t.is((first?.offset ?? 1) % 16, 0)
  t.deepEqual(readers.map(reader => text(reader.view())), ['n 999', 'n 999', 'n 999'])
})

test('a value is written in place, and nobody sees it before it is published', t => {
  const mem = managedSegment(t)
  const pose = mem.latest('pose', { bytes: 8 })
  const [out, input] = [pose.writer(), pose.reader()]
  out.write(Buffer.from('old'))
  const view = out.begin()
  view.fill(0x61)
  t.is(out.begin(), view)
  t.is(view.byteOffset, out.offset)
  t.deepEqual([text(input.read()), out.isWriting], ['old', true])
  t.throws(() => mem.close(), { code: 'ERR_SHM_HELD' })
  t.is(out.publish(3), 2)
  t.is(text(input.read()), 'aaa')
  out.begin().fill(0x62)
  out.abort()
  t.throws(() => out.publish(), { code: 'ERR_SHM_NOT_OWNER' })
  t.is(text(input.read()), 'aaa')
  t.is(out.begin().length, 8)
  out.publish()
  t.is(input.read()?.length, 8)
})

test('there is one writer at a time, and its versions go on', async t => {
  const mem = managedSegment(t)
  const options = { bytes: 16 }
  const pose = mem.latest('pose', options)
  const peer = new FeedPeer(t, mem)
  const there = await peer.open('latest', 'pose', options, 'writer')
  t.is(await there.call('write', 'of the peer'), 1)
  t.throws(() => pose.writer(), { code: 'ERR_SHM_WRITER_TAKEN' })
  t.regex(t.throws(() => pose.writer()).message, new RegExp(`process ${peer.child.pid} \\('peer'\\)`))
  await there.call('close')
  const out = pose.writer()
  t.throws(() => pose.writer(), { code: 'ERR_SHM_WRITER_TAKEN' })
  t.deepEqual([out.version, out.write(Buffer.from('mine'))], [1, 2])
  out.close()
  out.close()
  t.throws(() => out.write(Buffer.from('late')), { code: 'ERR_SHM_CLOSED' })
  pose.writer().close()
})

test('a killed writer is replaced at once; what it had begun is never seen', async t => {
  const mem = managedSegment(t)
  const options = { bytes: 16 }
  const pose = mem.latest('pose', options)
  const peer = new FeedPeer(t, mem)
  const there = await peer.open('latest', 'pose', options, 'writer')
  const input = pose.reader()
  await there.call('write', 'whole')
  await there.call('begin')
  const pending = input.next().then(async value => [text(value), await input.next()])
  await untilAwaited(mem, 'pose')
  await peer.kill()
  t.deepEqual(await pending, ['whole', 'writerDied'])
  t.is(input.nextSync({ timeoutMs: 20 }), 'timedOut', 'a death is told once')
  const later = input.next()
  const out = pose.writer()
  t.deepEqual([out.version, text(input.read())], [1, 'whole'])
  out.write(Buffer.from('next'))
  t.is(text(await later), 'next')
  t.is(pose.stats().ownerDeaths, 1)
})

test('waits get what comes: with the thread blocked, with promises, from another process', async t => {
  const mem = managedSegment(t)
  const options = { bytes: 16 }
  const pose = mem.latest('pose', options)
  const out = pose.writer()
  const [one, two] = [new FeedPeer(t, mem), new FeedPeer(t, mem)]
  const [blocked, pending] = [await one.open('latest', 'pose', options, 'reader'), await two.open('latest', 'pose', options, 'reader')]
  const sleeping = blocked.call('nextSync')
  await pending.begin('next')
  const input = pose.reader()
  const here = [input.next(), input.next({ timeoutMs: 10_000 })]
  await untilAwaited(mem, 'pose')
  out.write(Buffer.from('news'))
  t.deepEqual([await sleeping, await pending.end(), text(await here[0])], ['news', 'news', 'news'])
  out.write(Buffer.from('more'))
  t.is(text(await here[1]), 'more')
  t.is(await input.next({ timeoutMs: 0 }), 'timedOut')
  const gone = new AbortController()
  const aborted = input.next({ signal: gone.signal })
  gone.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
})

test('the end is told after the last value, and a later writer begins anew', async t => {
  const mem = managedSegment(t)
  const pose = mem.latest('pose', { bytes: 16 })
  const [out, input] = [pose.writer(), pose.reader()]
  out.write(Buffer.from('last'))
  const pending = pose.reader().next().then(text)
  out.end()
  t.deepEqual([text(input.tryNext()), input.tryNext(), input.nextSync(), await input.next(), await pending], ['last', 'ended', 'ended', 'ended', 'last'])
  const values: unknown[] = []
  for await (const value of pose.reader()) values.push(text(value))
  t.deepEqual(values, ['last'])
  const next = pose.writer()
  t.is(input.tryNext(), 'empty')
  const sleeping = input.next()
  await untilAwaited(mem, 'pose')
  next.end()
  t.is(await sleeping, 'ended')
})

test('an iteration whose writer is killed throws, and may go on with the next', async t => {
  const mem = managedSegment(t)
  const options = { bytes: 16 }
  const pose = mem.latest('pose', options)
  const peer = new FeedPeer(t, mem)
  await peer.open('latest', 'pose', options, 'writer')
  const input = pose.reader()
  const step = input[Symbol.asyncIterator]().next()
  await untilAwaited(mem, 'pose')
  await peer.kill()
  const error = await t.throwsAsync(step, { code: 'ERR_SHM_WRITER_DIED' })
  t.regex(error.message, /latest 'pose'/u)
  pose.writer().write(Buffer.from('again'))
  t.is(text((await input[Symbol.asyncIterator]().next()).value as Uint8Array), 'again')
})

test('as many readers as were asked for; a closed one and a dead one make room', async t => {
  const mem = managedSegment(t)
  const options = { bytes: 16, readers: 2 }
  const pose = mem.latest('pose', options)
  const peer = new FeedPeer(t, mem)
  const one = pose.reader()
  await peer.open('latest', 'pose', options, 'reader')
  t.throws(() => pose.reader(), { code: 'ERR_SHM_READERS_FULL' })
  one.close()
  const two = pose.reader()
  t.throws(() => pose.reader(), { code: 'ERR_SHM_READERS_FULL' })
  await peer.kill()
  const three = pose.reader()
  pose.writer().write(Buffer.from('both'))
  t.deepEqual([text(two.read()), text(three.read())], ['both', 'both'])
  t.throws(() => one.read(), { code: 'ERR_SHM_CLOSED' })
})

test('sizes, other types and closed ends are refused', async t => {
  const mem = managedSegment(t)
  const pose = mem.latest('pose', { bytes: 4 })
  const [out, input] = [pose.writer(), pose.reader()]
  t.throws(() => out.write(Buffer.alloc(5)), { code: 'ERR_OUT_OF_RANGE' })
  out.write(Buffer.from('four'))
  t.throws(() => input.read(new Uint8Array(3)), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => mem.latest('pose', { bytes: 8 }), { code: 'ERR_SHM_TYPE_MISMATCH' })
  t.regex(t.throws(() => mem.mutex('pose')).message, /latest \{ bytes: 4, readers: 8 \}/u)
  t.throws(() => mem.latest('huge', { bytes: 2 ** 32 - 1 }), { code: 'ERR_SHM_NO_SPACE' })
  const pending = input.next()
  mem.close()
  await t.throwsAsync(pending, { code: 'ERR_SHM_CLOSED' })
  for (const call of [() => out.write(Buffer.alloc(1)), () => out.begin(), () => input.read(), () => input.view(), () => input.isNewer, () => input.tryNext(), () => pose.writer(), () => pose.reader()]) {
    t.throws(call, { code: 'ERR_SHM_CLOSED' })
  }
  out.close()
  input.close()
})

test('a register that names no buffer is an error at every look, until it names one', t => {
  const mem = managedSegment(t)
  const pose = mem.latest('pose', { bytes: 16 })
  const [out, input] = [pose.writer(), pose.reader()]
  out.write(Buffer.from('first'))
  t.is(text(input.view()), 'first')
  const words = wordsOf(mem, 'pose')
  const newest = words[NEWEST] as number
  words[NEWEST] = NUMBER - 1
  for (const look of [() => input.view(), () => input.view(), () => input.read(), () => input.tryNext()]) t.throws(look, { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  words[NEWEST] = newest
  t.is(text(input.view()), 'first')
})

test('a segment that is closed gives its seat and its cells back', async t => {
  const mem = managedSegment(t)
  const options = { bytes: 4, readers: 1 }
  const peer = new FeedPeer(t, mem)
  await peer.open('latest', 'pose', options, 'writer')
  await peer.open('latest', 'pose', options, 'reader')
  const pose = mem.latest('pose', options)
  t.throws(() => pose.reader(), { code: 'ERR_SHM_READERS_FULL' })
  await peer.child.ask('close')
  pose.reader()
  pose.writer()
  t.is(wordsOf(mem, 'pose')[2], 0, 'not ended')
})
