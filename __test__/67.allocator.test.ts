/**
 * `mem.allocator`: blocks by offset, between processes, and what a killed member leaves of them. The storm is in 60.kill-allocator.test.ts.
 */
import test, { type ExecutionContext } from 'ava'
import { ManagedSegment, MemfdSegment, PosixSegment, type ShmError } from 'shmem'
import { Book } from './support/kill-book.js'
import { Member, memberProgram } from './support/kill-member.js'
import { newManaged, newUser } from './support/managed-peer.js'
import { objectName } from './support/peer.js'

test('a block has what was asked for, at a multiple of its alignment, and overlaps no other', t => {
  const { allocator } = newManaged(t)
  const blocks = [1, 16, 17, 100, 4096, 70_000].flatMap(bytes => [1, 16, 64, 128, 4096].map(align => {
    const offset = allocator.allocate(bytes, { align })
    t.is(offset % Math.max(align, 16), 0)
    const view = allocator.bytesAt(offset)
    t.is(view.byteOffset, offset)
    t.true(view.length >= bytes && view.length < bytes + 32, `${view.length} bytes for ${bytes}`)
    return { offset, bytes: view.length }
  }))
  t.deepEqual(allocator.blocks(), blocks.toSorted((a, b) => a.offset - b.offset))
  const sorted = allocator.blocks()
  for (const [index, { offset, bytes }] of sorted.slice(0, -1).entries()) t.true(offset + bytes < (sorted[index + 1]?.offset ?? 0))
  for (const { offset } of blocks) allocator.free(offset)
  t.deepEqual(allocator.blocks(), [])
  t.is(allocator.stats().freeBlocks, 1, 'all that was freed is one block again')
})

test('sizes are numbers, bigints and text', t => {
  const { allocator } = newManaged(t)
  for (const bytes of [1024, 1024n, '1KiB']) t.is(allocator.bytesAt(allocator.allocate(bytes)).length, 1024)
})

test('what one process puts into a block another one reads, and frees', async t => {
  const mem = newManaged(t)
  const user = await newUser(t, mem)
  const offset = mem.allocator.allocate(64)
  mem.allocator.bytesAt(offset).set(Buffer.from('from one to another'))
  const there = await user.call<number[]>('mem.allocator.bytesAt', offset)
  t.is(Buffer.from(Object.values(there)).toString('utf8', 0, 19), 'from one to another')
  await user.call('mem.allocator.free', offset)
  t.throws(() => mem.allocator.bytesAt(offset), { code: 'ERR_SHM_NOT_ALLOCATED' })
  const theirs = await user.call<number>('mem.allocator.allocate', 64)
  t.is(theirs, offset, 'the same calls give the same offsets')
  mem.allocator.free(theirs)
})

