/**
 * A lock owner's death wakes who sleeps for the lock, by the death itself: re-checks are off. How fast is printed, and not asserted.
 */
import test from 'ava'
import { Book } from './support/kill-book.js'
import { Member, memberProgram, whyNoPidNamespace } from './support/kill-member.js'
import { objectName } from './support/peer.js'
import { skip } from './support/skip.js'
import { stateOf, until } from './support/until.js'
import { PosixSegment } from 'shmem'

const DEATHS = 40

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

for (const ownPidNamespace of [false, true]) {
  test.serial(`the owner's death wakes a sleeper without any look of its own${ownPidNamespace ? ', between PID namespaces' : ''}`, async t => {
    const reason = ownPidNamespace ? whyNoPidNamespace() : undefined
    if (reason !== undefined) return skip(t, reason)
    t.timeout(120_000)
    const names = [objectName(t), objectName(t)] as const
    PosixSegment.create(names[0], { size: 1 << 20 }).close()
    const book = Book.create(names[1])
    t.teardown(() => book.close())

    const latenciesMs: number[] = []
    for (let death = 0; death < DEATHS; death++) {
      const play = (role: string, position: number): Member => {
        for (const count of ['ready', 'waiting'] as const) book.write(position, count, 0)
        const member = new Member(memberProgram(), [role, ...names, `position=${position}`], { env: { SHMEM_NO_RECHECK: '1' }, ownPidNamespace })
        t.teardown(() => member.kill())
        return member
      }
      const owner = play('owner', 0)
      await until('the owner has the lock', () => book.read(0, 'ready') === 1)
      const heir = play('heir', 1)
      await until('the heir sleeps', () => book.read(1, 'waiting') === 1 && stateOf(heir.pid ?? -1) === 'S')
      const killedAtNs = process.hrtime.bigint()
      await owner.kill()
      t.true(await heir.endsWithin(30_000), 'the heir sleeps on')
      t.is(await heir.ended, 0, heir.stderr)
      const gotAtNs = (BigInt(book.read(1, 'stampHigh')) << 32n) | BigInt(book.read(1, 'stampLow'))
      latenciesMs.push(Number(gotAtNs - killedAtNs) / 1e6)
    }
    t.is(book.sum('ownerDeaths'), DEATHS)
    t.is(book.sum('violations'), 0)
    const sorted = latenciesMs.toSorted((a, b) => a - b)
    t.log(`from SIGKILL to the lock: median ${sorted[DEATHS / 2]?.toFixed(2)} ms, longest ${sorted.at(-1)?.toFixed(2)} ms, of ${DEATHS}`)
  })
}
