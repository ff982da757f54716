/**
 * Who uses which object: each process's maps and descriptors are read once. System V maps show as `/SYSV<key> (deleted)` with the
 * identifier for an inode; device and inode tell all others.
 *
 * @module
 * @internal
 */

import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { mustNotBeOurs, textOf } from '../kernel-text.js'
import type { User } from './facts.js'
import { commandOf, deviceText, isForbidden, linkOf, processIds, statOf } from './proc.js'
import { SHM_DIRECTORY } from './named-files.js'

/** What tells an object from all others on this machine: `sysv:<id>`, or device and inode as /proc/locks writes them. */
export type Identity = string

/** The identity of a System V segment. */
export const sysvIdentity = (id: number): Identity => `sysv:${id}`

/** The identity of anything that has an inode. */
export const inodeIdentity = (device: number, inode: number): Identity => `${deviceText(device)}:${inode}`

/** A memfd that some process has. */
export interface FoundMemfd {
  label: string
  /** Under /proc: leads to it for as long as that process has it. */
  path: string
  /** How many bytes of it are mapped, where only that can be known. */
  mappedBytes: number
}

/** What one look at all processes found. */
export interface Uses {
  users: Map<Identity, User[]>
  /** How often a System V segment is mapped: the kernel counts the same in `nattch`, across all namespaces. */
  attaches: Map<Identity, number>
  memfds: Map<Identity, FoundMemfd>
  /** The owners of processes that could not be looked at. */
  hidden: number[]
  /** Whose processes /proc does not even name: those of others where it is mounted with `hidepid`, all where it is not mounted. */
  unnamed: 'none' | 'others' | 'all'
}

/** Where nobody looked. */
export function noUses(): Uses {
  return { users: new Map(), attaches: new Map(), memfds: new Map(), hidden: [], unnamed: 'none' }
}

/** One line of /proc/pid/maps. */
const MAPPED = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ (\S+) (\d+) +(\/.*)$/gm
const SYSV_PATH = /^\/SYSV[0-9a-f]{8} \(deleted\)$/
const MEMFD_PATH = /^\/memfd:(.*) \(deleted\)$/s

/** What shall be looked for. */
export interface Sought {
  /** Objects with a name. */
  named: ReadonlySet<Identity>
  /** All their file names. */
  fileNames: ReadonlySet<string>
  /** A descriptor of this process that does not count: who removes an object has it open. */
  butNotFd?: number
}

/** Looks at all processes once. */
export function findUses(sought: Sought): Uses {
  const uses = noUses()
  const namespace = linkOf('/proc/self/ns/ipc')
  // Not process.pid: /proc may be that of another PID namespace.
  const self = Number(linkOf('/proc/self'))
  const pids = processIds()
  // Every PID namespace has a process 1 for as long as there is anybody in it.
  if (!pids.includes(1)) uses.unnamed = pids.length > 0 ? 'others' : 'all'
  for (const pid of pids) {
    const used = new Map<Identity, User['how']>()
    try {
      lookAtDescriptors(pid, pid === self ? sought.butNotFd : undefined, sought, used, uses)
      lookAtMaps(pid, sought, namespace, used, uses)
    } catch (error) {
      mustNotBeOurs(error)
      // Any other failure means that it has ended meanwhile.
      const uid = isForbidden(error) && mayHaveMemory(pid) ? statOf(`/proc/${pid}`)?.uid : undefined
      if (uid !== undefined) uses.hidden.push(uid)
    }
    if (used.size > 0) note(uses.users, pid, used)
  }
  return uses
}

function note(users: Uses['users'], pid: number, used: Map<Identity, User['how']>): void {
  const name = commandOf(pid)
  // Gone meanwhile: it uses nothing.
  if (name === undefined) return
  for (const [identity, how] of used) {
    const all = users.get(identity)
    if (all === undefined) users.set(identity, [{ pid, name, how }])
    else all.push({ pid, name, how })
  }
}

