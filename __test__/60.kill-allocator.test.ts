/**
 * The allocator and the list under SIGKILL at random moments and at every step: Rust and Node members together. No block is given out twice or
 * written by two, each kill leaves at most one block that nobody knows, `repair()` finds what was in flight; no value of the list is torn, none is
 * doubled, and none is lost but what the killed member was just putting in or taking out.
 */
import test from 'ava'
import { memberProgram } from './support/kill-member.js'
import { kills } from './support/kill-form.js'
import { assertHeld, storm } from './support/kill-storm.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

for (const role of ['allocator', 'list'] as const) {
  test.serial(`no kill breaks: ${role}, by Rust and Node members`, async t => {
    t.timeout(kills.timeoutMs)
    const all = kills.structures + kills.node
    const report = await storm(t, { role, kills: all, node: { members: 3, kills: kills.node } })
    assertHeld(t, report, all)
    t.true(report.nodeKills >= kills.node)
    t.true(report.ownerDeaths > 0, 'blocks in flight that were found, or owner deaths told')
    t.log(role === 'allocator' ? `${report.ownerDeaths} blocks in flight taken back, ${report.resets} that nobody knew` : `${report.resets} values left`)
  })
}
