/**
 * Managed segments: how they come to be over each kind of memory, what is refused, and what their directory says.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { FileSegment, ManagedSegment, MemfdSegment, PosixSegment, SysvSegment, IPC_PRIVATE, type ManageableSegment } from 'shmem'
import { compileC } from './support/c-program.js'
import { startCommand } from './support/child.js'
import { failsWith } from './support/failure.js'
import { managed, member, peer, wordOf } from './support/managed.js'
import { objectName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'
import { until } from './support/until.js'

/** Bytes of the header: its state, and the word of the directory's mutex. */
const READY = 16
const DIRECTORY_LOCK = 256
const SIZE = 1 << 20

test('a POSIX object by name: create, open, openOrCreate', t => {
  const name = objectName(t)
  failsWith(t, () => ManagedSegment.open(name), { code: 'ENOENT', syscall: 'shm_open', objectName: name })
  const made = ManagedSegment.create(name.slice(1), { size: '1MiB' })
  t.is(made.size, SIZE)
  t.is((made.segment as PosixSegment).name, name, 'a name without its slash is the same')
  failsWith(t, () => ManagedSegment.create(name, { size: '1MiB' }), { code: 'EEXIST', syscall: 'shm_open', objectName: name })
  const opened = ManagedSegment.open(name, { memberName: 'second' })
  const third = ManagedSegment.openOrCreate(name, { size: '1MiB', memberName: 'third' })
  // A name is cut at 64 bytes; the title may be a long path.
  const title = process.title.slice(0, 64)
  t.deepEqual(made.members.map(({ name: who, isSelf, alive }) => [who, isSelf, alive]).toSorted(), [[title, true, true], ['second', false, true], ['third', false, true]].toSorted())
  t.is(opened.self?.name, 'second')
  t.true(opened.isMember)
  made.mutex('book')
  t.false(opened.mutex('book').created)
  for (const each of [made, opened, third]) each.close()
  t.true(made.closed)
  t.false(opened.isMember)
  ManagedSegment.open(name).close()
})

test('every kind that has a descriptor: another process opens what this one made', async t => {
  const path = join(temporaryFolder(t), 'segment')
  const name = objectName(t)
  const memfd = MemfdSegment.create('shmem-test', { size: SIZE })
  const made: [ManageableSegment, string, unknown][] = [
    [PosixSegment.create(name, { size: SIZE }), 'open', { name }],
    [memfd, 'over', { pid: process.pid, fd: memfd.fd }],
    [FileSegment.create(path, { size: SIZE }), 'over', { path }]
  ]
  for (const [segment, verb, argument] of made) {
    t.throws(() => ManagedSegment.open(segment), { code: 'ERR_SHM_NOT_MANAGED' }, 'open makes nothing')
    const mem = ManagedSegment.openOrCreate(segment, { memberName: 'maker', members: 4, objects: 8 })
    const other = peer(t)
    await other.ask(verb, argument)
    t.is(mem.members.length, 2)
    mem.mutex('book').lockSync()
    t.is(await other.ask('mutex', { name: 'book', method: 'tryLock' }), 'busy')
    mem.mutex('book').unlock()
    t.is(await other.ask('mutex', { name: 'book', method: 'tryLock' }), 'locked')
    failsWith(t, () => segment.close(), { code: 'ERR_SHM_IN_USE', ...subjectOf(segment) })
    mem.close()
    segment.close()
  }
})

test('what cannot be managed is refused, and says why', t => {
  const refused = (segment: unknown): void => void t.throws(() => ManagedSegment.openOrCreate(segment as PosixSegment), { code: 'ERR_INVALID_ARG_TYPE' })
  using sysv = SysvSegment.create(IPC_PRIVATE, { size: SIZE, removeOnLastDetach: true })
  for (const value of [sysv, {}, null, 5, undefined]) refused(value)
  using whole = MemfdSegment.create('shmem-test', { size: SIZE })
  for (const options of [{ access: 'copy-on-write' as const }, { offset: 4096 }, { guard: false }]) {
    using part = MemfdSegment.fromFd(whole.fd, options)
    t.throws(() => ManagedSegment.openOrCreate(part), { code: 'ERR_SHM_UNSUPPORTED' }, JSON.stringify(options))
  }
  t.deepEqual(new Uint8Array(whole.buffer).findIndex(byte => byte !== 0), -1, 'nothing was written')
  using other = MemfdSegment.create('shmem-test', { size: SIZE })
  other.write(READY, 'not a header')
  t.throws(() => ManagedSegment.openOrCreate(other), { code: 'ERR_SHM_NOT_MANAGED' })
  using small = MemfdSegment.create('shmem-test', { size: 100 })
  t.throws(() => ManagedSegment.openOrCreate(small), { code: 'ERR_SHM_NOT_MANAGED' })
  using reader = MemfdSegment.fromFd(whole.fd, { access: 'read' })
  t.throws(() => ManagedSegment.open(reader), { code: 'ERR_SHM_NOT_MANAGED' })
})

