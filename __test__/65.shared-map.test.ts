/**
 * The shared map: what each call answers, against a `Map` step by step, and between processes.
 */
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { ManagedSegment, type SharedMap } from 'shmem'
import { KEY_BYTES, NEXT_ENTRY, VALUE_BYTES } from '../lib/structures/map/map-layout.js'
import { newManaged, newUser, wordsOf } from './support/managed-peer.js'
import { survives } from './support/scenario.js'

const SMALL = { memory: '64KiB', shards: 2, chunkBytes: 64 } as const

test('bytes and text come back as they went in, also beside a chunk and over many', t => {
  const map = newManaged(t).map('map', SMALL)
  for (const length of [0, 1, 3, 4, 5, 23, 24, 25, 63, 64, 65, 100, 1000, 20_000]) {
    const value = Buffer.from(Array.from({ length }, (_, index) => (index * 7 + length) & 0xff))
    for (const key of ['k', 'key', 'four', 'x'.repeat(24), 'x'.repeat(25), 'y'.repeat(1024)]) {
      t.true(map.set(key, value))
      t.deepEqual(map.get(key), value, `${length} bytes under ${key.length}`)
      const target = new Uint8Array(length + 2).fill(9)
      t.is(map.getInto(key, target), length)
      t.deepEqual([...target], [...value, 9, 9])
    }
  }
  t.is(map.get('nothing'), undefined)
  t.is(map.getInto('nothing', new Uint8Array(1)), -1)
  t.is(map.getText('nothing'), undefined)
  t.is(map.getEntry('nothing'), undefined)
  map.set('text', 'naïve ☃')
  t.is(map.getText('text'), 'naïve ☃')
  t.throws(() => map.getInto('text', new Uint8Array(3)), { instanceOf: RangeError, message: /at least 10 bytes\. Received 3 bytes$/u })
})

test('a key of text and the bytes of that text are one key, and iterations give it as it was given', t => {
  const map = newManaged(t).map('map', SMALL)
  map.set('naïve', '1')
  t.is(map.getText(Buffer.from('naïve')), '1')
  map.set(Buffer.from([0, 255, 1]), '2')
  t.is(map.getText(new Uint8Array([0, 255, 1])), '2')
  t.deepEqual([...map.keys()].toSorted((a, b) => a.length - b.length), [Buffer.from([0, 255, 1]), 'naïve'])
  t.false(map.has('naive'))
  t.true(map.has('naïve'))
  t.true(map.delete(Buffer.from('naïve')))
  t.false(map.delete('naïve'))
  t.is(map.size, 1)
})

test('a copy is its owner’s: neither later sets nor other copies change it', t => {
  const map = newManaged(t).map('map', SMALL)
  const copies = Array.from({ length: 2000 }, (_, index) => {
    map.set('key', Buffer.alloc(50, index))
    return map.get('key')
  })
  t.true(copies.every((copy, index) => copy?.equals(Buffer.alloc(50, index))))
  // As with Node's own pool: nobody takes the others away by transferring one copy. Node 20 ignores that, later ones throw.
  try {
    structuredClone(0, { transfer: [copies[0]?.buffer as ArrayBuffer] })
  } catch (error) {
    t.is((error as Error).name, 'DataCloneError')
  }
  t.is(copies[1]?.length, 50)
  t.is(map.get('key')?.length, 50)
})

test('text and structured values', t => {
  const mem = newManaged(t)
  const text = mem.map('text', { ...SMALL, values: 'text' })
  text.set('key', 'naïve ☃')
  text.set('long', 'é'.repeat(5000))
  t.is(text.get('key'), 'naïve ☃')
  t.is(text.get('long'), 'é'.repeat(5000))
  t.is(new Map(text).get('long'), 'é'.repeat(5000))
  t.deepEqual([...text.keys()].toSorted(), ['key', 'long'])
  const structured = mem.map('structured', { ...SMALL, values: 'structured' })
  const value = { list: [1, 'two', 3n], when: new Date(0), map: new Map([['a', new Set([1])]]), nothing: undefined }
  structured.set('key', value)
  t.deepEqual(structured.get('key'), value)
  t.deepEqual([...structured.values()], [value])
  t.throws(() => mem.map('text', { ...SMALL, values: 'bytes' }), { code: 'ERR_SHM_TYPE_MISMATCH', message: /values: 'text'.*values: 'bytes'/u })
})

