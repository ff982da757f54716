/**
 * Rings of many producers or consumers: order, whose end it is, what is full and what is dropped, how they end, and what is left of one who dies with a slot in
 * hand. Kills at every step are in 60.kill-many and 60.kill-quiet.
 */
import test, { type ExecutionContext } from 'ava'
import { ManagedSegment } from 'shmem'
import { CONTROL, HEAD, TAIL } from '../lib/structures/ring/ring-layout.js'
import { FULL, SKIPPED_COUNT } from '../lib/structures/ring/ring-way.js'
import { startChild, type Child } from './support/child.js'
import { managed, wordsOf } from './support/managed.js'
import { until } from './support/until.js'

type RingOptions = Parameters<ManagedSegment['ring']>[1]

/** The bits of a control word that count laps: positions wrap around them, and around 2^32. */
const LAP = 2 ** 29 - 1
/** Where the seats of consumers are, and the count of those who stand: see crate/core/src/managed/geometry/ring.rs. */
const [SEAT, SEATS, STANDING] = [528 / 4, 12, 576 / 4]
const MANY = { slots: 4, slotBytes: 32, producers: 'many', consumers: 'many' } as const satisfies RingOptions

function room(t: ExecutionContext<unknown>, options: Partial<RingOptions> = {}) {
  const { mem, name } = managed(t)
  const plan = { ...MANY, ...options }
  return { mem, name, plan, ring: mem.ring('ring', plan) }
}

/** Another process with ends of the ring. */
function another(t: ExecutionContext<unknown>, { name, plan }: { name: string; plan: RingOptions }): Child {
  return startChild(t, 'many-end', { args: [name, JSON.stringify(plan)] })
}

const text = (message: Uint8Array | string): string => (typeof message === 'string' ? message : Buffer.from(message).toString())

test('what two producers send comes out in the order in which they claimed, and each message at one consumer', t => {
  const { ring } = room(t)
  const [a, b] = [ring.producer(), ring.producer()]
  const [x, y] = [ring.consumer(), ring.consumer()]
  t.deepEqual([a.trySend('1'), b.trySend('2'), a.trySend('3'), b.trySend('4')], ['sent', 'sent', 'sent', 'sent'])
  t.is(ring.length, 4)
  t.is(a.trySend('5'), 'full')
  t.deepEqual([x, y, y, x, x].map(end => text(end.tryReceive())), ['1', '2', '3', '4', 'empty'])
  t.like(ring.stats(), { sent: 4, received: 4, lost: 0, recovered: 0, full: 1 })
})

test('a slot that is claimed holds up those behind it until it is committed or given up', t => {
  const { ring } = room(t)
  const [a, b, input] = [ring.producer(), ring.producer(), ring.consumer()]
  a.claim()
  b.trySend('behind')
  t.is(input.tryReceive(), 'empty')
  a.abort()
  t.is(text(input.tryReceive()), 'behind')
  const slot = a.claim()
  slot?.bytes.set(Buffer.from('in place'))
  a.commit(8)
  t.is(text(input.tryReceive()), 'in place')
  t.like(ring.stats(), { sent: 2, received: 2 })
})

test('a message that is read in place keeps its slot, and no other', t => {
  const { ring } = room(t)
  const [output, x, y] = [ring.producer(), ring.consumer(), ring.consumer()]
  for (const message of ['1', '2', '3', '4']) output.trySend(message)
  t.is(x.take()?.length, 1)
  t.is(text(y.tryReceive()), '2')
  // The slot of the first is needed next.
  t.is(output.trySend('5'), 'full')
  x.release()
  t.deepEqual([output.trySend('5'), output.trySend('6'), output.trySend('7')], ['sent', 'sent', 'full'])
  t.deepEqual([...Array(4)].map(() => text(y.tryReceive())), ['3', '4', '5', '6'])
})

test('a batch is claimed and committed slot by slot', t => {
  const { ring } = room(t)
  const [a, b, input] = [ring.producer(), ring.producer(), ring.consumer()]
  t.is(a.claimBatch(2), 2)
  b.trySend('b')
  for (const message of [0, 1]) {
    a.batchSlot(message).bytes[0] = 0x30 + message
    a.setLength(message, 1)
  }
  a.commitBatch(1)
  t.deepEqual([...Array(3)].map(() => text(input.tryReceive())), ['0', 'b', 'empty'])
  t.is(a.claimBatch(9), 4)
  t.is(a.claimBatch(9), 4)
  a.commitBatch()
  const lengths: number[] = []
  t.is(input.drain(Infinity, slot => lengths.push(slot.length)), 4)
  t.deepEqual(lengths, [32, 32, 32, 32])
  b.trySend('and another')
  t.is(input.drain(Infinity, () => b.trySend('and another')), 4)
})

