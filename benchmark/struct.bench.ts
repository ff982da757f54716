/**
 * What does a field of a struct cost, against an element of a typed array over the same bytes?
 * The bar: 1.2 times the element, for reading and writing. A dozen other structs, whose views share what V8 learns, stand in rows of their own.
 */
import { array, atomicI32, bool, f64, i32, struct, text, type StructView } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave } from './support/pairing.js'
import { atMost, Report } from './support/report.js'

const Trade = struct({ bid: i32, ask: i32, last: i32, count: i32, low: f64, high: f64, total: f64, isOpen: bool, symbol: text(16), levels: array(f64, 8), hits: atomicI32 })
const OFFSET = 64

const options = parseOptions()
const report = new Report('struct', 'A field of a struct: how many times an element of a typed array?', options)
const iterations = options.quick ? 200_000 : 4_000_000
const memory = new ArrayBuffer(4096)
const trade = Trade.at(memory, OFFSET)
const ints = new Int32Array(memory, OFFSET, Trade.size / 4)
const doubles = new Float64Array(memory, OFFSET, Trade.size / 8)

/** Nanoseconds an access, of `accesses` in each round of a loop that is compiled with its accesses inside. */
function timed(accesses: number, loop: (rounds: number) => number): number {
  const started = process.hrtime.bigint()
  const sum = loop(iterations)
  const sample = Number(process.hrtime.bigint() - started) / iterations / accesses
  if (sum !== 5 * iterations) throw new Error(`a loop came to ${sum}`)
  return sample
}

type TradeView = StructView<typeof Trade>

// In each round two reads and a write. What they work on is passed to them: constants of this file would become part of the code.

function fieldLoop(view: TradeView, rounds: number): number {
  view.bid = 2
  view.ask = 3
  let sum = 0
  for (let round = 0; round < rounds; round += 1) {
    sum = (sum + view.bid + view.ask) | 0
    view.last = sum
  }
  return view.last
}

function elementLoop(words: Int32Array, rounds: number): number {
  words[0] = 2
  words[1] = 3
  let sum = 0
  for (let round = 0; round < rounds; round += 1) {
    sum = (sum + words[0]! + words[1]!) | 0
    words[2] = sum
  }
  return words[2]!
}

function doubleFieldLoop(view: TradeView, rounds: number): number {
  view.low = 2
  view.high = 3
  let sum = 0
  for (let round = 0; round < rounds; round += 1) {
    sum = sum + view.low + view.high
    view.total = sum
  }
  return view.total
}

function doubleLoop(values: Float64Array, rounds: number): number {
  values[2] = 2
  values[3] = 3
  let sum = 0
  for (let round = 0; round < rounds; round += 1) {
    sum = sum + values[2]! + values[3]!
    values[4] = sum
  }
  return values[4]!
}

function levelLoop(view: TradeView, rounds: number): number {
  view.levels[2] = 2
  view.levels[3] = 3
  let sum = 0
  for (let round = 0; round < rounds; round += 1) {
    sum = sum + view.levels[2]! + view.levels[3]!
    view.levels[4] = sum
  }
  return view.levels[4]!
}

function atomicFieldLoop(view: TradeView, rounds: number): number {
  view.hits.store(0)
  let sum = 0
  for (let round = 0; round < rounds; round += 1) sum = (sum + view.hits.add(0) + 5) | 0
  return sum
}

function atomicLoop(words: Int32Array, at: number, rounds: number): number {
  Atomics.store(words, at, 0)
  let sum = 0
  for (let round = 0; round < rounds; round += 1) sum = (sum + Atomics.add(words, at, 0) + 5) | 0
  return sum
}
/** Other structs, each with a loop of its own, as in a program that has many. */
function useOthers(): void {
  for (let count = 0; count < 12; count += 1) {
    const fields = Object.fromEntries(Array.from({ length: 3 + count }, (_, index) => [`field${index}`, index % 2 === 0 ? i32 : f64]))
    const view = struct(fields).at(memory, 1024) as Record<string, number>
    const loop = new Function('view', 'rounds', `for (let round = 0; round < rounds; round++) { view.field0++; view.field1 += view.field${2 + count} } return ${count}`)
    loop(view, 200_000)
  }
}

const alone = await interleave(
  {
    field: () => timed(3, (rounds) => fieldLoop(trade, rounds)),
    element: () => timed(3, (rounds) => elementLoop(ints, rounds)),
    doubleField: () => timed(3, (rounds) => doubleFieldLoop(trade, rounds)),
    double: () => timed(3, (rounds) => doubleLoop(doubles, rounds)),
    level: () => timed(3, (rounds) => levelLoop(trade, rounds)),
    atomicField: () => timed(1, (rounds) => atomicFieldLoop(trade, rounds)),
    atomic: () => timed(1, (rounds) => atomicLoop(ints, Trade.offsetOf('hits') / 4, rounds)),
  },
  roundsFor(options),
)
useOthers()
const among = await interleave(
  {
    field: () => timed(3, (rounds) => fieldLoop(trade, rounds)),
    element: () => timed(3, (rounds) => elementLoop(ints, rounds)),
    doubleField: () => timed(3, (rounds) => doubleFieldLoop(trade, rounds)),
    double: () => timed(3, (rounds) => doubleLoop(doubles, rounds)),
  },
  roundsFor(options),
)
const bar = (ours: number[], other: number[]) => ({ bar: atMost(1.2, ours, other) })
const row = (subject: string, ours: [string, number[]], other: [string, number[]], more = {}): void =>
  report.add({ subject, unit: 'ns', ours: { name: ours[0], samples: ours[1] }, other: { name: other[0], samples: other[1] }, ...more })
row('i32', ['field', alone.field], ['element', alone.element], bar(alone.field, alone.element))
row('f64', ['field', alone.doubleField], ['element', alone.double], bar(alone.doubleField, alone.double))
row('i32, 12 other structs in use', ['field', among.field], ['element', among.element])
row('f64, 12 other structs in use', ['field', among.doubleField], ['element', among.double])
row('f64 of array(f64, 8)', ['field, then element', alone.level], ['element', alone.double])
row('add', ['atomicI32', alone.atomicField], ['Atomics.add', alone.atomic])
report.remark('Nanoseconds an access: of the two reads and the write in each round of a loop.')
report.finish()
