/**
 * Structs: what each type of field is in memory and in JavaScript, hostile bytes, the end of the memory, definitions that are refused, and the types that
 * TypeScript infers. How they agree with C is in 71.
 */
import { execFileSync } from 'node:child_process'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import {
  Atomic32, FileSegment, IPC_PRIVATE, ManagedSegment, MemfdSegment, OffsetPointer, PosixSegment, Struct, SysvSegment, array, atomicI32, atomicI64, atomicU32,
  atomicU64, bool, bytes, cacheLine, f32, f64, i16, i32, i64, i8, notify, offset, pad, struct, text, u16, u32, u64, u8, wait, type Atomic64, type StructView
} from 'shmem'
import { managed } from './support/managed.js'
import { objectName, temporaryFolder } from './support/peer.js'

const Point = struct({ x: f32, y: f32 })
const Node = struct({ value: i32, next: offset('self') })
const State = struct({
  ready: bool,
  count: i32,
  total: f64,
  symbol: text(6),
  raw: bytes(3),
  big: u64,
  whole: i64,
  levels: array(f64, 4),
  place: Point,
  corners: array(Point, 2),
  grid: array(array(i16, 2), 3),
  head: offset(() => Node),
  line: cacheLine(),
  hits: atomicI32,
  hole: pad(4),
  sum: atomicU64
})

function fresh(size = 1024): { buffer: ArrayBuffer; view: DataView; state: StructView<typeof State> } {
  const buffer = new ArrayBuffer(size)
  return { buffer, view: new DataView(buffer), state: State.at(buffer, 64) }
}

// Claims about types: they hold if this compiles.
type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false
type Is<Key extends keyof StructView<typeof State>, Type> = Same<StructView<typeof State>[Key], Type>
const inferred: [
  Is<'ready', boolean>, Is<'count', number>, Is<'total', number>, Is<'symbol', string>, Is<'raw', Uint8Array>, Is<'big', bigint>, Is<'whole', bigint>,
  Is<'place', StructView<typeof Point>>, Is<'corners', readonly StructView<typeof Point>[]>, Is<'hits', Atomic32<Int32Array>>, Is<'sum', Atomic64<BigUint64Array>>,
  Is<'head', OffsetPointer<StructView<typeof Node>>>,
  StructView<typeof State>['levels'] extends Float64Array ? true : false,
  StructView<typeof State>['grid'] extends readonly Int16Array[] ? true : false,
  NonNullable<StructView<typeof Node>['next']['target']>['value'] extends number ? true : false,
  'line' extends keyof StructView<typeof State> ? false : true,
  'hole' extends keyof StructView<typeof State> ? false : true
] = [true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true, true]
/** Never called: what must not compile. */
function refusedByTypes(state: StructView<typeof State>): void {
  // @ts-expect-error: no such field
  state.counts = 1
  // @ts-expect-error: a bigint
  state.big = 1
  // @ts-expect-error: not assigned to
  state.place = Point.at(new ArrayBuffer(8))
  // @ts-expect-error: no field of that name
  State.offsetOf('counts')
  // @ts-expect-error: no type of a field
  struct({ count: 'i32' })
}

test('every number is the element of a typed array at its place', t => {
  const all = { i8, u8, i16, u16, i32, u32, f32, f64 }
  const buffer = new ArrayBuffer(256)
  const view = new DataView(buffer)
  const Numbers = struct({ first: u8, ...all })
  const numbers = Numbers.at(buffer, 64)
  const reads: Record<string, (at: number) => number> = {
    i8: at => view.getInt8(at), u8: at => view.getUint8(at), i16: at => view.getInt16(at, true), u16: at => view.getUint16(at, true),
    i32: at => view.getInt32(at, true), u32: at => view.getUint32(at, true), f32: at => view.getFloat32(at, true), f64: at => view.getFloat64(at, true)
  }
  for (const [name, read] of Object.entries(reads)) {
    const field = name as keyof typeof all
    numbers[field] = 300.7
    const expected = { i8: 44, u8: 44, f32: Math.fround(300.7), f64: 300.7 }[name] ?? 300
    t.is(numbers[field], expected, name)
    t.is(read(64 + Numbers.offsetOf(field)), expected, name)
    numbers[field] = -1
    t.is(numbers[field], read(64 + Numbers.offsetOf(field)), name)
  }
  t.is(numbers.first, 0)
})