test('positions wrap around 2^32', t => {
  const { mem, ring } = room(t)
  const words = wordsOf(mem, 'ring')
  // As if so many messages had gone through: every slot is empty, of the lap of its next position.
  const start = -8
  for (const at of [TAIL, HEAD]) words[at] = start
  for (let slot = 0; slot < 4; slot += 1) words[CONTROL + 2 * slot] = ((start + slot) >>> 2) & LAP
  const [output, input] = [ring.producer(), ring.consumer()]
  for (let number = 0; number < 40; number += 3) {
    for (let more = 0; more < 3; more += 1) t.is(output.trySend(`${number + more}`), 'sent')
    t.is(ring.length, 3)
    for (let more = 0; more < 3; more += 1) t.is(text(input.tryReceive()), `${number + more}`)
  }
  t.is(input.tryReceive(), 'empty')
  t.is(words[TAIL], start + 42)
})

test('a position that passed a slot which nobody claimed is mended by who comes to wait there', t => {
  const { mem, ring } = room(t)
  const words = wordsOf(mem, 'ring')
  const [output, input] = [ring.producer(), ring.consumer()]
  words[TAIL] = 1
  t.is(output.trySend('1'), 'sent')
  t.is(text(input.receiveSync({ timeoutMs: 5000 })), '1')
  for (const message of ['2', '3', '4', '5']) t.is(output.trySend(message), 'sent')
  words[HEAD] = 3
  t.is(output.sendSync('6', { timeoutMs: 5000 }), 'sent')
  t.deepEqual([...Array(5)].map(() => text(input.tryReceive())), ['3', '4', '5', '6', 'empty'])
  t.is(ring.stats().lost, 1)
})

test('the oldest message is dropped, but not one that somebody reads', t => {
  const { ring } = room(t, { whenFull: 'dropOldest' })
  const [output, input] = [ring.producer(), ring.consumer()]
  for (let number = 1; number <= 9; number += 1) t.is(output.trySend(`${number}`), 'sent')
  t.like(ring.stats(), { sent: 9, received: 0, lost: 5 })
  t.is(input.take()?.bytes[0], 0x36)
  for (const message of ['a']) t.is(output.trySend(message), 'full')
  t.is(output.sendSync('a', { timeoutMs: 5 }), 'timedOut')
  input.release()
  t.is(output.trySend('a'), 'sent')
  t.deepEqual([...Array(5)].map(() => text(input.tryReceive())), ['7', '8', '9', 'a', 'empty'])
})

test('one producer and one consumer drop the oldest, too', t => {
  const { ring } = room(t, { producers: 'one', consumers: 'one', whenFull: 'dropOldest' })
  const [output, input] = [ring.producer(), ring.consumer()]
  for (let number = 1; number <= 6; number += 1) t.is(output.trySend(`${number}`), 'sent')
  t.deepEqual([...Array(5)].map(() => text(input.tryReceive())), ['3', '4', '5', '6', 'empty'])
  t.is(ring.stats().lost, 2)
  t.throws(() => ring.producer(), { code: 'ERR_SHM_PRODUCER_TAKEN' })
})

test('of the end that is one there is one: among processes, until it is closed or its process is dead', async t => {
  const { ring, ...place } = room(t, { consumers: 'one' })
  const child = another(t, place)
  await child.ask('tryReceive')
  t.throws(() => ring.consumer(), { code: 'ERR_SHM_CONSUMER_TAKEN', message: /'end'/ })
  const [a, b] = [ring.producer(), ring.producer()]
  t.deepEqual([a.trySend('a'), b.trySend('b')], ['sent', 'sent'])
  await child.kill('SIGKILL')
  const input = ring.consumer()
  t.is(ring.stats().recovered, 1)
  t.is(text(input.tryReceive()), 'a')
  input.close()
  t.is(text(ring.consumer().tryReceive()), 'b')
})