test('an offset that no block begins at is refused, and changes nothing', t => {
  const mem = newManaged(t)
  const { allocator } = mem
  mem.mutex('named')
  const [one, other] = [allocator.allocate(100), allocator.allocate(100)]
  allocator.free(other)
  const named = mem.objects[0]?.offset ?? 0
  const before = allocator.stats()
  for (const wrong of [other, 0, 8, 16, one + 1, one + 8, one + 16, one - 16, named, named + 16, mem.size - 16, mem.size, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    t.throws(() => allocator.free(wrong), { code: 'ERR_SHM_NOT_ALLOCATED' }, `free(${wrong})`)
    t.throws(() => allocator.bytesAt(wrong), { code: 'ERR_SHM_NOT_ALLOCATED' }, `bytesAt(${wrong})`)
  }
  t.deepEqual(allocator.stats(), before)
  t.is(mem.mutex('named').tryLock(), 'locked')
  mem.mutex('named').unlock()
  t.regex(t.throws(() => allocator.free(named)).message, /named object/)
})

test('a full heap says what is left, and a block that is freed can be had again', t => {
  const { allocator } = newManaged(t)
  const { largestFreeBytes, totalBytes, usedBytes } = allocator.stats()
  t.is(usedBytes, 0)
  t.is(largestFreeBytes, totalBytes - 16)
  const error = t.throws<ShmError>(() => allocator.allocate(largestFreeBytes + 1), { code: 'ERR_SHM_NO_SPACE' })
  t.true(error.message.includes(String(largestFreeBytes)))
  const all = allocator.allocate(largestFreeBytes)
  t.throws(() => allocator.allocate(1), { code: 'ERR_SHM_NO_SPACE' })
  allocator.free(all)
  t.is(allocator.allocate(largestFreeBytes), all)
})

test('the counts say what there is', t => {
  const mem = newManaged(t)
  mem.word('word')
  const offset = mem.allocator.allocate(1000)
  const counted = mem.allocator.stats()
  t.like(counted, { allocatedBlocks: 1, allocatedBytes: 1008, usedBlocks: 2, inFlightBlocks: 0, reclaimedBlocks: 0 })
  t.is(counted.usedBytes + counted.freeBytes + 16 * (counted.usedBlocks + counted.freeBlocks), counted.totalBytes)
  mem.allocator.free(offset)
  t.deepEqual(mem.allocator.repair(), { blocks: 0, bytes: 0 })
})

test('who observes takes nothing, and after close() nobody does', t => {
  const mem = newManaged(t)
  const offset = mem.allocator.allocate(10)
  const view = mem.allocator.bytesAt(offset)
  const observer = ManagedSegment.open((mem.segment as PosixSegment).name, { access: 'observe' })
  t.throws(() => observer.allocator.allocate(10), { code: 'ERR_SHM_READ_ONLY' })
  observer.close()
  mem.close()
  t.is(view.length, 0)
  for (const call of [() => mem.allocator.allocate(10), () => mem.allocator.free(offset), () => mem.allocator.bytesAt(offset), () => mem.allocator.stats(), () => mem.allocator.repair(), () => mem.allocator.blocks()]) {
    t.throws(call, { code: 'ERR_SHM_CLOSED' })
  }
})

test('a heap that somebody wrote over is reported', t => {
  const segment = MemfdSegment.create('shmem-test', { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment)
  const offset = mem.allocator.allocate(100)
  new Uint8Array(mem.buffer).fill(0x55, offset - 16, offset)
  t.throws(() => mem.allocator.free(offset), { code: 'ERR_SHM_NOT_ALLOCATED' })
  t.throws(() => mem.allocator.stats(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  mem.close()
  segment.close()
})

test.serial('a member killed in flight leaves its block to repair(), which finds it by its token', async t => {
  const { mem, kill } = stage(t)
  await kill('allocate.unlocked')
  t.is(mem.allocator.stats().inFlightBlocks, 1)
  const { blocks, bytes } = mem.allocator.repair()
  t.is(blocks, 1)
  t.true(bytes >= 16)
  t.like(mem.allocator.stats(), { inFlightBlocks: 0, reclaimedBlocks: 1, allocatedBlocks: 0, usedBlocks: mem.objects.length })
})

for (const point of ['allocate.taken', 'heap.parted', 'heap.freed', 'heap.merged']) {
  test.serial(`a member killed at ${point}, with the lock in its hand, leaves a heap that the next call mends`, async t => {
    const { mem, kill } = stage(t)
    await kill(point)
    const offset = mem.allocator.allocate(100)
    t.is(mem.allocator.stats().inFlightBlocks, 0)
    t.deepEqual(mem.allocator.repair(), { blocks: 0, bytes: 0 })
    mem.allocator.free(offset)
    for (const block of mem.allocator.blocks()) mem.allocator.free(block.offset)
    const { usedBlocks, freeBytes, totalBytes } = mem.allocator.stats()
    t.is(usedBlocks, mem.objects.length)
    t.true(freeBytes > totalBytes - 2 * CELLS_BYTES)
  })
}

test.serial('what Rust allocated Node frees', async t => {
  const { mem, play } = stage(t)
  const offset = mem.allocator.allocate(333)
  mem.allocator.bytesAt(offset).fill(7)
  await play('rounds=200')
  const blocks = mem.allocator.blocks()
  t.true(blocks.length > 20, 'Rust left blocks in its table')
  t.true(mem.allocator.bytesAt(offset).every(byte => byte === 7))
  for (const block of blocks) mem.allocator.free(block.offset)
  t.is(mem.allocator.stats().allocatedBlocks, 0)
})

/** The table in which the members of the role keep their blocks: an object of 1,152 bytes, its header, and what aligning it may cost. */
const CELLS_BYTES = 1152 + 16

/** A segment, and Rust members that play the role `allocator` in it. */
function stage(t: ExecutionContext): { mem: ManagedSegment; kill: (point: string) => Promise<void>; play: (...options: string[]) => Promise<void> } {
  const names = [objectName(t), objectName(t)] as const
  PosixSegment.create(names[0], { size: 8 << 20 }).close()
  const book = Book.create(names[1])
  const mem = ManagedSegment.openOrCreate(PosixSegment.open(names[0]), { members: 64, objects: 32 })
  t.teardown(() => {
    mem.close()
    mem.segment.close()
    book.close()
  })
  const start = (options: readonly string[], env: Record<string, string> = {}): Member => {
    const member = new Member(memberProgram(), ['allocator', ...names, 'position=0', 'seed=1', ...options], { env })
    t.teardown(() => member.kill())
    return member
  }
  return {
    mem,
    kill: async point => {
      const member = start([], { SHMEM_FAIL_POINT: `${point}@1` })
      await member.stopped
      t.true(member.isStopped, `it never came to ${point}: ${member.stderr}`)
      await member.kill()
    },
    play: async (...options) => {
      const member = start(options)
      t.is(await member.ended, 0, member.stderr)
      t.is(book.sum('violations'), 0)
    }
  }
}
