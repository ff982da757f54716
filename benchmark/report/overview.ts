/** The picture of README: the main comparisons of several questions, as rows of dots. */
import { summarize } from '../support/statistics.js'
import { specOf, type Dot, type Panel, type Side } from './dots.js'
import type { NamedOutcome, Unit } from './outcome.js'
import { svgOf } from './paper.js'

/** Where the samples of a row are: the name of one side, in any comparison of that question and subject. */
interface Source {
  question: string
  subject: string
  series: string
  label: string
  side: Side
}

interface Wanted {
  title: string
  /** What is counted, and what is better. */
  note: string
  rows: readonly Source[]
}

const from = (question: string, subject: string) => (side: Side, label: string, series: string = label): Source => ({ question, subject, series, label, side })
const blocks = from('hand-over', 'against a socket')
const channel = from('hand-over', 'against the channel')
const each = from('ring', '64 B, published each')
const batched = from('ring', '64 B, batches of 64')
const spinning = from('ring-latency', 'spins only')
const blocking = from('ring-latency', 'sleeps at once, blocking')
const promised = from('ring-latency', 'sleeps at once, promise')
const get = from('map', 'get')
const set = from('map', 'set')
const alone = from('mutex', 'alone, Node')
const contended = from('mutex', 'two processes, Node')

const wanted: readonly Wanted[] = [
  {
    title: 'Blocks of 1 MiB to another process',
    note: 'bytes a second: more is better',
    rows: [
      blocks('ours', 'shmem, in place', 'shared memory in place'),
      blocks('ours', 'shmem, copied in', 'shared memory by copy'),
      blocks('other', 'Unix socket'),
      channel('other', 'process.send'),
    ],
  },
  {
    title: 'Messages of 64 B to another process',
    note: 'messages a second: more is better',
    rows: [
      each('native', 'a ring in C', 'C'),
      batched('ours', 'shmem Ring, in batches', 'Ring'),
      each('ours', 'shmem Ring', 'Ring'),
      each('other', 'Aeron IPC in Java'),
      each('other', 'iceoryx2 in Rust'),
      each('other', 'worker postMessage'),
      each('other', 'Unix socket'),
      each('other', 'process.send', 'process.send, json'),
    ],
  },
  {
    title: 'A message one way, both ends spin',
    note: 'time: less is better',
    rows: [
      spinning('native', 'a cache line in C', 'cache line in C'),
      spinning('ours', 'shmem Ring', 'Ring'),
      spinning('other', 'Aeron IPC in Java'),
      spinning('other', 'iceoryx2 in Rust'),
    ],
  },
  {
    title: 'A message one way, both ends asleep',
    note: 'time: less is better',
    rows: [
      blocking('native', 'a futex in C', 'futex in C'),
      blocking('ours', 'shmem Ring, blocking', 'Ring'),
      promised('ours', 'shmem Ring, promise', 'Ring'),
      promised('other', 'worker postMessage'),
      promised('other', 'Unix socket'),
    ],
  },
  {
    title: 'Get 100 B from a map',
    note: 'time: less is better',
    rows: [
      get('native', 'Map, of one process', 'Map'),
      get('ours', 'shmem SharedMap', 'SharedMap'),
      get('other', 'lmdb'),
      get('other', 'Redis, Unix socket'),
    ],
  },
  {
    title: 'Set 100 B in a map',
    note: 'time: less is better',
    rows: [
      set('native', 'Map, of one process', 'Map'),
      set('ours', 'shmem SharedMap', 'SharedMap'),
      set('other', 'lmdb', 'lmdb, putSync'),
      set('other', 'Redis, Unix socket'),
    ],
  },
  {
    title: 'Lock and unlock, alone',
    note: 'time: less is better',
    rows: [
      alone('native', 'pthread robust, in C', 'pthread robust, same process'),
      alone('ours', 'shmem Mutex', 'Mutex'),
    ],
  },
  {
    title: 'A counter that two processes lock',
    note: 'increments a second: more is better',
    rows: [
      contended('native', 'pthread robust, in C', 'pthread robust'),
      contended('ours', 'shmem Mutex', 'Mutex'),
      contended('native', 'pthread not robust, in C', 'pthread, not robust'),
    ],
  },
]

/** Nanoseconds, or a second's messages or bytes: what the scale of a panel counts in. */
const factors: Partial<Record<Unit, number>> = { ns: 1, 'µs': 1e3, ms: 1e6, 'M/s': 1e6, 'GB/s': 1 }

/** What is there of the picture; what was not measured has no row, and a panel without one of ours is left out. */
export function panelsOf(outcomes: readonly NamedOutcome[]): Panel[] {
  return wanted.flatMap(({ title, note, rows }) => {
    const found = rows.flatMap((source) => rowOf(outcomes, source))
    const unit = found[0]?.unit
    if (unit === undefined || !found.some(({ dot }) => dot.side === 'ours')) return []
    return [{ title, note, rows: found.map(({ dot }) => dot), tick: (value) => withUnit(value, unit, 1) }]
  })
}

function rowOf(outcomes: readonly NamedOutcome[], { question, subject, series, label, side }: Source): { dot: Dot; unit: Unit }[] {
  const comparisons = outcomes.find(({ name }) => name === question)?.comparisons ?? []
  for (const { subject: about, unit, ours, other } of comparisons) {
    const found = about === subject ? [ours, other].find(({ name }) => name === series) : undefined
    const factor = factors[unit]
    if (found === undefined || factor === undefined) continue
    const dot = summarize(found.samples.map((sample) => sample * factor))
    return [{ unit, dot: { ...dot, label, side, text: withUnit(dot.median, unit, 3) } }]
  }
  return []
}

const steps = { ns: [[1e6, 'ms'], [1e3, 'µs'], [1, 'ns']], 'M/s': [[1e9, 'G/s'], [1e6, 'M/s'], [1e3, 'k/s'], [1, '/s']], 'GB/s': [[1, 'GB/s'], [1e-3, 'MB/s']] } as const

/** With the prefix that leaves at most three digits before the point. */
function withUnit(value: number, unit: Unit, digits: number): string {
  const prefixes: readonly (readonly [number, string])[] = unit === 'M/s' || unit === 'GB/s' ? steps[unit] : steps.ns
  const [size, name] = prefixes.find(([least]) => value >= least * 0.9995) ?? prefixes.at(-1) ?? [1, unit]
  const scaled = value / size
  return `${digits === 1 || scaled >= 99.95 ? scaled.toFixed(0) : scaled.toPrecision(digits)} ${name}`
}

export interface Overview {
  svg: string
  /** What the picture says, for who does not see it. */
  words: string
}

export async function overviewOf(outcomes: readonly NamedOutcome[], machine: string): Promise<Overview> {
  const panels = panelsOf(outcomes)
  const words = panels.map(({ title, rows }) => `${title}: ${rows.flatMap((row) => ('heading' in row ? [] : [`${row.label} ${row.text}`])).join(', ')}`).join('. ')
  const spec = specOf({
    title: 'shmem beside what else there is',
    subtitle: machine,
    legend: { ours: 'shmem, in Node', native: 'C, or memory of one process only', other: 'what else there is' },
    footnotes: ['A dot is the median; its line goes from the smallest sample to the largest. The scales are logarithmic: each grid line is ten times the one before.'],
    columns: 2,
    panels,
    labelWidth: 184,
    panelWidth: 446,
  })
  return { svg: await svgOf(spec, words), words }
}
