/**
 * A ring of many under SIGKILL at random moments and at every step, its producers and consumers in Rust and in Node: no message comes twice, none is torn or
 * out of its sender's order, and each kill costs one at most. A ledger outside of the ring says what became of every message.
 */
import test from 'ava'
import { kills } from './support/kill-form.js'
import { memberProgram } from './support/kill-member.js'
import { assertHeld, storm } from './support/kill-storm.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

test.serial('no kill breaks a ring of many: Rust and Node ends', async t => {
  t.timeout(kills.timeoutMs)
  const report = await storm(t, { role: 'many', kills: kills.many, crews: [6], node: { members: 2, kills: kills.node } })
  assertHeld(t, report, kills.many)
  t.true(report.nodeKills >= kills.node)
})

test.serial('no kill breaks a ring of many producers and one consumer', async t => {
  t.timeout(kills.timeoutMs)
  const options = { role: 'many-lone', kills: kills.manyOthers, crews: [3], options: ['flags=1'] } as const
  assertHeld(t, await storm(t, options), options.kills)
})

test.serial('no kill breaks a ring of many that drops the oldest', async t => {
  t.timeout(kills.timeoutMs)
  const options = { role: 'many-drop', kills: kills.manyOthers, crews: [4], options: ['flags=7'] } as const
  assertHeld(t, await storm(t, options), options.kills)
})
