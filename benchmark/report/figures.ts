/**
 * The tables of the documents: which saved comparisons stand where, and in which words. Each lies in its document between
 * `<!-- figures: name -->` and `<!-- end of figures -->`, and is written anew from what is saved.
 */
import { summarize } from '../support/statistics.js'
import { pictureLine } from './markdown.js'
import { ratioOf, type Comparison, type NamedOutcome, type Series, type Unit } from './outcome.js'
import { short, spread } from './table.js'

/** A comparison, found by the names that its benchmark gives it, and the words for it. */
interface Row {
  what: string
  question: string
  subject: string
  ours: string
  other: string
  beside: string
}

interface Table {
  /** Above the words, and above the numbers of ours. */
  titles: readonly [string, string]
  rows: readonly Row[]
}

interface Figures {
  /** From the root of the repository. */
  file: string
  name: string
  tables: readonly Table[]
}

/** Rows of one subject and one side of ours: each other side, and the words for it. */
function rows(what: string, [question, subject, ours]: readonly [string, string, string], others: Readonly<Record<string, string>>): Row[] {
  return Object.entries(others).map(([other, beside]) => ({ what, question, subject, ours, other, beside }))
}

const inC = { C: 'C' }

export const documentFigures: readonly Figures[] = [
  {
    file: 'README.md',
    name: 'how fast',
    tables: [
      {
        titles: ['blocks of 1 MiB, handed to another process', '`shmem`'],
        rows: [
          ...rows('in place', ['hand-over', 'against a socket', 'shared memory in place'], { 'Unix socket': 'Unix socket' }),
          ...rows('in place', ['hand-over', 'against the channel', 'shared memory in place'], { 'process.send': '`process.send`' }),
          ...rows('copied in', ['hand-over', 'against a socket', 'shared memory by copy'], { 'Unix socket': 'Unix socket' }),
        ],
      },
      {
        titles: ['in one process', '`shmem`'],
        rows: [
          ...rows('create, map, close and remove 64 KiB, POSIX', ['create-close', 'POSIX', 'shmem'], inC),
          ...rows('the same, System V', ['create-close', 'System V', 'shmem'], inC),
          ...rows('open, map and close an existing segment, POSIX', ['open-close', 'POSIX', 'shmem'], inC),
          ...rows('the same, System V', ['open-close', 'System V', 'shmem'], inC),
          ...rows('`write` 1 MiB', ['copy', 'write 1 MiB', 'write'], { memcpy: 'memcpy in C' }),
          ...rows('`read(offset, target)` 1 MiB', ['copy', 'read 1 MiB', 'read(offset, target)'], { memcpy: 'memcpy in C' }),
          ...rows('`write` 64 B', ['copy', 'write 64 B', 'write'], { 'Uint8Array.set': '`Uint8Array.set`' }),
          ...rows('create and remove, POSIX', ['peers', 'create + remove, POSIX', 'shmem'], { 'shm-typed-array': 'shm-typed-array' }),
          ...rows('create and remove, System V', ['peers', 'create + remove, System V', 'shmem'], { 'shm-typed-array': 'shm-typed-array' }),
          ...rows('open and close, POSIX', ['peers', 'open + close, POSIX', 'shmem'], { '@riaskov/mmap-io': '@riaskov/mmap-io' }),
          ...rows('lock and unlock a mutex', ['mutex', 'alone, Node', 'Mutex'], { 'pthread robust, same process': 'robust pthread mutex in C' }),
        ],
      },
      {
        titles: ['structures', '`shmem`'],
        rows: [
          ...rows('messages of 64 B to another process, each published', ['ring', '64 B, published each', 'Ring'], {
            'process.send, json': '`process.send`',
            'iceoryx2 in Rust': 'iceoryx2 in Rust',
            'Aeron IPC in Java': 'Aeron IPC in Java',
            C: 'C',
          }),
          ...rows('the same, in batches of 64', ['ring', '64 B, batches of 64', 'Ring'], inC),
          ...rows('a message one way, spinning', ['ring-latency', 'spins only', 'Ring'], { 'cache line in C': 'a cache line in C' }),
          ...rows('a message one way, asleep', ['ring-latency', 'sleeps at once, blocking', 'Ring'], { 'Unix socket': 'Unix socket' }),
          ...rows('`get` of 100 B from a `SharedMap`', ['map', 'get', 'SharedMap'], { lmdb: 'lmdb', 'Redis, Unix socket': 'Redis, Unix socket' }),
          ...rows('`set` of 100 B in a `SharedMap`', ['map', 'set', 'SharedMap'], { 'lmdb, putSync': 'lmdb' }),
        ],
      },
    ],
  },
  {
    file: 'docs/ring.md',
    name: 'ring',
    tables: [
      {
        titles: ['', '`Ring`'],
        rows: [
          ...rows('64 B, a publication each', ['ring', '64 B, published each', 'Ring'], {
            C: 'C',
            'process.send, json': '`process.send`, 16 numbers as JSON',
            'worker postMessage': "a worker's `postMessage`",
            'Unix socket': 'Unix socket, a write each',
            'iceoryx2 in Rust': 'iceoryx2 in Rust',
            'Aeron IPC in Java': 'Aeron IPC in Java',
          }),
          ...rows('the same, both ends in Rust', ['ring', '64 B, published each', 'Ring, both ends in Rust'], { C: 'C', 'iceoryx2 in Rust': 'iceoryx2 in Rust' }),
          ...rows('64 B, batches of 8', ['ring', '64 B, batches of 8', 'Ring'], inC),
          ...rows('64 B, batches of 64', ['ring', '64 B, batches of 64', 'Ring'], inC),
          ...rows('1 KiB in place', ['ring', '1 KiB in place', 'Ring'], inC),
          ...rows('1 MiB in place', ['ring', '1 MiB in place', 'Ring'], inC),
          ...rows('1 MiB by loan, only its ends looked at', ['ring', '1 MiB by loan', 'Ring'], { 'iceoryx2 in Rust': 'iceoryx2 in Rust' }),
          ...rows('1 MiB by `send`', ['ring', '1 MiB by send', 'Ring'], { 'memcpy in C': 'memcpy in C' }),
          ...rows('one way, both spin', ['ring-latency', 'spins only', 'Ring'], {
            'cache line in C': 'a bare cache line to and fro, in C',
            'iceoryx2 in Rust': 'iceoryx2 in Rust',
            'Aeron IPC in Java': 'Aeron IPC in Java',
          }),
          ...rows('the same, both ends in Rust', ['ring-latency', 'spins only', 'Ring, both ends in Rust'], { 'cache line in C': 'a bare cache line to and fro, in C' }),
          ...rows('one way, both sleep at once, blocking', ['ring-latency', 'sleeps at once, blocking', 'Ring'], { 'Unix socket': 'Unix socket', 'futex in C': 'a futex in C' }),
          ...rows('one way, both sleep at once, promises', ['ring-latency', 'sleeps at once, promise', 'Ring'], {
            'Unix socket': 'Unix socket',
            'worker postMessage': "a worker's `postMessage`",
          }),
        ],
      },
    ],
  },
  {
    file: 'docs/ring-many.md',
    name: 'ring of many',
    tables: [
      {
        titles: ['64 B, two producers and two consumers', '`Ring`'],
        rows: [
          ...rows('ends in Node', ['ring-many', '64 B, 2 + 2', 'Ring'], {
            'tickets in C, as rigtorp': "tickets in C, as rigtorp's MPMCQueue",
            'stamps in C, as crossbeam': "stamps in C, as crossbeam's ArrayQueue",
            'crossbeam, threads': 'crossbeam itself, by threads',
          }),
          ...rows('ends in Rust', ['ring-many', '64 B, 2 + 2', 'Ring, all ends in Rust'], {
            'tickets in C, as rigtorp': 'tickets in C',
            'stamps in C, as crossbeam': 'stamps in C',
            'crossbeam, threads': 'crossbeam itself, by threads',
          }),
        ],
      },
    ],
  },
  {
    file: 'docs/latest.md',
    name: 'latest',
    tables: [
      {
        titles: ['', '`Latest`'],
        rows: [
          ...rows('`read(target)`, the same value as before', ['latest', 'read unchanged, 64 B', 'Latest'], { SeqLock: '`SeqLock`', 'Uint8Array.set': '`Uint8Array.set`' }),
          ...rows('`read(target)`, a new value each time', ['latest', 'read new, 64 B', 'Latest'], { SeqLock: '`SeqLock`' }),
          ...rows('`write(value)`', ['latest', 'write, 64 B', 'Latest'], { SeqLock: '`SeqLock`' }),
          ...rows('`write(value)` of 1 MiB', ['latest', 'write, 1 MiB', 'Latest'], { 'Uint8Array.set': '`Uint8Array.set`' }),
        ],
      },
    ],
  },
  {
    file: 'docs/shared-map.md',
    name: 'map',
    tables: [
      {
        titles: ['', '`SharedMap`'],
        rows: [
          ...rows('`get`', ['map', 'get', 'SharedMap'], {
            Map: 'a plain `Map`',
            lmdb: 'lmdb',
            'Redis, Unix socket': 'Redis over a Unix socket, one at a time',
            'Redis, Unix socket, 100 at once': 'the same, 100 at once',
          }),
          ...rows('`getInto`', ['map', 'get', 'SharedMap, getInto'], { 'lmdb, getBinaryFast': 'lmdb, `getBinaryFast`' }),
          ...rows('`set`', ['map', 'set', 'SharedMap'], {
            Map: 'a plain `Map`',
            'lmdb, putSync': 'lmdb, `putSync`',
            'lmdb, put, 100 at once': 'lmdb, `put`, 100 at once',
            'Redis, Unix socket': 'Redis over a Unix socket, one at a time',
            'Redis, Unix socket, 100 at once': 'the same, 100 at once',
          }),
        ],
      },
    ],
  },
  {
    file: 'docs/placement.md',
    name: 'random reads',
    tables: [
      {
        titles: ['random reads', 'Node'],
        rows: ['1 GiB', '4 GiB'].flatMap((size) => [
          ...rows(`${size}, 4 KiB pages`, ['placement', `${size}, 4 KiB pages`, 'Node'], inC),
          ...['transparent huge pages', '2 MiB pages of the pool'].flatMap((pages) =>
            rows(`${size}, ${pages}`, ['placement', `${size}, ${pages}`, 'Node'], { C: 'C', 'Node, 4 KiB pages': '4 KiB pages' })),
        ]),
      },
    ],
  },
  {
    file: 'docs/placement.md',
    name: 'first touch',
    tables: [
      {
        titles: ['1 GiB of a memfd', '`shmem`'],
        rows: [
          ...rows('touched page by page', ['first-touch', 'touched page by page, 4 KiB pages', 'shmem'], inC),
          ...rows('`prefault()`', ['first-touch', 'prefault(), 4 KiB pages', 'shmem'], inC),
          ...rows('`lockMemory()`', ['first-touch', 'lockMemory(), 4 KiB pages', 'shmem'], inC),
          ...rows('`prefault()`, then `collapse()`', ['first-touch', 'prefault() and collapse(), transparent huge pages', 'shmem'], inC),
        ],
      },
    ],
  },
]

