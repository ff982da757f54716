/**
 * The mutex under SIGKILL at random moments and at every step of lock, unlock, join and leave: Rust and Node members together, and every
 * process in a PID namespace of its own. `npm run test:kill` is the long form.
 */
import test from 'ava'
import { ManagedSegment, PosixSegment } from 'shmem'
import { Book } from './support/kill-book.js'
import { Member, memberProgram, whyNoPidNamespace } from './support/kill-member.js'
import { kills } from './support/kill-form.js'
import { assertHeld, storm } from './support/kill-storm.js'
import { objectName } from './support/peer.js'
import { skip } from './support/skip.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

test.serial('no kill breaks a mutex: Rust and Node members', async t => {
  t.timeout(kills.timeoutMs)
  const report = await storm(t, { role: 'mutex', kills: kills.mutex, node: { members: 3, kills: kills.node } })
  assertHeld(t, report, kills.mutex)
  t.true(report.nodeKills >= kills.node)
  t.true(report.ownerDeaths > 0)
})

test.serial('no kill breaks a mutex between PID namespaces', async t => {
  const reason = whyNoPidNamespace()
  if (reason !== undefined) return skip(t, reason)
  t.timeout(kills.timeoutMs)
  const report = await storm(t, { role: 'mutex', kills: kills.namespaces, crews: [2, 6], ownPidNamespaces: true })
  assertHeld(t, report, kills.namespaces)
})

test.serial('a lock that was given up stays so when process number 1 of a namespace is killed at it', async t => {
  const reason = whyNoPidNamespace()
  if (reason !== undefined) return skip(t, reason)
  const names = [objectName(t), objectName(t)] as const
  const segment = PosixSegment.create(names[0], { size: '1MiB' })
  const memory = ManagedSegment.openOrCreate(segment)
  const book = Book.create(names[1])
  const lock = memory.mutex('lock 0')
  const members: Member[] = []
  t.teardown(async () => {
    await Promise.all(members.map(member => member.kill()))
    memory.close()
    segment.close()
    book.close()
  })
  const killedAt = async (point: string, ownPidNamespace: boolean): Promise<boolean> => {
    const member = new Member(memberProgram(), ['mutex', ...names, 'position=0', 'locks=1'], { env: { SHMEM_FAIL_POINT: `${point}@1` }, ownPidNamespace })
    members.push(member)
    await member.stopped
    return member.isStopped && (await member.kill())
  }
  t.true(await killedAt('lock.taken', false))
  t.is(lock.tryLock(), 'ownerDied')
  lock.unlock()
  t.true(await killedAt('lock.pending', true))
  t.throws(() => lock.tryLock(), { code: 'ERR_SHM_NOT_RECOVERABLE' })
  t.true(lock.reset())
  t.is(lock.tryLock(), 'locked')
  lock.unlock()
})
