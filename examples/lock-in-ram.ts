/**
 * Keeps a segment in RAM, so that it is never swapped out: for secrets, and for programs that cannot wait for a disk.
 *
 * Locked memory is limited per user (RLIMIT_MEMLOCK, `ulimit -l`). Root may lock as much as it likes. To see what others get:
 *
 *     npm run build && node dist/examples/lock-in-ram.js
 *     sudo prlimit --memlock=4096 setpriv --reuid=65534 --clear-groups node dist/examples/lock-in-ram.js
 */
import { IPC_PRIVATE, ShmError, SysvSegment } from 'shmem'

const segment = SysvSegment.create(IPC_PRIVATE, { size: '32KiB', removeOnLastDetach: true })
try {
  show('created')
  segment.lockMemory()
  // SHM_LOCK brings nothing in by itself: a page stays once it has been touched.
  show('locked')
  segment.prefault()
  show('touched')
  segment.unlockMemory()
  show('unlocked')
} catch (error) {
  // Too much for this user: a program that can do without goes on without.
  if (!(error instanceof ShmError) || error.syscall !== 'shmctl') throw error
  console.log(`not locked: ${error.code}`)
  console.log(`what to do: ${error.hint}`)
  show('still usable')
} finally {
  segment.close()
}

function show(step: string): void {
  const { lockedInMemory } = segment.stat()
  const { pages, residentPages } = segment.residency()
  console.log(`${step}: SHM_LOCKED is ${lockedInMemory}, ${residentPages} of ${pages} pages are in RAM`)
}
