/**
 * create, open, openOrCreate: which one fails when the segment is there (EEXIST), and which one when it is not (ENOENT).
 *
 * Shown with System V; PosixSegment and FileSegment answer the same. At the end the owner changes the mode (IPC_SET).
 *
 *     npm run build && node dist/examples/three-ways-to-open.js
 *
 * A run that was killed leaves its segment behind: `ipcrm -M <the key printed below>` removes it.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { SysvSegment, ftok, type ShmError } from 'shmem'

const key = ftok(import.meta.filename, '3')

async function first(): Promise<void> {
  console.log(`the key is 0x${key.toString(16)}`)
  console.log('nobody made it yet')
  attempt('open', () => SysvSegment.open(key))
  const segment = SysvSegment.create(key, { size: 1000 })
  try {
    console.log('made by create')
    attempt('create', () => SysvSegment.create(key, { size: 1000 }))
    attempt('open', () => SysvSegment.open(key))
    attempt('openOrCreate with 1000 bytes', () => SysvSegment.openOrCreate(key, { size: 1000 }))
    attempt('openOrCreate with 500 bytes', () => SysvSegment.openOrCreate(key, { size: 500 }))
    attempt('openOrCreate with 2000 bytes', () => SysvSegment.openOrCreate(key, { size: 2000 }))
    console.log('in a second process')
    const [code] = await once(fork(import.meta.filename, ['second']), 'exit')
    if (code !== 0) throw new Error(`the second process ended with ${code}`)
    changeMode(segment)
  } finally {
    segment.close()
    segment.remove()
  }
  console.log('removed')
  attempt('open', () => SysvSegment.open(key))
  attempt('openOrCreate with 500 bytes', () => SysvSegment.openOrCreate(key, { size: 500 }))
}

function second(): void {
  attempt('create', () => SysvSegment.create(key, { size: 1000 }))
  attempt('openOrCreate with 1000 bytes', () => SysvSegment.openOrCreate(key, { size: 1000 }))
}

/** Tells how it went, and leaves things as they were. */
function attempt(what: string, open: () => SysvSegment): void {
  try {
    const segment = open()
    console.log(`  ${what}: ${segment.created ? 'made' : 'found'} ${segment.size} bytes`)
    segment.close()
    if (segment.created) segment.remove()
  } catch (error) {
    console.log(`  ${what}: ${(error as ShmError).code}`)
  }
}

function changeMode(segment: SysvSegment): void {
  console.log(`its mode is 0${segment.stat().mode.toString(8)}: the owner may read and write`)
  segment.set({ mode: 0o440 })
  console.log(`after set(): 0${segment.stat().mode.toString(8)}: the owner and the group may read`)
  attempt('open for reading', () => SysvSegment.open(key, { access: 'read' }))
  // EACCES, but for root, whom modes do not stop.
  attempt('open for writing', () => SysvSegment.open(key))
}

if (process.argv[2] === 'second') second()
else await first()
