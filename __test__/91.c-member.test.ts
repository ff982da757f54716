/**
 * `include/shmem.h`: a C program is a member like any other. Mutex and ring between C, Node and Rust, deaths both ways, misuse, hostile bytes, compilers.
 * Kills at random and at each step are in 60.kill-c-member.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ManagedSegment, MemfdSegment, PosixSegment, i64, orphans, struct } from 'shmem'
import { compileWith, hasCompiler, programFolder, runPeer, sourceOf, type CRun } from './support/c-peer.js'
import { startCommand, type Child } from './support/child.js'
import { Book } from './support/kill-book.js'
import { Member, memberProgram } from './support/kill-member.js'
import { isWaitedFor, managed, member, wordsOf } from './support/managed.js'
import { objectName } from './support/peer.js'
import { skip } from './support/skip.js'
import { until } from './support/until.js'

const folder = programFolder()
const isHere = hasCompiler('cc')
let peer = ''

test.before(t => {
  t.timeout(600_000)
  if (isHere) peer = compileWith('cc', ['-std=c11', '-O1'], sourceOf('c-peer'), join(folder, 'c-peer'))
})

/** A test that needs the compiled program. */
function cTest(title: string, body: (t: ExecutionContext<unknown>) => void | Promise<void>): void {
  test.serial(title, t => (isHere ? body(t) : skip(t, 'there is no C compiler (cc)')))
}

/** Runs a verb, which must end well, and answers its lines. */
function says(t: ExecutionContext<unknown>, verb: string, name: string, ...words: (string | number)[]): string[] {
  return ended(t, runPeer(peer, [verb, name, ...words]))
}

function ended(t: ExecutionContext<unknown>, run: CRun): string[] {
  t.is(run.signal, null)
  t.is(run.status, 0, run.stderr)
  return run.lines
}

/** A verb that stays, for as long as the test wants. */
function stays(t: ExecutionContext<unknown>, verb: string, name: string, ...words: (string | number)[]): Child {
  return startCommand(t, peer, [verb, name, ...words])
}

cTest('a C program joins, is seen, sees others, and leaves', async t => {
  const { mem, name } = managed(t)
  const child = stays(t, 'join', name)
  t.is(await child.line(), 'join 0 done')
  const token = (await child.line()).split(' ')[1]
  t.like(mem.members.find(({ pid }) => pid === child.pid), { alive: true, name: 'c peer', tid: child.pid })
  const listed = says(t, 'members', name).map(line => line.split(' '))
  t.true(listed.some(([, alive, pid]) => alive === '1' && pid === String(process.pid)), 'C sees Node')
  t.true(listed.some(([number, alive]) => alive === '1' && number === token), 'and the other C program')
  child.endInput()
  t.is((await child.ended).code, 0)
  t.deepEqual(mem.members.map(({ pid }) => pid), [process.pid], 'who left is no dead member')
})

cTest('a killed C member is seen dead at once, and its place can be had', async t => {
  const { mem, name } = managed(t, { members: 2 })
  const child = stays(t, 'join', name)
  await child.line()
  t.deepEqual(says(t, 'join', name), ['join -5006 all places for members are taken'])
  await child.kill()
  t.is(mem.members.find(({ pid }) => pid === child.pid)?.alive, false)
  t.deepEqual(says(t, 'join', name)[0], 'join 0 done')
})

