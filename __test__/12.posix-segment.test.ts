/**
 * POSIX objects through {@link PosixSegment}: who finds, makes and refuses what; how they are mapped; what a second process, in
 * Node or C, sees; and what becomes of views when somebody else changes the object.
 */
import { constants } from 'node:buffer'
import { mkdirSync, readdirSync, rmSync, statSync, statfsSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { PosixSegment, ShmError } from 'shmem'
import { compileC, runC } from './support/c-program.js'
import { asOther, privately, whyNotOther, whyNotPrivate } from './support/namespace.js'
import { Peer, objectName } from './support/peer.js'
import { skip } from './support/skip.js'

const KIB = 1024
const PAGE = 4096
const at = (name: string): string => `/dev/shm${name}`

test('two Node processes see the same bytes, in both directions', async t => {
  const name = objectName(t)
  using ours = PosixSegment.create(name, { size: 64 * KIB })
  const theirs = await new Peer(t).open('PosixSegment.open', name)
  ours.write(100, 'from here')
  t.is(await theirs.call('read', 100, 9), 'from here')
  await theirs.call('write', 64 * KIB - 4, 'back')
  t.is(ours.read(64 * KIB - 4, 4).toString(), 'back')
  await theirs.poke(7, 42)
  t.is(ours.bytes[7], 42)
  t.is(await theirs.get('size'), 64 * KIB)
})

test('Node and C see the same bytes, whoever makes the object', t => {
  const program = compileC(t, 'segment-peer')
  if (program === undefined) return
  const [ofNode, ofC] = [objectName(t), objectName(t)]
  using made = PosixSegment.create(ofNode, { size: 10_000 })
  made.write(9_990, 'the end')
  t.is(runC(program, ['posix', ofNode, 'read', 9_990, 7]).toString(), 'the end')
  runC(program, ['posix', ofNode, 'write', 5_000, 'C was here'])
  t.is(made.read(5_000, 10).toString(), 'C was here')

  runC(program, ['posix', ofC, 'create', 5_001, 'made by C'])
  using opened = PosixSegment.open(ofC)
  t.is(opened.size, 5_001)
  t.is(opened.read(0, 9).toString(), 'made by C')
  opened.write(4_999, '!!')
  t.is(runC(program, ['posix', ofC, 'read', 4_999, 2]).toString(), '!!')
})

test('create fails with EEXIST where the name is taken, and leaves what is there alone', t => {
  const name = objectName(t)
  using first = PosixSegment.create(name, { size: PAGE })
  first.write(0, 'kept')
  const error = t.throws(() => PosixSegment.create(name, { size: 2 * PAGE }), { instanceOf: ShmError, code: 'EEXIST' })
  t.like(error, { errno: -17, syscall: 'shm_open', objectName: name })
  t.regex(error?.hint ?? '', /openOrCreate\(\)/u)
  t.is(PosixSegment.open(name).read(0, 4).toString(), 'kept')
  t.is(statSync(`/dev/shm${name}`).size, PAGE)
})

test('open fails with ENOENT where nothing is, and makes nothing', t => {
  const name = objectName(t)
  const error = t.throws(() => PosixSegment.open(name), { instanceOf: ShmError, code: 'ENOENT' })
  t.like(error, { errno: -2, syscall: 'shm_open', objectName: name })
  t.regex(error?.hint ?? '', /namespace/)
  t.throws(() => statSync(`/dev/shm${name}`), { code: 'ENOENT' })
})

test('openOrCreate makes, then opens: a larger object keeps its size, a smaller one is EINVAL', t => {
  const name = objectName(t)
  using made = PosixSegment.openOrCreate(name, { size: 2 * PAGE })
  t.true(made.created)
  using same = PosixSegment.openOrCreate(name, { size: 2 * PAGE })
  t.false(same.created)
  using larger = PosixSegment.openOrCreate(name, { size: 100 })
  t.is(larger.size, 2 * PAGE)
  t.throws(() => PosixSegment.openOrCreate(name, { size: 2 * PAGE + 1 }), { instanceOf: ShmError, code: 'EINVAL', message: /8192.*8193.*npx shmem rm/ })
  t.is(statSync(`/dev/shm${name}`).size, 2 * PAGE)
})

test('of many processes that open or create at once one makes the object and all see its full size', async t => {
  const peers = Array.from({ length: 6 }, () => new Peer(t))
  for (let round = 0; round < 25; round += 1) {
    const name = objectName(t)
    const opened = await Promise.all(peers.map(peer => peer.open('PosixSegment.openOrCreate', name, { size: 3 * PAGE + 5 })))
    t.deepEqual(await Promise.all(opened.map(segment => segment.get('size'))), peers.map(() => 3 * PAGE + 5))
    const made = await Promise.all(opened.map(segment => segment.get('created')))
    t.is(made.filter(created => created === true).length, 1)
    await Promise.all(opened.map(segment => segment.call('close')))
    PosixSegment.remove(name)
  }
})

for (const umask of [0o077, 0]) {
  test(`the mode is exact under umask ${umask.toString(8).padStart(3, '0')}`, async t => {
    const peer = new Peer(t)
    await peer.child.ask('umask', umask)
    for (const mode of [undefined, 0o600, 0o666, 0o640, 0o777, 0o400]) {
      const name = objectName(t)
      const made = await peer.open('PosixSegment.create', name, { size: 1, ...(mode === undefined ? {} : { mode }) })
      t.is(statSync(`/dev/shm${name}`).mode & 0o7777, mode ?? 0o600)
      t.like(await made.call<{ mode: number }>('stat'), { mode: mode ?? 0o600 })
    }
  })
}

test('another user is refused by the mode, with a hint, or may read only', async t => {
  const reason = whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  const [secret, shown] = [objectName(t), objectName(t)]
  using hidden = PosixSegment.create(secret, { size: PAGE })
  using readable = PosixSegment.create(shown, { size: PAGE, mode: 0o644 })
  hidden.write(0, 'secret')
  readable.write(0, 'public')
  const peer = new Peer(t, { prefix: asOther() })
  const error = await t.throwsAsync(peer.open('PosixSegment.open', secret), { message: /EACCES/ })
  t.like(error, { code: 'EACCES', errno: -13, objectName: secret })
  t.regex(String((error as unknown as { hint: string }).hint), /access: "read"/)
  t.like(await t.throwsAsync(peer.open('PosixSegment.open', shown)), { code: 'EACCES' })
  const theirs = await peer.open('PosixSegment.open', shown, { access: 'read' })
  t.is(await theirs.call('read', 0, 6), 'public')
  t.like(await t.throwsAsync(theirs.call('set', { mode: 0o666 })), { code: 'EPERM' })
  readable.set({ mode: 0o600 })
  t.like(readable.stat(), { mode: 0o600 })
})

test('a part is mapped by offset and length, and ends where it was told to', t => {
  const name = objectName(t)
  using whole = PosixSegment.create(name, { size: 3 * PAGE })
  using part = PosixSegment.open(name, { offset: PAGE, length: 100 })
  using rest = PosixSegment.open(name, { offset: '8KiB' })
  t.deepEqual([part.size, part.offset, part.buffer.byteLength], [100, PAGE, 100])
  t.deepEqual([rest.size, rest.offset], [PAGE, 2 * PAGE])
  part.write(0, 'second page')
  t.is(whole.read(PAGE, 11).toString(), 'second page')
  whole.write(2 * PAGE, 'third')
  t.is(rest.read(0, 5).toString(), 'third')
  t.throws(() => part.read(90, 11), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
  t.is(part.stat().objectSize, 3 * PAGE)
})

test('a part that is not on a page, or not inside the object, is refused', t => {
  const name = objectName(t)
  using whole = PosixSegment.create(name, { size: 2 * PAGE })
  t.throws(() => PosixSegment.open(name, { offset: 100 }), { instanceOf: RangeError, message: /"options.offset".*multiple of the page size, 4096/ })
  for (const outside of [{ offset: 2 * PAGE }, { offset: PAGE, length: PAGE + 1 }, { length: 2 * PAGE + 1 }, { offset: 2 ** 40 }]) {
    t.throws(() => PosixSegment.open(name, outside), { any: true, code: 'ERR_OUT_OF_RANGE' })
  }
  t.throws(() => PosixSegment.create(`${name}b`, { size: PAGE, offset: PAGE }), { instanceOf: RangeError })
  t.throws(() => statSync(`/dev/shm${name}b`), { code: 'ENOENT' })
  t.is(whole.size, 2 * PAGE)
})

test('access read refuses write(), and a write through a view is undone and reported', t => {
  const name = objectName(t)
  using ours = PosixSegment.create(name, { size: PAGE })
  using reader = PosixSegment.open(name, { access: 'read' })
  ours.write(0, 'original')
  t.throws(() => reader.write(0, 'x'), { instanceOf: ShmError, code: 'ERR_SHM_READ_ONLY' })
  new Uint8Array(reader.buffer)[0] = 1
  t.throws(() => reader.read(0, 8), { instanceOf: ShmError, code: 'ERR_SHM_READ_ONLY' })
  t.is(ours.read(0, 8).toString(), 'original')
  t.is(reader.stat().faults.readOnly, 1)
})

test('copy-on-write sees the object but keeps its writes to itself', async t => {
  const name = objectName(t)
  using ours = PosixSegment.create(name, { size: 2 * PAGE })
  ours.write(0, 'original')
  const theirs = await new Peer(t).open('PosixSegment.open', name, { access: 'copy-on-write' })
  t.is(await theirs.call('read', 0, 8), 'original')
  await theirs.call('write', 0, 'changed!')
  t.is(await theirs.call('read', 0, 8), 'changed!')
  t.is(ours.read(0, 8).toString(), 'original')
  ours.write(PAGE, 'other page')
  t.is(await theirs.call('read', PAGE, 10), 'other page')
})

test('a page that is protected reads zeroes and is usable again afterwards, bytes unchanged', t => {
  using segment = PosixSegment.create(objectName(t), { size: 2 * PAGE })
  segment.write(0, 'before')
  segment.protect({ offset: 0, length: PAGE }, 'read')
  segment.bytes[0] = 1
  t.throws(() => segment.read(0, 6), { code: 'ERR_SHM_READ_ONLY' })
  using second = PosixSegment.open(segment.name)
  t.is(second.read(0, 6).toString(), 'before')
  segment.protect({ offset: PAGE, length: PAGE }, 'none')
  t.is(segment.bytes[PAGE], 0)
  t.throws(() => segment.read(PAGE, 1), { code: 'ERR_SHM_HOLE' })
  second.protect({ offset: 0, length: PAGE }, 'none')
  second.protect({ offset: 0, length: PAGE }, 'write')
  t.is(second.read(0, 6).toString(), 'before')
})

test('the descriptor is closed after mapping, and kept on request until close()', async t => {
  const peer = new Peer(t)
  const name = objectName(t)
  const before = await peer.child.ask<number>('fds')
  await peer.open('PosixSegment.create', name, { size: PAGE })
  t.is(await peer.child.ask('fds'), before)
  const kept = await peer.open('PosixSegment.open', name, { keepFd: true })
  t.is(await peer.child.ask('fds'), before + 1)
  const fd = await kept.get<number>('fd')
  t.true(Number.isInteger(fd) && fd > 2)
  await kept.call('close')
  t.is(await peer.child.ask('fds'), before)
  t.is(await kept.get('fd'), undefined)
})

test('close() empties every view, is idempotent, and remove() works after it', t => {
  const name = objectName(t)
  const segment = PosixSegment.create(name, { size: PAGE })
  const { buffer, bytes } = segment
  const words = new Int32Array(buffer)
  const view = new DataView(buffer)
  segment.close()
  segment.close()
  t.deepEqual([buffer.byteLength, bytes.length, words.length, segment.size, segment.buffer.byteLength], [0, 0, 0, 0, 0])
  t.throws(() => view.getInt8(0), { instanceOf: TypeError })
  words[0] = 5
  t.false(0 in words)
  t.true(segment.closed)
  for (const use of [() => segment.read(0, 1), () => segment.write(0, 'x'), () => segment.stat(), () => segment.resize(1), () => segment.toSharedArrayBuffer()]) {
    t.throws(use, { instanceOf: ShmError, code: 'ERR_SHM_CLOSED' })
  }
  segment.remove()
  t.throws(() => segment.remove(), { instanceOf: ShmError, code: 'ENOENT' })
})

test('an object outlives the process that made it, and lives on after its name for who has it open', async t => {
  const name = objectName(t)
  const peer = new Peer(t)
  const theirs = await peer.open('PosixSegment.create', name, { size: PAGE })
  await theirs.call('write', 0, 'left behind')
  await peer.child.kill('SIGKILL')
  using ours = PosixSegment.open(name)
  PosixSegment.remove(name)
  t.is(ours.read(0, 11).toString(), 'left behind')
  t.throws(() => PosixSegment.open(name), { code: 'ENOENT' })
  t.throws(() => ours.stat(), { instanceOf: ShmError, code: 'ERR_SHM_REMOVED' })
})

test('what is no shared memory object of some size is an error, not a view', t => {
  const [empty, fifo, folder, target, link] = ['empty', 'fifo', 'folder', 'target', 'link'].map(what => `/shmem-test-${process.pid}-${what}`) as [string, string, string, string, string]
  t.teardown(() => [empty, fifo, folder, target, link].forEach(name => rmSync(at(name), { recursive: true, force: true })))
  writeFileSync(at(empty), '')
  t.throws(() => PosixSegment.open(empty), { instanceOf: ShmError, code: 'ERR_SHM_EMPTY' })
  t.throws(() => PosixSegment.openOrCreate(empty, { size: PAGE }), { instanceOf: ShmError, code: 'ERR_SHM_EMPTY' })

  execFileSync('mkfifo', [at(fifo)])
  for (const access of ['read', 'write'] as const) t.throws(() => PosixSegment.open(fifo, { access }), { instanceOf: ShmError, code: 'EINVAL' })

  mkdirSync(at(folder))
  t.throws(() => PosixSegment.open(folder), { instanceOf: ShmError, code: 'EISDIR' })
  t.throws(() => PosixSegment.open(folder, { access: 'read' }), { instanceOf: ShmError, code: 'EINVAL' })

  writeFileSync(at(target), 'target')
  symlinkSync(at(target), at(link))
  t.throws(() => PosixSegment.open(link), { instanceOf: ShmError, code: 'ELOOP' })
  t.throws(() => PosixSegment.openOrCreate(link, { size: 1 }), { instanceOf: ShmError })
  t.throws(() => PosixSegment.create(link, { size: 1 }), { instanceOf: ShmError, code: 'EEXIST' })
  t.is(statSync(at(target)).size, 6)

  // What anybody wrote there is an object of that size.
  using foreign = PosixSegment.open(target)
  t.deepEqual([foreign.size, foreign.read(0, 6).toString()], [6, 'target'])
})

test('names at the border: 254 bytes work, what libc would call EINVAL never reaches it', t => {
  const long = `/shmem-test-${process.pid}-`.padEnd(255, 'x')
  using segment = PosixSegment.create(long, { size: 1 })
  t.teardown(() => PosixSegment.remove(long))
  t.is(segment.name, long)
  t.throws(() => PosixSegment.create(`${long}x`, { size: 1 }), { instanceOf: RangeError, message: /"name"/ })
  using umlaut = PosixSegment.create(`/shmem-test-${process.pid}-größe 1`, { size: 1 })
  t.true(readdirSync('/dev/shm').includes(`shmem-test-${process.pid}-größe 1`))
  umlaut.remove()
})

test('resize() grows and shrinks; the other process keeps its view until it refreshes', async t => {
  const name = objectName(t)
  using ours = PosixSegment.create(name, { size: PAGE })
  const theirs = await new Peer(t).open('PosixSegment.open', name)
  const old = ours.buffer
  ours.write(0, 'kept')
  ours.resize('64KiB')
  t.deepEqual([old.byteLength, ours.size, ours.buffer.byteLength], [0, 64 * KIB, 64 * KIB])
  t.is(ours.read(0, 4).toString(), 'kept')
  ours.write(60 * KIB, 'new')
  t.is(await theirs.get('size'), PAGE)
  t.true(await theirs.call('refresh'))
  t.false(await theirs.call('refresh'))
  t.is(await theirs.call('read', 60 * KIB, 3), 'new')

  ours.resize(PAGE)
  t.is(ours.read(0, 4).toString(), 'kept')
  t.is(await theirs.touch(60 * KIB), 0)
  const error = await t.throwsAsync(theirs.call('read', 0, 4))
  t.like(error, { code: 'ERR_SHM_TRUNCATED' })
  t.true(await theirs.call('refresh'))
  t.is(await theirs.call('read', 0, 4), 'kept')
})

test('an object that a stranger truncates to nothing harms nobody, also not its refresh', t => {
  using segment = PosixSegment.create(objectName(t), { size: 2 * PAGE })
  segment.write(0, 'gone')
  truncateSync(`/dev/shm${segment.name}`, 0)
  t.is(segment.bytes[0], 0)
  t.throws(() => segment.read(0, 4), { code: 'ERR_SHM_TRUNCATED' })
  t.throws(() => segment.refresh(), { instanceOf: ShmError, code: 'ERR_SHM_EMPTY' })
  truncateSync(`/dev/shm${segment.name}`, PAGE)
  t.true(segment.refresh())
  t.is(segment.size, PAGE)
  segment.write(0, 'again')
  t.is(PosixSegment.open(segment.name).read(0, 5).toString(), 'again')
})

test('an object that shrinks while it is opened is an error or a view of a size that it had', async t => {
  const name = objectName(t)
  const peer = new Peer(t)
  const theirs = await peer.open('PosixSegment.create', name, { size: 16 * PAGE })
  peer.child.tell('seesaw', { segment: theirs.segment, small: PAGE, large: 16 * PAGE, times: 4_000 })
  const finished = peer.child.answer()
  const state = { running: true }
  void finished.finally(() => (state.running = false))
  const sizes = new Set<number>()
  while (state.running) {
    try {
      const segment = PosixSegment.open(name)
      sizes.add(segment.size)
      segment.close()
    } catch (error) {
      t.is((error as ShmError).code, 'ERR_SHM_TRUNCATED')
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  await finished
  for (const size of sizes) t.true(size === PAGE || size === 16 * PAGE, `${size}`)
})

test('a full /dev/shm is ENOSPC with a hint at creation, and nothing is left behind', async t => {
  const reason = whyNotPrivate()
  if (reason !== undefined) return skip(t, reason)
  const { child } = new Peer(t, { prefix: privately('mount -t tmpfs -o size=64m shm /dev/shm') })
  const shm = (): string[] => readdirSync(`/proc/${child.pid}/root/dev/shm`)
  for (const by of ['PosixSegment.create', 'PosixSegment.openOrCreate']) {
    const error = await t.throwsAsync(child.ask('open', { by, args: ['/big', { size: '128MiB' }] }))
    t.like(error, { code: 'ENOSPC', errno: -28, objectName: '/big' })
    t.regex(String((error as unknown as { hint: string }).hint), /df -h \/dev\/shm.*--shm-size.*reserve: false/)
    t.deepEqual(shm(), [])
  }
  const { blocks, bfree } = statfsSync(`/proc/${child.pid}/root/dev/shm`)
  t.deepEqual([blocks * PAGE, blocks - bfree], [2 ** 26, 0])

  const segment = await child.ask<number>('open', { by: 'PosixSegment.create', args: ['/sparse', { size: '128MiB', reserve: false }] })
  t.is(await child.ask('call', { segment, method: 'write', args: [2 ** 27 - 3, 'end'] }), 3)
  t.is(await child.ask('call', { segment, method: 'read', args: [2 ** 27 - 3, 3] }), 'end')
  await child.ask('fill', { segment, value: 1 })
  t.like(await t.throwsAsync(child.ask('call', { segment, method: 'read', args: [0, 1] })), { code: 'ERR_SHM_TRUNCATED' })
  t.is(await child.ask('call', { segment, method: 'read', args: [0, 1] }), '\x01')
  t.deepEqual(shm(), ['sparse'])
})

test('a view larger than a buffer may be is refused with the way out, and nothing is left', t => {
  const name = objectName(t)
  // Beyond Node 20's buffers, and beyond all address space where buffers may be larger (Node 22).
  const error = t.throws(() => PosixSegment.create(name, { size: 2 ** 52, reserve: false }), { instanceOf: ShmError })
  if (constants.MAX_LENGTH < 2 ** 52) {
    t.is(error?.code, 'ERR_SHM_BUFFER_TOO_LARGE')
    t.regex(error?.hint ?? '', /Map a part: \{ offset, length \}/)
  }
  t.throws(() => statSync(`/dev/shm${name}`), { code: 'ENOENT' })
})

test('a part of a sparse 1 TiB object works at its end; whole it works to its last byte, or is refused where a buffer is too small', t => {
  const name = objectName(t)
  const size = 2 ** 40
  using end = PosixSegment.create(name, { size, reserve: false, offset: size - PAGE, length: PAGE })
  end.write(PAGE - 4, 'last')
  using again = PosixSegment.open(name, { offset: BigInt(size - PAGE) })
  t.deepEqual([again.size, again.read(PAGE - 4, 4).toString()], [PAGE, 'last'])
  t.is(again.stat().objectSize, size)
  if (constants.MAX_LENGTH >= size) {
    using whole = PosixSegment.open(name)
    t.is(whole.read(size - 4, 4).toString(), 'last')
  } else {
    t.throws(() => PosixSegment.open(name), { instanceOf: ShmError, code: 'ERR_SHM_BUFFER_TOO_LARGE' })
  }
})

test('a failed lock or prefault at creation leaves no object behind', async t => {
  const reason = whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  const name = objectName(t)
  const peer = new Peer(t, { prefix: [...asOther(), 'prlimit', '--memlock=0:0'] })
  const error = await t.throwsAsync(peer.open('PosixSegment.create', name, { size: PAGE, lockMemory: true }))
  t.true(['EPERM', 'ENOMEM'].includes(String((error as unknown as { code: string }).code)), error?.message)
  t.regex(String((error as unknown as { hint: string }).hint), /RLIMIT_MEMLOCK/)
  t.throws(() => statSync(`/dev/shm${name}`), { code: 'ENOENT' })
})

test('bytes of another realm are bytes', t => {
  const segment = PosixSegment.create(objectName(t), { size: PAGE })
  t.teardown(() => segment.close())
  const foreign = runInNewContext('new Uint8Array([7, 8, 9]).buffer') as ArrayBuffer
  t.false(foreign instanceof ArrayBuffer)
  t.is(segment.write(5, foreign), 3)
  t.deepEqual([...segment.read(5, 3)], [7, 8, 9])
})
