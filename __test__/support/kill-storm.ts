/**
 * A storm: 2 to 12 processes at once play a role over one managed segment, while random ones are killed at random moments and at fail points,
 * and others start in their place. When the killing stops, all who are left get the order to finish, and must; then one more
 * process takes everything once.
 */
import { setTimeout } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { PosixSegment } from 'shmem'
import { Book, LAST_POSITION } from './kill-book.js'
import { createLedger } from './kill-ledger.js'
import { Member, failPoints, memberProgram } from './kill-member.js'
import { oneFile } from './one-file.js'
import { objectName } from './peer.js'
import { until } from './until.js'

export type Role =
  | 'mutex' | 'rwlock' | 'semaphore' | 'event' | 'condition' | 'barrier' | 'join' | 'allocator' | 'list' | 'ring-one' | ManyRole | 'latest' | 'broadcast' | 'map'
/** A ring of many: both sides; with one consumer; with the oldest dropped. */
type ManyRole = 'many' | 'many-lone' | 'many-drop'

export interface StormOptions {
  role: Role
  /** SIGKILLs that ended a process. */
  kills: number
  /** How many Rust members are there at once: each crew gets its part of the kills. @default [2, 5, 12] */
  crews?: readonly number[]
  /** Node members besides, and how many of the kills are theirs: each crew has as many, and gets its part of these, too. */
  node?: { members: number; kills: number }
  /** C members besides (`children/c-member.c`), and how many of the kills are theirs. Then it is they who are killed at each of their fail points. */
  c?: { members: number; kills: number; program: string; points: readonly string[] }
  /** Makes what a member that makes no objects has to find. */
  prepare?: (segment: string) => void
  /** Every process in a PID namespace of its own. */
  ownPidNamespaces?: boolean
  /** More `key=value` for the members. */
  options?: readonly string[]
}

/** What a storm came to. */
export interface StormReport {
  kills: number
  nodeKills: number
  cKills: number
  /** Locks, permits, sets, … taken. */
  taken: number
  ownerDeaths: number
  timeouts: number
  resets: number
  violations: number
  stuckLocks: number
  stuckWaiters: number
  /** What ended otherwise than it should, in words, and what the counts contradict. */
  complaints: string[]
  /** Kills at each fail point. */
  points: Map<string, number>
  /** Fail points of the role that were never reached. */
  missing: string[]
  seconds: number
}

/** Nobody who is not stuck needs as long. */
const HANG_LIMIT_MS = 30_000
/** A fail point that is not reached by then is left. */
const POINT_LIMIT_MS = 250

/** Families of fail points that a role comes to, besides joining and leaving. */
const FAMILIES: Record<Role, readonly string[]> = {
  mutex: ['lock', 'unlock'],
  rwlock: ['lock', 'unlock', 'read', 'write'],
  semaphore: ['permit', 'gate'],
  event: ['event'],
  condition: ['lock', 'unlock', 'condition', 'gate'],
  barrier: ['lock', 'unlock', 'barrier', 'gate'],
  join: ['join', 'leave', 'object'],
  latest: ['seat', 'news', 'gate', 'latest'],
  broadcast: ['seat', 'news', 'gate', 'broadcast'],
  allocator: ['allocate', 'free', 'heap'],
  list: ['list'],
  'ring-one': ['ring', 'gate'],
  many: ['many'],
  'many-lone': ['many'],
  'many-drop': ['many'],
  map: ['lock', 'unlock', 'map']
}
/** Steps of those families that only some roles come to. */
const ONLY: Record<string, readonly Role[]> = {
  'lock.giving_up': ['mutex', 'rwlock'],
  'lock.gave_up': ['mutex', 'rwlock'],
  'lock.reset': ['mutex'],
  'unlock.abandoned': ['mutex'],
  'many.end_taken': ['many-lone'],
  'many.giving_up': ['many', 'many-lone'],
  'many.ended': [],
  // Who finds it free without the mark of a waiter needs no call.
  'unlock.freed': ['mutex', 'rwlock', 'condition', 'barrier']
}

/** The fail points of a role. */
export function pointsOf(role: Role): string[] {
  const families = [...FAMILIES[role], 'join', 'leave']
  return failPoints().filter(name => families.includes(name.split('.')[0] ?? '') && (ONLY[name] ?? [role]).includes(role))
}

