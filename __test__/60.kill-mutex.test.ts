/**
 * The mutex under SIGKILL at random moments and at every step of lock, unlock, join and leave: Rust and Node members together, and every
 * process in a PID namespace of its own. `npm run test:kill` is the long form.
 */
import test from 'ava'
import { memberProgram, whyNoPidNamespace } from './support/kill-member.js'
import { kills } from './support/kill-form.js'
import { assertHeld, storm } from './support/kill-storm.js'
import { skip } from './support/skip.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

test.serial('no kill breaks a mutex: Rust and Node members', async t => {
  t.timeout(kills.timeoutMs)
  const report = await storm(t, { role: 'mutex', kills: kills.mutex, node: { members: 3, kills: kills.node } })
  assertHeld(t, report, kills.mutex)
  t.true(report.nodeKills >= kills.node)
  t.true(report.ownerDeaths > 0)
})

test.serial('no kill breaks a mutex between PID namespaces', async t => {
  const reason = whyNoPidNamespace()
  if (reason !== undefined) return skip(t, reason)
  t.timeout(kills.timeoutMs)
  const report = await storm(t, { role: 'mutex', kills: kills.namespaces, crews: [2, 6], ownPidNamespaces: true })
  assertHeld(t, report, kills.namespaces)
})
