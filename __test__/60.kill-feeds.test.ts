/**
 * Latest and Broadcast under SIGKILL at random moments and at every step, writers and readers, Rust and Node members together. No value is torn and none goes
 * back; every reader that survives has received and lost, together, exactly what was sent.
 */
import test from 'ava'
import { ManagedSegment, PosixSegment } from 'shmem'
import { Book } from './support/kill-book.js'
import { kills } from './support/kill-form.js'
import { Member, memberProgram } from './support/kill-member.js'
import { assertHeld, storm } from './support/kill-storm.js'
import { objectName } from './support/peer.js'
import { stateOf, until } from './support/until.js'

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

for (const role of ['latest', 'broadcast'] as const) {
  test.serial(`no kill breaks: ${role}`, async t => {
    t.timeout(kills.timeoutMs)
    const report = await storm(t, { role, kills: kills.structures, node: { members: 3, kills: kills.node } })
    assertHeld(t, report, kills.structures)
    t.true(report.nodeKills >= kills.node)
    t.true(report.ownerDeaths > 0)
  })
}

for (const role of ['latest', 'broadcast'] as const) {
  test.serial(`what Node publishes wakes a reader of Rust that does not look by itself: ${role}`, async t => {
    const names = [objectName(t), objectName(t)] as const
    const segment = PosixSegment.create(names[0], { size: 1 << 20 })
    const memory = ManagedSegment.openOrCreate(segment)
    const book = Book.create(names[1])
    const reader = new Member(memberProgram(), [role, ...names, 'position=1', 'quiet=1'], { env: { SHMEM_NO_RECHECK: '1' } })
    t.teardown(async () => {
      await reader.kill()
      memory.close()
      segment.close()
      book.close()
    })
    await until('the reader is there', () => reader.hasEnded || book.read(1, 'ready') === 1)
    book.begin()
    const out = role === 'latest' ? memory.latest('latest', { bytes: 512, readers: 12 }).writer() : memory.broadcast('broadcast', { slots: 16, slotBytes: 512 }).writer()
    for (let number = 1; number <= 20; number++) {
      await until('the reader sleeps', () => reader.hasEnded || (book.read(1, 'waiting') === 1 && stateOf(reader.pid ?? -1) === 'S'))
      if ('write' in out) out.write(new Uint8Array(new Uint32Array([out.version + 1]).buffer))
      else out.send(new Uint8Array(new Uint32Array([out.sent]).buffer))
      await until('the reader has it', () => reader.hasEnded || book.read(1, 'got') === number)
    }
    out.end()
    t.true(await reader.endsWithin(30_000), 'the reader sleeps on')
    t.deepEqual([await reader.ended, book.read(1, 'got'), book.sum('violations')], [0, 20, 0], reader.stderr)
  })
}