/** Makes a storm, and tells what came of it. */
export async function storm(t: ExecutionContext<unknown>, options: StormOptions): Promise<StormReport> {
  const started = performance.now()
  const run = new Storm(t, options)
  const report = await run.play()
  report.seconds = (performance.now() - started) / 1000
  return report
}

/** One line for the reader of the test's output. */
export function inWords(report: StormReport): string {
  const { kills, nodeKills, cKills, taken, ownerDeaths, timeouts, violations, stuckLocks, stuckWaiters, seconds, points } = report
  const atPoints = [...points.values()].reduce((sum, count) => sum + count, 0)
  return [
    `${kills} kills (${nodeKills} of Node members, ${cKills > 0 ? `${cKills} of C members, ` : ''}${atPoints} at ${points.size} fail points)`,
    `${taken} taken, ${ownerDeaths} owner deaths reported, ${timeouts} timeouts`,
    `${violations} exclusion violations, ${stuckLocks} stuck locks, ${stuckWaiters} stuck waiters`,
    `${seconds.toFixed(1)} s`
  ].join('; ')
}

/** What every storm must come to. */
export function assertHeld(t: ExecutionContext<unknown>, report: StormReport, kills: number): void {
  t.log(inWords(report))
  t.deepEqual(report.complaints, [])
  t.is(report.violations, 0)
  t.is(report.stuckLocks, 0)
  t.is(report.stuckWaiters, 0)
  t.deepEqual(report.missing, [], 'fail points that nobody was killed at')
  t.true(report.kills >= kills)
  t.true(report.taken > kills)
}

