/**
 * Removed as soon as it is made, used all the same: a System V segment lives on until the last process has detached it.
 *
 * That is how a segment cannot outlive its users, however they die. The key finds nothing any more, the identifier still does
 * (on Linux), so it is the identifier that the second process gets.
 *
 *     npm run build && node dist/examples/sysv-remove-early.js
 *
 * `SysvSegment.create(IPC_PRIVATE, { size, removeOnLastDetach: true })` does the same in one step, without any key.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { SysvSegment, ftok, type ShmError } from 'shmem'

const key = ftok(import.meta.filename, 'R')

async function first(): Promise<void> {
  const segment = SysvSegment.create(key, { size: 4096 })
  try {
    show('created', segment)
    segment.remove()
    show('removed', segment)
    console.log(`first: opening by key is ${codeOf(() => SysvSegment.open(key))}`)
    const [code] = await once(fork(import.meta.filename, [`${segment.id}`]), 'exit')
    if (code !== 0) throw new Error(`the second process ended with ${code}`)
    show('the second has gone', segment)
    console.log(`first: it wrote "${segment.read(0, 22).toString()}"`)
  } finally {
    segment.close()
  }
  console.log(`first: detached; attaching by identifier is ${codeOf(() => SysvSegment.attach(segment.id))}`)
}

function second(id: number): void {
  const segment = SysvSegment.attach(id)
  try {
    show('attached by identifier', segment)
    segment.write(0, 'still here, and shared')
  } finally {
    segment.close()
  }
}

function show(step: string, segment: SysvSegment): void {
  const { attachCount, markedForRemoval } = segment.stat()
  console.log(`${segment.created ? 'first' : 'second'}: ${step}: attached ${attachCount} time(s), marked for removal: ${markedForRemoval}`)
}

function codeOf(open: () => SysvSegment): string {
  try {
    open().close()
    return 'possible'
  } catch (error) {
    return (error as ShmError).code
  }
}

const id = process.argv[2]
if (id === undefined) await first()
else second(Number(id))
