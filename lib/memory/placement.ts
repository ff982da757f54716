/**
 * NUMA: on which memory node pages lie, what the machine has, and the policy of a thread.
 *
 * @module
 */

import { readdirSync } from 'node:fs'
import { freemem, totalmem, cpus } from 'node:os'
import * as check from '../arguments.js'
import { constant } from '../constants.js'
import { ShmError, outOfRange, wrongType, wrongValue } from '../errors.js'
import { textOf } from '../kernel-text.js'
import { native, type Binding } from '../native.js'

/**
 * Where new pages come from (mbind(2), set_mempolicy(2)): `'bind'` (those nodes only), `'interleave'` (those nodes in turn), `'preferred'`
 * (that node while it has memory), `'local'` (the node of the processor that touches a page first), `'default'` (no policy of its own).
 */
export type PlacementPolicy = 'bind' | 'interleave' | 'preferred' | 'local' | 'default'

/** A policy and the nodes it is about. */
export interface ThreadPlacementOptions {
  /** Where the pages are to be (`MPOL_…` of mbind(2)). */
  policy: PlacementPolicy
  /** Node numbers, as {@link numaNodes} has them: one or more for `'bind'` and `'interleave'`, one for `'preferred'`, none else. */
  nodes?: readonly number[] | undefined
}

/** What {@link Segment.placement} sets. */
export interface PlacementOptions extends ThreadPlacementOptions {
  /** Moves pages that are there already, as far as this process has touched them, and no other (`MPOL_MF_MOVE`). @default false */
  move?: boolean | undefined
  /** Pages that lie elsewhere, and stay there, are `EIO` (`MPOL_MF_STRICT`). @default false */
  strict?: boolean | undefined
}

/** What {@link Segment.placement} answers: the policy, and where the pages are, or why that cannot be told. */
export type PlacementReport = PolicyReport & (PagesReport | PagesUnknown)

/** The policy of a range of pages. */
export interface PolicyReport {
  /** The policy at the first byte of the range; others than ours are told by their man-page names. */
  policy: PlacementPolicy | 'preferred many' | 'weighted interleave' | 'unknown'
  /** The nodes of that policy. */
  nodes: number[]
  /** Bytes of a page: of a huge page where the segment is on a pool's. */
  pageSizeBytes: number
}

/** Where a range's pages are. */
export interface PagesReport {
  /** On which nodes the pages are that this process has touched, in rising order of nodes. */
  pages: {
    /** The node's number. */
    node: number
    /** How many pages are there. */
    pages: number
    /** The same in bytes. */
    bytes: number
  }[]
  /** Pages that this process has touched and that are in RAM. */
  residentPages: number
  /** Pages that this process has not touched yet, whether or not others have. */
  absentPages: number
  /** Nothing: they are known. */
  pagesUnknown?: undefined
}

/** In place of {@link PagesReport} where move_pages(2) is refused, as by Docker's profile also with CAP_SYS_NICE. */
export interface PagesUnknown {
  /** Why. A policy that was asked for is set all the same. */
  pagesUnknown: ShmError
  /** Not known. */
  pages?: undefined
  /** Not known. */
  residentPages?: undefined
  /** Not known. */
  absentPages?: undefined
}

/** What {@link threadPlacement} answers. */
export interface ThreadPlacement {
  /** This thread's policy. */
  policy: PlacementReport['policy']
  /** The nodes of that policy. */
  nodes: number[]
  /** The nodes that this thread may use at all (cpuset(7)); none where neither the kernel nor /proc tells. */
  allowedNodes: number[]
}

/** A memory node of the machine. */
export interface NumaNode {
  /** Its number. */
  node: number
  /** Its processors. */
  cpus: number[]
  /** Its memory. */
  totalBytes: number
  /** What of it is free at this moment. */
  freeBytes: number
  /** Huge pages that are reserved here, by size. */
  hugePages: {
    /** Bytes of such a page. */
    pageSizeBytes: number
    /** How many there are. */
    total: number
    /** How many of them nobody has. */
    free: number
  }[]
}

