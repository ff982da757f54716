/**
 * Calls every row of the bad-input table with every bad value and prints, as JSON, what was not refused as it should be, and
 * which public functions have no row. Compares the machine's objects around each call: in an IPC and mount namespace of its
 * own the comparison is exact.
 *
 * Usage: bad-input.js <empty folder>
 */
import { readFileSync, readdirSync } from 'node:fs'
import { inspect } from 'node:util'
import * as main from 'shmem'
import * as posix from 'shmem/posix'
import * as sysv from 'shmem/sysv'
import { endWorld, mainTable, makeWorld, posixTable, sysvTable, type Table } from '../support/bad-input-table.js'
import { feedInstances } from '../support/bad-input-feeds.js'
import type { Argument } from '../support/bad-values.js'

type Callable = (...values: unknown[]) => unknown
/** One call: what it is, what the error must name, the arguments. */
interface Case {
  title: string
  names: string
  values: unknown[]
}

const [folder = ''] = process.argv.slice(2)
const world = makeWorld(folder)
const modules: [string, object, Table][] = [
  ['shmem', main, mainTable(world)], ['shmem/sysv', sysv, sysvTable(world)], ['shmem/posix', posix, posixTable(world)]
]
const instances: Record<string, object[]> = {
  Segment: [world.posix, world.sysv, world.memfd, world.file],
  PosixSegment: [world.posix], SysvSegment: [world.sysv], MemfdSegment: [world.memfd], FileSegment: [world.file],
  Condition: [world.waits.condition], Barrier: [world.waits.barrier], Once: [world.waits.once],
  SeqLock: [world.waits.seqlock], AtomicWord: [world.waits.word], AtomicCounter: [world.waits.counter],
  SysvSemaphoreSet: [world.set], PosixSemaphore: [world.semaphore],
  PthreadMutex: [world.pthreadMutex], PthreadCondition: [world.pthreadCondition], PthreadRwLock: [world.pthreadRwlock], PthreadBarrier: [world.pthreadBarrier],
  ManagedSegment: [world.managed.mem], Mutex: [world.managed.mutex], LockManager: [world.managed.mem.locks],
  ...feedInstances(world.feeds),
  Struct: [world.structs.Link], Atomic32: [world.structs.atomic32], Atomic64: [world.structs.atomic64], OffsetPointer: [world.structs.link.next],
  Allocator: [world.allocator.mem.allocator], List: [world.allocator.list],
  RwLock: [world.rwlock], Semaphore: [world.permits], Event: [world.event],
  Ring: [world.ring.ring]
}

/** The classes' own business, which TypeScript hides (protected) or whose makers are others. */
const internal = ['new ShmError', 'ShmError.Symbol(Symbol.hasInstance)', 'Segment#settle', 'Segment#live', 'Segment#commonStat', ...['Sysv', 'Posix', 'Memfd', 'File'].map(kind => `${kind}Segment#describe`),
  ...[
    'Mutex', 'RwLock', 'Semaphore', 'Event', 'Condition', 'Barrier', 'Once', 'SeqLock', 'AtomicWord', 'AtomicCounter', 'List', 'Ring', 'Latest', 'Broadcast', 'SharedMap'
  ].flatMap(kind => [`${kind}#held`, `${kind}#ended`]),
  'LatestReader#endWith', 'BroadcastReader#endWith']

const accepted: string[] = []
const unclear: string[] = []
const leftovers: string[] = []
let calls = 0

for (const [, exported, table] of modules) {
  for (const [row, args] of Object.entries(table)) {
    for (const call of callables(row, exported)) for (const one of casesOf(row, args)) await attempt(call, one)
  }
}
const unlisted = modules.flatMap(([module, exported, table]) => {
  const listed = new Set(Object.keys(table))
  return functionsOf(exported).filter(name => !listed.has(name) && !internal.includes(name)).map(name => `${module}: ${name}`)
})
const unknown = modules.flatMap(([module, exported, table]) => {
  const there = new Set(functionsOf(exported))
  return Object.keys(table).filter(name => !there.has(name.replace(/ (IPC_|SET|length|name).*/, ''))).map(name => `${module}: ${name}`)
})
endWorld(world)
console.log(JSON.stringify({ calls, accepted, unclear, leftovers, unlisted, unknown }))

