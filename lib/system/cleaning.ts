/**
 * Removing objects: one that nobody uses, decided in one step with its users, or one whoever uses it.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { closeSync, constants, fstatSync, linkSync, lstatSync, openSync, renameSync, unlinkSync, type Stats } from 'node:fs'
import { basename } from 'node:path'
import * as check from '../arguments.js'
import { ShmError, wrongType } from '../errors.js'
import { native } from '../native.js'
import type { Cleaned, ObjectFacts, ObjectKind, Orphan } from './facts.js'
import { tellRemovedObject } from '../memory/posix-segment.js'
import { tellRemovedSemaphore } from '../semaphores/posix-semaphore.js'
import { SysvSegment, tellRemovedSegment } from '../memory/sysv-segment.js'
import { SysvSemaphoreSet } from '../semaphores/sysv-semaphore-set.js'
import { namedFiles, SEMAPHORE_PREFIX, SHM_DIRECTORY } from './named-files.js'
import { whyNotRemovable } from './orphans.js'
import { shmRows } from './sysv-tables.js'
import { findUses, inodeIdentity } from './users.js'

const CLEANABLE = ['sysv', 'posix', 'posix-semaphore'] as const satisfies readonly ObjectKind[]
const REMOVABLE = [...CLEANABLE, 'sysv-semaphore'] as const satisfies readonly ObjectKind[]

/**
 * Removes an object if nobody uses it.
 *
 * A POSIX object's sign of life is taken alone first, so that who opens it with this library meanwhile waits, and then finds it used by
 * nobody and gone, or still there. Its name is put aside before its users are looked at for the last time, so that nobody else can come
 * any more, and put back if somebody did. A System V segment's mode is marked before its attach count is looked at for the last time, and
 * openers of this library look for the mark after attaching.
 *
 * @returns `'removed'`, `'inUse'` (somebody uses it, or that cannot be excluded), or `'gone'` (removed or replaced meanwhile).
 * @throws {@link ShmError} EACCES, EPERM; EMFILE, ENFILE, ENOMEM: one cannot look who uses it.
 */
export function clean(orphan: Orphan | ObjectFacts): Cleaned {
  const facts = factsOf('orphan', orphan, CLEANABLE)
  if (facts.kind !== 'sysv') {
    const cleaned = cleanFile(facts)
    if (cleaned === 'removed') tellRemoved(facts)
    return cleaned
  }
  const id = check.integer('orphan.id', facts.id, 0, 2 ** 31 - 1)
  if (isAnother(id, facts)) return 'gone'
  const cleaned = native.cleanSysv(id) as Cleaned
  if (cleaned === 'removed') tellRemovedSegment(id)
  return cleaned
}

/**
 * Removes an object whoever uses it: IPC_RMID, shm_unlink(3), sem_unlink(3). Who has it goes on with it, but for a System V semaphore
 * set, whose waiters get EIDRM.
 *
 * @throws {@link ShmError} ENOENT (gone, or another object has its name), EACCES, EIDRM, EINVAL, EPERM; `ERR_SHM_UNSUPPORTED` for a
 * memfd, which goes with its last user.
 */
export function remove(facts: ObjectFacts): void {
  const checked = factsOf('facts', facts, [...REMOVABLE, 'memfd'])
  if (checked.kind === 'memfd') {
    throw new ShmError({ code: 'ERR_SHM_UNSUPPORTED', message: 'a memfd has no name that could be removed: it goes with its last user', objectName: checked.name })
  }
  if (checked.kind === 'sysv' || checked.kind === 'sysv-semaphore') {
    const id = check.integer('facts.id', checked.id, 0, 2 ** 31 - 1)
    if (checked.kind === 'sysv-semaphore') return SysvSemaphoreSet.remove(id)
    if (isAnother(id, checked)) throw new ShmError({ code: 'ENOENT', errno: -2, syscall: 'shmctl', id, message: 'ENOENT: another object has its identifier, shmctl' })
    return SysvSegment.remove(id)
  }
  const path = pathOf(checked, 'facts')
  attempt('unlink', checked, () => {
    if (!isIt(lstatSync(path), checked)) throw Object.assign(new Error('another object has its name'), { code: 'ENOENT', errno: -2 })
    unlinkSync(path)
  })
  tellRemoved(checked)
}

function tellRemoved({ kind, name }: ObjectFacts): void {
  if (kind === 'posix') tellRemovedObject(name)
  else tellRemovedSemaphore(name)
}

