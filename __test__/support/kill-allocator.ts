/**
 * The role `allocator` of the kill tests, as `crate/core/src/bin/member/allocator.rs` plays it: blocks go from hand to hand through a table of cells,
 * and each that comes out of there must be as it was filled.
 */
import { setTimeout } from 'node:timers/promises'
import type { ManagedSegment, ShmError } from 'shmem'
import type { Book } from './kill-book.js'

const CELLS = 128
const UNIT = 16

/** Plays until the book says stop. */
export async function playAllocator(memory: ManagedSegment, book: Book, position: number): Promise<void> {
  const { allocator } = memory
  memory.seqlock('cells', { bytes: 4 * CELLS })
  const at = memory.objects.find(({ name }) => name === 'cells')?.offset ?? 0
  const cells = new Int32Array(memory.buffer, at + 128, CELLS)
  book.write(position, 'ready', 1)
  for (let turn = 1; !book.isStopped; turn += 1) {
    const offset = take()
    const before = (Atomics.exchange(cells, random(CELLS), offset / UNIT) >>> 0) * UNIT
    if (before !== 0) giveBack(before)
    if (turn % 64 === 0) {
      allocator.repair()
      await setTimeout(1)
    }
  }

  function take(): number {
    try {
      const offset = allocator.allocate(1 + random(random(8) === 0 ? 20_000 : 500), { align: 2 ** random(13) })
      book.count(position, 'got')
      fill(allocator.bytesAt(offset), offset)
      return offset
    } catch (error) {
      if ((error as ShmError).code === 'ERR_SHM_NO_SPACE') return 0
      throw error
    }
  }

  function giveBack(offset: number): void {
    try {
      if (!isFilled(allocator.bytesAt(offset), offset)) book.violation(position, 'torn')
      allocator.free(offset)
    } catch (error) {
      if ((error as ShmError).code !== 'ERR_SHM_NOT_ALLOCATED') throw error
      book.violation(position, 'mark lost')
    }
  }
}

function fill(bytes: Uint8Array, offset: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const key = random(2 ** 32)
  for (let index = 0; index < words.length; index += 1) words[index] = pattern(key, offset, index)
}

function isFilled(bytes: Uint8Array, offset: number): boolean {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const key = words[0] ?? 0
  return words.every((word, index) => word === pattern(key, offset, index))
}

/** Word 0 is the key itself. */
function pattern(key: number, offset: number, index: number): number {
  return index === 0 ? key : (key ^ Math.imul(offset + index, 0x9e37_79b1)) >>> 0
}

function random(limit: number): number {
  return Math.floor(Math.random() * limit)
}
