/**
 * Rings of one producer and one consumer: what is sent arrives, once, in its order, whatever form sender and receiver use; full, empty, ended and
 * dead are told; each end has one owner, and goes on where the one before was.
 */
import test, { type ExecutionContext } from 'ava'
import { setTimeout } from 'node:timers/promises'
import { ManagedSegment, ShmError, type Ring, type RingOptions } from 'shmem'
import { managedSegment, nameOf, wordsOf } from './support/lock-peer.js'
import { startChild, type Child } from './support/child.js'
import { until } from './support/until.js'

const SMALL: RingOptions = { slots: 4, slotBytes: 16 }

function ringOf(t: ExecutionContext<unknown>, options: RingOptions = SMALL): { mem: ManagedSegment; ring: Ring } {
  const mem = managedSegment(t)
  return { mem, ring: mem.ring('ring', options) }
}

async function peerOf(t: ExecutionContext<unknown>, mem: ManagedSegment, end: 'produce' | 'consume', options: RingOptions = SMALL): Promise<Child> {
  const peer = startChild(t, 'ring-peer')
  await peer.ask('open', { name: nameOf(mem), options })
  await peer.ask(end)
  return peer
}

const text = (message: Uint8Array | string): string => (typeof message === 'string' ? message : `:${Buffer.from(message).toString()}`)

test('messages of all lengths arrive in their order, and a full ring says so', t => {
  const { ring } = ringOf(t, { slots: 3, slotBytes: 16 })
  t.deepEqual([ring.slots, ring.slotBytes, ring.producers, ring.consumers, ring.whenFull], [4, 16, 'one', 'one', 'wait'])
  const out = ring.producer()
  const input = ring.consumer()
  t.is(input.tryReceive(), 'empty')
  t.deepEqual(['', 'a', 'größer', '0123456789abcdef', 'x'].map(one => out.trySend(one)), ['sent', 'sent', 'sent', 'sent', 'full'])
  t.is(ring.length, 4)
  t.deepEqual(Array.from({ length: 5 }, () => text(input.tryReceive())), [':', ':a', ':größer', ':0123456789abcdef', 'empty'])
  const { sent, received, lost, full } = ring.stats()
  t.deepEqual({ sent, received, lost, full }, { sent: 4, received: 4, lost: 0, full: 1 })
  t.throws(() => out.trySend('0123456789abcdefg'), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => out.trySend(new Uint8Array(17)), { code: 'ERR_OUT_OF_RANGE' })
})

test('a copy that was received stays, and a message sent is taken from its view alone', t => {
  const { ring } = ringOf(t)
  const [out, input] = [ring.producer(), ring.consumer()]
  out.trySend(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))
  const first = input.tryReceive() as Uint8Array
  for (let round = 0; round < 5; round++) {
    out.trySend('xxxx')
    input.tryReceive()
  }
  t.deepEqual([...first], [2, 3])
})

test('who waits at an end hears when that end itself ends', async t => {
  const { mem, ring } = ringOf(t)
  const input = ring.consumer()
  const received = [input.receive({ timeoutMs: 5000 }), input.wait({ timeoutMs: 5000 })]
  input.end()
  t.deepEqual(await Promise.all(received), ['ended', 'ended'])
  const other = mem.ring('other', SMALL)
  const iterating = other.consumer()
  const next = iterating.messages({ signal: AbortSignal.timeout(5000) }).next()
  await setTimeout(20)
  iterating.end()
  t.deepEqual(await next, { done: true, value: undefined })
  const full = mem.ring('full', SMALL)
  const out = full.producer()
  for (let slot = 0; slot < full.slots; slot++) out.trySend('x')
  const sent = [out.send('y', { timeoutMs: 5000 }), out.wait({ timeoutMs: 5000 })]
  out.end()
  t.deepEqual(await Promise.all(sent), ['ended', 'ended'])
})