test('fields lie as C lays them, and say where', t => {
  t.deepEqual(State.fields.map(({ name, offset: at, size }) => [name, at, size]), [
    ['ready', 0, 1], ['count', 4, 4], ['total', 8, 8], ['symbol', 16, 6], ['raw', 22, 3], ['big', 32, 8], ['whole', 40, 8], ['levels', 48, 32],
    ['place', 80, 8], ['corners', 88, 16], ['grid', 104, 12], ['head', 120, 8], ['line', 128, 0], ['hits', 128, 4], ['hole', 132, 4], ['sum', 136, 8]
  ])
  t.deepEqual([State.size, State.align, State.offsetOf('total'), Point.size, Point.align], [192, 64, 8, 8, 4])
  t.deepEqual(State.fields.find(({ name }) => name === 'levels'), { name: 'levels', type: 'array(f64, 4)', offset: 48, size: 32, align: 8 })
  t.true(Object.isFrozen(State) && Object.isFrozen(State.fields[0]))
})

test('integers of 64 bits are bigints, which wrap, and nothing else', t => {
  const { state, view } = fresh()
  state.big = -1n
  state.whole = 2n ** 63n
  t.deepEqual([state.big, state.whole], [2n ** 64n - 1n, -(2n ** 63n)])
  t.is(view.getBigUint64(64 + State.offsetOf('big'), true), 2n ** 64n - 1n)
  t.throws(() => { state.big = 5 as never }, { instanceOf: TypeError })
})

test('a boolean is one byte: 1 is written, whatever is not 0 is true', t => {
  const { state, view } = fresh()
  t.false(state.ready)
  for (const hostile of [1, 2, 0x80, 255]) {
    view.setUint8(64, hostile)
    t.true(state.ready)
  }
  state.ready = true
  t.is(view.getUint8(64), 1)
  state.ready = false
  t.is(view.getUint8(64), 0)
})

test('text is UTF-8, filled up with NUL, and takes all its bytes', t => {
  const { state, buffer } = fresh()
  const stored = new Uint8Array(buffer, 64 + State.offsetOf('symbol'), 7)
  stored.fill(0xff)
  state.symbol = 'ABC'
  t.deepEqual([...stored], [65, 66, 67, 0, 0, 0, 255], 'not one byte more')
  for (const value of ['', 'ABCDEF', '€€', 'aé😀'.slice(0, 2), '\u0001']) {
    state.symbol = value
    t.is(state.symbol, value)
  }
  for (const long of ['ABCDEFG', '€€a', 'éééé']) t.throws(() => { state.symbol = long }, { code: 'ERR_OUT_OF_RANGE', message: /"symbol".*at most 6 bytes/u })
  t.throws(() => { state.symbol = 'a\0b' }, { code: 'ERR_INVALID_ARG_VALUE', message: /"symbol"/u })
  t.throws(() => { state.symbol = 5 as never }, { code: 'ERR_INVALID_ARG_TYPE', message: /"symbol"/u })
  t.is(state.symbol, '\u0001', 'a refused value changes nothing')
})

test('hostile bytes in text read as U+FFFD', t => {
  const { state, buffer } = fresh()
  const stored = new Uint8Array(buffer, 64 + State.offsetOf('symbol'), 6)
  stored.set([65, 0xff, 66, 0xe2, 0x82, 0])
  t.is(state.symbol, 'A\ufffdB\ufffd')
  stored.set([0, 65, 65, 65, 65, 65])
  t.is(state.symbol, '')
})

test('text that another thread scrambles meanwhile is some text, never a crash', async t => {
  const memory = new SharedArrayBuffer(4096)
  const Long = struct({ text: text(4000) })
  const long = Long.at(memory)
  const scramble = `const b = new Uint8Array(require('worker_threads').workerData)
    let x = 1; for (;;) for (let i = 0; i < b.length; i++) { x = (x * 1103515245 + 12345) | 0; b[i] = (x >>> 16) % 3 ? 0xc3 + (x >>> 8) % 60 : 65 }`
  const worker = new Worker(scramble, { eval: true, workerData: memory })
  await new Promise(resolve => worker.once('online', resolve))
  const end = Date.now() + 400
  let kinds = new Set<string>()
  while (Date.now() < end) {
    const read = long.text
    t.true(read.length <= 4000)
    kinds = kinds.add(read.slice(0, 8))
    await new Promise(setImmediate)
  }
  await worker.terminate()
  t.true(kinds.size > 1, 'it was read while it changed')
})

