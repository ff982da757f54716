/**
 * The shared map under SIGKILL at random moments and at every step: what was told to be set is there, whole, and what was not is there or not; counts in shared keys
 * lose at most the killed one's; afterwards every chunk is in use or free, once, and the counts are those of an iteration.
 */
import test from 'ava'
import { kills } from './support/kill-form.js'
import { memberProgram } from './support/kill-member.js'
import { assertHeld, storm } from './support/kill-storm.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

test.serial('no kill of a member of any kind breaks: map', async t => {
  t.timeout(kills.timeoutMs)
  const options = { role: 'map', kills: kills.structures + kills.node, crews: [2, 4, 8], node: { members: 3, kills: kills.node } } as const
  const report = await storm(t, options)
  assertHeld(t, report, options.kills)
  t.true(report.nodeKills >= kills.node)
})
