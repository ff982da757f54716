/**
 * The NUMA calls of numa(7) under their man-page names, for `shmem/posix`. Node masks are arrays of node numbers; pages are offsets of
 * a mapping, so that no call reaches memory that is not ours.
 *
 * @module
 */

import * as check from '../arguments.js'
import { wrongType } from '../errors.js'
import { native } from '../native.js'
import { nodeNumbers } from '../memory/placement.js'
import { openRaw, rawExtent, rawMapping, type RawMapping } from './raw-mapping.js'
import type { Size } from '../arguments.js'

/** A policy as get_mempolicy(2) tells it. */
export interface mempolicy {
  /** `MPOL_…`; with MPOL_F_NODE a node number. */
  mode: number
  /** The nodes of that policy. */
  nodes: number[]
}

const PAGES_MAX = 2 ** 20

/**
 * mbind(2) of the pages touched. On System V, POSIX and memfd memory the policy belongs to the object. `flags` are MPOL_MF_STRICT, MPOL_MF_MOVE,
 * MPOL_MF_MOVE_ALL. EFAULT EINVAL EIO ENOMEM ENOSYS (no NUMA) EPERM (MPOL_MF_MOVE_ALL without CAP_SYS_NICE, or a container's profile).
 */
export function mbind(mapping: RawMapping, offset: Size, length: Size, mode: number, nodes: readonly number[], flags: number): void {
  const opened = openRaw(rawMapping('mapping', mapping), 'mbind')
  opened.bindToNodes(...rawExtent(offset, length), check.flags('mode', mode), nodeNumbers('nodes', nodes), check.flags('flags', flags) >>> 0)
}

/** set_mempolicy(2) of the calling thread. EINVAL ENOMEM ENOSYS EPERM (a container's profile). */
export function set_mempolicy(mode: number, nodes: readonly number[]): void {
  native.setMempolicy(check.flags('mode', mode), nodeNumbers('nodes', nodes))
}

/**
 * get_mempolicy(2): of the calling thread, or of a byte of a mapping (then MPOL_F_ADDR is meant, and with MPOL_F_NODE the answer's mode is
 * the node of that page). EFAULT EINVAL ENOSYS EPERM.
 */
export function get_mempolicy(flags: number, mapping: RawMapping | null = null, offset: Size = 0): mempolicy {
  const word = check.flags('flags', flags)
  const at = check.bytes('offset', offset, 0)
  return mapping === null ? native.getMempolicy(word) : openRaw(rawMapping('mapping', mapping), 'get_mempolicy').nodePolicy(at, word)
}

/**
 * move_pages(2) of this process's pages at those offsets, each to its node, or with null only asking. Answers for each page its node or a negative
 * errno (-2, ENOENT: not touched yet). E2BIG EACCES EFAULT EINVAL ENODEV ENOENT ENOMEM ENOSYS EPERM.
 */
export function move_pages(mapping: RawMapping, offsets: readonly Size[], nodes: readonly number[] | null, flags: number): Int32Array {
  const opened = openRaw(rawMapping('mapping', mapping), 'move_pages')
  if (!Array.isArray(offsets) || offsets.length > PAGES_MAX) throw wrongType('offsets', `an array of at most ${PAGES_MAX} offsets`, offsets)
  const pages = Array.from(offsets, offset => check.bytes('offsets', offset, 0))
  if (nodes !== null && (!Array.isArray(nodes) || nodes.length !== pages.length)) throw wrongType('nodes', 'null, or a node for each offset', nodes)
  const targets = nodes === null ? undefined : Array.from(nodes, node => check.int32('nodes', node))
  return opened.movePages(pages, targets, check.flags('flags', flags))
}
