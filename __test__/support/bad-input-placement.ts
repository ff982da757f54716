/**
 * The rows of the bad-input table about where pages lie: locked, huge, brought in, on which NUMA node.
 */
import type { RawMapping } from 'shmem/posix'
import type { Table } from './bad-input-table.js'
import * as bad from './bad-values.js'
import { needs, takes } from './bad-values.js'

const nodeLists = [null, 5, '0', {}, [null], ['0'], [-1], [1.5], [1024], Array.from({ length: 1025 }, () => 0)]
const policy = { policy: [...bad.word, 'preferred many'], nodes: [...nodeLists, [], [0, 1]] }

/** The rows of `shmem`, for a world of segments. */
export function placementRows(): Table {
  const lock = takes('options', {}, bad.object, { onFault: bad.flag })
  const range = takes('range', { offset: 0, length: 4096 }, bad.object, bad.range)
  const prefault = takes('options', {}, bad.object, {
    onProgress: [null, 5, {}, 'x', true], chunkBytes: bad.bytes(1), signal: [...bad.handle, { aborted: true }]
  })
  const stat = takes('options', {}, bad.object, { pages: bad.flag })
  return {
    numaNodes: [],
    threadPlacement: [takes('options', { policy: 'preferred', nodes: [0] }, bad.object, policy)],
    'Segment#lockMemory': [lock],
    'SysvSegment#lockMemory': [lock],
    'Segment#prefault': [prefault],
    'Segment#prefaultAsync': [prefault],
    'Segment#collapse': [range],
    'Segment#collapseAsync': [{ ...prefault, options: { ...prefault.options, ...bad.range } }],
    'Segment#placement': [
      takes('options', { policy: 'preferred', nodes: [0] }, bad.object, { ...policy, ...bad.range, move: bad.flag, strict: bad.flag })
    ],
    'SysvSegment#stat': [stat],
    'PosixSegment#stat': [stat],
    'MemfdSegment#stat': [stat],
    'FileSegment#stat': [stat]
  }
}

/** The rows of `shmem/posix`. */
export function numaRows(world: RawMapping): Table {
  const mapping = needs('mapping', world, bad.handle)
  const offset = needs('offset', 0, bad.bytes(0))
  const mode = needs('mode', 0, bad.flagWord)
  const nodes = needs('nodes', [], nodeLists)
  const flags = needs('flags', 0, bad.flagWord)
  return {
    mbind: [mapping, offset, needs('length', 4096, bad.bytes(1)), mode, nodes, flags],
    set_mempolicy: [mode, nodes],
    get_mempolicy: [flags, takes('mapping', world, bad.handle.filter(value => value !== null)), takes('offset', 0, bad.bytes(0))],
    move_pages: [
      mapping, needs('offsets', [0], [null, 5, {}, '0', [-1], [null], [NaN], [1.5]]), needs('nodes', null, [5, {}, 'x', [], [0, 0], ['0'], [1.5], [null]]), flags
    ]
  }
}