/** A promise refuses by rejecting. */
async function attempt(call: Callable, one: Case): Promise<void> {
  const before = objects()
  calls += 1
  try {
    await call(...one.values)
    accepted.push(one.title)
  } catch (error) {
    const problem = complaint(error, one.names)
    if (problem !== undefined) unclear.push(`${one.title}: ${problem}`)
  }
  const after = objects()
  if (after !== before) leftovers.push(one.title)
}

/** What is wrong with an error about the argument `names`. */
function complaint(thrown: unknown, names: string): string | undefined {
  const error = thrown as Error & { code?: string }
  const told = `${error.constructor?.name} ${error.code}: ${error.message.slice(0, 200)}`
  const codes = thrown instanceof TypeError ? ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE'] : ['ERR_OUT_OF_RANGE']
  const rightKind = thrown instanceof main.ShmError || ((thrown instanceof TypeError || thrown instanceof RangeError) && codes.includes(error.code ?? ''))
  if (!rightKind) return `neither TypeError, RangeError nor ShmError with a code: ${told}`
  if (!error.message.includes(`"${names}`)) return `does not name "${names}": ${told}`
  if (!/must be/.test(error.message) || !/Received/.test(error.message)) return `does not say what was expected and received: ${told}`
  return undefined
}

function casesOf(row: string, args: readonly Argument[]): Case[] {
  return args.flatMap((argument, at) => {
    const good = args.map(other => other.good)
    const put = (value: unknown, names: string, what = names): Case => ({
      title: `${row}(${what}: ${inspect(value, { depth: 1, breakLength: Infinity }).slice(0, 60)})`,
      names,
      values: good.map((other, index) => (index === at ? value : other))
    })
    // Where everything from here on is missing, the error may name any of it.
    const missing = argument.required ? [put(undefined, argument.name), { ...put(undefined, '', `${argument.name} and all after it`), values: good.slice(0, at) }] : []
    const values = argument.bad.map(value => put(value, argument.name))
    const options = Object.entries(argument.options ?? {}).flatMap(([option, bad]) =>
      bad.map(value => put({ ...(argument.good as object), [option]: value }, `${argument.name}.${option}`)))
    const misspelled = argument.options === undefined ? [] : [put({ ...(argument.good as object), misspelt: 1 }, `${argument.name}.misspelt`)]
    return [...missing, ...values, ...options, ...misspelled]
  })
}

/** What a row calls: a function, a constructor, a static method, or a method on each instance. */
function callables(row: string, exported: object): Callable[] {
  const home = exported as Record<string, Callable & Record<string, Callable> & (new (...values: unknown[]) => unknown)>
  const [first = '', second = ''] = row.split(' ')
  if (first === 'new') return [(...values) => new (home[second] as new (...values: unknown[]) => unknown)(...values)]
  const [name = '', method] = first.split(/[.#]/)
  if (method === undefined) return [(...values) => home[name]?.(...values)]
  if (first.includes('.') && !first.includes('#')) return [(...values) => home[name]?.[method]?.(...values)]
  return (instances[name] ?? []).map(instance => (...values) => (instance as Record<string, Callable>)[method]?.(...values))
}

/** All functions, static methods and methods that a module exports, under the names of the table. */
function functionsOf(exported: object): string[] {
  return Object.entries(exported).filter(([, value]) => typeof value === 'function').flatMap(([name, value]) => {
    const proto = (value as { prototype?: object }).prototype
    if (proto === undefined || !String(value).startsWith('class')) return [name]
    return [`new ${name}`, ...methodsOf(value as object).map(method => `${name}.${method}`), ...methodsOf(proto).map(method => `${name}#${method}`)]
  })
}

function methodsOf(home: object): string[] {
  return Reflect.ownKeys(home)
    .filter(key => key !== 'constructor' && typeof Object.getOwnPropertyDescriptor(home, key)?.value === 'function')
    .map(key => (typeof key !== 'symbol' ? key : key === Symbol.dispose ? '[Symbol.dispose]' : String(key)))
}

function ids(file: 'shm' | 'sem'): string {
  return readFileSync(`/proc/sysvipc/${file}`, 'utf8').split('\n').map(line => line.trim().split(/\s+/)[1]).join()
}

/** All that a call could leave behind. */
function objects(): string {
  return [ids('shm'), ids('sem'), readdirSync('/dev/shm').join(), readdirSync(folder).join(), readdirSync('/proc/self/fd').length].join('|')
}
