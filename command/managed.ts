/**
 * Managed segments, looked at from outside: opened for reading, without becoming a member.
 */
import { FileSegment, ManagedSegment, PosixSegment, type Member, type ObjectStats } from 'shmem'
import { isPath } from './find.js'
import { colored, table } from './output.js'
import { count, escaped, size, time } from './words.js'

/** A member, with what it holds. */
export interface MemberFacts {
  pid: number
  tid: number
  slot: number
  name: string
  alive: boolean
  joinedMs: number
  /** Names of the locks that it holds. */
  holds: string[]
}

/** An object of a managed segment. */
export interface InnerObject {
  name: string
  kind: string
  /** Kind and geometry. */
  words: string
  offset: number
  bytes: number
  counters: Record<string, number>
  holder?: { pid: number; tid: number; name: string; alive: boolean }
}

/** What is in a managed segment. */
export interface Inside {
  members: MemberFacts[]
  objects: InnerObject[]
}

/** A managed segment that is looked at, until `close()`. */
export interface Observed {
  mem: ManagedSegment
  segment: PosixSegment | FileSegment
  close(): void
}

/** Opens it for reading; `word` is a name or the path of a file. */
export function observe(word: string): Observed {
  const segment = isPath(word)
    ? FileSegment.open(word, { access: 'read' })
    : PosixSegment.open(posixName(word), { access: 'read' })
  try {
    const mem = ManagedSegment.open(segment, { access: 'observe' })
    return {
      mem,
      segment,
      close() {
        mem.close()
        segment.close()
      }
    }
  } catch (error) {
    segment.close()
    throw error
  }
}

/** `orders`, `/orders` and `/dev/shm/orders` are the object `/orders`. */
export function posixName(word: string): string {
  const name = word.startsWith('/dev/shm/') ? word.slice('/dev/shm'.length) : word
  return name.startsWith('/') ? name : `/${name}`
}

/** Everything that can be told of it now. */
export function insideOf(mem: ManagedSegment): Inside {
  const objects = mem.stats().map(innerObject)
  const held = objects.filter(({ holder }) => holder !== undefined)
  const holds = ({ pid, tid }: Member): string[] => held.filter(({ holder }) => holder?.pid === pid && holder.tid === tid).map(({ name }) => name)
  const members = mem.members.map(member => {
    const { pid, tid, slot, name, alive, joinedAt } = member
    return { pid, tid, slot, name, alive, joinedMs: joinedAt.getTime(), holds: holds(member) }
  })
  return { members: members.toSorted((a, b) => a.joinedMs - b.joinedMs || a.slot - b.slot), objects }
}

/** The same of a name or path, opened and closed for it. */
export function inManaged(word: string): Inside {
  const observed = observe(word)
  try {
    return insideOf(observed.mem)
  } finally {
    observed.close()
  }
}

function innerObject({ name, kind, words, offset, bytes, counters, holder }: ObjectStats): InnerObject {
  const held = holder === undefined ? {} : { holder: { pid: holder.pid, tid: holder.tid, name: holder.name, alive: holder.alive } }
  return { name, kind, words, offset, bytes, counters, ...held }
}

/** Its members, a line each. */
export function memberLines(members: MemberFacts[]): string[] {
  if (members.length === 0) return ['no members']
  return table(
    [{ title: 'PID', align: 'right' }, { title: 'TID', align: 'right' }, { title: 'NAME', least: 12 }, { title: 'STATE' }, { title: 'JOINED' }, { title: 'HOLDS', least: 12 }],
    members.map(({ pid, tid, name, alive, joinedMs, holds }) => [
      String(pid), String(tid), escaped(name), alive ? 'alive' : colored('red', 'dead'), time(joinedMs), holds.length === 0 ? '-' : holds.map(escaped).join(', ')
    ])
  )
}

/** Its objects, a line each. */
export function objectLines(objects: InnerObject[]): string[] {
  if (objects.length === 0) return ['no objects']
  return table(
    [{ title: 'OBJECT', least: 12 }, { title: 'KIND' }, { title: 'OFFSET', align: 'right' }, { title: 'SIZE', align: 'right' }, { title: 'STATE', least: 12 }],
    objects.map(object => [escaped(object.name), object.kind, String(object.offset), size(object.bytes), stateOf(object)])
  )
}

/** What can be said of an object's state in a few words. */
export function stateOf({ kind, counters, holder }: InnerObject): string {
  const number = (name: string): string => count(counters[name] ?? 0)
  const some = (name: string, words: string): string[] => ((counters[name] ?? 0) > 0 ? [`${number(name)} ${words}`] : [])
  const held = holder === undefined ? [] : [`held by ${holder.pid} ${escaped(holder.name)}${holder.alive ? '' : colored('red', ' (dead)')}`]
  const words = [...held, ...(STATES[kind]?.(number, some) ?? []), ...some('ownerDeaths', counters['ownerDeaths'] === 1 ? 'death' : 'deaths'), ...some('timeouts', counters['timeouts'] === 1 ? 'timeout' : 'timeouts')]
  return words.length === 0 ? '-' : words.join(', ')
}

type Say = (name: string) => string
type SaySome = (name: string, words: string) => string[]

const STATES: Partial<Record<string, (number: Say, some: SaySome) => string[]>> = {
  semaphore: number => [`${number('held')} of ${number('permits')} held`],
  event: number => [number('set') === '1' ? 'set' : 'not set'],
  once: number => [number('done') === '1' ? 'done' : 'not done'],
  word: number => [`value ${number('value')}`],
  counter: number => [`value ${number('value')}`],
  ring: (number, some) => [`${number('length')} of ${number('slots')}`, ...some('full', 'times full'), ...some('lost', 'lost'), ...some('recovered', 'recovered')],
  broadcast: (_, some) => some('lost', 'lost'),
  latest: (_, some) => some('missed', 'missed'),
  list: number => [`${number('length')} of ${number('capacity')}`],
  map: (number, some) => [`${number('entries')} ${number('entries') === '1' ? 'entry' : 'entries'}`, ...some('evictions', 'evicted'), ...some('expired', 'expired')]
}