/** What {@link clean} and {@link remove} take; `list()` made it, or whoever read its JSON. */
function factsOf(name: string, value: unknown, kinds: readonly ObjectKind[]): ObjectFacts {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(name, 'an object of list() or orphans()', value)
  const facts = value as ObjectFacts
  check.oneOf(`${name}.kind`, facts.kind, kinds)
  return facts
}

function cleanFile(facts: ObjectFacts): Cleaned {
  const path = pathOf(facts, 'orphan')
  let fd: number
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return 'gone'
    throw asShmError(error, 'open', facts)
  }
  try {
    const stat = fstatSync(fd)
    if (!isIt(stat, facts)) return 'gone'
    if (!native.takeLivenessAlone(fd)) return 'inUse'
    if (isUsed(facts, stat, fd, basename(path.toString()))) return 'inUse'
    return attempt('rename', facts, () => unlinkUnused(path, facts, stat, fd))
  } finally {
    // Openers that wait go on from here.
    closeSync(fd)
  }
}

/** With the sign of life in hand, and nobody seen: takes the name away, looks once more, and only then lets the object go. */
function unlinkUnused(path: Buffer, facts: ObjectFacts, stat: Stats, fd: number): Cleaned {
  // Nobody else has that name: rename(2) would take theirs from them.
  const name = `.shmem-removed-${randomUUID()}`
  const aside = `${SHM_DIRECTORY}/${name}`
  const putBack = (): void => {
    try {
      linkSync(aside, path)
    } catch (error) {
      // A file system without an inode left links nothing, and has no room for another one of that name either.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return renameSync(aside, path)
      // Somebody made a new one of that name: theirs stays.
    }
    unlinkSync(aside)
  }
  try {
    if (!isIt(lstatSync(path), stat)) return 'gone'
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone'
    throw error
  }
  if (!isIt(lstatSync(aside), stat)) {
    putBack()
    return 'gone'
  }
  if (isUsed(facts, stat, fd, name)) {
    putBack()
    return 'inUse'
  }
  unlinkSync(aside)
  return 'removed'
}

/** Whether anybody has it but for our own descriptor, or may have it where we cannot look. */
function isUsed(facts: ObjectFacts, stat: Stats, fd: number, fileName: string): boolean {
  const identity = inodeIdentity(stat.dev, stat.ino)
  const uses = findUses({ named: new Set([identity]), fileNames: new Set([fileName]), butNotFd: fd })
  return uses.users.has(identity) || whyNotRemovable({ ...facts, uid: stat.uid, mode: stat.mode & 0o777 }, uses) !== undefined
}

/** Whether a file is the object that was listed. */
function isIt(stat: Stats, { dev, ino, device = dev, inode = ino }: { dev?: number; ino?: number; device?: number | undefined; inode?: number | undefined }): boolean {
  return stat.isFile() && (device === undefined || stat.dev === device) && (inode === undefined || stat.ino === inode)
}

/** Whether a System V identifier means another segment by now: identifiers come around, sooner if somebody wants that. */
function isAnother(id: number, { key, creatorPid }: ObjectFacts): boolean {
  const row = shmRows().find(one => one.id === id)
  return row !== undefined && (row.key !== (key ?? row.key) || row.creatorPid !== (creatorPid ?? row.creatorPid))
}

/** The path in the name's own bytes: text says `�` for those that are no UTF-8. */
function pathOf(facts: ObjectFacts, argument: string): Buffer {
  const name = check.text(`${argument}.name`, facts.name)
  const isReadable = !name.includes('\ufffd')
  // What bytes became three.
  const plain = check.objectName(`${argument}.name`, name, isReadable ? 255 : 3 * 255)
  const file = `${facts.kind === 'posix-semaphore' ? SEMAPHORE_PREFIX : ''}${plain.slice(1)}`
  const found = isReadable ? undefined : namedFiles().find(one => one.name === file && isIt(one.stat, facts))
  return found?.path ?? Buffer.from(`${SHM_DIRECTORY}/${file}`)
}

function attempt<T>(syscall: string, facts: ObjectFacts, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw asShmError(error, syscall, facts)
  }
}

function asShmError(error: unknown, syscall: string, { name }: ObjectFacts): unknown {
  const { code, errno, message } = error as NodeJS.ErrnoException
  if (code === undefined || error instanceof ShmError) return error
  return new ShmError({ code, errno, syscall, objectName: name, message: message.startsWith(code) ? message : `${code}: ${message}, ${syscall} '${name}'` })
}