test('bytes are a view, and assignment copies as many in', t => {
  const { state, buffer } = fresh()
  const source = Uint8Array.of(1, 2, 3)
  state.raw = source
  source[0] = 9
  t.deepEqual([...state.raw], [1, 2, 3])
  state.raw[1] = 7
  t.is(new Uint8Array(buffer)[64 + State.offsetOf('raw') + 1], 7)
  t.is(state.raw, state.raw)
  for (const few of [new Uint8Array(2), new Uint8Array(4)]) t.throws(() => { state.raw = few }, { code: 'ERR_OUT_OF_RANGE', message: /"raw".*3 bytes/u })
  t.throws(() => { state.raw = [1, 2, 3] as never }, { code: 'ERR_INVALID_ARG_TYPE', message: /"raw"/u })
})

test('structs and arrays inside are views that are made once', t => {
  const { state, view } = fresh()
  state.place.y = 2.5
  t.is(view.getFloat32(64 + State.offsetOf('place') + 4, true), 2.5)
  t.is(state.place, state.place)
  state.levels[3] = 1.25
  t.is(view.getFloat64(64 + State.offsetOf('levels') + 24, true), 1.25)
  t.true(state.levels instanceof Float64Array && state.levels.length === 4)
  const [, corner] = state.corners
  if (corner !== undefined) corner.x = 8
  t.is(view.getFloat32(64 + State.offsetOf('corners') + 8, true), 8)
  t.true(Object.isFrozen(state.corners))
  t.is(state.corners.length, 2)
  state.grid[2]?.fill(-3)
  t.is(view.getInt16(64 + State.offsetOf('grid') + 10, true), -3)
})

test('what is an object is not assigned to', t => {
  const { state } = fresh()
  for (const name of ['levels', 'place', 'corners', 'grid', 'head', 'hits', 'sum']) {
    t.throws(() => { (state as unknown as Record<string, unknown>)[name] = 5 }, { code: 'ERR_INVALID_ARG_VALUE', message: new RegExp(`"${name}"`, 'u') })
  }
})

test('atomic fields answer what was there before, and wrap', t => {
  const { state, buffer } = fresh()
  t.is(state.hits, state.hits)
  t.is(state.hits.add(2 ** 31 - 1), 0)
  t.is(state.hits.add(), 2 ** 31 - 1)
  t.is(state.hits.load(), -(2 ** 31))
  state.hits.store(12)
  t.deepEqual([state.hits.sub(2), state.hits.and(6), state.hits.or(5), state.hits.xor(1), state.hits.exchange(40), state.hits.compareExchange(1, 2)], [12, 10, 2, 7, 6, 40])
  t.is(state.hits.compareExchange(40, 41), 40)
  t.is(new DataView(buffer).getInt32(64 + State.offsetOf('hits'), true), 41)
  t.is(state.sum.sub(1n), 0n)
  t.is(state.sum.exchange(7n), 2n ** 64n - 1n)
  t.deepEqual([state.sum.and(6n), state.sum.or(1n), state.sum.xor(2n), state.sum.add(), state.sum.compareExchange(6n, 1n), state.sum.load()], [7n, 6n, 7n, 5n, 6n, 1n])
  const Cells = struct({ u: atomicU32, i: atomicI64, all: array(atomicU32, 3) })
  const cells = Cells.at(new ArrayBuffer(64), 8)
  cells.u.sub(1)
  t.is(cells.u.load(), 2 ** 32 - 1)
  cells.i.sub(1n)
  t.is(cells.i.load(), -1n)
  cells.all[2]?.store(7)
  t.deepEqual(cells.all.map(cell => cell.load()), [0, 0, 7])
})

test('an atomic field is a word that can be waited for', t => {
  using segment = MemfdSegment.create('struct', { size: 4096 })
  const { hits } = State.at(segment)
  t.is(wait(hits.array, hits.index, 1), 'not-equal')
  t.is(wait(hits.array, hits.index, 0, { timeoutMs: 1 }), 'timed-out')
  t.is(notify(hits.array, hits.index), 0)
})

test('a pointer leads to a struct in the same buffer, or nowhere', t => {
  const { state, buffer, view } = fresh()
  t.is(state.head.target, undefined)
  t.true(state.head.isNull)
  const [one, two] = [Node.at(buffer, 512), Node.at(buffer, 768)]
  one.value = 1
  two.value = 2
  state.head.target = one
  one.next.target = two
  t.is(view.getBigUint64(64 + State.offsetOf('head'), true), 512n)
  t.is(state.head.offset, 512)
  const values = []
  for (let node: StructView<typeof Node> | undefined = state.head.target; node !== undefined; node = node.next.target) values.push(node.value)
  t.deepEqual(values, [1, 2])
  t.is(state.head.exchange(768), 512)
  t.is(state.head.compareExchange(512, 0), 768)
  t.is(state.head.compareExchange(768, 512), 768)
  state.head.target = undefined
  t.is(state.head.offset, 0)
})

