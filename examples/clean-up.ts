/**
 * What a program leaves that is killed: everything that has a name. Another one finds it by asking who uses it, and removes it; what somebody
 * uses it cannot remove. A program may do so at its start, for what the run before left.
 *
 *     npm run build && node dist/examples/clean-up.js
 *
 * A run that was killed leaves its objects behind: `node bin/shmem.js clean` finds them, as this program does.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { IPC_PRIVATE, ManagedSegment, PosixSegment, SysvSegment, clean, orphans, type Orphan } from 'shmem'

/** One run's own names. */
const prefix = `shmem-clean-up-${process.argv[3] ?? process.pid}`

async function main(): Promise<void> {
  const crashing = fork(import.meta.filename, ['crash', String(process.pid)])
  const ended = once(crashing, 'exit')
  const id = await firstMessage(crashing)
  // POSIX objects bear a sign of who made them, System V segments do not: those are shown to who asks for foreign ones, too.
  const left = (): Orphan[] => orphans({ foreign: true }).filter(one => one.name.startsWith(`/${prefix}`) || one.id === id)
  const mine = PosixSegment.create(`/${prefix}-in-use`, { size: '64KiB' })
  try {
    console.log(`while it runs: ${left().length} orphans`)
    crashing.kill('SIGKILL')
    await ended
    const found = left().toSorted((a, b) => a.sizeBytes - b.sizeBytes)
    console.log(`it was killed: ${found.length} orphans`)
    for (const { kind, managed, sizeBytes, name } of found) {
      const what = managed === true ? 'managed' : kind
      console.log(`  ${what}, ${sizeBytes / 1024} KiB${kind === 'posix' ? `: ${name.slice(prefix.length + 2)}` : ''}`)
    }
    const [segment] = found.filter(({ managed }) => managed === true)
    // And how sure one can be: that there are processes that may not be looked at.
    console.log(`why: ${segment?.reason.split(',')[0]}`)

    // Somebody comes while we look: what is used is left alone, however the list was made.
    const late = ManagedSegment.open(`${prefix}-orders`)
    console.log(`its lock is left, too: ${late.mutex('book').tryLock()}`)
    late.mutex('book').unlock()
    console.log(`while somebody has it open: ${segment === undefined ? 'not found' : clean(segment)}`)
    late.close()
    console.log(`cleaned: ${found.map(clean).join(', ')}`)
    console.log(`once more: ${found.map(clean).join(', ')}`)
    console.log(`now: ${left().length} orphans, and what is in use is there: ${PosixSegment.open(mine.name).size / 1024} KiB`)
  } finally {
    crashing.kill('SIGKILL')
    for (const orphan of left()) clean(orphan)
    mine.remove()
    mine.close()
  }
}

/** Makes things, takes a lock, and never comes to its end. */
function crash(): void {
  const frames = PosixSegment.create(`/${prefix}-frames`, { size: '64KiB' })
  ManagedSegment.create(`${prefix}-orders`, { size: '1MiB' }).mutex('book').lockSync()
  const rows = SysvSegment.create(IPC_PRIVATE, { size: '128KiB' })
  process.send?.(rows.id)
  // A segment that nobody refers to any more would be collected, and closed with that.
  setInterval(() => [frames, rows], 1000)
}

async function firstMessage(child: ChildProcess): Promise<number> {
  const [id] = await once(child, 'message')
  return Number(id)
}

if (process.argv[2] === 'crash') crash()
else await main()