function lookAtMaps(pid: number, sought: Sought, namespace: string | undefined, used: Map<Identity, User['how']>, uses: Uses): void {
  let isSameNamespace: boolean | undefined
  for (const [, from = '', to = '', device, inode, path = ''] of mapsOf(pid).matchAll(MAPPED)) {
    if (SYSV_PATH.test(path)) {
      // Identifiers of another IPC namespace mean other segments.
      isSameNamespace ??= linkOf(`/proc/${pid}/ns/ipc`) === namespace
      if (!isSameNamespace) continue
      const identity = sysvIdentity(Number(inode))
      used.set(identity, 'mapped')
      uses.attaches.set(identity, (uses.attaches.get(identity) ?? 0) + 1)
      continue
    }
    const identity = `${device}:${inode}`
    const [, label] = MEMFD_PATH.exec(path) ?? []
    if (label !== undefined) {
      used.set(identity, 'mapped')
      const known = uses.memfds.get(identity)
      if (known === undefined) uses.memfds.set(identity, { label, path: `/proc/${pid}/map_files/${from}-${to}`, mappedBytes: extent(from, to) })
      else if (known.path.startsWith(`/proc/${pid}/map_files/`)) known.mappedBytes += extent(from, to)
    } else if (sought.named.has(identity)) {
      used.set(identity, 'mapped')
    }
  }
}

function extent(from: string, to: string): number {
  return parseInt(to, 16) - parseInt(from, 16)
}

/** A process whose first thread has ended shows no maps there, but in those that live on. */
function mapsOf(pid: number): string {
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1')
  if (maps !== '') return maps
  return otherThreads(pid).map(thread => textOf(`/proc/${pid}/task/${thread}/maps`) ?? '').find(text => text !== '') ?? ''
}

function lookAtDescriptors(pid: number, butNotFd: number | undefined, sought: Sought, used: Map<Identity, User['how']>, uses: Uses): void {
  for (const path of descriptorsOf(pid)) {
    if (path === `/proc/${pid}/fd/${butNotFd}`) continue
    const link = targetOf(path)
    if (link?.[0] !== '/') continue
    const [, label] = MEMFD_PATH.exec(link) ?? []
    if (label === undefined && !mayBeNamed(path, link, sought)) continue
    const stat = statOf(path)
    if (stat === undefined) continue
    const identity = inodeIdentity(stat.dev, stat.ino)
    if (label === undefined ? !sought.named.has(identity) : !stat.isFile()) continue
    used.set(identity, 'open')
    if (label !== undefined && !uses.memfds.has(identity)) uses.memfds.set(identity, { label, path, mappedBytes: 0 })
  }
}

/** As with {@link mapsOf}, a process whose first thread has ended shows them in the others only. */
function descriptorsOf(pid: number): string[] {
  const all = pathsIn(`/proc/${pid}/fd`)
  if (all.length > 0) return all
  return otherThreads(pid).map(thread => pathsIn(`/proc/${pid}/task/${thread}/fd`)).find(some => some.length > 0) ?? []
}

function pathsIn(folder: string): string[] {
  return readdirSync(folder).map(name => `${folder}/${name}`)
}

function otherThreads(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).filter(thread => Number(thread) !== pid)
}

/** Where a descriptor leads, or nothing if it was closed meanwhile; that one may not ask is thrown. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    if (isForbidden(error)) throw error
    return undefined
  }
}

/**
 * Whether a descriptor is looked at closely; to ask the file behind each one could hang at a server that is gone. Seen from another
 * mount namespace the folder reads differently, and so the file name decides. Who opened it under a name that is gone since has the
 * inode all the same (Linux 5.15 tells it without asking the file).
 */
function mayBeNamed(path: string, link: string, { named, fileNames }: Sought): boolean {
  if (fileNames.has(basename(link)) || link.startsWith(`${SHM_DIRECTORY}/`)) return true
  if (!link.endsWith(' (deleted)')) return false
  const [, inode] = /^ino:\s+(\d+)$/m.exec(textOf(path.replace(/fd(?=\/\d+$)/, 'fdinfo')) ?? '') ?? []
  return inode !== undefined && [...named].some(identity => identity.endsWith(`:${inode}`))
}

/** Kernel threads and the dead have none; anybody may read that, unless /proc is mounted with `hidepid`. */
function mayHaveMemory(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some(thread => !(textOf(`/proc/${pid}/task/${thread}/statm`) ?? '').startsWith('0 '))
  } catch (error) {
    return isForbidden(error)
  }
}
