/**
 * Opens a memfd whose mode forbids everything, by the descriptor of a process: `/proc/<pid>/fd` refuses it to a user without
 * privileges, so that pidfd_getfd(2) is the only way. Prints as JSON what the first way answered and what the second read.
 */
import { openSync } from 'node:fs'
import { MemfdSegment } from 'shmem'

const segment = MemfdSegment.create('locked', { size: 4096 })
segment.write(0, 'through pidfd_getfd')
segment.set({ mode: 0 })
let refusal: string | undefined
try {
  openSync(`/proc/${process.pid}/fd/${segment.fd}`, 'r+')
} catch (error) {
  refusal = (error as NodeJS.ErrnoException).code
}
const same = MemfdSegment.fromProcess(process.pid, segment.fd)
console.log(JSON.stringify({ refusal, read: same.read(0, 19).toString() }))