test('huge pages of hugetlb are refused', t => {
  let huge: MemfdSegment
  try {
    huge = MemfdSegment.create('shmem-test', { size: '2MiB', hugePages: 'require' })
  } catch (error) {
    return skip(t, `no huge page here: ${(error as Error).message.split('\n')[0]}`)
  }
  t.throws(() => ManagedSegment.openOrCreate(huge), { code: 'ERR_SHM_UNSUPPORTED' })
  huge.close()
})

test('a size without room for its members is refused, and leaves nothing', t => {
  const name = objectName(t)
  for (const options of [{ size: 4096 }, { size: '1MiB', members: 4096 }, { size: 80 * 4096, members: 64, objects: 65_536 }]) {
    const error = t.throws(() => ManagedSegment.create(name, options), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
    t.regex(error?.message ?? '', /need \d+ at least/)
    t.throws(() => PosixSegment.open(name), { code: 'ENOENT' })
  }
  const least = Number(/need (\d+) at least/.exec(t.throws(() => ManagedSegment.create(name, { size: 4096, members: 1, objects: 1 }))?.message ?? '')?.[1])
  const mem = ManagedSegment.create(name, { size: least, members: 1, objects: 1 })
  t.is(mem.members.length, 1)
  mem.close()
})

test('a name that is taken by something else is an error that shows both', t => {
  const { mem } = managed(t)
  mem.mutex('book')
  const entry = directoryEntry(mem, 'book')
  const [kind, number] = [entry.getUint32(4, true), entry.getUint32(8, true)]
  // A semaphore without permits there is not; an event has the mutex's size, and only its kind tells that it is none.
  entry.setUint32(4, 4, true)
  t.throws(() => mem.mutex('book'), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  entry.setUint32(4, 5, true)
  const error = t.throws(() => mem.mutex('book'), { code: 'ERR_SHM_TYPE_MISMATCH' })
  t.regex(error?.message ?? '', /event.*mutex/)
  entry.setUint32(4, kind, true)
  entry.setUint32(8, number, true)
  t.notThrows(() => mem.mutex('book'))
})

test('a full directory and a full heap are errors with the name, and what is there goes on', t => {
  const { mem } = managed(t, { objects: 3 })
  for (const name of ['a', 'b', 'c']) mem.mutex(name)
  failsWith(t, () => mem.mutex('d'), { code: 'ERR_SHM_DIRECTORY_FULL', objectName: 'd' })
  t.deepEqual(mem.objects.map(({ name }) => name), ['a', 'b', 'c'])
  t.is(mem.mutex('a').tryLock(), 'locked')
  mem.mutex('a').unlock()

  const { mem: small } = managed(t, { size: 8 * 4096, members: 1, objects: 128 })
  let made = 0
  const error = t.throws(() => { for (;; made += 1) small.mutex(`object ${made}`) }, { code: 'ERR_SHM_NO_SPACE' }) as (Error & { objectName?: string }) | undefined
  t.is(error?.objectName, `object ${made}`)
  t.true(made > 10)
  t.is(small.objects.length, made)
  t.is(small.mutex('object 0').tryLock(), 'locked')
  small.mutex('object 0').unlock()
})

test('names of objects are text of 1 to 64 bytes', t => {
  const { mem } = managed(t)
  for (const name of ['x', 'x'.repeat(64), 'é'.repeat(32), '名前', '/book', ' ', '..', '__proto__', 'toString']) {
    t.is(mem.mutex(name).name, name)
    t.is(mem.mutex(name), mem.mutex(name))
  }
  for (const name of ['', 'x'.repeat(65), 'é'.repeat(33), 'a\0b']) t.regex((t.throws(() => mem.mutex(name), { any: true }) as { code?: string } | undefined)?.code ?? '', /^ERR_(OUT_OF_RANGE|INVALID_ARG_VALUE)$/, name)
  for (const name of [null, 5, {}, undefined]) t.throws(() => mem.mutex(name as unknown as string), { code: 'ERR_INVALID_ARG_TYPE' })
  t.is(mem.objects.length, 9)
})

test('of 16 processes that open or create at once exactly one makes it', async t => {
  const name = objectName(t)
  const peers = Array.from({ length: 16 }, () => peer(t))
  const created = await Promise.all(peers.map(child => child.ask<boolean>('openOrCreate', { name, options: { size: '1MiB' } })))
  t.is(created.filter(Boolean).length, 1)
  const mem = ManagedSegment.open(name)
  t.is(mem.members.filter(({ alive }) => alive).length, 17)
  const locked = await Promise.all(peers.map(child => child.ask('mutex', { name: 'book', method: 'tryLock' })))
  t.is(locked.filter(answer => answer === 'locked').length, 1, 'and they all mean the same mutex')
  mem.close()
})

test('of 8 openings of one blank segment at once, one makes the header', async t => {
  const path = join(temporaryFolder(t), 'segment')
  for (let round = 0; round < 5; round += 1) {
    writeFileSync(path, Buffer.alloc(SIZE))
    const peers = Array.from({ length: 4 }, () => peer(t))
    using segment = FileSegment.open(path)
    const mem = ManagedSegment.openOrCreate(segment)
    await Promise.all(peers.map(child => child.ask('over', { path })))
    t.is(mem.members.length, 5)
    await Promise.all(peers.map(child => child.ask('close')))
    t.is(mem.members.length, 1)
    mem.close()
  }
})

test('an initialiser that died is replaced by who may make it, and named to who may not', t => {
  const name = objectName(t)
  ManagedSegment.create(name, { size: '1MiB' }).close()
  const blank = (): void => {
    using segment = PosixSegment.open(name)
    new DataView(segment.buffer).setUint32(READY, 1, true)
    new DataView(segment.buffer).setUint32(88, 12_345, true)
  }
  blank()
  const error = t.throws(() => ManagedSegment.open(name), { code: 'ERR_SHM_NOT_READY' })
  t.regex(error?.message ?? '', /12345/)
  t.throws(() => ManagedSegment.open(name, { access: 'observe' }), { code: 'ERR_SHM_NOT_READY' })
  const mem = ManagedSegment.openOrCreate(name, { size: '1MiB' })
  t.is(mem.mutex('book').tryLock(), 'locked')
  mem.mutex('book').unlock()
  mem.close()
})

test('an initialiser that lives and does not go on is named after ten seconds, and so is who holds the directory', async t => {
  const name = objectName(t)
  const made = ManagedSegment.create(name, { size: '1MiB' })
  const holder = compileC(t, 'byte-holder')
  if (holder === undefined) return
  const stopped = startCommand(t, holder, [`/dev/shm${name}`, String(2 ** 40 - 1)])
  t.is(await stopped.line(), 'held')
  const words = new Int32Array(made.buffer)
  // A member of this process, whose token is a living one's.
  made.mutex('book').lockSync()
  words[DIRECTORY_LOCK / 4] = wordOf(made, 'book')
  const late = (await member(t, name)).ask('mutex', { name: 'new', method: 'tryLock' })
  await until('it waits for the directory', () => (words[DIRECTORY_LOCK / 4] ?? 0) < 0)
  words[READY / 4] = 1
  const refused = [peer(t).ask('open', { name }), peer(t).ask('openOrCreate', { name, options: { size: '1MiB' } })]
  for (const answer of refused) await t.throwsAsync(answer, { message: new RegExp(`process ${process.pid} began`, 'u') })
  await t.throwsAsync(late, { message: new RegExp(`process ${process.pid} `, 'u') })
  words[READY / 4] = 2
  words[DIRECTORY_LOCK / 4] = 0
  made.mutex('book').unlock()
  await stopped.kill()
  made.close()
})

test('another version, byte order or page size is refused', t => {
  const { mem, name } = managed(t)
  const header = new DataView(mem.buffer)
  for (const [offset, code] of [[8, 'ERR_SHM_VERSION'], [12, 'ERR_SHM_VERSION'], [20, 'ERR_SHM_VERSION'], [0, 'ERR_SHM_NOT_MANAGED'], [56, 'ERR_SHM_POSSIBLY_CORRUPT']] as const) {
    const was = header.getUint32(offset, true)
    header.setUint32(offset, was + 1, true)
    t.throws(() => ManagedSegment.open(name), { code }, `byte ${offset}`)
    t.throws(() => ManagedSegment.open(name, { access: 'observe' }), { code }, `byte ${offset}, observed`)
    header.setUint32(offset, was, true)
  }
  t.notThrows(() => ManagedSegment.open(name).close())
})

test('an observer lists members and objects, is none, and gets no lock', async t => {
  const { mem, name } = managed(t)
  mem.mutex('book').lockSync()
  const dying = await member(t, name)
  const observer = ManagedSegment.open(name, { access: 'observe' })
  t.is(mem.members.length, 2)
  t.deepEqual([observer.isMember, observer.self, observer.members.length], [false, undefined, 2])
  t.deepEqual(observer.objects, mem.objects)
  for (const call of [() => observer.mutex('book'), () => observer.mutex('new')]) t.throws(call, { code: 'ERR_SHM_READ_ONLY', message: /observe/ })
  await t.throwsAsync(observer.locks.request('book', () => {}), { code: 'ERR_SHM_READ_ONLY' })
  let died = 0
  observer.on('memberDied', ({ pid }) => (died = pid))
  await dying.kill()
  await until('it is told', () => died > 0)
  t.is(died, dying.pid)
  t.is(observer.members.filter(({ alive }) => alive).length, 1)
  t.is(observer.segment.stat().faults.readOnly, 0, 'nothing was written to the read-only mapping')
  observer.close()
  using reader = PosixSegment.open(name, { access: 'read' })
  t.throws(() => ManagedSegment.open(reader), { code: 'ERR_SHM_READ_ONLY' })
  const second = ManagedSegment.open(reader, { access: 'observe' })
  t.is(second.objects.length, 1)
  second.close()
})

test('an observer of a death that the kernel could not mark sees it, and writes nothing', async t => {
  const { mem, name } = managed(t, { members: 4 })
  const dying = await member(t, name)
  const slot = slotOf(mem, dying.pid)
  await dying.kill()
  // As if the kernel had found the list broken.
  slot.presence.setUint32(0, (0x8000_0000 | 4_000_000) >>> 0, true)
  const observer = ManagedSegment.open(name, { access: 'observe' })
  t.deepEqual(observer.members.find(({ pid }) => pid === dying.pid)?.alive, false)
  t.is(observer.segment.stat().faults.readOnly, 0)
  t.is(slot.presence.getUint32(0, true) & 0x3fff_ffff, 4_000_000)
  t.is(mem.members.find(({ pid }) => pid === dying.pid)?.alive, false)
  t.is(slot.presence.getUint32(0, true) & 0x3fff_ffff, 0, 'a member marks it')
  observer.close()
})

test('a file outlives a reboot: its members of before are dead, and their locks tell so', async t => {
  const path = join(temporaryFolder(t), 'segment')
  writeFileSync(path, Buffer.alloc(SIZE))
  const other = peer(t)
  {
    using segment = FileSegment.open(path)
    const mem = ManagedSegment.openOrCreate(segment)
    await other.ask('over', { path })
    await other.ask('mutex', { name: 'book', method: 'lockSync' })
    mem.close()
  }
  // What a machine that lost power leaves: the words as they were, and another boot.
  const bytes = readFileSync(path)
  await other.kill()
  bytes.fill(7, 32, 48)
  const fd = openSync(path, 'r+')
  writeFileSync(fd, bytes)
  closeSync(fd)
  using segment = FileSegment.open(path)
  const mem = ManagedSegment.open(segment)
  t.is(mem.members.filter(({ alive }) => alive).length, 1)
  t.is(mem.mutex('book').lockSync({ timeoutMs: 10_000 }), 'ownerDied')
  mem.mutex('book').markConsistent()
  mem.mutex('book').unlock()
  mem.close()
})

test('no more members than places, and a place that is left is another’s', async t => {
  const { mem, name } = managed(t, { members: 3 })
  const [second, third] = [await member(t, name), await member(t, name)]
  failsWith(t, () => ManagedSegment.open(name), { code: 'ERR_SHM_MEMBERS_FULL', objectName: name })
  t.is(ManagedSegment.open(name, { access: 'observe' }).members.length, 3)
  await second.ask('close')
  await third.kill()
  const again = [ManagedSegment.open(name), ManagedSegment.open(name)]
  t.is(mem.members.filter(({ alive }) => alive).length, 3)
  for (const each of again) each.close()
  for (let round = 0; round < 300; round += 1) ManagedSegment.open(name).close()
  t.is(mem.members.length, 1)
})

test('a place whose generations are used up is not used again', async t => {
  const { mem, name } = managed(t, { members: 2 })
  const own = slotOf(mem, process.pid).index
  const claim = new DataView(mem.buffer, 4096 * (1 + (1 - own)), 4)
  const max = 2 ** 28 - 1
  claim.setUint32(0, (max - 1) * 4, true)
  const last = ManagedSegment.open(name)
  t.is(claim.getUint32(0, true) >>> 2, max)
  t.is(last.mutex('book').lockSync(), 'locked')
  t.is(mem.mutex('book').tryLock(), 'busy')
  last.mutex('book').unlock()
  last.close()
  failsWith(t, () => ManagedSegment.open(name), { code: 'ERR_SHM_MEMBERS_FULL', objectName: name })
  await sleep(0)
  t.is(mem.members.length, 1)
})

test('the garbage collector ends no membership, and gives no lock away', async t => {
  const { mem, name } = managed(t)
  const program = `import { ManagedSegment } from 'shmem'
    ;(() => ManagedSegment.open('${name}').mutex('book').lockSync())()
    setTimeout(() => { for (let count = 0; count < 5; count += 1) gc(); setTimeout(() => { console.log('collected'); setInterval(() => {}, 1000) }) }, 10)`
  const child = startCommand(t, process.execPath, ['--expose-gc', '--input-type=module', '-e', program])
  t.is(await child.line(), 'collected')
  t.is(mem.members.filter(({ alive }) => alive).length, 2)
  t.is(mem.mutex('book').tryLock(), 'busy')
})

test('a core dump leaves a managed segment out', t => {
  const { name } = managed(t)
  // Opened by its name, /proc shows it by its name.
  const mem = ManagedSegment.open(name)
  const mapped = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).find(text => text.includes(`/dev/shm${name}`) && text.includes(`${SIZE / 1024} kB`))
  t.regex(mapped ?? '', /VmFlags:.*\bdd\b/)
  mem.close()
})

test('two segments in one thread are two memberships', t => {
  const [first, second] = [managed(t), managed(t)]
  first.mem.mutex('book').lockSync()
  t.is(second.mem.mutex('book').tryLock(), 'locked')
  first.mem.mutex('book').unlock()
  first.mem.close()
  t.is(second.mem.mutex('book').tryLock(), 'busy')
  second.mem.mutex('book').unlock()
})

/** What an error about a segment says it is about. */
function subjectOf(segment: ManageableSegment): { objectName?: string; path?: string } {
  if (segment instanceof FileSegment) return { path: segment.path }
  return { objectName: segment instanceof PosixSegment ? segment.name : segment.label }
}

/** The directory's entry of a name: 128 bytes, of which the last 64 begin with it. */
function directoryEntry(mem: ManagedSegment, name: string): DataView {
  const at = Buffer.from(mem.buffer).indexOf(Buffer.from(name)) - 64
  return new DataView(mem.buffer, at, 128)
}

/** The slot of a process that is alone in it: a page, with the presence word 16 bytes before its end on glibc. */
function slotOf(mem: ManagedSegment, pid: number): { index: number; presence: DataView } {
  for (let index = 0; index < 64; index += 1) {
    const page = 4096 * (1 + index)
    const view = new DataView(mem.buffer, page, 4096)
    if ((view.getUint32(0, true) & 3) !== 2 || view.getUint32(8, true) !== pid) continue
    return { index, presence: new DataView(mem.buffer, page + view.getUint32(4, true), 4) }
  }
  throw new Error(`process ${pid} has no slot`)
}

test('names that UTF-8 cannot tell apart are refused', t => {
  const { mem } = managed(t)
  for (const name of ['rw\ud800', 'rw\udfff', '\ud801']) t.throws(() => mem.rwlock(name), { code: 'ERR_INVALID_ARG_VALUE' })
  t.is(mem.objects.length, 0)
  t.is(mem.rwlock('rw\ufffd🔒').name, 'rw\ufffd🔒')
})

test('the pages under a managed segment are neither unmapped nor protected', t => {
  const { mem } = managed(t)
  t.throws(() => mem.segment.unmap({ offset: 0, length: 4096 }), { code: 'ERR_SHM_IN_USE' })
  for (const protection of ['none', 'read'] as const) {
    t.throws(() => mem.segment.protect({ offset: 0, length: 4096 }, protection), { code: 'ERR_SHM_IN_USE' })
  }
  t.is(mem.mutex('book').lockSync(), 'locked')
})

test('after a truncation whatever asks the native side is told', t => {
  const path = join(temporaryFolder(t), 'cut')
  const segment = FileSegment.create(path, { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment)
  const book = mem.mutex('book')
  writeFileSync(path, '')
  t.is(new Int32Array(mem.buffer)[0], 0)
  t.throws(() => mem.mutex('another'), { code: 'ERR_SHM_TRUNCATED' })
  t.throws(() => book.owner, { code: 'ERR_SHM_TRUNCATED' })
  mem.close()
  segment.close()
})

test('what objects counted, who holds them and where the parts are is told to an observer too', async t => {
  const { mem, name } = managed(t, { members: 3, objects: 8 })
  const child = await member(t, name)
  await child.ask('lockSync', { name: 'book' })
  mem.semaphore('seats', { permits: 3 }).tryAcquire()
  const ring = mem.ring('ticks', { slots: 4, slotBytes: 8 })
  const many = mem.ring('jobs', { slots: 4, slotBytes: 8, producers: 'many' })
  for (const { producer, consumer } of [ring, many].map(one => ({ producer: one.producer(), consumer: one.consumer() }))) {
    for (let index = 0; index < 6; index += 1) producer.trySend('x')
    consumer.tryReceive()
  }
  mem.counter('hits').add(5n)
  mem.latest('pose', { bytes: 8 }).writer().write('there')
  const map = mem.map('cache', { memory: '16KiB' })
  map.set('key', 'value')

  const observer = ManagedSegment.open(name, { access: 'observe' })
  t.teardown(() => observer.close())
  const stats = new Map(observer.stats().map(object => [object.name, object]))
  t.deepEqual([...stats.keys()], mem.objects.map(object => object.name))
  t.like(stats.get('book'), { kind: 'mutex', holder: { pid: child.pid, alive: true } })
  t.like(stats.get('seats')?.counters, { permits: 3, held: 1, waits: 0 })
  t.like(stats.get('ticks')?.counters, { ...ring.stats(), sent: 4, received: 1, full: 2, length: 3, slots: 4 })
  t.like(stats.get('jobs')?.counters, { ...many.stats(), sent: 4, received: 1, length: 3 })
  t.like(stats.get('hits')?.counters, { value: 5 })
  t.like(stats.get('pose')?.counters, { sent: 1, received: 0 })
  const { hits: _hits, misses: _misses, ...shared } = map.stats()
  t.like(stats.get('cache')?.counters, { ...shared })

  t.deepEqual(observer.parts, mem.parts)
  const [header, members, directory, heap] = observer.parts
  t.deepEqual([header?.offset, members?.offset, (members?.bytes ?? 0) / (members?.stride ?? 1)], [0, header?.bytes, 3])
  t.is((directory?.bytes ?? 0) / (directory?.stride ?? 1), 8)
  t.is(Buffer.from(mem.buffer).indexOf('seats'), (directory?.offset ?? 0) + (directory?.stride ?? 0) + 64, 'the second entry has its name where the directory says')
  for (const { offset } of stats.values()) t.true(offset >= (heap?.offset ?? Infinity) && offset < (heap?.offset ?? 0) + (heap?.bytes ?? 0))
  t.deepEqual(observer.members.map(({ slot }) => slot).toSorted(), [...new Set(mem.members.map(({ slot }) => slot))].toSorted())

  mem.semaphore('seats', { permits: 3 }).release()
  await child.kill()
  t.is(observer.stats().find(object => object.name === 'book')?.holder?.alive, false, 'the dead are named as such')
  t.is(observer.segment.stat().faults.readOnly, 0, 'nothing was written to the read-only mapping')
})
