/**
 * What of an object lies in RAM, in swap, in huge pages, and is locked: from `smaps` of one process that maps it. A walk through page
 * tables costs time by the gigabyte, so it is made for few objects and small processes only; where it is not made, the numbers are
 * unknown.
 *
 * @module
 * @internal
 */

import { readFileSync } from 'node:fs'
import { textOf } from '../kernel-text.js'
import type { User } from './facts.js'
import { kibibytes } from './proc.js'
import { sysvIdentity, type Identity } from './users.js'

/** What one process's page tables say of an object, in bytes. */
export interface Mapped {
  swapped: number
  huge: number
  locked: number
}

const OBJECTS_MAX = 256
const PROCESSES_MAX = 32
/** Pages of a process whose page tables take too long to walk: 4 GiB. */
const RESIDENT_PAGES_MAX = 2 ** 20

/** Looks at the objects that some process maps, one process an object. */
export function mappedMemory(users: ReadonlyMap<Identity, User[]>, wanted: readonly Identity[]): Map<Identity, Mapped> {
  const found = new Map<Identity, Mapped>()
  const mappers = new Map<number, Set<Identity>>()
  for (const identity of wanted) {
    const pids = (users.get(identity) ?? []).filter(user => user.how === 'mapped').map(user => user.pid)
    const pid = pids.find(one => mappers.has(one)) ?? pids[0]
    if (pid !== undefined) mappers.set(pid, (mappers.get(pid) ?? new Set()).add(identity))
  }
  const objects = [...mappers.values()].reduce((sum, set) => sum + set.size, 0)
  if (objects > OBJECTS_MAX || mappers.size > PROCESSES_MAX) return found
  for (const [pid, identities] of mappers) if (isSmall(pid)) readSmaps(pid, identities, found)
  return found
}

function isSmall(pid: number): boolean {
  return Number(textOf(`/proc/${pid}/statm`)?.split(' ')[1] ?? Infinity) < RESIDENT_PAGES_MAX
}

const HEADING = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ (\S+) (\d+) *(.*)$/
const BASE_PAGE_KIB = 64

function readSmaps(pid: number, identities: Set<Identity>, found: Map<Identity, Mapped>): void {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/smaps`, 'latin1')
  } catch {
    return
  }
  for (const part of text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [, device, inode, path = ''] = HEADING.exec(part.slice(0, part.indexOf('\n'))) ?? []
    const identity = path.startsWith('/SYSV') ? sysvIdentity(Number(inode)) : `${device}:${inode}`
    if (!identities.has(identity)) continue
    const bytes = (label: string): number => kibibytes(part, label) ?? 0
    const sum = found.get(identity) ?? { swapped: 0, huge: 0, locked: 0 }
    const hugetlb = bytes('Shared_Hugetlb') + bytes('Private_Hugetlb')
    // Pages of a hugetlb pool can never be swapped out, and so are as good as locked, but count for nobody's limit.
    sum.huge = Math.max(sum.huge, bytes('KernelPageSize') > BASE_PAGE_KIB * 1024 ? hugetlb : bytes('ShmemPmdMapped'))
    sum.swapped = Math.max(sum.swapped, bytes('Swap'))
    if (/^VmFlags:.* lo\b/m.test(part)) sum.locked = Math.max(sum.locked, bytes('Rss'))
    found.set(identity, sum)
  }
}

/** Whether anything at all may lie in swap. */
export function swapIsUsed(): boolean {
  const meminfo = textOf('/proc/meminfo')
  const total = kibibytes(meminfo, 'SwapTotal')
  return total === undefined || total !== kibibytes(meminfo, 'SwapFree')
}
