/**
 * The first program of every textbook: one process leaves a greeting in System V shared memory, another one reads it.
 *
 * Both find the segment by a key, which ftok() makes from a file that both know: here this very file.
 *
 *     npm run build && node dist/examples/sysv-greeting.js
 *
 * A run that was killed leaves its segment behind, and the next one says EEXIST: `ipcrm -M <the key printed below>` removes it.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { SysvSegment, ftok, type ShmError } from 'shmem'

const key = ftok(import.meta.filename, 'G')

/** The first process. */
async function writer(): Promise<void> {
  console.log(`writer: the key is 0x${key.toString(16)}`)
  const segment = SysvSegment.create(key, { size: 100 })
  try {
    console.log(`writer: created ${segment.size} bytes, attached ${segment.stat().attachCount} time(s)`)
    segment.write(0, 'Hello from the writer\0')
    await runReader()
    console.log(`writer: the segment says "${textAt(segment, 50)}"`)
  } finally {
    segment.close()
    segment.remove()
  }
  try {
    SysvSegment.open(key)
  } catch (error) {
    console.log(`writer: removed; opening it again is ${(error as ShmError).code}`)
  }
}

/** The second process: the same file, run with an argument. */
function reader(): void {
  const segment = SysvSegment.open(key)
  try {
    console.log(`reader: opened ${segment.size} bytes, attached ${segment.stat().attachCount} time(s)`)
    console.log(`reader: the segment says "${textAt(segment, 0)}"`)
    segment.write(50, 'Hello back from the reader\0')
  } finally {
    segment.close()
  }
}

/** Text as C keeps it: up to the first zero byte. */
function textAt(segment: SysvSegment, offset: number): string {
  return segment.bytes.toString('utf8', offset, segment.bytes.indexOf(0, offset))
}

async function runReader(): Promise<void> {
  const [code] = await once(fork(import.meta.filename, ['reader']), 'exit')
  if (code !== 0) throw new Error(`the reader ended with ${code}`)
}

if (process.argv[2] === 'reader') reader()
else await writer()
