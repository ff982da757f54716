/**
 * A file as memory. Shared: two processes see each other's writes at once, and flush() (msync) brings them to the disk.
 * Private ('copy-on-write'): what is written stays in this mapping. Anonymous: memory with no file at all.
 *
 *     npm run build && node dist/examples/file-shared-and-private.js
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileSegment } from 'shmem'
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap } from 'shmem/posix'

async function first(folder: string): Promise<void> {
  const path = join(folder, 'notes')
  const shared = FileSegment.create(path, { size: 100 })
  try {
    shared.write(0, 'first was here.')
    const [code] = await once(fork(import.meta.filename, [path]), 'exit')
    if (code !== 0) throw new Error(`the second process ended with ${code}`)
    console.log(`first: in the shared mapping: "${textOf(shared.bytes)}"`)
    shared.flush()
    console.log('first: flushed: from now on it would outlive a power cut')
    privateChange(path)
    console.log(`first: the shared mapping still says "${textOf(shared.bytes)}"`)
  } finally {
    shared.close()
  }
  console.log(`first: the file says "${textOf(readFileSync(path))}"`)
}

function second(path: string): void {
  const shared = FileSegment.open(path)
  try {
    console.log(`second: in the shared mapping: "${textOf(shared.bytes)}"`)
    shared.write(15, ' So was second.')
  } finally {
    shared.close()
  }
}

/** Pages are copied as they are written, so the file and everybody else keep theirs. */
function privateChange(path: string): void {
  const mine = FileSegment.open(path, { access: 'copy-on-write' })
  try {
    mine.write(0, 'NOBODY')
    console.log(`first: in the private mapping: "${textOf(mine.bytes)}"`)
  } finally {
    mine.close()
  }
}

/** Memory straight from the kernel; a Node process has no fork(2) to share it by, so to share some without a name use MemfdSegment. */
function anonymous(): void {
  const mapping = mmap(null, '1MiB', PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
  const bytes = new Uint8Array(mapping.buffer, 0, mapping.size)
  bytes[bytes.length - 1] = 42
  console.log(`first: anonymous: ${bytes.length} bytes, the first is ${bytes[0]}, the last is ${bytes.at(-1)}`)
  munmap(mapping)
  console.log(`first: unmapped: the view has ${bytes.length} bytes`)
}

/** Up to the first zero byte. */
function textOf(bytes: Buffer): string {
  return bytes.toString('utf8', 0, bytes.indexOf(0))
}

const given = process.argv[2]
if (given !== undefined) second(given)
else {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-example-'))
  try {
    await first(folder)
    anonymous()
  } finally {
    rmSync(folder, { recursive: true })
  }
}
