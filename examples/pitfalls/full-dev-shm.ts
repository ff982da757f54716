/**
 * Pitfall: a full /dev/shm. To give an object a size takes no memory yet; the first touch of each page does, and then it is too late for an error.
 *
 * Wrong: a size without a reservation. Right: what every `create` does where nothing else is said: it reserves, and a full /dev/shm is `ENOSPC`.
 *
 * As root, with a /dev/shm of 1 MiB for this program alone:
 *
 *     npm run build
 *     unshare --ipc --mount sh -c 'mount -t tmpfs -o size=1m shm /dev/shm && node dist/examples/pitfalls/full-dev-shm.js'
 */
import { statfsSync } from 'node:fs'
import { PosixSegment, ShmError } from 'shmem'

const name = `/shmem-full-${process.pid}`
const { bsize, blocks } = statfsSync('/dev/shm')
console.log(`/dev/shm has ${(bsize * blocks) / 2 ** 20} MiB`)
if (bsize * blocks > 2 ** 20) throw new Error('that is too much: run this as said at its top')

// Wrong: 4 MiB of promises.
const sparse = PosixSegment.create(name, { size: '4MiB', reserve: false })
const bytes = sparse.bytes
console.log(`without a reservation: ${bytes.length / 2 ** 20} MiB, it seems`)
bytes.fill(1)
console.log(`written to its end: the last byte is ${bytes.at(-1)}`)
console.log(`the next call: ${codeOf(() => sparse.write(0, 'x'))}`)
sparse.remove()
sparse.close()

// Right.
console.log(`with a reservation: ${codeOf(() => PosixSegment.create(name, { size: '4MiB' }))}`)
try {
  PosixSegment.create(name, { size: '4MiB' })
} catch (error) {
  console.log(`what to do: ${(error as ShmError).hint?.split('. ')[0]}`)
}

function codeOf(call: () => unknown): string {
  try {
    call()
    return 'no error'
  } catch (error) {
    return error instanceof ShmError ? error.code : String(error)
  }
}