test('a slot is claimed, written in place and committed, or given up', t => {
  const { ring } = ringOf(t)
  const [out, input] = [ring.producer(), ring.consumer()]
  const slot = out.claim()
  t.is(out.claim(), slot)
  t.throws(() => out.trySend('x'), { code: 'ERR_SHM_HELD' })
  t.throws(() => out.end(), { code: 'ERR_SHM_HELD' })
  if (slot === undefined) return t.fail()
  slot.f64[0] = 1.5
  slot.u16[4] = 7
  out.commit(10)
  t.throws(() => out.commit(), { code: 'ERR_SHM_NOT_OWNER' })
  out.claim()?.bytes.fill(9)
  out.abort()
  t.is(ring.length, 1)
  const taken = input.take()
  t.is(input.take(), taken)
  t.deepEqual([taken?.f64[0], taken?.u16[4], taken?.length], [1.5, 7, 10])
  t.throws(() => input.tryReceive(), { code: 'ERR_SHM_HELD' })
  input.release()
  t.throws(() => input.release(), { code: 'ERR_SHM_NOT_OWNER' })
  t.is(input.take(), undefined)
  for (const index of [0, 1, 2, 3]) t.is(out.memory.at(index), input.memory.at(index), 'a slot is one object, never made anew')
})

test('a batch is published at once, whole or in part, and a drain hands it out in place', t => {
  const { ring } = ringOf(t)
  const [out, input] = [ring.producer(), ring.consumer()]
  t.is(out.claimBatch(3), 3)
  t.is(out.claimBatch(3), 3)
  for (const message of [0, 1, 2]) out.batchSlot(message).i32[0] = 10 + message
  out.setLength(1, 4)
  t.is(ring.length, 0)
  out.commitBatch()
  t.is(ring.length, 3)
  t.is(out.claimBatch(9), 1)
  t.is(out.claimIndex.length, 0)
  out.commitBatch(0)
  t.is(ring.length, 3)
  const seen: unknown[] = []
  t.is(input.drain(2, (slot, length) => seen.push([slot.i32[0], length, slot.length])), 2)
  t.is(input.drainIndex(Infinity, (index, length) => seen.push([input.memory.i32[(index * input.memory.strideBytes) / 4], length])), 1)
  t.deepEqual(seen, [[10, 16, 16], [11, 4, 4], [12, 16]])
  t.is(input.drain(1, () => t.fail()), 0)
})

test('what a drain throws comes out, and costs the one message', t => {
  const { ring } = ringOf(t)
  const [out, input] = [ring.producer(), ring.consumer()]
  for (const one of ['a', 'b', 'c']) out.trySend(one)
  t.throws(() => input.drain(Infinity, slot => { if (slot.bytes[0] === 98) throw new Error('b') }), { message: 'b' })
  t.is(text(input.tryReceive()), ':c')
  t.is(out.claimBatch(9), 4)
  out.abort()
  out.trySend('d')
  input.drain(1, () => t.throws(() => input.close(), { code: 'ERR_SHM_HELD' }))
})

test('who blocks or awaits is woken by a message from another process, and by room', async t => {
  const { mem, ring } = ringOf(t)
  const peer = await peerOf(t, mem, 'produce')
  const input = ring.consumer()
  const later = [input.receive(), input.receive()]
  await setTimeout(20)
  t.is(await peer.ask('send', 'one'), 'sent')
  t.is(await peer.ask('send', 'two'), 'sent')
  t.deepEqual((await Promise.all(later)).map(text), [':one', ':two'])
  peer.tell('sendSync', { text: 'three' })
  t.is(text(input.receiveSync({ timeoutMs: 10_000 })), ':three')
  t.is(await peer.answer(), 'sent')
  for (const one of ['4', '5', '6', '7']) t.is(await peer.ask('send', one), 'sent')
  peer.tell('sendSync', { text: 'eighth' })
  await until('the producer sleeps', () => (wordsOf(mem, 'ring')[388 / 4] ?? 0) !== 0)
  t.is(text(input.tryReceive()), ':4')
  t.is(await peer.answer(), 'sent')
  t.is(input.drain(Infinity, () => {}), 4)
  t.is(await peer.ask('sendSync', { text: 'x', timeoutMs: 0 }), 'sent')
})

test('a send waits for room in its turn, and an abort calls it off', async t => {
  const { ring } = ringOf(t)
  const [out, input] = [ring.producer(), ring.consumer()]
  const abort = new AbortController()
  const sends = Array.from({ length: 8 }, (_, number) => out.send(`${number}`, number === 6 ? { signal: abort.signal } : {}))
  abort.abort()
  await t.throwsAsync(async () => await sends[6], { any: true, name: 'AbortError' })
  t.is(await out.send('late', { timeoutMs: 5 }), 'timedOut')
  const got: string[] = []
  for await (const message of input) if (got.push(text(message)) === 7) break
  t.deepEqual(got, [':0', ':1', ':2', ':3', ':4', ':5', ':7'])
  t.deepEqual((await Promise.allSettled(sends)).map(one => (one.status === 'fulfilled' ? one.value : one.status)), [...Array(6).fill('sent'), 'rejected', 'sent'])
  t.is(await input.receive({ timeoutMs: 5 }), 'timedOut')
  t.is(input.receiveSync({ timeoutMs: 0 }), 'timedOut')
})