test('an offset that cannot be is corruption, not a crash', t => {
  const { state, view } = fresh()
  const at = 64 + State.offsetOf('head')
  for (const hostile of [1n, 515n, 1024n - 8n, 1024n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    view.setBigUint64(at, hostile, true)
    t.throws(() => state.head.target, { code: 'ERR_SHM_POSSIBLY_CORRUPT' }, String(hostile))
    t.is(state.head.offset, Number(hostile))
  }
  view.setBigUint64(at, 1024n - 16n, true)
  t.is(state.head.target?.value, 0)
})

test('a pointer refuses what it cannot point to', t => {
  const { state, buffer } = fresh()
  for (const wrong of [-8, 1, 1020, 1024, 2 ** 53, 1.5, NaN]) {
    t.throws(() => { state.head.offset = wrong }, { code: 'ERR_OUT_OF_RANGE', message: /"offset"/u })
    t.throws(() => state.head.exchange(wrong), { code: 'ERR_OUT_OF_RANGE', message: /"offset"/u })
  }
  t.throws(() => { state.head.target = state as never }, { code: 'ERR_INVALID_ARG_TYPE', message: /"target"/u })
  t.throws(() => { state.head.target = null as never }, { code: 'ERR_INVALID_ARG_TYPE', message: /"target"/u })
  t.throws(() => { state.head.target = Node.at(new ArrayBuffer(64), 16) }, { code: 'ERR_OUT_OF_RANGE', message: /same buffer/u })
  t.throws(() => { state.head.target = Node.at(buffer) }, { code: 'ERR_OUT_OF_RANGE', message: /byte 0/u })
  t.true(state.head.isNull)
})

test('types can point to each other', t => {
  const buffer = new ArrayBuffer(256)
  // Of types that refer to each other, one names the other loosely: TypeScript infers no circle.
  const Child = struct({ name: text(8), parent: offset((): Struct => Parent) })
  const Parent = struct({ children: array(offset(Child), 2) })
  const [parent, child] = [Parent.at(buffer, 16), Child.at(buffer, 64)]
  const [first] = parent.children
  if (first !== undefined) first.target = child
  child.parent.target = parent
  child.name = 'one'
  const found = parent.children[0]?.target?.parent.target as StructView<typeof Parent> | undefined
  t.is(found?.children[0]?.target?.name, 'one')
  t.throws(() => struct({ lost: offset((() => 5) as never) }).at(buffer).lost, { code: 'ERR_INVALID_ARG_TYPE', message: /"target"/u })
})

test('a struct lies in any segment and any buffer', t => {
  const segments = [
    PosixSegment.create(objectName(t), { size: 4096 }), MemfdSegment.create('struct', { size: 4096 }),
    FileSegment.create(`${temporaryFolder(t)}/file`, { size: 4096 }), SysvSegment.create(IPC_PRIVATE, { size: 4096, removeOnLastDetach: true })
  ]
  for (const segment of segments) {
    State.at(segment, 128).count = 77
    t.is(new DataView(segment.buffer).getInt32(132, true), 77, segment.kind)
    segment.close()
    t.throws(() => State.at(segment), { code: 'ERR_SHM_CLOSED' })
  }
  const shared = new SharedArrayBuffer(256)
  const state = State.at(shared)
  state.symbol = 'ABC'
  state.sum.add(3n)
  t.deepEqual([state.symbol, state.sum.load(), State.at(shared).symbol], ['ABC', 3n, 'ABC'])
})

test('a place where it cannot lie is refused', t => {
  const buffer = new ArrayBuffer(256)
  for (const wrong of [1, 8, 32, 65]) t.throws(() => State.at(buffer, wrong), { code: 'ERR_OUT_OF_RANGE', message: /"byteOffset".*multiple of 64/u })
  for (const wrong of [128, 256, 2 ** 40]) t.throws(() => State.at(buffer, wrong), { code: 'ERR_OUT_OF_RANGE', message: /"byteOffset".*192 bytes.*256 bytes/u })
  t.throws(() => State.at(new ArrayBuffer(191)), { code: 'ERR_OUT_OF_RANGE' })
  t.notThrows(() => State.at(buffer, 64))
  const { mem } = managed(t)
  t.throws(() => State.at(mem), { code: 'ERR_INVALID_ARG_TYPE', message: /"byteOffset".*header/u })
  t.notThrows(() => State.at(mem, 65_536))
})

test('when the segment is closed or mapped anew, every field says so', t => {
  const ends: [string, (segment: MemfdSegment) => void][] = [['close', segment => segment.close()], ['resize', segment => segment.resize(8192)]]
  for (const [how, end] of ends) {
    using segment = MemfdSegment.create('struct', { size: 4096 })
    const [state, untouched] = [State.at(segment), State.at(segment, 256)]
    // One whose objects are made already, and one whose are not.
    state.toJSON()
    end(segment)
    const uses: Record<string, (view: typeof state) => unknown> = {
      ready: view => view.ready, 'ready =': view => (view.ready = true), count: view => view.count, 'count =': view => (view.count = 1), total: view => view.total,
      big: view => view.big, 'big =': view => (view.big = 1n), symbol: view => view.symbol, 'symbol =': view => (view.symbol = 'A'),
      'raw =': view => (view.raw = new Uint8Array(3)), x: view => view.place.x, corner: view => view.corners[0]?.x, head: view => view.head.target,
      'head =': view => (view.head.offset = 0), hits: view => view.hits.add(1), sum: view => view.sum.load(), toJSON: view => view.toJSON()
    }
    for (const [name, use] of Object.entries(uses)) {
      for (const view of [state, untouched]) t.throws(() => use(view), { code: 'ERR_SHM_CLOSED' }, `${name} after ${how}()`)
    }
    t.deepEqual([state.raw.length, state.levels.length], [0, 0])
  }
})

test('a field of a read-only segment can be read; a write is caught by the guard', t => {
  const name = objectName(t)
  using whole = PosixSegment.create(name, { size: 4096 })
  State.at(whole).count = 5
  using segment = PosixSegment.open(name, { access: 'read' })
  const state = State.at(segment)
  t.is(state.count, 5)
  t.is(state.sum.load(), 0n)
  state.count = 6
  t.is(State.at(whole).count, 5)
  t.throws(() => segment.buffer, { code: 'ERR_SHM_READ_ONLY' })
})

test('a definition that cannot be is refused in words', t => {
  const wrong: [unknown, string][] = [
    [undefined, 'definition'], [null, 'definition'], [5, 'definition'], [[i32], 'definition'], [{}, 'definition'], [{ line: cacheLine() }, 'definition'],
    [{ a: 'i32' }, 'definition.a'], [{ a: undefined }, 'definition.a'], [{ a: {} }, 'definition.a'], [{ a: text }, 'definition.a'],
    [{ 'a b': i32 }, 'definition.a b'], [{ 5: i32 }, 'definition.5'], [{ 'é': i32 }, 'definition.é'], [{ '': i32 }, 'definition.'], [{ a$: i32 }, 'definition.a$'],
    [{ int: i32 }, 'definition.int'], [{ default: i32 }, 'definition.default'], [{ constructor: i32 }, 'definition.constructor'],
    [{ ['__proto__']: i32 }, 'definition.__proto__'], [{ toString: i32 }, 'definition.toString'], [{ toJSON: i32 }, 'definition.toJSON'], [{ a: i32, [Symbol('b')]: i32 }, 'definition']
  ]
  for (const [definition, named] of wrong) {
    const error = t.throws(() => struct(definition as never), { instanceOf: TypeError }, inspect(definition))
    t.true(error.message.includes(`"${named}"`) && /must be/u.test(error.message), error.message)
  }
  t.throws(() => array(text(4), 2), { code: 'ERR_INVALID_ARG_VALUE', message: /"type".*text\(4\)/u })
  t.throws(() => array(bool, 2), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => array(f64, 2 ** 40), { code: 'ERR_OUT_OF_RANGE' })
})

test('a hash tells layouts apart, and stays the same for ever', t => {
  t.is(struct({ count: i32, total: f64, symbol: text(16) }).hash, 0x803dcd0a9effa32n)
  t.is(State.hash, 0x9c174a5aa20feaa5n)
  const same = (): bigint => struct({ a: i32, b: f64 }).hash
  t.is(same(), same())
  t.is(struct({ a: i32, gap: pad(4), b: f64 }).hash, same(), 'what only fills up does not count')
  const others = [
    struct({ a: i32, c: f64 }), struct({ a: u32, b: f64 }), struct({ b: f64, a: i32 }), struct({ a: i32, gap: pad(8), b: f64 }), struct({ a: i32 }),
    struct({ a: atomicI32, b: f64 }), struct({ a: i32, b: array(f64, 1) }), struct({ a: i32, b: struct({ b: f64 }) }), struct({ a: i32, b: offset('self') }),
    struct({ a: i32, b: offset(Point) }), struct({ a: i32, b: offset(Node) })
  ]
  t.is(new Set([same(), ...others.map(({ hash }) => hash)]).size, others.length + 1)
})

test('toC() declares it, with what it contains', t => {
  const Small = struct({ flag: bool, id: u64, tag: text(3), inner: Point, again: array(Point, 2), next: offset('self'), line: cacheLine(), n: atomicU32 })
  t.is(Small.toC('Small').replaceAll(/^(?:static_assert|#include).*\n/gmu, ''), `
typedef struct Small_inner {
  float x;
  float y;
} Small_inner;

typedef struct __attribute__((aligned(64))) Small {
  bool flag;
  uint8_t padding1[7];
  uint64_t id;
  char tag[3]; /* UTF-8, filled up with NUL; without one where it is full */
  uint8_t padding2[1];
  Small_inner inner;
  Small_inner again[2];
  uint8_t padding3[4];
  uint64_t next; /* from the beginning of the mapping, 0 for none: a struct of 128 bytes */
  uint8_t line[8];
  uint32_t n; /* atomic: by __atomic_load_n and its like */
  uint8_t padding4[60];
} Small;
`)
  for (const wrong of ['', 'a b', '5a', 'struct', 'é']) t.throws(() => Small.toC(wrong), { code: 'ERR_INVALID_ARG_VALUE', message: /"name"/u })
})

test('a view shows its values', t => {
  const { state } = fresh()
  state.count = 3
  state.symbol = 'ABC'
  t.like(state.toJSON(), { ready: false, count: 3, symbol: 'ABC', raw: [0, 0, 0], big: 0n, levels: [0, 0, 0, 0], place: { x: 0, y: 0 }, head: 0, hits: 0, sum: 0n })
  t.false('line' in state.toJSON())
  t.regex(inspect(state), /count: 3,[^]*symbol: 'ABC'/u)
  t.is(JSON.stringify(Point.at(new ArrayBuffer(8))), '{"x":0,"y":0}')
  t.is(inferred.length, 17)
  t.is(typeof refusedByTypes, 'function')
})

test('a struct has a name in a managed segment, for whoever has the same layout', t => {
  const { mem, name } = managed(t)
  const state = mem.struct('state', State)
  t.is(mem.struct('state', State), state)
  t.is(state.count, 0)
  state.count = 5
  const other = ManagedSegment.open(name)
  t.is(other.struct('state', State).count, 5)
  const script = `import { ManagedSegment, i32, pad, struct, f64 } from 'shmem'
    const mem = ManagedSegment.open(process.argv[1])
    mem.struct('shared', struct({ count: i32, hole: pad(4), total: f64 })).total += 2.5
    mem.close()`
  const shared = mem.struct('shared', struct({ count: i32, total: f64 }))
  shared.total = 1
  execFileSync(process.execPath, ['--input-type=module', '--eval', script, name], { timeout: 30_000 })
  t.is(shared.total, 3.5, 'another process, with another definition of the same layout')
  const [entry] = mem.objects
  t.like(entry, { name: 'state', kind: 'struct', bytes: 256 })
  t.is((entry?.offset ?? 1) % 128, 0)
  const Other = struct({ count: i32, hole: pad(188) })
  const error = t.throws(() => other.struct('state', Other), { code: 'ERR_SHM_TYPE_MISMATCH' })
  for (const { hash, size } of [State, Other]) t.true(error.message.includes(`bytes: ${size}, hash: 0x${hash.toString(16).padStart(16, '0')}`), error.message)
  t.throws(() => mem.mutex('state'), { code: 'ERR_SHM_TYPE_MISMATCH' })
  t.throws(() => mem.struct('other', {} as never), { code: 'ERR_INVALID_ARG_TYPE', message: /"type"/u })
  other.close()
  mem.close()
  t.throws(() => mem.struct('state', State), { code: 'ERR_SHM_CLOSED' })
  t.throws(() => state.count, { code: 'ERR_SHM_CLOSED' })
})