/** The file with its figures from these outcomes in place of those it has. */
export function withFigures(file: string, text: string, outcomes: readonly NamedOutcome[]): string {
  const names = documentFigures.filter((figures) => figures.file === file).map(({ name }) => name)
  const block = /<!-- figures: (?<name>[\w ]+) -->\n.*?<!-- end of figures -->/gsu
  const written: string[] = []
  const anew = text.replaceAll(block, (_whole, name: string) => {
    const figures = documentFigures.find((each) => each.file === file && each.name === name)
    if (figures === undefined) throw new RangeError(`${file} has figures that nobody knows: ${name}`)
    written.push(name)
    return `<!-- figures: ${name} -->\n\n${figuresMarkdown(figures, outcomes)}\n<!-- end of figures -->`
  })
  const missing = names.find((name) => !written.includes(name))
  if (missing !== undefined) throw new RangeError(`${file} has no place for its figures: ${missing}`)
  return anew
}

/** Its tables, and below them the machine and the days. A peer that was skipped has no row. */
export function figuresMarkdown({ tables }: Figures, outcomes: readonly NamedOutcome[]): string {
  const found = tables.map(({ titles: [what, ours], rows: wanted }) => {
    const lines = wanted.flatMap((row) => {
      const comparison = comparisonOf(outcomes, row)
      return comparison === undefined ? [] : [{ row, comparison }]
    })
    const table = lines.map(({ row, comparison }, index) => lineOf(row, comparison, lines[index - 1]?.row.what))
    return `| ${what} | ${ours} | beside | | ratio |\n| --- | ---: | --- | ---: | ---: |\n${table.join('')}`
  })
  const questions = new Set(tables.flatMap((table) => table.rows.map(({ question }) => question)))
  const measured = outcomes.filter(({ name }) => questions.has(name))
  const [first] = measured
  if (first === undefined) throw new RangeError('figures need the outcome of a question')
  return `${found.join('\n')}\n${pictureLine(first.machine, measured.map(({ machine }) => machine.date))}.\n`
}

function comparisonOf(outcomes: readonly NamedOutcome[], { question, subject, ours, other }: Row): Comparison | undefined {
  const comparisons = outcomes.find(({ name }) => name === question)?.comparisons ?? []
  return comparisons.find((each) => each.subject === subject && each.unit !== 'faults' && each.ours.name === ours && each.other.name === other)
}

/** What is ours stands once, where several are beside it. */
function lineOf({ what, beside }: Row, comparison: Comparison, above: string | undefined): string {
  const { unit, ours, other } = comparison
  const ratio = ratioOf(comparison)
  const [words, number] = what === above ? ['', ''] : [what, cell(ours, unit)]
  return `| ${words} | ${number} | ${beside} | ${cell(other, unit)} | ${short(ratio.median)} (${spread(ratio)}) |\n`
}

/** The median and the range, in microseconds where nanoseconds are too many. */
function cell({ samples }: Series, unit: Unit): string {
  const { median } = summarize(samples)
  const scaled = unit === 'ns' && median >= 1000
  const numbers = summarize(samples.map((sample) => (scaled ? sample / 1000 : sample)))
  return `${short(numbers.median)} ${scaled ? 'µs' : unit} (${spread(numbers)})`
}