test('the same of one producer', t => {
  const { ring } = room(t, { producers: 'one' })
  const output = ring.producer()
  t.throws(() => ring.producer(), { code: 'ERR_SHM_PRODUCER_TAKEN' })
  output.close()
  t.is(ring.producer().trySend('x'), 'sent')
})

test('ends at "ended", behind what was sent and what was claimed before', t => {
  const { ring } = room(t)
  const [a, b, input] = [ring.producer(), ring.producer(), ring.consumer()]
  a.trySend('1')
  const slot = b.claim()
  a.end()
  t.is(a.trySend('2'), 'ended')
  t.is(text(input.tryReceive()), '1')
  t.is(input.tryReceive(), 'empty')
  slot?.bytes.set([0x33])
  b.commit(1)
  t.is(text(input.tryReceive()), '3')
  t.is(input.tryReceive(), 'ended')
  t.is(input.receiveSync(), 'ended')
  t.is(b.claim(), undefined)
})

for (const fate of ['lives', 'is killed'] as const) {
  test(`a ring ends for a consumer whose next slot has a message that another reads in place, who ${fate}`, async t => {
    const { ring, ...place } = room(t, { slots: 2 })
    const [output, input, child] = [ring.producer(), ring.consumer(), another(t, place)]
    for (const message of ['1', '2']) output.trySend(message)
    t.is(await child.ask('take'), 1)
    t.is(text(input.tryReceive()), '2')
    const [received, waited] = [input.receive({ timeoutMs: 5000 }), input.wait({ timeoutMs: 5000 })]
    output.end()
    t.deepEqual([await received, await waited], ['ended', 'ended'])
    if (fate === 'is killed') await child.kill('SIGKILL')
    t.is(input.tryReceive(), 'ended')
    t.deepEqual([input.receiveSync({ timeoutMs: 1000 }), input.waitSync({ timeoutMs: 1000 })], ['ended', 'ended'])
    t.is(await input.receive({ timeoutMs: 1000 }), 'ended')
    t.like(ring.stats(), fate === 'lives' ? { received: 2, lost: 0, recovered: 0 } : { received: 1, lost: 1, recovered: 1 })
  })
}

test('promises of several ends are kept, each with a message or room of its own', async t => {
  const { ring } = room(t)
  const outputs = [ring.producer(), ring.producer()]
  const inputs = [ring.consumer(), ring.consumer(), ring.consumer()]
  const received = inputs.map(input => input.receive())
  const sent = outputs.flatMap((output, end) => [1, 2, 3, 4, 5].map(number => output.send(`${end}${number}`)))
  const more = inputs.flatMap(input => [input.receive(), input.receive()])
  const messages = (await Promise.all([...received, ...more])).map(text)
  await until('there is room for the last', () => ring.length === 1)
  messages.push(text(inputs[0]?.tryReceive() ?? 'none'))
  t.deepEqual(await Promise.all(sent), Array(10).fill('sent'))
  t.deepEqual(messages.toSorted(), outputs.flatMap((_, end) => [1, 2, 3, 4, 5].map(number => `${end}${number}`)))
})

test('who sleeps for a message or for room in another process is woken', async t => {
  const { ring, ...place } = room(t)
  const [one, two] = [another(t, place), another(t, place)]
  const received = [one.ask('receiveSync'), two.ask('receiveSync')]
  await until('both sleep', () => ring.stats().waits >= 0 && wordsOf(place.mem, 'ring').some(word => word === -(2 ** 31)))
  const output = ring.producer()
  t.deepEqual([output.trySend('1'), output.trySend('2')], ['sent', 'sent'])
  t.deepEqual((await Promise.all(received)).toSorted(), ['1', '2'])
  for (const message of ['a', 'b', 'c', 'd']) output.trySend(message)
  const sent = [one.ask('sendSync', 'e'), two.ask('sendSync', 'f')]
  const input = ring.consumer()
  const got: string[] = []
  while (got.length < 6) got.push(text(input.receiveSync()))
  t.deepEqual(await Promise.all(sent), ['sent', 'sent'])
  t.deepEqual(got.toSorted(), ['a', 'b', 'c', 'd', 'e', 'f'])
})

