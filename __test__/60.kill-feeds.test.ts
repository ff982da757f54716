/**
 * Latest and Broadcast under SIGKILL at random moments and at every step, writers and readers, Rust and Node members together. No value is torn and none goes
 * back; every reader that survives has received and lost, together, exactly what was sent.
 */
import test from 'ava'
import { kills } from './support/kill-form.js'
import { memberProgram } from './support/kill-member.js'
import { assertHeld, storm } from './support/kill-storm.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

for (const role of ['latest', 'broadcast'] as const) {
  test.serial(`no kill breaks: ${role}`, async t => {
    t.timeout(kills.timeoutMs)
    const report = await storm(t, { role, kills: kills.others, node: { members: 3, kills: kills.node } })
    assertHeld(t, report, kills.others)
    t.true(report.nodeKills >= kills.node)
    t.true(report.ownerDeaths > 0)
  })
}
