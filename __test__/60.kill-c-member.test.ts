/**
 * C members (`include/shmem.h`) under SIGKILL, beside Rust and Node members of the same mutexes and the same ring: at random moments, and at every step of the
 * header's own code. `npm run test:kill -- c-member` is the long form.
 */
import { execFileSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { ManagedSegment, PosixSegment } from 'shmem'
import { compileC } from './support/c-program.js'
import { kills } from './support/kill-form.js'
import { memberProgram } from './support/kill-member.js'
import { assertHeld, storm, type StormOptions, type StormReport } from './support/kill-storm.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

test.serial('no kill breaks a mutex between C, Rust and Node members', async t => {
  const report = await cStorm(t, 'mutex', ['join', 'leave', 'lock', 'unlock'])
  if (report === undefined) return
  t.true(report.ownerDeaths > 0)
})

test.serial('no kill tears, repeats or loses a message of a ring, C, Rust and Node at both ends', async t => {
  const report = await cStorm(t, 'ring-one', ['join', 'leave', 'ring', 'gate'])
  if (report === undefined) return
  t.true(report.resets <= report.kills, `${report.resets} messages lost with ${report.kills} kills`)
  t.log(`${report.resets} messages were in the hands of consumers that were killed`)
})

/** A storm of two Rust members, a Node member and four in C, who are killed most often, and at each of their fail points of these families. */
async function cStorm(t: ExecutionContext<unknown>, role: 'mutex' | 'ring-one', families: readonly string[]): Promise<StormReport | undefined> {
  const program = compileC(t, 'c-member', ['-Iinclude'])
  if (program === undefined) return undefined
  t.timeout(kills.timeoutMs)
  const points = execFileSync(program, ['points'], { encoding: 'utf8' }).trim().split('\n').filter(name => families.includes(name.split('.')[0] ?? ''))
  const c = { members: 4, kills: kills.c, program, points }
  const node = { members: 1, kills: kills.cBeside }
  const options: StormOptions = { role, kills: kills.c + 2 * kills.cBeside, crews: [2], node, c, prepare }
  const report = await storm(t, options)
  assertHeld(t, report, options.kills)
  t.true(report.cKills >= kills.c)
  t.true(report.nodeKills >= kills.cBeside)
  return report
}

/** C finds objects, and makes none. */
function prepare(name: string): void {
  using segment = PosixSegment.open(name)
  using memory = ManagedSegment.openOrCreate(segment, { members: 64, objects: 32 })
  for (let index = 0; index < 4; index++) memory.mutex(`lock ${index}`)
  for (const ring of ['ring', 'ended']) memory.ring(ring, { slots: 8, slotBytes: 200 })
}
