/**
 * The list of objects and users agrees with the kernel's own, orphans are found, and cleaning touches nothing that somebody uses: in
 * namespaces of their own, so that nobody else's objects come and go (the scenarios are in `children/system.ts`).
 */
import test from 'ava'
import { whyNotPrivate } from './support/namespace.js'
import { survives } from './support/scenario.js'
import { skip } from './support/skip.js'

const notPrivate = whyNotPrivate()
/** A PID namespace too: there is less of /proc to read, and so more races in a second. */
const few = { runtime: 'unshare', execArgv: ['--pid', '--fork', '--kill-child', '--mount-proc', process.execPath] }

function claim(title: string, scenario: string, options: object = {}): void {
  test.serial(title, async t => {
    if (notPrivate !== undefined) return skip(t, notPrivate)
    const { stdout } = await survives(t, 'system', scenario, { isAlone: true, patienceMs: 60_000, ...options })
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
claim('in 1,000 openings beside a cleaner no System V segment is taken from its opener', 'race-sysv', few)
