/**
 * Pitfall: orphaned objects. Who is killed runs no `finally`, no `using` and no exit handler.
 *
 * Wrong: to trust in one's own last words. Right: the next run looks for what was left. What somebody uses is left alone.
 *
 *     npm run build && node dist/examples/pitfalls/orphans.js
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment, clean, orphans } from 'shmem'

async function main(name: string): Promise<void> {
  const program = fork(import.meta.filename, [name])
  await once(program, 'message')
  console.log(`it runs:  ${orphans({ name }).length} orphans`)
  program.kill('SIGKILL')
  await once(program, 'exit')
  const [orphan] = orphans({ name })
  if (orphan === undefined) throw new Error('nothing was left')
  console.log(`killed:   one orphan of ${orphan.sizeBytes} bytes, since finally did not run`)

  // Right: the next run begins so.
  const late = PosixSegment.open(name)
  console.log(`somebody has it: ${clean(orphan)}`)
  late.close()
  console.log(`nobody has it:   ${clean(orphan)}`)
}

function work(name: string): void {
  const segment = PosixSegment.create(name, { size: '64KiB' })
  try {
    process.send?.('at work')
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  } finally {
    // Wrong: never reached.
    segment.remove()
    segment.close()
  }
}

const [, , name] = process.argv
if (name === undefined) await main(`/shmem-orphans-${process.pid}`)
else work(name)