test('whenFull fail never waits, and is the opener\'s own', async t => {
  const { mem } = ringOf(t, { ...SMALL, whenFull: 'fail' })
  const out = mem.ring('ring', { ...SMALL, whenFull: 'fail' }).producer()
  for (let count = 0; count < 4; count++) out.trySend('x')
  t.deepEqual([out.sendSync('x'), await out.send('x'), out.whenFull], ['full', 'full', 'fail'])
  out.close()
  const patient = mem.ring('ring', SMALL).producer()
  t.deepEqual([patient.whenFull, patient.sendSync('x', { timeoutMs: 1 })], ['wait', 'timedOut'])
})

test('a thread that would wait for itself is told', t => {
  const { ring } = ringOf(t)
  const [out, input] = [ring.producer(), ring.consumer()]
  t.throws(() => input.receiveSync(), { code: 'ERR_SHM_DEADLOCK' })
  for (let count = 0; count < 4; count++) out.trySend('x')
  t.throws(() => out.sendSync('x', { timeoutMs: 1000 }), { code: 'ERR_SHM_DEADLOCK' })
})

test('and so it is where it has the other end by another opening', t => {
  const { mem, ring } = ringOf(t)
  using twin = ManagedSegment.open(nameOf(mem))
  using out = ring.producer()
  using input = twin.ring('ring', SMALL).consumer()
  t.throws(() => input.receiveSync({ timeoutMs: 1000 }), { code: 'ERR_SHM_DEADLOCK' })
  for (let count = 0; count < 4; count++) out.trySend('x')
  t.throws(() => out.sendSync('x', { timeoutMs: 1000 }), { code: 'ERR_SHM_DEADLOCK' })
})

test('an end has one owner, who is named; closed, the next one goes on', async t => {
  const { mem, ring } = ringOf(t)
  const peer = await peerOf(t, mem, 'produce')
  const taken = t.throws(() => ring.producer(), { instanceOf: ShmError, code: 'ERR_SHM_PRODUCER_TAKEN' })
  t.regex(taken?.message ?? '', new RegExp(`process ${peer.pid}`))
  t.is(ring.producerMember?.pid, peer.pid)
  await peer.ask('send', 'a')
  await peer.ask('closeProducer')
  t.is(ring.producerMember, undefined)
  const out = ring.producer()
  t.is(ring.producerMember?.isSelf, true)
  t.throws(() => ring.producer(), { code: 'ERR_SHM_PRODUCER_TAKEN', message: /this environment/u })
  out.trySend('b')
  const input = ring.consumer()
  t.throws(() => ring.consumer(), { code: 'ERR_SHM_CONSUMER_TAKEN' })
  t.is(text(input.tryReceive()), ':a')
  input.close()
  t.true(input.closed)
  t.throws(() => input.tryReceive(), { code: 'ERR_SHM_CLOSED' })
  t.is(text(ring.consumer().tryReceive()), ':b')
  t.is(ring.stats().recovered, 0)
})

test('the producer\'s end is told when all is received, and to who sends after it', async t => {
  const { mem, ring } = ringOf(t)
  const peer = await peerOf(t, mem, 'produce')
  const input = ring.consumer()
  await peer.ask('send', 'last')
  const later = [input.receive(), input.receive(), input.receive()]
  await setTimeout(20)
  await peer.ask('endSending')
  t.deepEqual((await Promise.all(later)).map(text), [':last', 'ended', 'ended'])
  t.deepEqual([input.tryReceive(), input.receiveSync(), input.take()], ['ended', 'ended', undefined])
  t.is(await peer.ask('send', 'x'), 'ended')
})

test('the consumer\'s end is told to a producer that sleeps', async t => {
  const { mem, ring } = ringOf(t)
  const peer = await peerOf(t, mem, 'produce')
  const input = ring.consumer()
  for (let count = 0; count < 4; count++) await peer.ask('send', 'x')
  peer.tell('sendSync', { text: 'y' })
  await until('the producer sleeps', () => (wordsOf(mem, 'ring')[388 / 4] ?? 0) !== 0)
  input.end()
  t.is(await peer.answer(), 'ended')
})

