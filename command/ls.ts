/**
 * `shmem ls`: all objects there are, as `ipcs -m`, `ipcs -s` and `ls /dev/shm` list them, and who uses them.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { list, type ObjectFacts, type ObjectKind } from 'shmem'
import { EXIT } from './exit.js'
import { colored, printAll, printJson, table, type Column } from './output.js'
import { drawInPlace } from './screen.js'
import { escaped, mode, plural, size, users } from './words.js'

export interface LsOptions {
  kind?: ObjectKind
  mine?: boolean
  users: boolean
  watch?: boolean
  interval: number
  iterations?: number
  json?: boolean
}

export async function ls(options: LsOptions): Promise<number> {
  if (options.watch !== true) {
    const objects = wanted(options)
    if (options.json) printJson({ objects })
    else printAll(lines(objects, options.users))
    return EXIT.ok
  }
  const rounds = options.iterations ?? Infinity
  const screen = drawInPlace(options.json === true)
  try {
    for (let round = 1; round <= rounds && screen.isOpen; round += 1) {
      const objects = wanted(options)
      if (options.json) printJson({ objects }, process.stdout, true)
      else screen.draw([colored('dim', `${plural(objects.length, 'object')}, ${new Date().toLocaleTimeString('sv')}`), ...lines(objects, options.users)])
      if (round < rounds) await pause(options.interval, undefined, { signal: screen.signal }).catch(() => {})
    }
  } finally {
    screen.close()
  }
  return EXIT.ok
}

function wanted({ kind, mine, users: withUsers }: LsOptions): ObjectFacts[] {
  return list({ ...(kind === undefined ? {} : { kinds: [kind] }), mine: mine === true, users: withUsers })
}

type Cell = (object: ObjectFacts) => string

/** The table of objects; columns of memory that nothing here has are left out. */
export function lines(objects: ObjectFacts[], withUsers: boolean, more: [Column, Cell][] = []): string[] {
  if (objects.length === 0) return ['no shared memory and no semaphores']
  const has = (what: 'swappedBytes' | 'hugeBytes' | 'lockedBytes'): boolean => objects.some(object => (object[what] ?? 0) > 0)
  const cells: [Column, Cell][] = [
    [{ title: 'KIND' }, ({ kind }) => kind.replace('semaphore', 'sem')],
    [{ title: 'NAME', least: 16 }, ({ name, managed }) => (managed === true ? colored('cyan', escaped(name)) : escaped(name))],
    ...(objects.some(({ id }) => id !== undefined) ? [[{ title: 'ID', align: 'right' }, ({ id }) => (id === undefined ? '-' : String(id))] satisfies [Column, Cell]] : []),
    [{ title: 'OWNER' }, ({ owner }) => escaped(owner)],
    [{ title: 'MODE' }, object => mode(object.mode)],
    [{ title: 'SIZE', align: 'right' }, object => (object.kind === 'sysv-semaphore' ? '-' : size(object.sizeBytes))],
    [{ title: 'IN RAM', align: 'right' }, memory('residentBytes')],
    ...(has('swappedBytes') ? [[{ title: 'SWAPPED', align: 'right' }, memory('swappedBytes')] satisfies [Column, Cell]] : []),
    ...(has('hugeBytes') ? [[{ title: 'HUGE', align: 'right' }, memory('hugeBytes')] satisfies [Column, Cell]] : []),
    ...(has('lockedBytes') ? [[{ title: 'LOCKED', align: 'right' }, memory('lockedBytes')] satisfies [Column, Cell]] : []),
    ...(withUsers ? [[{ title: 'USERS', least: 10 }, users] satisfies [Column, Cell]] : []),
    ...more
  ]
  return table(cells.map(([column]) => column), objects.map(object => cells.map(([, cell]) => cell(object))))
}

function memory(what: 'residentBytes' | 'swappedBytes' | 'hugeBytes' | 'lockedBytes'): Cell {
  return object => (isSemaphore(object) ? '-' : size(object[what]))
}

function isSemaphore({ kind }: ObjectFacts): boolean {
  return kind === 'sysv-semaphore' || kind === 'posix-semaphore'
}
