/**
 * Looks at the machine's shared memory from inside namespaces of its own, and cleans there. Played by 81.system-*.test.ts; `hold`, `open`
 * and `nobody` are the other sides.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, readdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import {
  clean, list, orphans, remove, IPC_PRIVATE, ManagedSegment, MemfdSegment, PosixSegment, PosixSemaphore, SysvSegment, SysvSemaphoreSet, type ObjectFacts
} from 'shmem'
import { MAP_SHARED, PROT_READ, PROT_WRITE, mmap, shm_open } from 'shmem/posix'
import { asOther, whyNotOther } from '../support/namespace.js'
import { codeOf, play, stepAside } from '../support/scenarios.js'

const KEY = 0x5aa5_0081
const SIZE = 16_384
const OPENINGS = 1000

await play({
  agrees, users, odd, orphaned, foreign, removed, 'race-posix': racePosix, 'race-foreign': raceForeign, 'race-sysv': raceSysv, 'as-nobody': asNobody,
  hold, 'open-posix': openPosix, 'open-sysv': openSysv, 'open-foreign': openForeign, nobody
})

/** One of the list, which is there. */
function named(name: string, all: ObjectFacts[] = list()): ObjectFacts {
  const facts = all.find(one => one.name === name)
  assert.ok(facts, `${name} is in the list: ${all.map(one => one.name).join(' ')}`)
  return facts
}

/** A process that plays another scenario of this file, and said `ready`. */
async function started(name: string, args: (string | number)[] = [], prefix: string[] = []): Promise<ChildProcess> {
  const [command = '', ...words] = [...prefix, process.execPath, process.argv[1] ?? '', name, ...args.map(String)]
  const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  assert.equal(child.exitCode, null, `${name} is ready`)
  child.stdout.resume()
  return child
}

