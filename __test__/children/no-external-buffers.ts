/**
 * Uses shared memory in a runtime that forbids external buffers (no-external-buffers.c) and prints what each way answers, as JSON.
 */
import { ManagedSegment, MemfdSegment, type ShmError } from 'shmem'
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, mmap } from 'shmem/posix'

function codeOf(act: () => unknown): string {
  try {
    act()
    return 'it worked'
  } catch (error) {
    return (error as ShmError).code
  }
}

using segment = MemfdSegment.create('shmem-test', { size: 4096 })
segment.write(10, new Uint8Array([7, 8]))
console.log(JSON.stringify({
  read: [...segment.read(10, 2)],
  buffer: codeOf(() => segment.buffer),
  bytes: codeOf(() => segment.bytes),
  managed: codeOf(() => ManagedSegment.openOrCreate(MemfdSegment.create('shmem-test', { size: 1 << 20 }))),
  raw: codeOf(() => mmap(null, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0).buffer)
}))