test('compareAndSet, add and update change what they saw, and nothing else', t => {
  const map = newManaged(t).map('map', { ...SMALL, values: 'text' })
  t.true(map.add('key', 'one'))
  t.false(map.add('key', 'two'))
  const first = map.getEntry('key')
  t.is(first?.value, 'one')
  t.true(map.compareAndSet('key', first?.version, 'two'))
  t.false(map.compareAndSet('key', first?.version, 'three'))
  t.false(map.compareAndSet('key', undefined, 'three'))
  t.is(map.get('key'), 'two')
  // The same value again is another version.
  map.set('key', 'one')
  t.not(map.getEntry('key')?.version, first?.version)
  t.is(map.update('key', old => `${old}!`), 'one!')
  t.is(map.update('new', old => String(old)), 'undefined')
  t.is(map.update('key', () => undefined), undefined)
  t.is(map.get('key'), 'one!')
  let asked = 0
  map.update('key', old => {
    if (asked++ === 0) map.set('key', 'between')
    return `${old}?`
  })
  t.deepEqual([asked, map.get('key')], [2, 'between?'])
  map.update('key', () => (map.delete('other'), 'no lock is held'))
})

test('options and values that use a map themselves while they are read disturb nothing', t => {
  const mem = newManaged(t)
  const map = mem.map('map', { ...SMALL, values: 'structured' })
  const other = mem.map('other', SMALL)
  map.set('key', 1)
  const { version = 0 } = map.getEntry('key') ?? {}
  const meddle = (): void => void [other.set('other key', 'x'.repeat(50), { ttlMs: 7 }), other.compareAndSet('other key', version + 1000, 'y'), other.get('none')]
  const options = {
    get ttlMs(): number {
      meddle()
      return Infinity
    }
  }
  const value = {
    get field(): string {
      meddle()
      return 'value'
    }
  }
  t.true(map.compareAndSet('key', version, value, options))
  t.deepEqual(map.get('key'), { field: 'value' })
  t.false(map.compareAndSet('key', version, value, options))
})

test('what has expired is not there, and goes', async t => {
  const mem = newManaged(t)
  const map = mem.map('map', { ...SMALL, ttlMs: 40 })
  t.is(map.ttlMs, 40)
  map.set('short', '1')
  map.set('long', '2', { ttlMs: Infinity })
  map.set('longer', '3', { ttlMs: 60_000 })
  t.deepEqual([map.getText('short'), map.getText('long'), map.getText('longer'), map.size], ['1', '2', '3', 3])
  await setTimeout(60)
  t.false(map.has('short'))
  t.deepEqual([...map.keys()].toSorted(), ['long', 'longer'])
  t.is(map.get('short'), undefined)
  t.deepEqual([map.size, map.stats().expired], [2, 1])
  map.set('short', '1', { ttlMs: 1 })
  await setTimeout(5)
  t.true(map.add('short', 'again'), 'who expired is absent')
  // Opened without a word about it, it stays as it is.
  t.is(mem.map('map', SMALL).ttlMs, 40)
})

test('a full map with eviction lru lets go of what nobody reads, and says how much', t => {
  const map = newManaged(t).map('map', { memory: '64KiB', shards: 1 })
  map.set('hot', 'kept')
  for (let index = 0; index < 2000; index += 1) {
    map.set(`cold ${index}`, 'x'.repeat(100))
    if (map.getText('hot') !== 'kept') return t.fail(`after ${index}`)
  }
  const { entries, evictions, sets, bytesUsed, bytesTotal, hits, misses } = map.stats()
  t.is(entries + evictions, sets)
  t.true(bytesUsed <= bytesTotal && bytesUsed > bytesTotal * 0.9 && bytesTotal > 50_000)
  t.deepEqual([hits, misses, entries], [2000, 0, map.size])
  t.is([...map.keys()].length, map.size)
  t.throws(() => map.set('large', Buffer.alloc(64 << 10)), { instanceOf: RangeError, message: /too large.*fewer shards/u })
  map.clear()
  t.deepEqual([map.size, map.stats().bytesUsed, [...map]], [0, 0, []])
})