test('the death of a producer is told once, after what it sent, and another goes on', async t => {
  const { mem, ring } = ringOf(t)
  const peer = await peerOf(t, mem, 'produce')
  const input = ring.consumer()
  await peer.ask('send', 'whole')
  await peer.ask('claim', 'half')
  const later = [input.receive(), input.receive()]
  t.is(text(await (later[0] as Promise<string>)), ':whole')
  await peer.kill()
  t.is(await later[1], 'peerDied')
  t.is(await input.receive({ timeoutMs: 5 }), 'timedOut')
  t.false(ring.producerMember?.alive)
  const heir = await peerOf(t, mem, 'produce')
  await heir.ask('send', 'on')
  t.is(text(await input.receive()), ':on')
  t.is(ring.stats().recovered, 1)
  await heir.kill()
  t.is(input.receiveSync({ timeoutMs: 10_000 }), 'peerDied')
})

test('the death of a consumer costs what was in its hands, and nothing comes twice', async t => {
  const { mem, ring } = ringOf(t)
  const peer = await peerOf(t, mem, 'consume')
  const out = ring.producer()
  for (const one of ['a', 'b', 'c', 'd']) out.trySend(one)
  t.is(await peer.ask('receive'), ':a')
  t.is(await peer.ask('take'), 1)
  out.trySend('e')
  const sends = [out.send('f'), out.send('g')]
  await peer.kill()
  t.is(await sends[0], 'peerDied')
  const input = ring.consumer()
  t.is(await sends[1], 'sent')
  t.deepEqual(Array.from({ length: 5 }, () => text(input.tryReceive())), [':c', ':d', ':e', ':g', 'empty'])
  const { lost, recovered } = ring.stats()
  t.deepEqual({ lost, recovered }, { lost: 1, recovered: 1 })
})

test('the iteration ends with the producer, and fails with its death or goes on', async t => {
  const { mem, ring } = ringOf(t)
  const input = ring.consumer()
  const got: string[] = []
  for (const [last, onPeerDied] of [['kill', 'throw'], ['kill', 'wait'], ['end', 'throw']] as const) {
    const peer = await peerOf(t, mem, 'produce')
    const iteration = (async () => {
      for await (const message of input.messages({ onPeerDied })) {
        got.push(text(message))
        if (message.length === 0) break
      }
    })()
    await peer.ask('send', last)
    await until('it arrived', () => ring.length === 0)
    if (last === 'end') await peer.ask('endSending')
    else await peer.kill()
    if (onPeerDied === 'wait') {
      await (await peerOf(t, mem, 'produce')).kill()
      const out = ring.producer()
      out.trySend('')
      out.close()
    }
    if (last === 'kill' && onPeerDied === 'throw') await t.throwsAsync(iteration, { code: 'ERR_SHM_PEER_DIED' })
    else await iteration
  }
  t.deepEqual(got, [':kill', ':kill', ':', ':end'])
})

test('a segment with a claim in it is not closed; without, its ends are given back', async t => {
  const { mem, ring } = ringOf(t)
  const out = ring.producer()
  const other = ManagedSegment.open(nameOf(mem))
  const input = other.ring('ring', SMALL).consumer()
  const pending = input.receive()
  out.claim()
  t.throws(() => mem.close(), { code: 'ERR_SHM_HELD', message: /claimed slot of ring 'ring'/u })
  out.abort()
  const rejected = t.throwsAsync(pending, { code: 'ERR_SHM_CLOSED' })
  other.close()
  await rejected
  for (const call of [() => input.tryReceive(), () => input.take(), () => input.drain(1, () => {}), () => input.end(), () => input.receiveSync()]) {
    t.throws(call, { code: 'ERR_SHM_CLOSED' })
  }
  t.is(ring.consumerMember, undefined)
  mem.close()
  for (const call of [() => out.trySend('x'), () => out.claim(), () => out.claimBatch(2), () => out.end(), () => out.sendSync('x'), () => ring.length, () => ring.producer()]) {
    t.throws(call, { code: 'ERR_SHM_CLOSED' })
  }
  t.notThrows(() => { out.close(); input.close() })
})