const POLICIES = ['default', 'preferred', 'bind', 'interleave', 'local'] as const
/** By number, as `linux/mempolicy.h` has them. */
const NAMES = [...POLICIES, 'preferred many', 'weighted interleave'] as const
/** The bits above the policy that say how its nodes are meant. */
const MODE_FLAGS = 0xe000
const NODES_FOLDER = '/sys/devices/system/node'
/** The names of the options. @internal */
export const PLACEMENT_WORDS = ['policy', 'nodes', 'move', 'strict'] as const
const MOVE = constant('MPOL_MF_MOVE')
const STRICT = constant('MPOL_MF_STRICT')
const MEMS_ALLOWED = constant('MPOL_F_MEMS_ALLOWED')

/** A placement, checked, as the native side takes it. @internal */
export interface CheckedPlacement {
  mode: number
  nodes: number[]
  flags: number
}

/** Checks a placement. @internal */
export function checkPlacement(name: string, { policy, nodes, move, strict }: Partial<PlacementOptions>): CheckedPlacement {
  const word = check.oneOf(`${name}.policy`, policy, POLICIES)
  const list = nodes === undefined ? [] : nodeNumbers(`${name}.nodes`, nodes)
  const [fewest, most] = word === 'bind' || word === 'interleave' ? [1, 1024] : word === 'preferred' ? [1, 1] : [0, 0]
  if (list.length < fewest || list.length > most) {
    throw wrongValue(`${name}.nodes`, `${most === 0 ? 'no node' : most === 1 ? 'one node' : 'one node or more'} for "${word}"`, nodes)
  }
  const flags = (check.flag(`${name}.move`, move, false) ? MOVE : 0) | (check.flag(`${name}.strict`, strict, false) ? STRICT : 0)
  return { mode: POLICIES.indexOf(word), nodes: list, flags }
}

/** Checks node numbers. @internal */
export function nodeNumbers(name: string, nodes: unknown): number[] {
  if (!Array.isArray(nodes)) throw wrongType(name, 'an array of node numbers', nodes)
  if (nodes.length > 1024) throw outOfRange(name, 'at most 1024 nodes', nodes)
  return Array.from(nodes, node => check.integer(name, node, 0, 1023))
}

/** Sets the policy of a segment's pages. @internal */
export function place(segment: Binding.NativeSegment, [offset, length]: [number, number], wanted: CheckedPlacement): void {
  allowed(() => segment.bindToNodes(offset, length, wanted.mode, wanted.nodes, wanted.flags))
}

/**
 * Says how a segment's pages are placed. What was just set is said also where the kernel cannot be asked: the change is made, and an error
 * would hide it.
 *
 * @internal
 */
export function placementOf(segment: Binding.NativeSegment, [offset, length]: [number, number], set?: CheckedPlacement): PlacementReport {
  const about: PolicyReport = { ...policyNow(() => segment.nodePolicy(offset, 0), set), pageSizeBytes: segment.pageSize }
  try {
    const found = allowed(() => segment.pagesByNode(offset, length))
    const pages = found.nodes.map((node, index) => {
      const count = found.pages[index] ?? 0
      return { node, pages: count, bytes: count * found.pageSize }
    })
    return { ...about, pages, residentPages: pages.reduce((sum, each) => sum + each.pages, 0), absentPages: found.absent }
  } catch (error) {
    if (!isRefused(error)) throw error
    return { ...about, pagesUnknown: error }
  }
}

/** A policy as the kernel tells it, or as it was just set. */
function policyNow(ask: () => Binding.NativePolicy, set: CheckedPlacement | undefined): Omit<PolicyReport, 'pageSizeBytes'> {
  try {
    const { mode, nodes } = allowed(ask)
    return { policy: policyName(mode), nodes }
  } catch (error) {
    if (set === undefined || !isRefused(error)) throw error
    return { policy: policyName(set.mode), nodes: set.nodes.toSorted((one, other) => one - other) }
  }
}

