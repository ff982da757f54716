/**
 * The rows of the bad-input table for the allocator and lists.
 */
import { ManagedSegment, MemfdSegment } from 'shmem'
import * as bad from './bad-values.js'
import { needs, takes, type Argument } from './bad-values.js'

/** A managed segment with a block and a list with a node. */
export function makeAllocator() {
  const segment = MemfdSegment.create('bad', { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment, { members: 4 })
  const list = mem.list('list', { valueBytes: 8, capacity: 4 })
  const node = list.push(new Uint8Array(8))
  return { segment, mem, list, node, block: mem.allocator.allocate(64) }
}

/** Takes it down. */
export function endAllocator({ segment, mem }: ReturnType<typeof makeAllocator>): void {
  mem.close()
  segment.close()
}

/** The rows. */
export function allocatorRows({ node: first, block }: ReturnType<typeof makeAllocator>): Record<string, Argument[]> {
  const name = needs('name', 'another', [...bad.text, 'x'.repeat(65), 'é'.repeat(33), 'x'.repeat(70_000)])
  const offset = needs('offset', block, bad.whole(0, 2 ** 53 - 1))
  const node = needs('node', first, bad.whole(1, 2 ** 53 - 1))
  const bytes = [null, 5, 'x', {}, [], new Uint8Array(7), new Uint8Array(9), new Int32Array(2)]
  const value = needs('value', new Uint8Array(8), bytes)
  const nodeOnly = ['remove', 'next', 'previous', 'has', 'bytes', 'offset']
  const nothing = ['first', 'last', 'nodes', 'clear', 'stats', 'Symbol(Symbol.iterator)']
  return {
    'new Allocator': [needs('opened', undefined, bad.handle)],
    'Allocator#allocate': [needs('bytes', 16, bad.bytes(1)), takes('options', {}, bad.object, { align: [...bad.whole(1, 4096), 3, 48] })],
    'Allocator#free': [offset],
    'Allocator#bytesAt': [offset],
    'Allocator#blocks': [],
    'Allocator#repair': [],
    'Allocator#stats': [],

    'ManagedSegment#list': [name, needs('options', { valueBytes: 8 }, bad.object, { valueBytes: [...bad.whole(1, 2 ** 20), undefined], capacity: bad.whole(1, 2 ** 21 - 1) })],
    'new List': [needs('opened', undefined, bad.handle)],
    'List#push': [value],
    'List#unshift': [value],
    'List#pop': [takes('target', new Uint8Array(8), bytes)],
    'List#shift': [takes('target', new Uint8Array(8), bytes)],
    'List#insertBefore': [node, value],
    'List#insertAfter': [node, value],
    'List#read': [node, takes('target', new Uint8Array(8), bytes)],
    'List#write': [node, value],
    ...Object.fromEntries(nodeOnly.map(method => [`List#${method}`, [node]])),
    ...Object.fromEntries(nothing.map(method => [`List#${method}`, []]))
  }
}
