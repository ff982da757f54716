/**
 * `shmem top`: how fast the objects of managed segments go, again and again, in place. It reads their counters from outside; nobody is slower for it.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { list } from 'shmem'
import { EXIT, complain } from './exit.js'
import { insideOf, observe, stateOf, type Inside, type InnerObject, type Observed } from './managed.js'
import { colored, printJson, table } from './output.js'
import { ratesOf, sparkline, type Rate } from './rates.js'
import { drawInPlace } from './screen.js'
import { count, escaped, plural, size } from './words.js'

export interface TopOptions {
  interval: number
  iterations?: number
  once?: boolean
  json?: boolean
}

/** A segment that is watched. */
interface Watched {
  name: string
  observed: Observed
  before: Inside | undefined
  beforeMs: number
  /** By the objects' names: the foremost rate, look by look. */
  history: Map<string, number[]>
}

/** What is shown of a segment, look by look. */
interface Look {
  name: string
  sizeBytes: number
  members: { alive: number; dead: number }
  objects: (InnerObject & { rates: Rate[] })[]
}

const HISTORY = 12

export async function top(names: string[], options: TopOptions): Promise<number> {
  const rounds = options.once === true ? 1 : (options.iterations ?? Infinity)
  const watched = new Map<string, Watched>()
  // A name that the user gave and that is not there is an error, at once.
  for (const name of names) watched.set(name, begin(name))
  follow(watched, names)
  const screen = drawInPlace(options.json === true)
  try {
    for (let round = 0; round < rounds && screen.isOpen; round += 1) {
      await pause(options.interval, undefined, { signal: screen.signal }).catch(() => {})
      if (!screen.isOpen) break
      follow(watched, names)
      const looks = [...watched.values()].flatMap(segment => look(segment, watched))
      if (options.json) printJson({ intervalMs: options.interval, segments: looks }, process.stdout, true)
      else screen.draw(lines(looks, watched))
    }
  } finally {
    screen.close()
    for (const { observed } of watched.values()) observed.close()
  }
  return EXIT.ok
}

function begin(name: string): Watched {
  const observed = observe(name)
  return { name, observed, before: insideOf(observed.mem), beforeMs: performance.now(), history: new Map() }
}

/** Without names: all managed POSIX objects; those that are gone are not looked at any more. */
function follow(watched: Map<string, Watched>, names: string[]): void {
  if (names.length > 0) return
  const there = list({ kinds: ['posix'], users: false }).filter(({ managed }) => managed === true).map(({ name }) => name)
  for (const [name, { observed }] of watched) {
    if (there.includes(name)) continue
    observed.close()
    watched.delete(name)
  }
  for (const name of there) {
    if (watched.has(name)) continue
    try {
      watched.set(name, begin(name))
    } catch {
      // Of another user, of another version, or gone: `stat` says why.
    }
  }
}

/** Nothing where it was truncated meanwhile. */
function look(segment: Watched, watched: Map<string, Watched>): Look[] {
  const { name, observed, before, beforeMs, history } = segment
  try {
    const now = insideOf(observed.mem)
    const nowMs = performance.now()
    const objects = now.objects.map(object => {
      const rates = ratesOf(object, before?.objects.find(known => known.name === object.name), (nowMs - beforeMs) / 1000)
      const past = history.get(object.name) ?? []
      history.set(object.name, [...past, rates[0]?.perSecond ?? 0].slice(-HISTORY))
      return { ...object, rates }
    })
    segment.before = now
    segment.beforeMs = nowMs
    const alive = now.members.filter(member => member.alive).length
    return [{ name, sizeBytes: observed.mem.size, members: { alive, dead: now.members.length - alive }, objects }]
  } catch (error) {
    complain(error, false)
    observed.close()
    watched.delete(name)
    return []
  }
}

function lines(looks: Look[], watched: Map<string, Watched>): string[] {
  if (looks.length === 0) return ['no managed segments']
  return looks.flatMap((segment, index) => [...(index > 0 ? [''] : []), title(segment), ...objectLines(segment, watched.get(segment.name)?.history)])
}

function title({ name, sizeBytes, members: { alive, dead } }: Look): string {
  const died = dead === 0 ? '' : colored('red', `, ${dead} dead`)
  return `${colored('bold', escaped(name))}  ${size(sizeBytes)}, ${plural(alive, 'member')}${died}  ${colored('dim', new Date().toLocaleTimeString('sv'))}`
}

function objectLines({ objects }: Look, history: Map<string, number[]> | undefined): string[] {
  if (objects.length === 0) return ['  no objects']
  return table(
    [{ title: 'OBJECT' }, { title: 'KIND' }, { title: 'PER SECOND', align: 'right' }, { title: '' }, { title: 'STATE', least: 10 }],
    objects.map(object => [shortened(object.name), object.kind, rateWords(object.rates), colored('cyan', sparkline(history?.get(object.name) ?? [], HISTORY)), stateOf(object)]),
    2
  )
}

/** Short words for counts that would not fit. */
const SHORT: Partial<Record<string, string>> = { received: 'got', notifications: 'notified', value: 'added' }

/** The foremost rate; the second one where it is another. */
function rateWords([first, second]: Rate[]): string {
  if (first === undefined) return '-'
  const differs = second !== undefined && second.perSecond > 0 && Math.abs(second.perSecond - first.perSecond) > first.perSecond / 20
  return [first, ...(differs ? [second] : [])].map(({ what, perSecond }) => `${count(perSecond)} ${SHORT[what] ?? what}`).join(' ')
}

const NAME_MAX = 14

function shortened(name: string): string {
  const text = escaped(name)
  return text.length > NAME_MAX ? `${text.slice(0, NAME_MAX - 1)}…` : text
}
