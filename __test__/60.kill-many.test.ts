/**
 * A ring of many under SIGKILL at random moments and at every step, its producers and consumers in Rust and in Node: no message comes twice, none is torn or
 * out of its sender's order, and each kill costs one at most. A ledger outside of the ring says what became of every message.
 */
import test from 'ava'
import { setTimeout } from 'node:timers/promises'
import { PosixSegment } from 'shmem'
import { Book } from './support/kill-book.js'
import { kills } from './support/kill-form.js'
import { createLedger } from './support/kill-ledger.js'
import { Member, memberProgram } from './support/kill-member.js'
import { assertHeld, storm } from './support/kill-storm.js'
import { objectName } from './support/peer.js'
import { stateOf, until } from './support/until.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

test.serial('no kill breaks a ring of many: Rust and Node ends', async t => {
  t.timeout(kills.timeoutMs)
  const report = await storm(t, { role: 'many', kills: kills.structures, crews: [6], node: { members: 2, kills: kills.node } })
  assertHeld(t, report, kills.structures)
  t.true(report.nodeKills >= kills.node)
})

test.serial('no kill breaks a ring of many producers and one consumer', async t => {
  t.timeout(kills.timeoutMs)
  const options = { role: 'many-lone', kills: kills.manyOthers, crews: [3], options: ['flags=1', 'ring_slots=2'] } as const
  assertHeld(t, await storm(t, options), options.kills)
})

test.serial('no kill breaks a ring of many that drops the oldest', async t => {
  t.timeout(kills.timeoutMs)
  const options = { role: 'many-drop', kills: kills.manyOthers, crews: [4], options: ['flags=7'] } as const
  assertHeld(t, await storm(t, options), options.kills)
})

test.serial('consumers that sleep learn of the end from one who is killed at it, without a look of their own', async t => {
  t.timeout(120_000)
  for (let round = 0; round < 5; round += 1) {
    const names = [objectName(t), objectName(t)] as const
    PosixSegment.create(names[0], { size: 1 << 20 }).close()
    const book = Book.create(names[1])
    createLedger(t, names[1], 0)
    const start = (role: string, position: number, env: Record<string, string> = {}): Member =>
      new Member(memberProgram(), [role, ...names, `position=${position}`, 'quiet=1', 'slots=8'], { env: { SHMEM_NO_RECHECK: '1', ...env } })
    const consumers = [start('many', 1), start('many', 3), start('many', 5)]
    t.teardown(() => Promise.all(consumers.map(consumer => consumer.kill())))
    book.go()
    await until('all sleep', () => [1, 3, 5].every((position, index) => book.read(position, 'waiting') === 1 && stateOf(consumers[index]?.pid ?? -1) === 'S'))
    const closer = start('close-many', 2, { SHMEM_FAIL_POINT: 'many.ended' })
    await closer.stopped
    t.true(closer.isStopped)
    await setTimeout(Math.random() * 5)
    await closer.kill()
    for (const consumer of consumers) t.true(await consumer.endsWithin(10_000), 'it sleeps on')
    book.close()
  }
})