test('of a producer that dies with a claim only that is lost; whoever meets it goes on', async t => {
  const { ring, ...place } = room(t)
  const child = another(t, place)
  t.true(await child.ask('claim'))
  const [output, input] = [ring.producer(), ring.consumer()]
  for (const message of ['1', '2', '3']) t.is(output.trySend(message), 'sent')
  t.is(output.trySend('4'), 'full')
  t.is(input.tryReceive(), 'empty')
  const received = input.receive()
  await child.kill('SIGKILL')
  t.is(text(await received), '1')
  t.deepEqual([text(input.tryReceive()), text(input.tryReceive()), input.tryReceive()], ['2', '3', 'empty'])
  t.like(ring.stats(), { sent: 3, received: 3, lost: 0, recovered: 1 })
})

test('of a consumer that dies with a message only that is lost; its slot comes back', async t => {
  const { ring, ...place } = room(t)
  const child = another(t, place)
  const [output, input] = [ring.producer(), ring.consumer()]
  for (const message of ['1', '2', '3', '4']) output.trySend(message)
  t.is(await child.ask('take'), 1)
  const sent = output.send('5')
  await child.kill('SIGKILL')
  t.is(await sent, 'sent')
  t.deepEqual([...Array(5)].map(() => text(input.tryReceive())), ['2', '3', '4', '5', 'empty'])
  t.like(ring.stats(), { sent: 5, received: 4, lost: 1, recovered: 1 })
})

test('who only tries goes on past the dead, too', async t => {
  const { ring, ...place } = room(t)
  const child = another(t, place)
  await child.ask('claim')
  await child.kill('SIGKILL')
  const [output, input] = [ring.producer(), ring.consumer()]
  output.trySend('1')
  let received = input.tryReceive()
  await until('the claim is cleared', () => {
    if (received === 'empty') received = input.tryReceive()
    return received !== 'empty'
  })
  t.is(text(received), '1')
})

test('claims that are given up are neither sent nor received', t => {
  const { ring } = room(t)
  const [output, input] = [ring.producer(), ring.consumer()]
  output.claim()
  output.abort()
  t.like(ring.stats(), { sent: 0, received: 0 })
  output.trySend('1')
  output.claimBatch(2)
  output.abort()
  t.is(text(input.tryReceive()), '1')
  t.like(ring.stats(), { sent: 1, received: 1 })
  t.is(input.tryReceive(), 'empty')
  for (const message of ['2', '3', '4', '5']) t.is(output.trySend(message), 'sent')
  t.like(ring.stats(), { sent: 5, received: 1 })
})

test('a claim that somebody scribbled away is not counted when it is given up', t => {
  const { mem, ring } = room(t)
  const words = wordsOf(mem, 'ring')
  const output = ring.producer()
  output.claim()
  words[CONTROL] = 0
  output.abort()
  t.is(words[SKIPPED_COUNT], 0)
})

test('a batch that meets nonsense gives the slots before it up', t => {
  const { mem, ring } = room(t)
  const words = wordsOf(mem, 'ring')
  const [output, input] = [ring.producer(), ring.consumer()]
  words[CONTROL + 4] = FULL | 5
  t.throws(() => output.claimBatch(4), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  words[CONTROL + 4] = 0
  t.is(output.trySend('1'), 'sent')
  t.is(text(input.tryReceive()), '1')
})

test('consumers that close leave their seats, and those that stood are forgotten', t => {
  const { mem, ring } = room(t)
  const words = wordsOf(mem, 'ring')
  const taken = (): number => words.slice(SEAT, SEAT + SEATS).filter(word => word !== 0).length
  for (let round = 0; round < 3; round += 1) {
    const inputs = Array.from({ length: SEATS }, () => ring.consumer())
    t.deepEqual([taken(), words[STANDING]], [SEATS, 0])
    inputs.push(ring.consumer(), ring.consumer())
    t.deepEqual([taken(), words[STANDING]], [SEATS, 2])
    for (const input of inputs) input.close()
    t.deepEqual([taken(), words[STANDING]], [0, 0])
  }
})

test('a closed end gives up what it had in hand', t => {
  const { ring } = room(t)
  const [a, b, input] = [ring.producer(), ring.producer(), ring.consumer()]
  a.claim()
  b.trySend('1')
  b.trySend('2')
  a.close()
  t.is(input.take()?.length, 1)
  input.close()
  t.throws(() => input.tryReceive(), { code: 'ERR_SHM_CLOSED' })
  t.throws(() => a.trySend('x'), { code: 'ERR_SHM_CLOSED' })
  t.is(text(ring.consumer().tryReceive()), '2')
})