cTest('a counter under a mutex is exact: C, Node and Rust add to it at once', async t => {
  const names = [objectName(t), objectName(t)] as const
  PosixSegment.create(names[0], { size: '4MiB' }).close()
  const book = Book.create(names[1])
  using segment = PosixSegment.open(names[0])
  using mem = ManagedSegment.openOrCreate(segment, { members: 64, objects: 32 })
  for (let index = 0; index < 4; index++) mem.mutex(`lock ${index}`)
  const c = compileWith('cc', ['-std=gnu11', '-O1'], sourceOf('c-member'), join(folder, 'c-member'))
  const rounds = 1000
  const members = [c, memberProgram(), c, memberProgram()].map((program, position) => new Member(program, ['mutex', ...names, `position=${position}`, `seed=${position + 1}`, `rounds=${rounds}`]))
  t.teardown(() => Promise.all(members.map(each => each.kill())))
  let turns = 0
  while (members.some(each => !each.hasEnded)) {
    const lock = mem.mutex(`lock ${turns % 4}`)
    if (lock.lockSync({ timeoutMs: 1000 }) === 'timedOut') continue
    for (const word of ['first', 'second'] as const) book.setGuarded(turns % 4, word, book.guarded(turns % 4, word) + 1)
    lock.unlock()
    turns += 1
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  for (const each of members) t.is(await each.ended, 0, each.stderr)
  t.is(book.sum('violations'), 0, book.violations.join())
  t.true(book.read(0, 'given') > 500 && book.read(1, 'given') > 500 && turns > 5)
  const count = (word: 'first' | 'second'): number => [0, 1, 2, 3].reduce((sum, lock) => sum + book.guarded(lock, word), 0)
  t.is(count('first'), book.sum('given') + turns)
  t.is(count('second'), book.sum('given') + turns)
  book.close()
})

cTest('a plain number of a struct, in C under the lock', async t => {
  const { mem, name } = managed(t)
  mem.mutex('lock')
  const Counter = struct({ value: i64 })
  const view = mem.struct('counter', Counter)
  const children = [1, 2].map(() => stays(t, 'count', name, 'lock', 'counter', 20_000))
  for (const child of children) t.is((await child.ended).code, 0, child.stderr)
  t.is(view.value, 40_000n)
  t.deepEqual(says(t, 'find', name, 'counter', 11), ['find 0 done', 'bytes 8 numbers 8 0'])
})

cTest('an owner that dies: in C, told to Node; in Node, told to C, also to who sleeps', async t => {
  const { mem, name } = managed(t)
  const lock = mem.mutex('lock')
  const owner = stays(t, 'lock', name, 'lock', -1, 'keep')
  t.is(await owner.line(), 'lock 0 done')
  t.is(lock.tryLock(), 'busy')
  await owner.kill()
  t.is(lock.lockSync(), 'ownerDied')
  lock.markConsistent()
  lock.unlock()

  const node = await member(t, name)
  await node.ask('lockSync', { name: 'lock' })
  t.deepEqual(says(t, 'lock', name, 'lock', 0, 'give'), ['lock 2 somebody has it', 'unlock -5011 it is not ours'])
  const sleeper = stays(t, 'lock', name, 'lock', -1, 'mark')
  await until('C sleeps', () => isWaitedFor(mem, 'lock'))
  await node.kill()
  t.is(await sleeper.line(), 'lock 1 its owner died with it')
  t.is(await sleeper.line(), 'mark 0 done')
  t.is(await sleeper.line(), 'unlock 0 done')
  t.is(lock.tryLock(), 'locked')
  lock.unlock()
  t.like(lock.stats(), { ownerDeaths: 2 })
})

cTest('a release wakes who sleeps in C, without a look of its own', async t => {
  const { mem, name } = managed(t)
  const lock = mem.mutex('lock')
  lock.lockSync()
  const wait = (): Child => startCommand(t, peer, ['lock', name, 'lock', -1, 'keep'], { env: { SHMEM_NO_RECHECK: '1' } })
  const first = wait()
  await until('one sleeps', () => isAsleepOnWords(first))
  lock.unlock()
  t.is(await first.line(), 'lock 0 done', 'Node released')
  const second = wait()
  await until('another sleeps', () => isAsleepOnWords(second))
  // It stays a member: to leave would wake, too.
  first.write('\n')
  t.is(await second.line(), 'lock 0 done', 'C released')
  t.is(await first.line(), 'unlock 0 done')
})

/** Whether it is in futex_waitv(2), whose number is the same everywhere. */
function isAsleepOnWords(child: Child): boolean {
  return readFileSync(`/proc/${child.pid}/syscall`, 'utf8').startsWith('449 ')
}

cTest('a member whose thread ends is dead, though its process goes on', t => {
  const { mem, name } = managed(t)
  const lock = mem.mutex('lock')
  t.deepEqual(says(t, 'thread', name, 'lock'), ['lock 1 its owner died with it', 'mark 0 done', 'unlock 0 done'])
  t.deepEqual(says(t, 'abandon', name, 'lock')[0], 'lock 1 its owner died with it')
  t.like(lock.stats(), { ownerDeaths: 2 })
})

cTest('a forked child is no member, joins for itself, and keeps nothing of its dead parent', async t => {
  const { mem, name } = managed(t, { members: 3 })
  const lock = mem.mutex('lock')
  const parent = stays(t, 'fork', name, 'lock')
  t.deepEqual([await parent.line(), await parent.line()].map(line => / -?\d+/u.exec(line)?.[0]), [' -5014', ' -5014'])
  t.is(await parent.line(), 'join in the child 0 done')
  t.is(lock.tryLock(), 'busy')
  process.kill(parent.pid, 'SIGKILL')
  t.is(lock.lockSync(), 'ownerDied')
  lock.markConsistent()
  lock.unlock()
  await until('its place can be had, though the child lives', () => says(t, 'join', name)[0] === 'join 0 done')
  t.is(mem.members.find(({ name: own }) => own === 'c child')?.alive, true)
  parent.endInput()
  await parent.ended
})

cTest('the member of a thread that has ended, and one that left, are nobody’s, whoever has their addresses', t => {
  const { mem, name } = managed(t)
  mem.mutex('lock')
  t.deepEqual(says(t, 'late', name, 'lock').map(line => /-?\d+/u.exec(line)?.[0]), ['-5014', '-5014', '-5014', '1'])
  t.deepEqual(mem.members.filter(({ alive }) => alive).length, 1)
})

cTest('a child that no handler hears of is no member either, and gives nothing of its parent’s back', t => {
  const { mem, name } = managed(t)
  mem.mutex('lock')
  mem.ring('ring', LENGTHS)
  t.deepEqual(says(t, 'clone', name, 'lock', 'ring'), ['child 0', 'released 0'])
})

cTest('a lock that another copy of the header holds in the same thread is a deadlock, and no silence', t => {
  const { mem, name } = managed(t)
  mem.mutex('lock')
  const library = compileWith('cc', ['-shared', '-fPIC'], sourceOf('c-copy'), join(folder, 'c-copy.so'))
  t.deepEqual(says(t, 'copies', name, 'lock', library), ['copy 0 done', 'copy -5009 this thread would wait for itself'])
})

cTest('what C gives back unrepaired nobody gets before a reset, and the other way round', async t => {
  const { mem, name } = managed(t)
  const lock = mem.mutex('lock')
  const owner = stays(t, 'lock', name, 'lock', -1, 'keep')
  await owner.line()
  await owner.kill()
  t.deepEqual(says(t, 'lock', name, 'lock', -1, 'give'), ['lock 1 its owner died with it', 'unlock 0 done'])
  t.throws(() => lock.tryLock(), { code: 'ERR_SHM_NOT_RECOVERABLE' })
  t.deepEqual(says(t, 'lock', name, 'lock', -1, 'give')[0]?.split(' ')[1], '-5010')
  t.deepEqual(says(t, 'lock', name, 'lock', 0, 'reset'), ['reset 1 its owner died with it', 'lock 0 done', 'unlock 0 done'])
  t.is(lock.tryLock(), 'locked')
  lock.unlock()
})

const LENGTHS = { slots: 16, slotBytes: 100 }

for (const env of [{}, { SHMEM_FUTEX_WAITV: 'off' }]) {
  const how = 'SHMEM_FUTEX_WAITV' in env ? ', without futex_waitv' : ''

  cTest(`what C sends, Node and C receive, in its order and whole${how}`, async t => {
    const { mem, name } = managed(t)
    const input = mem.ring('to node', LENGTHS).consumer()
    const count = 5000
    const child = startCommand(t, peer, ['send', name, 'to node', count], { env })
    let number = 0
    for await (const message of input) {
      if (message.length !== number % 101 || message.some(byte => byte !== (number & 0xff))) return t.fail(`message ${number}`)
      number += 1
    }
    t.is(number, count)
    t.is((await child.ended).code, 0, child.stderr)

    mem.ring('to c', LENGTHS)
    const receiver = startCommand(t, peer, ['receive', name, 'to c'], { env })
    startCommand(t, peer, ['send', name, 'to c', 20_000], { env })
    t.is(await receiver.line(), 'received 20000, good 20000')
    t.like(mem.ring('to c', LENGTHS).stats(), { sent: 20_000, received: 20_000, lost: 0, recovered: 0 })
  })
}

cTest('what Node sends, C receives, in its order and whole', async t => {
  const { mem, name } = managed(t)
  const out = mem.ring('ring', LENGTHS).producer()
  const receiver = stays(t, 'receive', name, 'ring')
  for (let number = 0; number < 5000; number++) {
    const bytes = new Uint8Array(number % 101).fill(number & 0xff)
    t.is(number % 2 === 0 ? out.sendSync(bytes) : await out.send(bytes), 'sent')
  }
  out.end()
  t.is(await receiver.line(), 'received 5000, good 5000')
})

cTest('a dead end of a ring is told, and taken over, both ways', async t => {
  const { mem, name } = managed(t)
  const options = { slots: 4, slotBytes: 16 }
  const ring = mem.ring('ring', options)
  const input = ring.consumer()
  const holder = stays(t, 'hold-producer', name, 'ring')
  t.is(await holder.line(), 'open 0 done')
  t.is(await holder.line(), 'send 0 done')
  t.throws(() => ring.producer(), { code: 'ERR_SHM_PRODUCER_TAKEN', message: /c peer/ })
  t.deepEqual(says(t, 'hold-consumer', name, 'ring'), ['open -5012 another member has this end'])
  const second = input.receive()
  t.deepEqual(Buffer.from((await second) as Uint8Array).toString(), 'first')
  const later = input.receive()
  await holder.kill()
  t.is(await later, 'peerDied')
  const out = ring.producer()
  input.close()

  const reader = stays(t, 'hold-consumer', name, 'ring')
  t.is(await reader.line(), 'open 0 done')
  t.is(await reader.line(), 'peek 5 empty')
  await reader.kill()
  t.is(out.sendSync('lost'), 'sent')
  const taker = stays(t, 'hold-consumer', name, 'ring')
  await taker.line()
  t.is(await taker.line(), 'peek 0 done')
  t.is(out.sendSync('kept'), 'sent')
  await taker.kill()
  const heir = ring.consumer()
  t.is(Buffer.from(heir.tryReceive() as Uint8Array).toString(), 'kept', 'what a dead one had in its hands comes to nobody')
  t.like(ring.stats(), { lost: 1, recovered: 3 })
})

cTest('the outcomes of a ring with nobody else there, and what misuse is told', t => {
  const { mem, name } = managed(t)
  mem.ring('ring', { slots: 8, slotBytes: 200 })
  mem.ring('both', { slots: 8, slotBytes: 200 })
  mem.mutex('lock')
  const expected = [
    'loan 0', 'commit nothing -5011', 'too long -90', 'full 4', 'late 3', 'wait 3', 'sent 8 of', 'closed -5011', 'small room -90', 'the same 0', 'length 7', 'empty 5', 'late 3', 'received 8',
    'ended 6'
  ]
  const lines = says(t, 'try', name, 'ring')
  t.is(lines.length, expected.length)
  expected.forEach((line, index) => t.true(lines[index]?.startsWith(line), lines[index]))
  t.deepEqual(says(t, 'both', name, 'both').map(line => line.split(' ')[1]), ['-5009', '-5012'])
  t.deepEqual(says(t, 'misuse', name, 'lock').map(line => /-?\d+/u.exec(line)?.[0]), ['-5011', '-5011', '-5014', '-5014', '-5009', '2', '-5009', '-5013', '-5009', '-5011'])
  t.like(mem.mutex('lock'), { owner: undefined })
})

cTest('what only a C member uses is no orphan, and is one when it is dead', async t => {
  const name = objectName(t)
  ManagedSegment.create(name.slice(1), { size: '1MiB' }).close()
  t.is(orphans({ name }).length, 1)
  const child = stays(t, 'join', name)
  await child.line()
  t.deepEqual(orphans({ name }), [])
  const { ino } = statSync(`/dev/shm${name}`)
  const sign = `:${ino} ${2 ** 42} ${2 ** 42}`
  t.is(readFileSync('/proc/locks', 'utf8').split('\n').filter(line => line.includes('READ') && line.endsWith(sign)).length, 1, 'its sign of life, which is seen across namespaces')
  await child.kill()
  t.is(orphans({ name }).length, 1)
})

cTest('names that lead nowhere, or elsewhere, are refused', t => {
  const { mem, name } = managed(t)
  mem.mutex('lock')
  mem.event('event', { reset: 'auto' })
  mem.ring('many', { slots: 8, slotBytes: 8, producers: 'many' })
  const code = (...words: (string | number)[]): number => Number(says(t, 'find', name, ...words)[0]?.split(' ')[1])
  t.is(code('lock', 1), 0)
  t.is(code('nothing', 1), -2)
  t.is(code('', 1), -22)
  t.is(code('x'.repeat(65), 1), -22)
  t.is(code('lock', 12), -5008)
  t.is(code('event', 5), -5007, 'a kind that C does not know')
  t.is(code('many', 12), -5007)
  t.is(says(t, 'join', '/shmem-test-nothing-of-this-name')[0], 'join -2 No such file or directory')
  t.is(says(t, 'join', 'no/slash')[0]?.startsWith('join -'), true)
})

cTest('a memfd, a file and a plain object by descriptor', t => {
  using memfd = MemfdSegment.create('c', { size: '1MiB' })
  using mem = ManagedSegment.openOrCreate(memfd)
  mem.mutex('lock')
  const { lines } = runPeer(peer, ['lock', 'fd:3', 'lock', 0, 'give'], {}, memfd.fd)
  t.deepEqual(lines, ['lock 0 done', 'unlock 0 done'])
  using plain = MemfdSegment.create('plain', { size: '1MiB' })
  t.is(runPeer(peer, ['join', 'fd:3'], {}, plain.fd).lines[0], 'join -5001 it is no managed segment')
  t.is(runPeer(peer, ['join', 'fd:77']).lines[0], 'join -9 Bad file descriptor')
})

/** Words of the header that make an opener refuse, by their offset; and as what. */
const REFUSED: readonly (readonly [what: string, offset: number, value: number, code: number])[] = [
  ['another magic', 0, 0x41414141, -5001],
  ['a later layout version', 8, 3, -5003],
  ['an earlier layout version', 8, 1, -5003],
  ['another byte order', 12, 0x04030201, -5003],
  ['half made', 16, 1, -5002],
  ['a blank ready word', 16, 0, -5001],
  ['pages of 64 KiB', 20, 65_536, -5003],
  ['a size beyond the object', 24, 0x7fffffff, -5004],
  ['no members', 48, 0, -5004],
  ['very many members', 48, 0x7fffffff, -5004],
  ['very many objects', 52, 0x7fffffff, -5004],
  ['a table elsewhere', 56, 0x10000000, -5004],
  ['a directory elsewhere', 64, 0x10000000, -5004],
  ['a heap elsewhere', 72, 0x10000000, -5004],
  ['a heap without an end', 80, 0x7ffffff0, -5004],
  ['another boot', 32, 0, -5002]
]

cTest('a header that is spoiled or of another version is refused by its reason', t => {
  const { mem, name } = managed(t)
  const words = new Int32Array(mem.buffer, 0, 160)
  for (const [what, offset, value, code] of REFUSED) {
    const before = words[offset / 4] ?? 0
    words[offset / 4] = value
    t.is(Number(says(t, 'join', name)[0]?.split(' ')[1]), code, what)
    words[offset / 4] = before
  }
  words.set([3, 0x01020304, 7], 2)
  t.is(says(t, 'join', name)[0]?.split(' ')[1], '-5003', 'another version, which says otherwise that it is ready')
  words.set([2, 0x01020304, 2], 2)
  t.is(says(t, 'join', name)[0], 'join 0 done')
})

cTest('an object that is shorter than it was made is refused', t => {
  const name = objectName(t)
  using segment = PosixSegment.create(name, { size: '1MiB' })
  ManagedSegment.openOrCreate(segment).close()
  truncateSync(`/dev/shm${name}`, 600_000)
  t.is(says(t, 'join', name)[0]?.split(' ')[1], '-5005')
  truncateSync(`/dev/shm${name}`, 100)
  t.is(says(t, 'join', name)[0]?.split(' ')[1], '-5001')
  t.is(statSync(`/dev/shm${name}`).size, 100)
})

cTest('scribbled slots, entries, locks and rings give errors or nonsense, and kill nobody', t => {
  const { mem, name } = managed(t, { members: 4, objects: 4 })
  const lock = mem.mutex('lock')
  mem.ring('ring', { slots: 8, slotBytes: 200 })
  const all = new Int32Array(mem.buffer)
  const survives = (what: string, ...words: (string | number)[]): void => {
    const run = runPeer(peer, words)
    if (run.signal !== null || (run.status !== 0 && run.status !== 1)) t.fail(`${what}: ${run.signal ?? run.status} ${run.stderr}`)
  }
  const spoil = (first: number, count: number, values: readonly number[], ...words: (string | number)[]): void => {
    for (let index = first; index < first + count; index++) {
      for (const value of values) {
        const before = all[index] ?? 0
        all[index] = value
        survives(`word ${index} = ${value}`, ...words)
        all[index] = before
      }
    }
  }
  const directory = (4096 * 5) / 4
  const entry = directory + 32 * 1
  spoil(directory, 16, [-1, 0x7fffff00], 'lock', name, 'lock', 0, 'give')
  spoil(entry, 16, [-1, 0x1000000], 'try', name, 'ring')
  // The slots of members that are not there: claims, and where the presence is.
  for (let slot = 0; slot < 4; slot++) if (all[(4096 * (1 + slot)) / 4] === 0) spoil((4096 * (1 + slot)) / 4, 2, [-1, 0x2], 'members', name)
  const words = wordsOf(mem, 'lock')
  for (const value of [-1, 2, 0x7fffffff, 0x2fffffff, 0x20000007, 0x3fffffff]) {
    words[0] = value
    survives(`a lock of ${value}`, 'lock', name, 'lock', 1_000_000, 'give')
    t.notThrows(() => lock.reset())
    words[0] = 0
  }
  const ring = wordsOf(mem, 'ring')
  for (const index of [0, 32, 33, 64, 65, 66, 96, 97, 128, 129, 130, 131, 160, 161]) {
    for (const value of [-1, 0x7fffffff, 0x20000007]) {
      ring.fill(0)
      ring[index] = value
      survives(`word ${index} of the ring = ${value}`, 'try', name, 'ring')
    }
  }
  t.pass()
})

/** Besides strict C11, which all tests above are of. */
const COMPILERS: readonly (readonly [title: string, compiler: string, flags: readonly string[]])[] = [
  ['gcc with the address and undefined behaviour sanitizers', 'gcc', ['-std=gnu11', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']],
  ['clang', 'clang', ['-std=c11', '-O2']],
  ['g++ as C++17', 'g++', ['-x', 'c++', '-std=c++17']],
  ['musl-gcc, statically', 'musl-gcc', ['-std=c11', '-O2', '-static']]
]

for (const [index, [title, compiler, flags]] of COMPILERS.entries()) {
  test.serial(`it compiles without a warning and works: ${title}`, async t => {
    if (!hasCompiler(compiler)) return skip(t, `there is no ${compiler}`)
    t.timeout(120_000)
    const program = compileWith(compiler, flags, sourceOf('c-peer'), join(folder, `c-peer-${index}`))
    const { mem, name } = managed(t)
    mem.mutex('lock')
    mem.struct('counter', struct({ value: i64 }))
    mem.ring('ring', LENGTHS)
    mem.ring('try', { slots: 8, slotBytes: 200 })
    const run = (...words: (string | number)[]): string[] => ended(t, runPeer(program, words))
    t.is(run('try', name, 'try').at(-1), 'ended 6 ended')
    t.is(run('misuse', name, 'lock').length, 10)
    t.is(run('abandon', name, 'lock')[0], 'lock 1 its owner died with it')
    const owner = startCommand(t, program, ['lock', name, 'lock', -1, 'keep'])
    t.is(await owner.line(), 'lock 0 done')
    const heir = startCommand(t, program, ['lock', name, 'lock', -1, 'mark'])
    await until('the heir sleeps', () => isWaitedFor(mem, 'lock'))
    await owner.kill()
    t.is(await heir.line(), 'lock 1 its owner died with it')
    const counters = [program, peer === '' ? program : peer].map(each => startCommand(t, each, ['count', name, 'lock', 'counter', 1000]))
    for (const counter of counters) t.is((await counter.ended).code, 0, counter.stderr)
    const receiver = startCommand(t, program, ['receive', name, 'ring'])
    startCommand(t, program, ['send', name, 'ring', 1000])
    t.is(await receiver.line(), 'received 1000, good 1000')
    t.deepEqual(run('members', name).map(line => line.split(' ')[1]).filter(alive => alive === '1').length, 2)
  })
}

cTest('the header says which version and licence it is of, as the package does', t => {
  const text = readFileSync('include/shmem.h', 'utf8')
  const { version, license } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string; license: string }
  t.is(/#define SHMEM_VERSION "(.*)"/u.exec(text)?.[1], version)
  t.regex(text, new RegExp(`Version ${version.replaceAll('.', '\\.')},`, 'u'))
  t.regex(text, new RegExp(`Licence: ${license}`, 'u'))
  t.is(execFileSync('cc', ['-E', '-dM', '-Iinclude', '-x', 'c', '-'], { input: '#include "shmem.h"\n', encoding: 'utf8' }).includes('SHMEM_LIES'), false, 'the implementation stays out without its word')
})