async function killed(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

function agrees(): void {
  const segments = [SysvSegment.create(KEY, { size: 5000, mode: 0o640 }), PosixSegment.create('/agrees', { size: SIZE, mode: 0o644 })]
  using memfd = MemfdSegment.create('agrees', { size: SIZE })
  const set = SysvSemaphoreSet.create(KEY, { count: 3 })
  const semaphore = PosixSemaphore.create('/agreed', { value: 1 })
  const all = list()

  // Rows of ipcs: key, identifier, owner, permissions, bytes, attaches.
  const rows = execFileSync('ipcs', ['-m'], { encoding: 'utf8' }).split('\n').filter(line => line.startsWith('0x')).map(line => line.trim().split(/\s+/).slice(0, 6).join(' '))
  const sysv = all.filter(({ kind }) => kind === 'sysv')
  assert.deepEqual(sysv.map(one => [one.name, one.id, one.owner, one.mode.toString(8), one.sizeBytes, one.attached].join(' ')), rows)
  assert.equal(rows.length, 1)
  const files = all.filter(({ kind }) => kind.startsWith('posix')).map(({ path }) => path?.slice('/dev/shm/'.length))
  assert.deepEqual(files.toSorted(), readdirSync('/dev/shm').toSorted())
  assert.deepEqual(files.toSorted(), ['agrees', 'sem.agreed'])

  const posix = named('/agrees', all)
  const { size, uid, gid, ino } = statSync('/dev/shm/agrees')
  assert.deepEqual([posix.sizeBytes, posix.uid, posix.gid, posix.inode, posix.mode, posix.path], [size, uid, gid, ino, 0o644, '/dev/shm/agrees'])
  assert.deepEqual([posix.origin, posix.managed, posix.residentBytes], ['ours', false, SIZE])
  assert.equal(named('memfd:agrees', all).sizeBytes, memfd.size)
  const own = { pid: process.pid, name: basename(process.execPath), how: 'mapped' }
  for (const name of ['/agrees', 'memfd:agrees', '0x5aa50081', '/agreed']) assert.deepEqual(named(name, all).users, [own], name)
  assert.equal(all.filter(({ kind }) => kind === 'sysv-semaphore').length, 1)
  segments[0]?.lockMemory()
  assert.equal(named('0x5aa50081').lockedBytes, named('0x5aa50081').residentBytes)

  assert.deepEqual(list({ kinds: ['posix'] }).map(({ name }) => name), ['/agrees'])
  assert.deepEqual(list({ kinds: ['sysv'], users: false })[0]?.users, [])
  // Removed, though in use: neither lists it any more.
  segments[1]?.remove()
  assert.equal(list({ kinds: ['posix'] }).length, 0)
  set.remove()
  semaphore.remove()
  segments[0]?.remove()
}

/** The other side: holds an object in one of several ways until it is killed. */
async function hold(how: string): Promise<void> {
  const held: unknown[] = []
  if (how === 'mapped') held.push(PosixSegment.openOrCreate('/held', { size: SIZE }))
  if (how === 'open') held.push(shm_open('/held', 2, 0))
  if (how === 'raw') held.push(mmap(null, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, shm_open('/held', 2, 0), 0))
  if (how === 'sysv') held.push(SysvSegment.openOrCreate(KEY, { size: SIZE }))
  if (how === 'managed') held.push(ManagedSegment.openOrCreate('managed', { size: '1MiB' }))
  console.log('ready')
  await setTimeout(60_000)
  held.length = 0
}

async function users(): Promise<void> {
  const mapped = await started('hold', ['mapped'])
  const raw = await started('hold', ['raw'])
  const open = await started('hold', ['open'])
  const sysv = await started('hold', ['sysv'])
  const pids = (name: string): unknown => named(name).users.map(({ pid, how }) => [pid, how]).toSorted((one, other) => Number(one[0]) - Number(other[0]))
  const expected = [[mapped.pid, 'mapped'], [raw.pid, 'mapped'], [open.pid, 'open']].toSorted((one, other) => Number(one[0]) - Number(other[0]))
  assert.deepEqual(pids('/held'), expected)
  assert.deepEqual(pids('0x5aa50081'), [[sysv.pid, 'mapped']])
  assert.equal(named('0x5aa50081').usersComplete, true)

  // One by one they go: as long as one is left, cleaning leaves it.
  for (const one of [mapped, raw]) {
    await killed(one)
    assert.equal(clean(named('/held')), 'inUse')
  }
  assert.ok(existsSync('/dev/shm/held'))
  await killed(open)
  assert.equal(clean(named('/held')), 'removed')
  assert.equal(clean(named('0x5aa50081')), 'inUse')
  await killed(sysv)
  assert.equal(clean(named('0x5aa50081')), 'removed')
  assert.deepEqual([list({ kinds: ['sysv', 'posix'] }), readdirSync('/dev/shm')], [[], []])
}

/** Names that are no text, files that are no objects, objects without bytes. */
function odd(): void {
  const bytes = Buffer.from('/dev/shm/odd\xff\n name', 'latin1')
  writeFileSync(bytes, 'x')
  writeFileSync('/dev/shm/empty', '')
  execFileSync('sh', ['-c', 'mkdir /dev/shm/folder; ln -s /etc/passwd /dev/shm/link; mkfifo /dev/shm/fifo'])
  const posix = list({ kinds: ['posix'] })
  assert.deepEqual(posix.map(({ name }) => name).toSorted(), ['/empty', '/odd\ufffd\n name'])
  const left = orphans({ foreign: true })
  assert.equal(left.length, 2)
  assert.deepEqual(left.map(clean), ['removed', 'removed'])
  assert.deepEqual(readdirSync('/dev/shm').toSorted(), ['fifo', 'folder', 'link'])
}

async function orphaned(): Promise<void> {
  const holders = [await started('hold', ['mapped']), await started('hold', ['managed']), await started('hold', ['sysv'])]
  assert.deepEqual(orphans({ foreign: true }), [])
  for (const one of holders) await killed(one)

  const found = orphans()
  assert.deepEqual(found.map(({ name, managed, removable }) => [name, managed, removable]).toSorted(), [['/held', false, true], ['/managed', true, true]])
  for (const { name, reason } of found) assert.match(reason, name === '/managed' ? /members are all dead/ : /nobody holds its sign of life/)
  const [sysv] = orphans({ foreign: true, name: '0x5aa50081' })
  assert.match(sysv?.reason ?? '', new RegExp(`its creator, process ${holders[2]?.pid}, is dead`))
  // The stale check of a program that starts.
  assert.deepEqual(orphans({ name: '/managed' }).map(clean), ['removed'])
  assert.deepEqual(orphans({ name: '/managed' }), [])
  assert.deepEqual(orphans({ foreign: true }).map(clean).toSorted(), ['removed', 'removed'])
  assert.deepEqual(found.map(clean), ['gone', 'gone'])

  // Never attached, its creator alive: it is on its way to its first user.
  const made = SysvSegment.create(KEY, { size: SIZE })
  const { id } = made
  made.close()
  assert.equal(orphans({ foreign: true }).length, 1)
  SysvSegment.remove(id)
  const bare = execFileSync('ipcmk', ['-M', '100'], { encoding: 'utf8' })
  assert.match(bare, /id/)
  assert.deepEqual(orphans({ foreign: true }), [], 'it is younger than ten seconds')
}

/** What others made or own stays, unless it is asked for. */
function foreign(): void {
  writeFileSync('/dev/shm/unknown', 'somebody else made this')
  PosixSegment.create('/others', { size: SIZE }).close()
  execFileSync('chown', ['65534:65534', '/dev/shm/others'])
  assert.deepEqual(orphans(), [])
  const all = orphans({ foreign: true })
  assert.deepEqual(all.map(({ name, origin, uid, removable }) => [name, origin, uid, removable]).toSorted(), [['/others', 'ours', 65_534, true], ['/unknown', 'foreign', process.getuid?.(), true]])
  assert.deepEqual(readdirSync('/dev/shm').toSorted(), ['others', 'unknown'])
  // Another object of that name is not the one that was found.
  unlinkSync('/dev/shm/unknown')
  writeFileSync('/dev/shm/keep', 'takes no inode that was free')
  writeFileSync('/dev/shm/unknown', 'somebody made a new one')
  const stale = all.find(({ name }) => name === '/unknown')
  assert.ok(stale)
  assert.equal(clean(stale), 'gone')
  assert.equal(codeOf(() => remove(stale)), 'ENOENT')
  assert.equal(readFileSync('/dev/shm/unknown', 'utf8'), 'somebody made a new one')
}

function removed(): void {
  const held = [PosixSegment.create('/removed', { size: SIZE }), SysvSegment.create(KEY, { size: SIZE })]
  SysvSemaphoreSet.create(KEY, { count: 1 })
  PosixSemaphore.create('/removed', { value: 1 }).close()
  const memfd = MemfdSegment.create('removed', { size: SIZE })
  for (const facts of list({ kinds: ['posix', 'sysv', 'sysv-semaphore', 'posix-semaphore'] })) remove(facts)
  assert.deepEqual(readdirSync('/dev/shm'), [])
  assert.equal(list({ kinds: ['sysv-semaphore'] }).length, 0)
  assert.equal(codeOf(() => SysvSegment.open(KEY)), 'ENOENT')
  held[0]?.write(0, 'still here')
  assert.equal(codeOf(() => remove(named('memfd:removed'))), 'ERR_SHM_UNSUPPORTED')
  memfd.close()
}

/** The other side of a race: opens or makes, writes a mark, and must find it through a second opening; then nobody uses it for a while. */
async function openInLoop(open: () => { first: PosixSegment | SysvSegment; second: () => PosixSegment | SysvSegment }): Promise<void> {
  console.log('ready')
  for (let mark = 1; mark <= OPENINGS; mark++) {
    const { first, second } = open()
    const word = Buffer.alloc(4)
    word.writeUInt32LE(mark)
    first.write(0, word)
    const other = second()
    assert.equal(other.read(0, 4).readUInt32LE(), mark, 'the name leads to the object that is open')
    other.close()
    first.close()
    // Now and then nobody has it for as long as a cleaner needs.
    if (mark % 2 === 0) await setTimeout(Math.random() * 2)
  }
}

async function openPosix(): Promise<void> {
  await openInLoop(() => ({ first: PosixSegment.openOrCreate('/race', { size: 4096 }), second: () => PosixSegment.open('/race') }))
}

async function openSysv(): Promise<void> {
  await openInLoop(() => ({ first: SysvSegment.openOrCreate(KEY, { size: 4096 }), second: () => SysvSegment.open(KEY) }))
}

/** Cleans as long as the other side opens; answers how often it removed, and how often somebody was in the way. */
async function cleanBeside(opener: string, find: () => ObjectFacts | undefined): Promise<void> {
  const counts = { removed: 0, inUse: 0, gone: 0 }
  // Otherwise nothing was raced for.
  const isRace = (): boolean => counts.removed >= 10 && counts.inUse >= 10
  // Where the machine is busy, the two hardly run at the same time.
  for (let openers = 0; openers < 5 && !isRace(); openers++) {
    const child = await started(opener)
    const ended = once(child, 'exit')
    while (child.exitCode === null && child.signalCode === null) {
      const facts = find()
      if (facts !== undefined) counts[clean(facts)] += 1
      await setImmediate()
    }
    assert.deepEqual(await ended, [0, null], `the opener found what it opened, beside ${JSON.stringify(counts)}`)
  }
  assert.ok(isRace(), JSON.stringify(counts))
  console.log(counts)
}

async function setImmediate(): Promise<void> {
  await new Promise(resolve => globalThis.setImmediate(resolve))
}

async function racePosix(): Promise<void> {
  await cleanBeside('open-posix', () => list({ kinds: ['posix'], users: false }).find(({ name }) => name === '/race'))
}

/** Software without a sign of life: what it has open is never without a name. */
async function openForeign(): Promise<void> {
  console.log('ready')
  for (let opening = 0; opening < 200; opening++) {
    const fd = openSync('/dev/shm/race', constants.O_RDWR | constants.O_CREAT)
    // Longer than a cleaner needs.
    for (let look = 0; look < 5; look++) {
      await setTimeout(Math.random() * 4)
      assert.ok(fstatSync(fd).nlink > 0, `opening ${opening}: it has a name`)
    }
    closeSync(fd)
    await setTimeout(Math.random() * 4)
  }
}

async function raceForeign(): Promise<void> {
  await cleanBeside('open-foreign', () => list({ kinds: ['posix'], users: false }).find(({ name }) => name === '/race'))
}

async function raceSysv(): Promise<void> {
  await cleanBeside('open-sysv', () => {
    const [facts] = list({ kinds: ['sysv'], users: false })
    // What was never attached is not there for cleaning: see orphans().
    return facts?.lastPid === 0 ? undefined : facts
  })
}

function asNobody(): void {
  const why = whyNotOther()
  if (why !== undefined) return stepAside(why)
  using roots = PosixSegment.create('/roots', { size: SIZE })
  PosixSegment.create('/roots-orphan', { size: SIZE, mode: 0o666 }).close()
  using sysv = SysvSegment.create(IPC_PRIVATE, { size: SIZE, removeOnLastDetach: true })
  const [command = '', ...words] = [...asOther(), process.execPath, process.argv[1] ?? '', 'nobody']
  assert.match(execFileSync(command, words, { encoding: 'utf8' }), /survived nobody/)
  assert.deepEqual(readdirSync('/dev/shm').toSorted(), ['roots', 'roots-orphan'])
  assert.ok(roots.size + sysv.size > 0)
}

/** Without privilege: sees all, knows its own users, touches only its own. */
function nobody(): void {
  const all = list()
  assert.deepEqual(all.filter(({ kind }) => kind === 'posix').map(({ name, owner, usersComplete }) => [name, owner, usersComplete]).toSorted(), [['/roots', 'root', false], ['/roots-orphan', 'root', false]])
  assert.equal(all.find(({ kind }) => kind === 'sysv')?.usersComplete, false)
  assert.deepEqual(orphans(), [])
  const [others] = orphans({ foreign: true })
  assert.deepEqual([others?.name, others?.removable, others?.whyNot], ['/roots-orphan', false, 'it belongs to root'])
  assert.equal(others && clean(others), 'inUse')
  assert.equal(codeOf(() => clean(named('/roots'))), 'EACCES')
  assert.equal(codeOf(() => remove(named('/roots'))), 'EPERM')

  PosixSegment.create('/own', { size: SIZE }).close()
  assert.deepEqual(list({ mine: true, kinds: ['posix'] }).map(({ name }) => name), ['/own'])
  assert.deepEqual(orphans().map(clean), ['removed'])
  // Others could have it open where nobody can look.
  PosixSegment.create('/open-to-all', { size: SIZE, mode: 0o666 }).close()
  const [open] = orphans()
  if (open?.removable === false) assert.match(open.whyNot ?? '', /cannot be looked at \(\d+\)/)
  remove(named('/open-to-all'))
}