test('a full map with eviction none refuses, and keeps all it has', t => {
  const map = newManaged(t).map('map', { memory: '64KiB', shards: 1, eviction: 'none' })
  let stored = 0
  const error = t.throws(() => {
    for (;;) map.set(`key ${stored}`, `value ${stored++}`)
  }, { code: 'ERR_SHM_NO_SPACE', message: /eviction: 'lru'/u })
  t.is((error as { objectName?: string }).objectName, 'map')
  stored -= 1
  t.true(stored > 200)
  for (let index = 0; index < stored; index += 1) if (map.getText(`key ${index}`) !== `value ${index}`) return t.fail(`key ${index}`)
  t.true(map.delete('key 7'))
  t.true(map.set('key 7', 'again'))
})

test('an iteration gives what is there all the while exactly once, whatever comes and goes', t => {
  const map = newManaged(t).map('map', { ...SMALL, memory: '256KiB', values: 'text' })
  for (let index = 0; index < 300; index += 1) map.set(`stays ${index}`, `${index}`)
  const seen: string[] = []
  let turn = 0
  for (const [key, value] of map) {
    if (String(key).startsWith('stays')) t.is(key, `stays ${value}`)
    seen.push(String(key))
    map.set(`comes ${(turn += 1) % 50}`, 'x'.repeat(turn % 200))
    map.delete(`comes ${(turn * 7) % 50}`)
    map.set(`stays ${turn % 300}`, `${turn % 300}`)
  }
  t.is(new Set(seen).size, seen.length)
  t.is(seen.filter(key => key.startsWith('stays')).length, 300)
})

for (const eviction of ['none', 'lru'] as const) {
  test(`two thousand random steps, and a Map beside them: ${eviction}`, t => {
    const mem = newManaged(t)
    const map: SharedMap<string> = mem.map('map', { memory: '1MiB', chunkBytes: 128, eviction, values: 'text' })
    const model = new Map<string, string>()
    const random = (limit: number): number => Math.floor(Math.random() * limit)
    for (let step = 0; step < 2000; step += 1) {
      const key = `${'k'.repeat(random(80))}${random(40)}`
      const value = `${step}`.repeat(random(100))
      const dice = random(10)
      if (dice < 5) {
        map.set(key, value)
        model.set(key, value)
      } else if (dice < 7) t.is(map.delete(key), model.delete(key))
      else if (dice < 8) {
        t.is(map.add(key, value), !model.has(key))
        if (!model.has(key)) model.set(key, value)
      } else if (dice < 9) t.is(map.get(key), model.get(key))
      else t.is(map.has(key), model.has(key))
      if (step % 500 === 499) {
        const sorted = (entries: Iterable<[unknown, string]>): string[] => [...entries].map(([name, text]) => `${String(name)}: ${text}`).toSorted()
        t.deepEqual(sorted(map), sorted(model))
        t.is(map.size, model.size)
      }
    }
  })
}

test('other processes read what this one sets, count with it, and it outlives them', async t => {
  const mem = newManaged(t)
  const options = { ...SMALL, values: 'text' } as const
  const map = mem.map('map', options)
  const users = await Promise.all([newUser(t, mem), newUser(t, mem)])
  await Promise.all(users.map(user => user.has('map', 'map', options)))
  map.set('greeting', 'hello')
  t.deepEqual(await Promise.all(users.map(user => user.call('map.get', 'greeting'))), ['hello', 'hello'])
  await users[0]?.call('map.set', 'answer', 'from there')
  t.is(map.get('answer'), 'from there')
  t.is(await users[1]?.call('map.delete', 'greeting'), true)
  t.is(map.get('greeting'), undefined)
  await users[0]?.child.kill('SIGKILL')
  map.set('after', 'all')
  t.is(await users[1]?.call('map.get', 'after'), 'all')
})