test('positions and counts wrap without a message lost', t => {
  const { mem, ring } = ringOf(t)
  const words = wordsOf(mem, 'ring')
  // Just before 2^32 messages: tail, head and taken, and the quarters that were counted.
  for (const offset of [128, 384, 524]) words[offset / 4] = -3
  for (const offset of [264, 520]) words[offset / 4] = 3
  const [out, input] = [ring.producer(), ring.consumer()]
  t.is(ring.stats().sent, 2 ** 32 - 3)
  for (let count = 0; count < 8; count++) {
    t.is(out.trySend(`${count}`), 'sent')
    t.is(text(input.tryReceive()), `:${count}`)
  }
  t.deepEqual([ring.stats().sent, ring.stats().received, ring.length], [2 ** 32 + 5, 2 ** 32 + 5, 0])
})

test('slots are as long as they are wished: larger than a page, and smaller than a word', async t => {
  for (const options of [{ slots: 2, slotBytes: 100_000 }, { slots: 64, slotBytes: 1 }, { slots: 2, slotBytes: 4097 }]) {
    const mem = managedSegment(t)
    const ring = mem.ring('ring', options)
    const [out, input] = [ring.producer(), ring.consumer()]
    for (let round = 0; round < 5; round++) {
      const message = new Uint8Array(options.slotBytes).fill(round + 1)
      t.is(out.trySend(message), 'sent')
      t.deepEqual(Buffer.compare(input.tryReceive() as Uint8Array, message), 0)
    }
    t.is(out.memory.strideBytes % 8, 0)
  }
  t.throws(() => managedSegment(t).ring('ring', { slots: 2, slotBytes: 2 ** 30 }), { code: 'ERR_SHM_NO_SPACE' })
})

test('other numbers are another ring, and the name says which it is', t => {
  const { mem } = ringOf(t)
  const error = t.throws(() => mem.ring('ring', { slots: 8, slotBytes: 16 }), { code: 'ERR_SHM_TYPE_MISMATCH' })
  t.regex(error?.message ?? '', /slots: 4, slotBytes: 16/u)
  t.is(mem.ring('ring', { slots: 3, slotBytes: 16 }), mem.ring('ring', SMALL))
})

test('arguments of the ends are checked in the user\'s words', async t => {
  const { ring } = ringOf(t)
  const [out, input] = [ring.producer(), ring.consumer()]
  type Call = (...values: unknown[]) => unknown
  const calls: [string, unknown, unknown[]][] = [
    ['trySend', out, [undefined, null, 5, {}, [1], true, new Uint16Array(2)]],
    ['sendSync', out, [undefined, 5, {}]],
    ['claimBatch', out, [undefined, 0, -1, 1.5, NaN, '3', null]],
    ['drain', input, [undefined, -1, 1.5, NaN, '3']],
    ['drainIndex', input, [undefined, -1, 1.5, NaN, '3']]
  ]
  for (const [method, end, values] of calls) {
    for (const value of values) t.throws(() => ((end as Record<string, Call>)[method] as Call).call(end, value, () => {}), { message: /must be/u }, `${method}(${String(value)})`)
  }
  const badOptions = [5, [], { misspelt: 1 }, { timeoutMs: -1 }, { timeoutMs: 'x' }, { spinMicros: -1 }]
  for (const options of badOptions) {
    t.throws(() => out.sendSync('x', options as never), { message: /must be/u })
    t.throws(() => input.receiveSync(options as never), { message: /must be/u })
    await t.throwsAsync(async () => await out.send('x', options as never), { message: /must be/u })
    await t.throwsAsync(async () => await input.receive(options as never), { message: /must be/u })
  }
  await t.throwsAsync(async () => await input.messages({ onPeerDied: 'nonsense' as never }).next(), { message: /must be/u })
  t.throws(() => input.drain(1, undefined as never), { message: /must be/u })
  for (const length of [-1, 17, 1.5, NaN, '3']) {
    out.claim()
    t.throws(() => out.commit(length as never), { message: /must be/u })
    out.abort()
  }
  out.claimBatch(2)
  for (const message of [-1, 2, 1.5, NaN]) t.throws(() => out.batchSlot(message), { message: /must be/u })
  t.throws(() => out.setLength(0, 17), { message: /must be/u })
  t.throws(() => out.commitBatch(3), { message: /must be/u })
  out.abort()
  t.throws(() => out.memory.at(4), { code: 'ERR_OUT_OF_RANGE' })
  t.is(ring.length, 0)
})
