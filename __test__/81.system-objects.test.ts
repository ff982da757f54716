/**
 * The list of objects and users agrees with the kernel's own, orphans are found, and cleaning touches nothing that somebody uses: in
 * namespaces of their own, so that nobody else's objects come and go (the scenarios are in `children/system.ts`).
 */
import { readdirSync, readlinkSync } from 'node:fs'
import test from 'ava'
import { orphans, PosixSegment } from 'shmem'
import { compileC } from './support/c-program.js'
import { startChild, startCommand } from './support/child.js'
import { whyNotPrivate } from './support/namespace.js'
import { objectName } from './support/peer.js'
import { survives } from './support/scenario.js'
import { skip } from './support/skip.js'
import { until } from './support/until.js'

const notPrivate = whyNotPrivate()
/** A PID namespace too: there is less of /proc to read, and so more races in a second. */
const few = { runtime: 'unshare', execArgv: ['--pid', '--fork', '--kill-child', '--mount-proc', process.execPath] }

function claim(title: string, scenario: string, options: object = {}): void {
  test.serial(title, async t => {
    if (notPrivate !== undefined) return skip(t, notPrivate)
    const { stdout } = await survives(t, 'system', scenario, { isAlone: true, ...options })
    t.log(stdout.trim())
  })
}

claim('the list agrees with ipcs and /dev/shm', 'agrees')
claim('users are told by process, and whoever is left keeps an object from being cleaned', 'users')
claim('names that are no text and files that are no objects do no harm', 'odd')
claim('what a killed process leaves is found with the reason, and removed', 'orphaned', few)
claim('objects of other software and of other users are left alone', 'foreign')
claim('an object is removed whoever uses it', 'removed')
claim('without privilege all is seen, and only one’s own is touched', 'as-nobody')
claim('in 1,000 openings beside a cleaner no POSIX object is taken from its opener', 'race-posix', few)
claim('what other software has open never loses its name beside a cleaner', 'race-foreign', few)
claim('in 1,000 openings beside a cleaner no System V segment is taken from its opener', 'race-sysv', few)

/** The sign of life: a byte that a cleaner takes alone. */
const LIVENESS_BYTE = 2 ** 42

test('an opener waits for a cleaner, and goes on when that is killed', async t => {
  const holder = compileC(t, 'byte-holder')
  if (holder === undefined) return
  const name = objectName(t)
  PosixSegment.create(name, { size: 4096 }).close()
  t.is(orphans({ name }).length, 1)
  const [cleaner, opener] = [startCommand(t, holder, [`/dev/shm${name}`, LIVENESS_BYTE]), startChild(t, 'segment-peer')]
  t.is(await cleaner.line(), 'held')
  t.deepEqual(orphans({ name }), [], 'somebody is at it already')
  let isOpen = false
  const opening = opener.ask('open', { by: 'PosixSegment.open', args: [name] }).then(() => (isOpen = true))
  await until('the opener has it open', () => existsIn(`/proc/${opener.pid}/fd`, `/dev/shm${name}`))
  t.false(isOpen)
  await cleaner.kill()
  t.true(await opening)
  t.deepEqual(orphans({ name }), [])
})

test('software that locks a whole object for itself hinders no opener', async t => {
  const holder = compileC(t, 'byte-holder')
  if (holder === undefined) return
  const name = objectName(t)
  PosixSegment.create(name, { size: 4096 }).close()
  const other = startCommand(t, holder, [`/dev/shm${name}`, 0, 0])
  t.is(await other.line(), 'held')
  using segment = PosixSegment.open(name)
  t.is(segment.size, 4096)
})

function existsIn(folder: string, target: string): boolean {
  return readdirSync(folder).some(fd => {
    try {
      return readlinkSync(`${folder}/${fd}`) === target
    } catch {
      return false
    }
  })
}