test('the words of a map that somebody spoiled are an error, and clear() mends it', t => {
  const mem = newManaged(t)
  const map = mem.map('map', { ...SMALL, shards: 1, entries: 1 })
  map.set('key', 'value')
  const words = wordsOf(mem, map)
  // The only list leads outside.
  const bucket = 32 + 32
  words[bucket] = 0x7fff_ffff
  t.throws(() => map.get('key'), { code: 'ERR_SHM_POSSIBLY_CORRUPT', message: /clear\(\)/u })
  t.throws(() => [...map], { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  // Who writes mends what makes no sense.
  map.set('other', 'value')
  t.is(map.getText('other'), 'value')
  t.is(map.stats().recovered, 1)
  words[bucket] = -1
  // So does the lock, in words that no member writes.
  words[32 + 16] = -1
  t.throws(() => map.set('other', 'value'), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  map.clear()
  t.deepEqual([map.get('key'), map.size], [undefined, 0])
})

test('a list that leads in a circle is an error before more is copied than the shard has', t => {
  const mem = newManaged(t)
  const map = mem.map('map', { memory: '1MiB', shards: 1, chunkBytes: 256, entries: 16 })
  map.set('key', Buffer.alloc(256 << 10))
  const words = wordsOf(mem, map)
  const entry = words.findIndex((word, index) => word === 3 && words[index - KEY_BYTES + VALUE_BYTES] === 256 << 10) - KEY_BYTES
  words[entry + NEXT_ENTRY] = 1
  const before = process.resourceUsage().maxRSS
  for (const all of [() => [...map.values()], () => [...map], () => [...map.keys()]]) t.throws(all, { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  // KiB: once round for each of its chunks it would be a thousand times as much.
  t.true(process.resourceUsage().maxRSS - before < 200 << 10)
  // Who makes room comes by, and does not stay.
  for (let index = 0; index < 20; index += 1) map.set(`other ${index}`, Buffer.alloc(100 << 10))
  map.clear()
  t.deepEqual([...map], [])
})

test('lone surrogates are refused in a key, and replaced in a value', t => {
  const map = newManaged(t).map('map', { ...SMALL, values: 'text' })
  t.throws(() => map.set('\ud800', 'value'), { code: 'ERR_INVALID_ARG_VALUE' })
  map.set('key', 'a\ud800b')
  t.is(map.get('key'), 'a\ufffdb')
})

test('an entry in two lists is an error', t => {
  const mem = newManaged(t)
  const map = mem.map('map', { ...SMALL, shards: 1, entries: 2 })
  map.set('key', 'value')
  const words = wordsOf(mem, map)
  const buckets = 32 + 32
  const other = words[buckets] === 0 ? buckets : buckets + 1
  words[other] = 1
  t.throws(() => [...map.values()], { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  t.is(map.getText('key'), 'value')
})

test('after close() every call says so', t => {
  const mem = newManaged(t)
  const map = mem.map('map', SMALL)
  map.set('key', 'value')
  mem.close()
  const calls = [
    () => map.get('key'), () => map.getText('key'), () => map.getInto('key', new Uint8Array(8)), () => map.getEntry('key'), () => map.has('key'), () => map.set('key', ''),
    () => map.add('key', ''), () => map.compareAndSet('key', 1, ''), () => map.update('key', () => ''), () => map.delete('key'), () => map.clear(), () => map.size, () => [...map], () => map.stats()
  ]
  for (const call of calls) t.throws(call, { code: 'ERR_SHM_CLOSED' }, String(call))
})

test('who only observes has no map', t => {
  const mem = newManaged(t)
  mem.map('map', SMALL)
  const observer = ManagedSegment.open((mem.segment as { name: string }).name.slice(1), { access: 'observe' })
  t.teardown(() => observer.close())
  t.throws(() => observer.map('map', SMALL), { code: 'ERR_SHM_READ_ONLY' })
})

test.serial('one member scribbles over a map while two others use it', async t => {
  const { stdout } = await survives(t, 'hostile-map', 'scribbled')
  t.log(/^did .*$/m.exec(stdout)?.[0] ?? '')
})
