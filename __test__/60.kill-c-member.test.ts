/**
 * C members (`include/shmem.h`) under SIGKILL, beside Rust and Node members of the same mutexes and the same ring: at random moments, and at every step of the
 * header's own code. `npm run test:kill -- c-member` is the long form.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { ManagedSegment, PosixSegment } from 'shmem'
import { compileWith, hasCompiler, programFolder, sourceOf } from './support/c-peer.js'
import { Book } from './support/kill-book.js'
import { kills } from './support/kill-form.js'
import { Member, memberProgram, whyNoPidNamespace } from './support/kill-member.js'
import { assertHeld, storm, type StormOptions, type StormReport } from './support/kill-storm.js'
import { objectName } from './support/peer.js'
import { skip } from './support/skip.js'
import { until } from './support/until.js'

const program = join(programFolder(), 'c-member')

/** Quiet rounds of each pair; two processes each. */
const ROUNDS = kills.cQuiet

test.before(t => {
  t.timeout(600_000)
  memberProgram()
  if (hasCompiler('cc')) compileWith('cc', ['-std=gnu11', '-O2'], sourceOf('c-member'), program)
})

/** A test that needs the compiled program. */
function cTest(title: string, body: (t: ExecutionContext<unknown>) => Promise<void>): void {
  test.serial(title, t => {
    if (!hasCompiler('cc')) return skip(t, 'there is no C compiler (cc)')
    t.timeout(kills.timeoutMs)
    return body(t)
  })
}

cTest('no kill breaks a mutex between C, Rust and Node members', async t => {
  const report = await cStorm(t, 'mutex', ['join', 'leave', 'lock', 'unlock'])
  t.true(report.ownerDeaths > 0)
})

cTest('no kill tears, repeats or loses a message of a ring, C, Rust and Node at both ends', async t => {
  const report = await cStorm(t, 'ring-one', ['join', 'leave', 'ring', 'gate'])
  t.true(report.resets <= report.kills, `${report.resets} messages lost with ${report.kills} kills`)
  t.log(`${report.resets} messages were in the hands of consumers that were killed`)
})

if (kills.isLong) {
  cTest('no kill breaks a mutex between C, Rust and Node members, each in a PID namespace of its own', async t => {
    const reason = whyNoPidNamespace()
    if (reason !== undefined) return skip(t, reason)
    const report = await cStorm(t, 'mutex', ['join', 'leave', 'lock', 'unlock'], { ownPidNamespaces: true })
    t.true(report.ownerDeaths > 0)
  })
}

/** Who is killed, who waits for it, and the steps at which a victim in C comes by. */
const PAIRS = [
  { victim: 'owner', waiter: 'heir', points: [] },
  { victim: 'ring-send', waiter: 'ring-receive', points: ['ring.claimed', 'ring.written', 'ring.published', 'gate.found', 'gate.opened', 'gate.woken'] },
  { victim: 'ring-take', waiter: 'ring-fill', points: ['ring.taken', 'ring.read', 'ring.released', 'ring.waiting', 'gate.found', 'gate.opened', 'gate.woken'] }
] as const

for (const { victim, waiter, points } of PAIRS) {
  cTest(`quiet: who waits is released by the other's death, without a look of its own, C and Rust: ${victim}`, async t => {
    const rust = memberProgram()
    const sides = [[program, rust], [rust, program], [program, program]] as const
    for (let round = 0; round < ROUNDS; round++) {
      const names = [objectName(t), objectName(t)] as const
      PosixSegment.create(names[0], { size: 1 << 20 }).close()
      prepare(names[0])
      const book = Book.create(names[1])
      const [dyingProgram, survivingProgram] = sides[round % 3] ?? sides[0]
      const point = round % 2 === 0 && dyingProgram === program ? points[Math.floor(Math.random() * points.length)] : undefined
      const args = (role: string, position: number): (string | number)[] => [role, ...names, `position=${position}`, `seed=${round * 7919 + 1}`]
      const env = { SHMEM_NO_RECHECK: '1' }
      const dying = new Member(dyingProgram, args(victim, 0), { env: point === undefined ? env : { ...env, SHMEM_FAIL_POINT: `${point}@${1 + Math.floor(Math.random() * 6)}` } })
      await until('the victim is there', () => dying.hasEnded || dying.isStopped || book.read(0, 'ready') !== 0)
      const surviving = new Member(survivingProgram, args(waiter, 1), { env })
      await until('the other is there', () => surviving.hasEnded || book.read(1, 'ready') !== 0)
      if (point !== undefined) await Promise.race([dying.stopped, setTimeout(20)])
      await setTimeout(Math.random() * 5)
      await dying.kill()
      const isReleased = await surviving.endsWithin(10_000)
      await surviving.kill()
      t.true(isReleased, `round ${round}: it sleeps on, after a kill at ${dying.isStopped ? point : 'a random moment'}`)
      t.is(await surviving.ended, 0, surviving.stderr)
      t.is(book.sum('violations'), 0, book.violations.join())
      // Rust's heir counts in other words.
      if (victim !== 'owner') t.is(book.sum('ownerDeaths'), 1)
      book.close()
    }
  })
}

/** A storm of two Rust members, a Node member and four in C, who are killed most often, and at each of their fail points of these families. */
async function cStorm(t: ExecutionContext<unknown>, role: 'mutex' | 'ring-one', families: readonly string[], more: Partial<StormOptions> = {}): Promise<StormReport> {
  const points = execFileSync(program, ['points'], { encoding: 'utf8' }).trim().split('\n').filter(name => families.includes(name.split('.')[0] ?? ''))
  const c = { members: 4, kills: kills.c, program, points }
  const node = { members: 1, kills: kills.cBeside }
  const options: StormOptions = { role, kills: kills.c + 2 * kills.cBeside, crews: [2], node, c, prepare, ...more }
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
  for (const lock of ['lock 0', 'lock 1', 'lock 2', 'lock 3', 'owned']) memory.mutex(lock)
  for (const ring of ['ring', 'ended']) memory.ring(ring, { slots: 8, slotBytes: 200 })
}
