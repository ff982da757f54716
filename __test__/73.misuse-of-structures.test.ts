/**
 * Structures that are used in ways nobody means: calls at once while promises wait, code of the user's inside a call of ours, types without an end.
 */
import test from 'ava'
import { serialize } from 'node:v8'
import { i32, offset, struct, type RingOptions, type Struct } from 'shmem'
import { newManaged } from './support/managed-peer.js'

const RINGS: RingOptions[] = [
  { slots: 4, slotBytes: 16 },
  { slots: 4, slotBytes: 16, producers: 'many', consumers: 'many' }
]
/** Whether a wait is overtaken depends on another thread: so often, some are. */
const ROUNDS = 300

for (const options of RINGS) {
  test(`a promise that calls at once overtake gets a message, and the next room: ${JSON.stringify(options)}`, async t => {
    const ring = newManaged(t).ring('ring', options)
    const [out, input] = [ring.producer(), ring.consumer()]
    const sent: string[] = []
    const received: string[] = []
    const send = (): void => {
      const message = String(sent.length)
      if (out.trySend(message) === 'sent') sent.push(message)
    }
    const take = (): void => {
      const message = input.tryReceive()
      if (typeof message !== 'string') received.push(Buffer.from(message).toString())
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      const message = input.receive()
      for (let times = 0; times < 6; times += 1) {
        send()
        take()
      }
      send()
      received.push(Buffer.from((await message) as Uint8Array).toString())
      while (ring.length < ring.slots) send()
      const room = out.send(`late ${round}`)
      for (let times = 0; times < 6; times += 1) {
        take()
        send()
      }
      take()
      t.is(await room, 'sent')
      sent.push(`late ${round}`)
      while (ring.length > 0) take()
    }
    t.deepEqual(received, sent)
  })

  test(`a message that throws as it is copied leaves nothing behind: ${JSON.stringify(options)}`, t => {
    const ring = newManaged(t).ring('ring', options)
    const [out, input] = [ring.producer(), ring.consumer()]
    const wrong = Object.create(Uint8Array.prototype, {
      length: { value: 1 },
      0: {
        get: () => {
          throw new Error('not today')
        }
      }
    }) as Uint8Array
    t.throws(() => out.trySend(wrong), { message: 'not today' })
    t.is(out.trySend('next'), 'sent')
    t.deepEqual(input.tryReceive(), Buffer.from('next'))
  })

  test(`a drain whose callback sends comes to an end: ${JSON.stringify(options)}`, t => {
    const ring = newManaged(t).ring('ring', options)
    const [out, input] = [ring.producer(), ring.consumer()]
    out.trySend('first')
    let calls = 0
    const count = input.drain(Infinity, () => {
      calls += 1
      if (calls === 1000) throw new Error('it never ends')
      out.trySend('another')
    })
    t.true(count >= 1 && count <= ring.slots, `${count} messages`)
    t.is(ring.length, 1)
  })
}

test('compareAndSet compares with the version that it was given, whatever getters of its options and value do', t => {
  const map = newManaged(t).map('map', { memory: '64KiB', values: 'structured' })
  map.set('key', 'old')
  const version = map.getEntry('key')?.version
  const change = (): number => {
    map.set('key', 'of the getter')
    return 1000
  }
  t.false(map.compareAndSet('key', version, 'new', { get ttlMs() { return change() } }))
  t.is(map.get('key'), 'of the getter')
  const again = map.getEntry('key')?.version
  t.false(map.compareAndSet('key', again, { get value() { return change() } }))
  const now = map.getEntry('key')?.version
  t.true(map.compareAndSet('key', now, 'new', { get ttlMs() { map.set('another', 1); return 1000 } }))
  t.is(map.get('key'), 'new')
})

test('a structured value that somebody scribbled over is an error with a code', t => {
  const mem = newManaged(t)
  const map = mem.map('map', { memory: '64KiB', values: 'structured' })
  map.set('key', 'value')
  const bytes = Buffer.from(mem.buffer)
  const at = bytes.indexOf(serialize('value'))
  t.true(at > 0)
  bytes.fill(0, at, at + 2)
  for (const look of [() => map.get('key'), () => map.getEntry('key'), () => [...map.values()]]) t.throws(look, { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
})

test('a pointer that leads to new structs without end has no hash', t => {
  const endless = (): Struct => struct({ value: i32, next: offset(endless) }) as unknown as Struct
  t.throws(() => endless().hash, { code: 'ERR_INVALID_ARG_VALUE' })
  const twice = struct({ first: offset(() => i32Box), second: offset('self') })
  t.is(typeof twice.hash, 'bigint')
})

const i32Box = struct({ value: i32 })
