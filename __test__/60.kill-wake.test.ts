/**
 * A lock owner's death wakes who sleeps for the lock, by the death itself: re-checks of Rust members are off. How fast is printed, and not asserted.
 */
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { PosixSegment } from 'shmem'
import { Book } from './support/kill-book.js'
import { Member, memberProgram, whyNoPidNamespace } from './support/kill-member.js'
import { objectName } from './support/peer.js'
import { skip } from './support/skip.js'
import { stateOf, until } from './support/until.js'

const nodeMember = fileURLToPath(new URL('children/kill-member.js', import.meta.url))

interface Scene {
  title: string
  deaths: number
  heir: 'rust' | 'node'
  ownPidNamespace: boolean
}

const scenes: readonly Scene[] = [
  { title: 'a thread that sleeps', deaths: 40, heir: 'rust', ownPidNamespace: false },
  { title: 'a thread that sleeps in another PID namespace', deaths: 40, heir: 'rust', ownPidNamespace: true },
  { title: 'a promise of Node', deaths: 10, heir: 'node', ownPidNamespace: false }
]

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

for (const { title, deaths, heir, ownPidNamespace } of scenes) {
  test.serial(`the owner's death wakes ${title}`, async t => {
    const reason = ownPidNamespace ? whyNoPidNamespace() : undefined
    if (reason !== undefined) return skip(t, reason)
    t.timeout(120_000)
    const names = [objectName(t), objectName(t)] as const
    PosixSegment.create(names[0], { size: 1 << 20 }).close()
    const book = Book.create(names[1])
    t.teardown(() => book.close())
    const start = (command: string, args: readonly (string | number)[]): Member => {
      const member = new Member(command, args, { env: { SHMEM_NO_RECHECK: '1' }, ownPidNamespace })
      t.teardown(() => member.kill())
      return member
    }
    const startHeir = (): Member =>
      heir === 'rust' ? start(memberProgram(), ['heir', ...names, 'position=1']) : start(process.execPath, [nodeMember, 'heir', ...names, 1])

    const latenciesMs: number[] = []
    for (let death = 0; death < deaths; death++) {
      for (const position of [0, 1]) for (const count of ['ready', 'waiting'] as const) book.write(position, count, 0)
      const owner = start(memberProgram(), ['owner', ...names, 'position=0'])
      await until('the owner has the lock', () => owner.hasEnded || book.read(0, 'ready') === 1)
      const member = startHeir()
      await until('the heir sleeps', () => member.hasEnded || (book.read(1, 'waiting') === 1 && stateOf(member.pid ?? -1) === 'S'))
      // A promise's waiter thread has to come to its sleep, too.
      if (heir === 'node') await setTimeout(100)
      const killedAtNs = process.hrtime.bigint()
      await owner.kill()
      t.true(await member.endsWithin(30_000), 'the heir sleeps on')
      t.is(await member.ended, 0, member.stderr)
      const gotAtNs = (BigInt(book.read(1, 'stampHigh')) << 32n) | BigInt(book.read(1, 'stampLow'))
      latenciesMs.push(Number(gotAtNs - killedAtNs) / 1e6)
    }
    t.is(book.sum('ownerDeaths'), deaths)
    t.is(book.sum('violations'), 0)
    const sorted = latenciesMs.toSorted((a, b) => a - b)
    t.log(`from SIGKILL to the lock: median ${sorted[deaths / 2]?.toFixed(2)} ms, longest ${sorted.at(-1)?.toFixed(2)} ms, of ${deaths}`)
  })
}
