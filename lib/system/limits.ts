/**
 * The limits of this machine that shared memory meets, with what is free of them.
 *
 * @module
 */

import { readdirSync, statfsSync } from 'node:fs'
import { release } from 'node:os'
import { textOf } from '../kernel-text.js'
import type { Limit } from './facts.js'
import { kibibytes, linkOf, valueOf } from './proc.js'
import { semRows, shmRows } from './sysv-tables.js'

/**
 * What this kernel, this container and this process allow: sysctls of System V, /dev/shm, resource limits, huge pages, overcommit,
 * control group. A value that is undefined is one that this machine does not tell.
 */
export function limits(): Limit[] {
  return [...sysvLimits(), ...shmLimits(), ...processLimits(), ...hugePages(), ...memoryLimits(), ...machine()]
}

function sysctl(name: string, meaning: string, unit?: Limit['unit']): Limit {
  const source = `/proc/sys/${name.replaceAll('.', '/')}`
  const value = valueOf(source)
  // What no number of JavaScript can tell from the largest one limits nothing.
  return limit(name, typeof value === 'number' && value > Number.MAX_SAFE_INTEGER ? 'unlimited' : value, source, meaning, unit)
}

function limit(name: string, value: Limit['value'], source: string, meaning: string, unit?: Limit['unit']): Limit {
  return { name, value, source, meaning, ...(unit === undefined ? {} : { unit }) }
}

function sysvLimits(): Limit[] {
  const [semmsl, semmns, semopm, semmni] = (textOf('/proc/sys/kernel/sem') ?? '').trim().split(/\s+/).map(Number)
  const sem = (name: string, value: number | undefined, meaning: string): Limit =>
    limit(`kernel.sem (${name})`, Number.isNaN(value) ? undefined : value, '/proc/sys/kernel/sem', meaning, 'count')
  return [
    sysctl('kernel.shmmax', 'The largest System V segment', 'bytes'),
    sysctl('kernel.shmall', 'All System V segments of this IPC namespace together', 'pages'),
    sysctl('kernel.shmmni', 'System V segments of this IPC namespace', 'count'),
    limit('System V segments in use', shmRows().length, '/proc/sysvipc/shm', 'Of kernel.shmmni', 'count'),
    sem('SEMMSL', semmsl, 'Semaphores of one System V set'),
    sem('SEMMNS', semmns, 'System V semaphores of this IPC namespace together'),
    sem('SEMOPM', semopm, 'Operations of one semop(2)'),
    sem('SEMMNI', semmni, 'System V semaphore sets of this IPC namespace'),
    limit('System V semaphore sets in use', semRows().length, '/proc/sysvipc/sem', 'Of SEMMNI', 'count')
  ]
}

/** Bytes of /dev/shm and those that are free of it; nothing where there is none. */
export function shmSpace(): { size: number; free: number } | undefined {
  try {
    const { bsize, blocks, bavail } = statfsSync('/dev/shm')
    return { size: bsize * blocks, free: bsize * bavail }
  } catch {
    return undefined
  }
}

function shmLimits(): Limit[] {
  const space = shmSpace()
  return [
    limit('/dev/shm size', space?.size, 'statfs /dev/shm', 'All POSIX objects together; 0 where no limit is set', 'bytes'),
    limit('/dev/shm free', space?.free, 'statfs /dev/shm', 'What of it is left', 'bytes')
  ]
}

/** A soft limit of this process by its name in /proc/self/limits. */
export function resourceLimit(label: string): number | 'unlimited' | undefined {
  const [, soft] = new RegExp(`^${label} {2,}(\\S+)`, 'm').exec(textOf('/proc/self/limits') ?? '') ?? []
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? soft : Number(soft)
}

function processLimits(): Limit[] {
  return [
    limit('RLIMIT_MEMLOCK', resourceLimit('Max locked memory'), '/proc/self/limits', 'Memory that this process (for System V: this user) may lock; CAP_IPC_LOCK lifts it', 'bytes'),
    limit('RLIMIT_NOFILE', resourceLimit('Max open files'), '/proc/self/limits', 'Descriptors of this process', 'count'),
    limit('RLIMIT_AS', resourceLimit('Max address space'), '/proc/self/limits', 'Address space of this process', 'bytes'),
    sysctl('vm.max_map_count', 'Mappings of one process', 'count')
  ]
}