class Storm {
  readonly #options: StormOptions
  readonly #program = memberProgram()
  readonly #names: [segment: string, book: string]
  readonly #book: Book
  readonly #missing: string[]
  readonly #points: string[]
  readonly #living = new Set<Member>()
  readonly #report: StormReport = {
    kills: 0, nodeKills: 0, cKills: 0, taken: 0, ownerDeaths: 0, timeouts: 0, resets: 0, violations: 0, stuckLocks: 0, stuckWaiters: 0,
    complaints: [], points: new Map(), missing: [], seconds: 0
  }

  constructor(t: ExecutionContext<unknown>, options: StormOptions) {
    this.#options = options
    this.#names = [objectName(t), objectName(t)]
    PosixSegment.create(this.#names[0], { size: 8 << 20 }).close()
    options.prepare?.(this.#names[0])
    this.#book = Book.create(this.#names[1])
    if (options.role.startsWith('many')) createLedger(t, this.#names[1], options.kills)
    this.#points = options.c === undefined ? pointsOf(options.role) : [...options.c.points]
    this.#missing = [...this.#points]
    t.teardown(async () => {
      await Promise.all([...this.#living].map(member => member.kill()))
      this.#book.close()
    })
  }

  async play(): Promise<StormReport> {
    const { role, kills, crews = [2, 5, 12], node, c } = this.#options
    for (const [index, crew] of crews.entries()) {
      const soFar = (all: number): number => Math.ceil((all * (index + 1)) / crews.length)
      const goal = soFar(kills - (node?.kills ?? 0) - (c?.kills ?? 0))
      const nodeGoal = soFar(node?.kills ?? 0)
      const isLast = index === crews.length - 1
      const members = role === 'barrier' ? Math.min(crew, PARTIES) : crew
      const rust = Array.from({ length: members }, (_, position) => this.#keepKilling(position, () => this.#rustKills < goal || (isLast && c === undefined && this.#isMissing())))
      const inNode = Array.from({ length: node?.members ?? 0 }, (_, extra) => this.#keepKillingNode(members + extra, nodeGoal))
      const last = members + inNode.length
      const inC = Array.from({ length: isLast ? (c?.members ?? 0) : 0 }, (_, extra) => this.#keepKilling(last + extra, () => this.#report.cKills < (c?.kills ?? 0) || this.#isMissing(), c?.program))
      const survivors = await Promise.all([...rust, ...inNode, ...inC])
      await this.#finish(survivors)
    }
    await this.#checkAfterwards()
    this.#readBook()
    this.#report.missing = this.#missing
    return this.#report
  }

  get #rustKills(): number {
    return this.#report.kills - this.#report.nodeKills - this.#report.cKills
  }

  /** Whether a fail point is left, and worth more kills. */
  #isMissing(): boolean {
    return this.#missing.length > 0 && this.#rustKills + this.#report.cKills < 4 * this.#options.kills
  }

  /** Starts and kills, one after the other, while `more` says so. Answers the last one, which is left alive. */
  async #keepKilling(position: number, more: () => boolean, inC?: string): Promise<Member> {
    const isStoppedAtPoints = (inC === undefined) === (this.#options.c === undefined)
    while (more()) {
      const point = isStoppedAtPoints && Math.random() < 0.5 ? this.#nextPoint() : undefined
      const member = this.#start(position, point, inC)
      if (point === undefined) await setTimeout(1 + Math.random() * 20)
      else {
        await Promise.race([member.stopped, setTimeout(POINT_LIMIT_MS)])
        await setTimeout(Math.random() * 4)
      }
      if ((await this.#kill(member, point)) && inC !== undefined) this.#report.cKills += 1
      // Sometimes fewer are there.
      if (Math.random() < 0.2) await setTimeout(Math.random() * 20)
    }
    return this.#start(position, undefined, inC)
  }

  async #keepKillingNode(position: number, goal: number): Promise<Member> {
    while (this.#report.nodeKills < goal) {
      const member = this.#startNode(position)
      await until('a Node member is ready', () => member.hasEnded || this.#book.read(position, 'ready') !== 0)
      await setTimeout(Math.random() * 40)
      const wasReady = !member.hasEnded
      if ((await this.#kill(member)) && wasReady) this.#report.nodeKills += 1
    }
    return this.#startNode(position)
  }

  /** A place that nobody was killed at yet; when there is none, any. */
  #nextPoint(): string | undefined {
    const from = this.#missing.length > 0 && Math.random() < 0.7 ? this.#missing : this.#points
    const point = from[Math.floor(Math.random() * from.length)]
    // Who recovers needs one before it that died with a message in its hands.
    return point === 'ring.recovered' && Math.random() < 0.5 ? 'ring.taken' : point
  }

  #start(position: number, point?: string, program = this.#program): Member {
    const { role, ownPidNamespaces = false, options = [] } = this.#options
    // Nobody leaves before its rounds are over.
    const rounds = point?.startsWith('leave.') ? 1 + Math.floor(Math.random() * 5) : 0
    const nth = point === undefined || /^(join|leave|object)\.|^many\.(seated|end_taken)$|^(lock\.reset|unlock\.abandoned|ring\.recovered)$/u.test(point) ? 1 : 1 + Math.floor(Math.random() ** 4 * 12)
    const args = [role, ...this.#names, `position=${position}`, `seed=${Math.floor(Math.random() * 2 ** 48)}`, `rounds=${rounds}`, ...options]
    this.#begin(position)
    const env = point === undefined ? {} : { SHMEM_FAIL_POINT: `${point}@${nth}` }
    return this.#watch(new Member(program, args, { env, ownPidNamespace: ownPidNamespaces }))
  }

  #startNode(position: number): Member {
    this.#begin(position)
    return this.#watch(new Member(process.execPath, [oneFile('kill-member'), this.#options.role, ...this.#names, position], { ownPidNamespace: this.#options.ownPidNamespaces ?? false }))
  }

  #begin(position: number): void {
    this.#book.write(position, 'ready', 0)
    this.#book.write(position, 'waiting', 0)
  }

  /** Whoever ends by itself ends well. */
  #watch(member: Member): Member {
    this.#living.add(member)
    void this.#noteEnd(member)
    return member
  }

  async #noteEnd(member: Member): Promise<void> {
    const code = await member.ended
    this.#living.delete(member)
    if (code !== undefined && code !== 0) this.#report.complaints.push(`a member ended with ${code}: ${member.stderr.trim()}`)
  }

  async #kill(member: Member, point?: string): Promise<boolean> {
    const stopped = member.isStopped
    if (!(await member.kill())) return false
    this.#report.kills += 1
    if (point !== undefined && stopped) {
      this.#report.points.set(point, (this.#report.points.get(point) ?? 0) + 1)
      const index = this.#missing.indexOf(point)
      if (index !== -1) this.#missing.splice(index, 1)
    }
    return true
  }

  /** The order to finish, and who does not follow it. */
  async #finish(survivors: readonly Member[]): Promise<void> {
    const { role } = this.#options
    this.#book.stop()
    const closes = ['event', 'condition', 'latest', 'broadcast', ...STAYING].includes(role) || role.startsWith('many')
    const closer = closes ? this.#comeAfter(`close-${role}`) : undefined
    if (!STAYING.includes(role)) await this.#endsWell(closer)
    const inTime = await Promise.all(survivors.map(survivor => survivor.endsWithin(HANG_LIMIT_MS)))
    for (const [index, survivor] of survivors.entries()) {
      if (inTime[index]) continue
      this.#report.stuckWaiters += 1
      const waits = this.#book.read(index, 'waiting') === 0 ? 'does not wait' : 'waits'
      this.#report.complaints.push(`position ${index} did not come to its end, and ${waits}`)
      await survivor.kill()
    }
    this.#book.setGone(true)
    if (STAYING.includes(role)) await this.#endsWell(closer)
    this.#book.setGone(false)
    this.#book.goOn()
  }

  async #endsWell(member: Member | undefined): Promise<boolean> {
    if (member === undefined || (await member.endsWithin(HANG_LIMIT_MS))) return true
    this.#report.complaints.push('who came afterwards did not come to its end')
    await member.kill()
    return false
  }

  async #checkAfterwards(): Promise<void> {
    const checker = this.#comeAfter(`afterwards-${this.#options.role}`)
    if (!(await this.#endsWell(checker)) || (await checker.ended) !== 0) this.#report.stuckLocks += 1
  }

  #comeAfter(verb: string): Member {
    const args = [verb, ...this.#names, `position=${LAST_POSITION}`, ...(this.#options.options ?? []), `kills=${this.#report.kills}`]
    return this.#watch(new Member(this.#program, args))
  }

  /** The counts of all, and what they contradict: each kill can lose one count, and not more. */
  #readBook(): void {
    const { role, options = [] } = this.#options
    const book = this.#book
    const report = this.#report
    report.taken = book.sum('got')
    report.ownerDeaths = book.sum('ownerDeaths')
    report.timeouts = book.sum('timeouts')
    report.resets = book.sum('resets')
    report.violations = book.sum('violations')
    report.complaints.push(...book.violations)
    const within = (what: string, done: number, counted: number, each = 2): void => {
      const lost = done - counted
      // Of locks, a killed one may have held two.
      if (lost < 0 || lost > each * report.kills) report.complaints.push(`${what}: ${done} done, ${counted} counted, after ${report.kills} kills`)
    }
    const locks = Number(options.find(option => option.startsWith('locks='))?.slice(6) ?? 4)
    const changed = Array.from({ length: locks }, (_, lock) => book.guarded(lock, 'first') >>> 0).reduce((a, b) => a + b, 0)
    if (role === 'mutex' || role === 'rwlock') within('changes under the lock', changed, book.sum('given'))
    if (role === 'map') within('counts in shared keys', changed, book.sum('given'), 1)
    if (role === 'condition') {
      within('tickets made', book.tail, book.sum('given'))
      within('tickets taken', book.head, book.sum('taken'))
      if (book.head !== book.tail) report.complaints.push(`${book.tail - book.head} tickets are left`)
    }
    // Each kill can leave one block in no cell, and one change of the list uncounted.
    if (role === 'allocator' && report.resets > report.kills) report.complaints.push(`${report.resets} blocks leaked, after ${report.kills} kills`)
    const unknown = book.sum('given') - book.sum('taken') - report.resets
    if (role === 'list' && Math.abs(unknown) > report.kills) report.complaints.push(`${unknown} values lost or doubled, after ${report.kills} kills`)
    if (role === 'event' && Math.abs(book.sum('given') - book.sum('taken')) > report.kills + 1) {
      report.complaints.push(`event: ${book.sum('given')} sets, ${book.sum('taken')} consumed, after ${report.kills} kills`)
    }
  }
}

/** Who closes these must be told when nobody is left; the others tell once. */
const STAYING: readonly Role[] = ['barrier', 'ring-one']
/** As the members' default has it. */
const PARTIES = 3
