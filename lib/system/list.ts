/**
 * All shared memory and semaphores of this machine, as this process's namespaces show them.
 *
 * @module
 */

import { closeSync, constants, openSync, readSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import * as check from '../arguments.js'
import { wrongType } from '../errors.js'
import { mustNotBeOurs, textOf } from '../kernel-text.js'
import { native } from '../native.js'
import type { ObjectListOptions, ObjectFacts, ObjectKind } from './facts.js'
import { mappedMemory, swapIsUsed } from './memory.js'
import { namedFiles, SEMAPHORE_PREFIX, SHM_DIRECTORY, type NamedFile } from './named-files.js'
import { statOf, userNames } from './proc.js'
import { keyText, semRows, shmRows, SHM_LOCKED, type ShmRow } from './sysv-tables.js'
import { findUses, inodeIdentity, noUses, sysvIdentity, type FoundMemfd, type Identity, type Uses } from './users.js'

const KINDS: readonly ObjectKind[] = ['sysv', 'posix', 'memfd', 'sysv-semaphore', 'posix-semaphore']
const SIGNS = native.signs()

/** An object on its way into the list. */
export interface Found {
  identity: Identity
  facts: ObjectFacts
  /** The path in its own bytes, of what has one. */
  path?: Buffer
}

/** What is asked once for all objects. */
interface Look {
  uses: Uses
  /** The objects on whose liveness byte somebody has a lock. */
  alive: Set<Identity>
  owners: Map<number, string>
}

/** The objects, and what was asked for them. */
export interface Survey extends Look {
  found: Found[]
}

/**
 * All shared memory objects and semaphores that this process's namespaces show: System V segments as `ipcs -m` lists them, POSIX
 * objects as /dev/shm does, memfds that some process has, System V semaphore sets, POSIX named semaphores. With who uses each,
 * as far as /proc lets one look: root sees all processes, others their own.
 *
 * A System V segment's memory is what the kernel counts. Of the others, what lies in swap, in huge pages or locked is known where a
 * process maps them that may be looked at, and only while there are fewer than some hundred.
 *
 * @throws TypeError for unknown options; {@link ShmError} EMFILE, ENFILE, ENOMEM: one cannot look.
 */
export function list(options?: ObjectListOptions): ObjectFacts[] {
  const { kinds, users, mine } = check.options<ObjectListOptions>('options', options, ['kinds', 'users', 'mine'])
  const wanted = new Set(kinds === undefined ? KINDS : kindsOf(kinds))
  const withUsers = check.flag('options.users', users, true)
  const isMine = check.flag('options.mine', mine, false)
  const facts = survey(wanted, withUsers).found.map(one => one.facts)
  return isMine ? facts.filter(({ uid }) => uid === process.geteuid?.()) : facts
}

function kindsOf(value: unknown): ObjectKind[] {
  if (!Array.isArray(value)) throw wrongType('options.kinds', 'an array of kinds', value)
  return value.map((kind, index) => check.oneOf(`options.kinds[${index}]`, kind, KINDS))
}

/** What one look at the machine gives. */
export function survey(wanted: ReadonlySet<ObjectKind>, withUsers: boolean): Survey {
  const files = wanted.has('posix') || wanted.has('posix-semaphore') ? namedFiles().filter(({ kind }) => wanted.has(kind)) : []
  const named = new Set(files.map(({ stat }) => inodeIdentity(stat.dev, stat.ino)))
  const isLooked = withUsers || wanted.has('memfd')
  const uses = isLooked ? findUses({ named, fileNames: new Set(files.map(({ name }) => name)) }) : noUses()
  const look: Look = { uses, alive: aliveObjects(), owners: userNames() }
  const found = [
    ...(wanted.has('sysv') ? shmRows().map(row => sysvSegment(row, look)) : []),
    ...files.map(file => namedObject(file, look)),
    ...(wanted.has('memfd') ? [...uses.memfds].flatMap(([identity, memfd]) => anonymous(identity, memfd, look) ?? []) : []),
    ...(wanted.has('sysv-semaphore') ? semaphoreSets(look) : [])
  ]
  if (withUsers) for (const one of found) addUsers(one, look)
  addMemory(found, withUsers ? uses.users : new Map())
  return { ...look, found }
}

/** The objects whose liveness byte somebody holds, of all namespaces: /proc/locks shows open-file-description locks to everybody. */
function aliveObjects(): Set<Identity> {
  const byte = String(SIGNS.livenessByte)
  const alive = new Set<Identity>()
  for (const line of (textOf('/proc/locks') ?? '').split('\n')) {
    const words = line.trim().split(/\s+/)
    const [identity, from, to] = words.slice(-3)
    if (identity !== undefined && from === byte && to === byte) alive.add(identity)
  }
  return alive
}

function sysvSegment(row: ShmRow, { owners }: Look): Found {
  const facts: ObjectFacts = {
    kind: 'sysv', name: keyText(row.key), key: row.key, id: row.id, sizeBytes: row.sizeBytes, mode: row.mode & 0o777, uid: row.uid, gid: row.gid,
    owner: owners.get(row.uid) ?? String(row.uid), changedMs: row.changeTime * 1000, creatorPid: row.creatorPid, lastPid: row.lastPid,
    attached: row.attached, residentBytes: row.residentBytes, swappedBytes: row.swappedBytes, users: [], usersComplete: false, origin: 'foreign'
  }
  if ((row.mode & SHM_LOCKED) !== 0) facts.lockedBytes = row.residentBytes
  return { identity: sysvIdentity(row.id), facts }
}

function semaphoreSets({ owners }: Look): Found[] {
  return semRows().map(row => ({
    identity: `sem:${row.id}`,
    facts: {
      kind: 'sysv-semaphore', name: keyText(row.key), key: row.key, id: row.id, sizeBytes: 0, mode: row.mode & 0o777, uid: row.uid, gid: row.gid,
      owner: owners.get(row.uid) ?? String(row.uid), changedMs: row.changeTime * 1000, users: [], usersComplete: false, origin: 'foreign'
    }
  }))
}

function namedObject({ kind, name, path, stat }: NamedFile, look: Look): Found {
  const found = withInode(kind, `/${kind === 'posix-semaphore' ? name.slice(SEMAPHORE_PREFIX.length) : name}`, stat, look)
  found.facts.path = join(SHM_DIRECTORY, name)
  if (kind === 'posix') judgeOrigin(found, path, look)
  return { ...found, path }
}

/** Nothing where its process ended meanwhile. */
function anonymous(identity: Identity, memfd: FoundMemfd, look: Look): Found | undefined {
  const stat = statOf(memfd.path)
  const name = `memfd:${memfd.label}`
  if (stat === undefined && memfd.mappedBytes === 0) return undefined
  // Mapped by a process that has closed it, whose map_files only root may follow.
  if (stat === undefined) {
    const facts: ObjectFacts = {
      kind: 'memfd', name, sizeBytes: memfd.mappedBytes, mode: 0, uid: -1, gid: -1, owner: '?', users: [], usersComplete: false, origin: look.alive.has(identity) ? 'ours' : 'foreign'
    }
    return { identity, facts }
  }
  const found = withInode('memfd', name, stat, look)
  if (stat.blksize > HUGE_BLOCK_BYTES) found.facts.hugeBytes = stat.blocks * 512
  judgeOrigin(found, Buffer.from(memfd.path), look)
  return found
}

/** A file system whose blocks are larger than any base page is a pool of huge pages. */
const HUGE_BLOCK_BYTES = 65_536

function withInode(kind: ObjectKind, name: string, stat: Stats, { owners }: Look): Found {
  const facts: ObjectFacts = {
    kind, name, device: stat.dev, inode: stat.ino, sizeBytes: stat.size, mode: stat.mode & 0o777, uid: stat.uid, gid: stat.gid,
    owner: owners.get(stat.uid) ?? String(stat.uid), changedMs: Math.trunc(stat.ctimeMs), residentBytes: stat.blocks * 512,
    users: [], usersComplete: false, origin: 'foreign'
  }
  if (stat.birthtimeMs > 0) facts.createdMs = Math.trunc(stat.birthtimeMs)
  return { identity: inodeIdentity(stat.dev, stat.ino), facts }
}

/** Ours are those that somebody keeps alive in our way, those that we made, and managed ones. */
function judgeOrigin(found: Found, path: Buffer, { alive }: Look): void {
  const { facts, identity } = found
  const front = frontOf(path, facts)
  if (front !== undefined) facts.managed = front === SIGNS.magic
  if (facts.managed === true || alive.has(identity) || native.hasSign(path.toString())) facts.origin = 'ours'
}

/** The bytes where a managed segment has its magic number; nothing where one may not look. */
function frontOf(path: Buffer, { sizeBytes, kind }: ObjectFacts): string | undefined {
  const bytes = Buffer.alloc(8)
  if (sizeBytes < bytes.length) return ''
  let fd: number | undefined
  try {
    // A memfd is reached by a link of /proc, which must be followed.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | (kind === 'posix' ? constants.O_NOFOLLOW : 0))
    readSync(fd, bytes, 0, bytes.length, 0)
    return bytes.toString('latin1')
  } catch (error) {
    mustNotBeOurs(error)
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function addUsers({ identity, facts }: Found, { uses, alive }: Look): void {
  facts.users = uses.users.get(identity) ?? []
  if (facts.kind === 'sysv-semaphore') return
  if (facts.kind === 'sysv') {
    // The kernel's count tells exactly whether all were seen.
    facts.usersComplete = (uses.attaches.get(identity) ?? 0) >= (facts.attached ?? 0)
    return
  }
  const isHeldUnseen = facts.users.length === 0 && alive.has(identity)
  facts.usersComplete = uses.hidden.length === 0 && uses.unnamed === 'none' && !isHeldUnseen
}

function addMemory(found: readonly Found[], users: Uses['users']): void {
  const memory = mappedMemory(users, found.map(({ identity }) => identity))
  const swap = swapIsUsed()
  for (const { identity, facts } of found) {
    if (facts.kind === 'sysv-semaphore') continue
    const mapped = memory.get(identity)
    const isMapped = facts.users.some(({ how }) => how === 'mapped')
    if (mapped !== undefined) facts.hugeBytes ??= mapped.huge
    if (mapped !== undefined) facts.lockedBytes ??= mapped.locked
    else if (!isMapped && facts.usersComplete) facts.lockedBytes ??= 0
    if (facts.kind === 'sysv' || facts.residentBytes === undefined) continue
    // The file system counts what lies in swap too.
    const swapped = swap ? mapped?.swapped : 0
    if (swapped === undefined) {
      delete facts.residentBytes
    } else {
      facts.swappedBytes = swapped
      facts.residentBytes = Math.max(0, facts.residentBytes - swapped)
    }
  }
}
