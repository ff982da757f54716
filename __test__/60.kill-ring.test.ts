/**
 * A ring of one producer and one consumer under SIGKILL, at random moments and at every step: both ends go from one to the next, alive or dead. No message is
 * torn, none comes twice, none is lost but the one that a dead consumer had in its hands, and nobody sleeps on.
 */
import test from 'ava'
import { setTimeout } from 'node:timers/promises'
import { PosixSegment } from 'shmem'
import { Book } from './support/kill-book.js'
import { kills } from './support/kill-form.js'
import { Member, failPoints, memberProgram } from './support/kill-member.js'
import { assertHeld, storm } from './support/kill-storm.js'
import { objectName } from './support/peer.js'
import { until } from './support/until.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

test.serial('no kill tears, repeats or loses a message of a ring, Rust and Node at both ends', async t => {
  t.timeout(kills.timeoutMs)
  const report = await storm(t, { role: 'ring-one', kills: kills.ring, crews: [2, 4, 6], node: { members: 2, kills: kills.node } })
  assertHeld(t, report, kills.ring)
  t.true(report.resets <= report.kills, `${report.resets} messages lost with ${report.kills} kills`)
  t.true(report.nodeKills >= kills.node)
  t.log(`${report.resets} messages were in the hands of consumers that were killed`)
})

/** Who is killed, who waits, and the steps at which the first comes by. */
const PAIRS = [
  { victim: 'ring-send', waiter: 'ring-receive', points: ['ring.claimed', 'ring.written', 'ring.published', 'gate.found', 'gate.opened', 'gate.woken'] },
  { victim: 'ring-take', waiter: 'ring-fill', points: ['ring.taken', 'ring.read', 'ring.released', 'ring.waiting', 'gate.found', 'gate.opened', 'gate.woken'] }
] as const

/** Of each pair; a round is two processes. */
const ROUNDS = 40

for (const { victim, waiter, points } of PAIRS) {
  test.serial(`quiet: who waits at a ring is released by the other's death, without a look of its own: ${victim}`, async t => {
    t.timeout(120_000)
    const known = failPoints()
    for (let round = 0; round < ROUNDS; round++) {
      const names = [objectName(t), objectName(t)] as const
      PosixSegment.create(names[0], { size: 1 << 20 }).close()
      const book = Book.create(names[1])
      const point = points[round % points.length] ?? ''
      t.true(known.includes(point))
      const atPoint = round % 2 === 0
      const env = { SHMEM_NO_RECHECK: '1' }
      const args = (role: string, position: number): (string | number)[] => [role, ...names, `position=${position}`, `seed=${round * 7919 + 1}`, 'slots=8']
      const dying = new Member(memberProgram(), args(victim, 0), { env: atPoint ? { ...env, SHMEM_FAIL_POINT: `${point}@${1 + Math.floor(Math.random() * 6)}` } : env })
      await until('the victim is there', () => dying.hasEnded || dying.isStopped || book.read(0, 'ready') !== 0)
      const surviving = new Member(memberProgram(), args(waiter, 1), { env })
      await until('the other is there', () => surviving.hasEnded || book.read(1, 'ready') !== 0)
      if (atPoint) await Promise.race([dying.stopped, setTimeout(20)])
      await setTimeout(Math.random() * 5)
      await dying.kill()
      const isReleased = await surviving.endsWithin(10_000)
      await surviving.kill()
      t.true(isReleased, `round ${round}: it sleeps on, after a kill at ${dying.isStopped ? point : 'a random moment'}`)
      t.is(await surviving.ended, 0, surviving.stderr)
      t.is(book.sum('violations'), 0, book.violations.join())
      t.is(book.sum('ownerDeaths'), 1)
      book.close()
    }
  })
}
