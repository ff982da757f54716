/**
 * `shmem top`: how fast the objects of managed segments go, again and again, in place. It reads their counters from outside; nobody is slower for it.
 */
import { statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { list } from 'shmem'
import { EXIT, complain } from './exit.js'
import { isPath } from './find.js'
import { insideOf, observe, posixName, stateOf, type Inside, type InnerObject, type Observed } from './managed.js'
import { colored, printJson, table, wrapped } from './output.js'
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
  /** Tells it from one that takes its name later. */
  identity: string
  before: Inside | undefined
  beforeMs: number
  /** By the objects' names: the foremost rate, look by look. */
  history: Map<string, number[]>
}

/** What is watched, by name, and why what should be is not. */
interface Watch {
  segments: Map<string, Watched>
  lost: Map<string, Error>
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
  const wanted = new Set(names)
  const watch: Watch = { segments: new Map(), lost: new Map() }
  // A name that the user gave and that is not there is an error, at once.
  for (const name of wanted) watch.segments.set(name, begin(name))
  follow(watch, wanted)
  const screen = drawInPlace(options.json === true)
  try {
    for (let round = 0; round < rounds && screen.isOpen; round += 1) {
      await pause(options.interval, undefined, { signal: screen.signal }).catch(() => {})
      if (!screen.isOpen) break
      follow(watch, wanted)
      const looks = [...watch.segments.values()].flatMap(segment => look(segment, watch))
      if (options.json) {
        printJson({ intervalMs: options.interval, segments: looks }, process.stdout, true)
        for (const error of watch.lost.values()) complain(error, true)
        watch.lost.clear()
      } else screen.draw(lines(looks, watch))
    }
  } finally {
    screen.close()
    for (const { observed } of watch.segments.values()) observed.close()
  }
  return EXIT.ok
}

function begin(name: string): Watched {
  const observed = observe(name)
  return { name, observed, identity: identityOf(observed.segment.stat()), before: insideOf(observed.mem), beforeMs: performance.now(), history: new Map() }
}

function identityOf({ device, inode }: { device?: number | undefined; inode?: number | undefined }): string {
  return `${device}:${inode}`
}

/**
 * Names come to mean other segments: programs that start anew make new ones. Without wanted names those are watched that there are; one that the user
 * named stays when it has lost its name, until another one has that.
 */
function follow({ segments, lost }: Watch, wanted: ReadonlySet<string>): void {
  const there = wanted.size > 0 ? called(wanted) : managed()
  for (const [name, { observed, identity }] of segments) {
    const now = there.get(name)
    if (now === identity || (now === undefined && wanted.has(name))) continue
    observed.close()
    segments.delete(name)
  }
  for (const name of lost.keys()) if (!there.has(name) && !wanted.has(name)) lost.delete(name)
  for (const name of there.keys()) {
    if (segments.has(name)) continue
    try {
      segments.set(name, begin(name))
      lost.delete(name)
    } catch (error) {
      // That of others, of another version or half made is in nobody's way who did not ask for it.
      if (wanted.has(name)) lost.set(name, error as Error)
    }
  }
}

/** By name, which segment has it now. */
function managed(): Map<string, string> {
  const all = list({ kinds: ['posix'], users: false })
  return new Map(all.flatMap(facts => (facts.managed === true ? [[facts.name, identityOf(facts)] as const] : [])))
}

function called(names: ReadonlySet<string>): Map<string, string> {
  const there = new Map<string, string>()
  for (const name of names) {
    try {
      const { dev: device, ino: inode } = statSync(isPath(name) ? name : `/dev/shm${posixName(name)}`)
      there.set(name, identityOf({ device, inode }))
    } catch {
      // Nothing is called that now.
    }
  }
  return there
}

/** Nothing where it was truncated meanwhile. */
function look(segment: Watched, { segments, lost }: Watch): Look[] {
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
    lost.set(name, error as Error)
    observed.close()
    segments.delete(name)
    return []
  }
}

function lines(looks: Look[], { segments, lost }: Watch): string[] {
  const shown = looks.map(segment => [title(segment), ...objectLines(segment, segments.get(segment.name)?.history)])
  const failures = [...lost].map(([name, { message }]) => wrapped(`${escaped(name)}: ${escaped(message)}`, 0))
  const all = [...shown, ...failures]
  return all.length === 0 ? ['no managed segments'] : all.flatMap((some, index) => [...(index > 0 ? [''] : []), ...some])
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
