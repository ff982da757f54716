/**
 * Unmaps the middle of a mapping. Both ends stay usable, and a touch of the hole, which would kill a C program (SIGSEGV),
 * reads zeroes here and is told by the next call.
 *
 *     npm run build && node dist/examples/posix-hole.js
 *
 * A run that was killed leaves /dev/shm/shmem-posix-hole-<its pid> behind.
 */
import { PosixSegment, type ShmError } from 'shmem'

const PAGE = 4096
const segment = PosixSegment.create(`/shmem-posix-hole-${process.pid}`, { size: 3 * PAGE })
try {
  for (const page of [0, 1, 2]) segment.write(page * PAGE, `page ${page}`)
  segment.unmap({ offset: PAGE, length: PAGE })
  console.log(`left of the hole: "${textAt(segment, 0)}", right of it: "${textAt(segment, 2 * PAGE)}"`)

  // A view cannot be told apart from ordinary memory, so it cannot throw; the segment's next call can.
  const view = new Uint8Array(segment.buffer, 0, segment.size)
  view[PAGE] = 120
  try {
    segment.read(0, 6)
  } catch (error) {
    console.log(`after a write into the hole: ${(error as ShmError).code}`)
  }
  segment.write(0, 'PAGE 0')
  segment.write(2 * PAGE, 'PAGE 2')
  console.log(`the rest goes on: "${textAt(segment, 0)}" and "${textAt(segment, 2 * PAGE)}"`)

  // The hole is in this mapping only: the object itself still has its middle.
  const another = PosixSegment.open(segment.name, { access: 'read' })
  try {
    console.log(`through another mapping: ${[0, 1, 2].map(page => `"${textAt(another, page * PAGE)}"`).join(', ')}`)
  } finally {
    another.close()
  }
  console.log(`bad touches counted: ${segment.stat().faults.hole}`)
} finally {
  segment.close()
  segment.remove()
}

function textAt(from: PosixSegment, offset: number): string {
  return from.read(offset, 6).toString()
}
