/**
 * Quiet rounds: two to four Rust members take what they want two or three times each, one is killed at a random moment or at a fail point, and
 * nobody comes from outside. All others must come to their end, and none of them may look by itself: their re-checks are off.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { kills, quietRounds } from './support/kill-form.js'
import { memberProgram } from './support/kill-member.js'
import { objectName } from './support/peer.js'

/** What a run of quiet rounds came to. */
interface QuietReport {
  played: number
  rounds: number
  kills: number
  ownerDeaths: number
  violations: number
  /** Who slept on with nobody to wake it. */
  asleep: number
  failed: number
  seconds: number
  points: Record<string, number>
}

test.before(t => {
  t.timeout(600_000)
  memberProgram()
})

const roles = { mutex: 0.4, rwlock: 0.2, semaphore: 0.15, event: 0.15, condition: 0.1, many: 0.05, latest: 0.05, broadcast: 0.05, map: 0.03, list: 0.03 }

for (const [role, part] of Object.entries(roles)) {
  const rounds = Math.ceil(quietRounds * part)
  test.serial(`no one killed leaves a sleeper behind: ${role}`, async t => {
    t.timeout(kills.timeoutMs)
    const { report, stderr } = await playQuietly(t, role, rounds, 1)
    t.log(`${report.rounds} rounds, ${report.kills} kills at ${Object.keys(report.points).length} fail points and at random, ${report.ownerDeaths} owner deaths reported, ${report.asleep} asleep; ${report.seconds} s`)
    t.is(report.rounds, rounds)
    t.deepEqual({ asleep: report.asleep, violations: report.violations, failed: report.failed }, { asleep: 0, violations: 0, failed: 0 }, stderr)
  })
}

test.serial('two who are killed together may leave a sleeper to its own look, which it takes', async t => {
  t.timeout(kills.timeoutMs)
  const rounds = Math.ceil(quietRounds / 20)
  const { report, stderr } = await playQuietly(t, 'mutex', rounds, 2, { SHMEM_NO_RECHECK: undefined })
  t.log(`${report.rounds} rounds, ${report.kills} kills, ${report.asleep} asleep; ${report.seconds} s`)
  t.deepEqual({ asleep: report.asleep, violations: report.violations, failed: report.failed }, { asleep: 0, violations: 0, failed: 0 }, stderr)
})

async function playQuietly(t: ExecutionContext, role: string, rounds: number, victims: number, env: Record<string, string | undefined> = {}): Promise<{ report: QuietReport; stderr: string }> {
  const seed = Math.floor(Math.random() * 2 ** 48)
  const args = [`quiet-${role}`, objectName(t), objectName(t), `rounds=${rounds}`, `kills=${victims}`, `seed=${seed}`]
  const child = spawn(memberProgram(), args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, SHMEM_NO_RECHECK: '1', ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', `seed ${seed}\n`]
  child.stdout.setEncoding('utf8').on('data', text => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`the quiet rounds ended with ${code}: ${stderr}`)
  return { report: JSON.parse(stdout) as QuietReport, stderr }
}
