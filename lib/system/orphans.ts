/**
 * Objects that nobody uses any more: what a crashed program left.
 *
 * @module
 */

import { accessSync, constants } from 'node:fs'
import * as check from '../arguments.js'
import type { ObjectFacts, ObjectKind, Orphan, OrphanOptions } from './facts.js'
import { survey, type Found, type Survey } from './list.js'
import { commandOf } from './proc.js'
import { shmRows, type ShmRow } from './sysv-tables.js'
import type { Uses } from './users.js'

/** A memfd lives no longer than its users, and nothing tells who uses a System V semaphore set. */
const KINDS: ReadonlySet<ObjectKind> = new Set<ObjectKind>(['sysv', 'posix', 'posix-semaphore'])
/** A creator needs a moment from making a segment to attaching it. */
const YOUTH_MS = 10_000

/**
 * Objects whose users are all dead or gone, each with the reason.
 *
 * A POSIX object is one if nobody holds its sign of life, maps it or has it open. A System V segment is one if its attach count
 * is 0, unless it was never attached and its creator lives or it is younger than ten seconds.
 *
 * By default only objects that this library made and that are the caller's own. System V segments bear no sign of who made them, and
 * named semaphores none either: they are shown with `foreign`, as are other users' objects. `name` asks for one object alone: the stale
 * check of a program that starts.
 *
 * Orphans of others who look at the same time may be gone when one looks again; {@link clean} decides for good.
 *
 * @throws TypeError for unknown options; {@link ShmError} EMFILE, ENFILE, ENOMEM: one cannot look.
 */
export function orphans(options?: OrphanOptions): Orphan[] {
  const { foreign, name } = check.options<OrphanOptions>('options', options, ['foreign', 'name'])
  const withForeign = check.flag('options.foreign', foreign, false)
  const wanted = name === undefined ? undefined : check.text('options.name', name)
  const euid = process.geteuid?.() ?? -1
  const seen = survey(withForeign ? KINDS : new Set<ObjectKind>(['posix']), true)
  const rows = new Map(withForeign ? shmRows().map(row => [row.id, row]) : [])
  return seen.found
    .filter(({ facts }) => wanted === undefined || facts.name === wanted)
    .filter(({ facts }) => withForeign || (facts.origin === 'ours' && facts.uid === euid))
    .flatMap(found => {
      const row = rows.get(found.facts.id ?? -1)
      const reason = found.facts.kind === 'sysv' ? row && sysvReason(row) : fileReason(found, seen)
      if (reason === undefined) return []
      const whyNot = whyNotRemovable(found.facts, seen.uses, row?.creatorUid) ?? whyNotOpened(found.path)
      return [{ ...found.facts, reason, removable: whyNot === undefined, ...(whyNot === undefined ? {} : { whyNot }) }]
    })
}

function sysvReason(row: ShmRow): string | undefined {
  if (row.attached > 0) return undefined
  const creator = commandOf(row.creatorPid)
  const isYoung = Date.now() - row.changeTime * 1000 < YOUTH_MS
  if (row.attachTime === 0 && (creator !== undefined || isYoung)) return undefined
  const first = `nobody has it attached; its creator, ${pidText(row.creatorPid, creator)}`
  if (row.attachTime === 0) return `${first}, never attached it`
  return row.lastPid === row.creatorPid ? first : `${first}; who attached or detached last, ${pidText(row.lastPid, commandOf(row.lastPid))}`
}

function pidText(pid: number, name: string | undefined): string {
  if (pid === 0) return 'is of another PID namespace'
  return name === undefined ? `process ${pid}, is dead` : `process ${pid} (${name}), lives`
}

function fileReason({ facts, identity }: Found, { alive, uses }: Survey): string | undefined {
  if (facts.users.length > 0 || alive.has(identity)) return undefined
  const hidden = uses.unnamed === 'none' ? uses.hidden.length : 'those that /proc does not show'
  const unseen = hidden === 0 ? '' : `, as far as one can see (processes that could not be looked at: ${hidden})`
  if (facts.managed === true) return `a managed segment whose members are all dead or gone: nobody maps it or has it open${unseen}`
  const sign = facts.origin === 'ours' ? 'nobody holds its sign of life, ' : ''
  return `${sign}nobody maps it or has it open${unseen}`
}

/** Why this process may not remove an object, or should not because it cannot know who uses it. */
export function whyNotRemovable(facts: ObjectFacts, uses: Uses, creatorUid?: number): string | undefined {
  const euid = process.geteuid?.()
  if (euid !== 0 && euid !== facts.uid && euid !== creatorUid) return `it belongs to ${facts.owner}`
  if (facts.kind === 'sysv') return undefined
  const asRoot = euid === 0 ? 'root needs CAP_SYS_PTRACE for that' : 'ask as root'
  if (uses.unnamed === 'all') return 'no process can be looked at: mount /proc'
  if (uses.unnamed === 'others' && (facts.mode & 0o066) !== 0) return `its mode lets in others, whose processes /proc does not show: ${asRoot}`
  // Root's processes can open anything, and those of ours that do hold the sign of life.
  const reaching = uses.hidden.filter(uid => uid !== 0 && (uid === facts.uid || (facts.mode & 0o066) !== 0))
  return reaching.length > 0 ? `its mode lets in processes that cannot be looked at (${reaching.length}): ${asRoot}` : undefined
}

/** Why an object cannot be opened, as one must who removes it. */
function whyNotOpened(path: Buffer | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch {
    return 'it cannot be opened for reading and writing, and so not be kept from those who open it: chmod u+rw it first'
  }
}
