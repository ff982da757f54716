/**
 * What stands beside the mutex, under SIGKILL at random moments and at every step: each structure with an invariant of its own. A reader never
 * sees a writer's half, a permit has one holder, no ticket of a queue is lost, no set of an event is consumed twice, a barrier lets
 * nobody go before its phase ended, and no place of the member table is lost.
 */
import test from 'ava'
import { failPoints, memberProgram } from './support/kill-member.js'
import { kills } from './support/kill-form.js'
import { assertHeld, pointsOf, storm, type Role } from './support/kill-storm.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

const roles: readonly Role[] = ['rwlock', 'semaphore', 'event', 'condition', 'barrier']

for (const role of roles) {
  test.serial(`no kill breaks: ${role}`, async t => {
    t.timeout(kills.timeoutMs)
    assertHeld(t, await storm(t, { role, kills: kills.others }), kills.others)
  })
}

test.serial('no kill while joining or leaving costs a place of the member table', async t => {
  t.timeout(kills.timeoutMs)
  const options = { role: 'join', kills: kills.join, options: ['slots=32', 'objects=20000'] } as const
  assertHeld(t, await storm(t, options), options.kills)
})

test('every fail point of the core is in some storm', t => {
  const all: readonly Role[] = ['mutex', ...roles, 'join', 'allocator', 'list', 'ring-one', 'many', 'many-lone', 'latest', 'broadcast', 'map']
  const stormy = new Set(all.flatMap(pointsOf))
  // An end is for good: it has a test of its own, in 60.kill-many.
  const elsewhere = ['many.ended']
  t.deepEqual(failPoints().filter(name => !stormy.has(name)), elsewhere)
})