function hugePages(): Limit[] {
  const folder = '/sys/kernel/mm/hugepages'
  const pools = foldersOf(folder).flatMap(name => {
    const size = `${digits(name)} KiB`
    return [
      limit(`huge pages of ${size}`, valueOf(`${folder}/${name}/nr_hugepages`), `${folder}/${name}/nr_hugepages`, 'Pages reserved for hugePages', 'count'),
      limit(`huge pages of ${size}, free`, valueOf(`${folder}/${name}/free_hugepages`), `${folder}/${name}/free_hugepages`, 'What of them is left', 'count')
    ]
  })
  return [
    sysctl('vm.nr_hugepages', 'Huge pages of the default size that are reserved', 'count'),
    ...pools,
    transparent('enabled', 'Whether private memory gets huge pages by itself: always, madvise (where asked), never'),
    transparent('shmem_enabled', 'The same for shared memory: always, within_size, advise (where asked), never; deny and force override')
  ]
}

function transparent(name: string, meaning: string): Limit {
  const source = `/sys/kernel/mm/transparent_hugepage/${name}`
  return limit(`transparent huge pages, ${name}`, chosenOf(source), source, meaning)
}

/** The word in brackets, as /sys marks the choice among several. */
export function chosenOf(path: string): string | undefined {
  return /\[([^\]]+)\]/.exec(textOf(path) ?? '')?.[1]
}

function memoryLimits(): Limit[] {
  const meminfo = textOf('/proc/meminfo')
  const group = controlGroup()
  return [
    limit('memory', kibibytes(meminfo, 'MemTotal'), '/proc/meminfo', 'Of this machine', 'bytes'),
    limit('memory available', kibibytes(meminfo, 'MemAvailable'), '/proc/meminfo', 'What can be had without swapping', 'bytes'),
    limit('swap', kibibytes(meminfo, 'SwapTotal'), '/proc/meminfo', 'Of this machine', 'bytes'),
    sysctl('vm.overcommit_memory', '0: obvious excess is refused; 1: nothing is; 2: the sum of promises is limited'),
    sysctl('vm.overcommit_ratio', 'With vm.overcommit_memory 2: percent of memory that may be promised'),
    limit('control group memory', group?.value, group?.source ?? '/proc/self/cgroup', 'What the control group may use, shared memory that it touched first included', 'bytes')
  ]
}

/** The tightest memory limit from this process's control group up to the root. */
function controlGroup(): { value: number | string; source: string } | undefined {
  let tightest: { value: number | string; source: string } | undefined
  for (const line of (textOf('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path = '/'] = line.split(':')
    if (controllers !== '' && controllers !== 'memory') continue
    const [root, file] = controllers === '' ? ['/sys/fs/cgroup', 'memory.max'] : ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes']
    const parts = path.split('/').filter(part => part !== '')
    for (let depth = parts.length; depth >= 0; depth--) {
      const source = [root, ...parts.slice(0, depth), file].join('/')
      const value = valueOf(source)
      if (value === undefined) continue
      if (tightest === undefined || asNumber(value) < asNumber(tightest.value)) tightest = { value, source }
    }
  }
  // The old interface says "unlimited" by a number near 2^63.
  return tightest !== undefined && asNumber(tightest.value) > 2 ** 62 ? { ...tightest, value: 'unlimited' } : tightest
}

function asNumber(value: number | string): number {
  return typeof value === 'number' ? value : Infinity
}

function machine(): Limit[] {
  return [
    limit('kernel', release(), 'uname(2)', 'The version of Linux'),
    limit('PID namespace', isFirstPidNamespace() ? 'of the machine' : linkOf('/proc/self/ns/pid'), '/proc/self/ns/pid', 'Which processes can be seen: others may share memory with us all the same'),
    limit('IPC namespace', linkOf('/proc/self/ns/ipc'), '/proc/self/ns/ipc', 'Which System V objects can be seen')
  ]
}

/** Whether this process sees all processes of the machine. The number is the kernel's own (PROC_PID_INIT_INO). */
export function isFirstPidNamespace(): boolean {
  return linkOf('/proc/self/ns/pid') === 'pid:[4026531836]'
}

function foldersOf(path: string): string[] {
  try {
    return readdirSync(path).toSorted((one, other) => Number(/\d+/.exec(one)?.[0] ?? 0) - Number(/\d+/.exec(other)?.[0] ?? 0))
  } catch {
    return []
  }
}

/** `hugepages-2048kB` */
function digits(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0)
}