/** The kernel's answer, where it is no answer to a mistake in the call. */
function isRefused(error: unknown): error is ShmError {
  return error instanceof ShmError && error.syscall !== undefined
}

/**
 * The policy for memory that this thread (the main thread, or a worker) touches first from now on, in segments and outside them:
 * sets it where one is given (set_mempolicy(2)), and answers what it is (get_mempolicy(2)). A segment's own policy comes before it.
 *
 * @throws {@link ShmError} EINVAL (no such node, or none that this thread may use); `ERR_SHM_UNSUPPORTED` where the kernel has no NUMA or a
 * container's profile forbids the call.
 */
export function threadPlacement(change?: ThreadPlacementOptions): ThreadPlacement {
  const wanted = change === undefined ? undefined : checkPlacement('options', check.options('options', change, ['policy', 'nodes']))
  if (wanted !== undefined) allowed(() => native.setMempolicy(wanted.mode, wanted.nodes))
  return { ...policyNow(() => native.getMempolicy(0), wanted), allowedNodes: nodesAllowed() }
}

function nodesAllowed(): number[] {
  try {
    return native.getMempolicy(MEMS_ALLOWED).nodes
  } catch {
    return numbers(/Mems_allowed_list:\s*(\S+)/u.exec(textOf('/proc/thread-self/status') ?? '')?.[1] ?? '')
  }
}

/** The memory nodes of this machine, from /sys/devices/system/node; where the kernel shows none, all memory as one node 0. */
export function numaNodes(): NumaNode[] {
  const online = textOf(`${NODES_FOLDER}/online`)
  if (online === undefined) {
    return [{ node: 0, cpus: cpus().map((_, index) => index), totalBytes: totalmem(), freeBytes: freemem(), hugePages: [] }]
  }
  return numbers(online).map(node => {
    const folder = `${NODES_FOLDER}/node${node}`
    const meminfo = textOf(`${folder}/meminfo`) ?? ''
    const bytes = (label: string): number => Number(new RegExp(`${label}:\\s+(\\d+) kB`, 'u').exec(meminfo)?.[1] ?? 0) * 1024
    return { node, cpus: numbers(textOf(`${folder}/cpulist`) ?? ''), totalBytes: bytes('MemTotal'), freeBytes: bytes('MemFree'), hugePages: pools(`${folder}/hugepages`) }
  })
}

function pools(folder: string): NumaNode['hugePages'] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  return names
    .map(name => ({
      pageSizeBytes: Number(/\d+/u.exec(name)?.[0] ?? 0) * 1024,
      total: Number(textOf(`${folder}/${name}/nr_hugepages`) ?? 0),
      free: Number(textOf(`${folder}/${name}/free_hugepages`) ?? 0)
    }))
    .toSorted((one, other) => one.pageSizeBytes - other.pageSizeBytes)
}

/** `0-1,4` is 0, 1, 4. */
function numbers(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter(part => part !== '')
    .flatMap(part => {
      const [first = 0, last = first] = part.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
}

function policyName(mode: number): PlacementReport['policy'] {
  return NAMES[mode & ~MODE_FLAGS] ?? 'unknown'
}

/** A kernel without NUMA answers ENOSYS, a container's profile EPERM: both mean that placement is not to be had here. */
function allowed<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof ShmError) || (error.code !== 'ENOSYS' && error.code !== 'EPERM')) throw error
    const why = error.code === 'ENOSYS' ? 'this kernel has no NUMA' : 'this process may not call it, as in a container whose profile forbids it'
    throw new ShmError({ code: 'ERR_SHM_UNSUPPORTED', message: `${error.syscall} answered ${error.code}: ${why}`, syscall: error.syscall, hint: error.hint })
  }
}
