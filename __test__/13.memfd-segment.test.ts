/**
 * Anonymous segments through {@link MemfdSegment}: how their descriptor reaches other processes (stdio, /proc, SCM_RIGHTS; Node,
 * C and Python), what seals forbid, huge pages, and refusal of more than there is memory.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { MemfdSegment, PosixSegment, ShmError, receiveFd, sendFd, type Seal } from 'shmem'
import { close, ftruncate, memfd_create } from 'shmem/posix'
import { compileC } from './support/c-program.js'
import { startChild, startCommand } from './support/child.js'
import { hugePagePool } from './support/huge-pages.js'
import { asOther, whyNotOther } from './support/namespace.js'
import { Peer, objectName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'

const PAGE = 4096

test('a memfd has a label, a descriptor of its own, and no name anywhere', t => {
  const segment = MemfdSegment.create('frames', { size: '64KiB' })
  const { fd } = segment
  t.regex(readlinkSync(`/proc/self/fd/${fd}`), /memfd:frames/)
  t.like(segment.stat(), { kind: 'memfd', size: 65_536, links: 0, removed: false, mode: 0o600, reserved: true })
  t.is(segment.stat().allocatedBytes, 65_536)
  t.false(readdirSync('/dev/shm').some(name => name.includes('frames')))
  segment.remove()
  segment.close()
  t.throws(() => readlinkSync(`/proc/self/fd/${fd}`), { code: 'ENOENT' })
  t.throws(() => segment.fd, { instanceOf: ShmError, code: 'ERR_SHM_CLOSED' })
})

test('a C child reads and writes it through an inherited descriptor', t => {
  const program = compileC(t, 'segment-peer')
  if (program === undefined) return
  using segment = MemfdSegment.create('stdio', { size: PAGE })
  segment.write(10, 'for C')
  const run = (...words: string[]) => spawnSync(program, ['fd', '3', ...words], { stdio: ['ignore', 'pipe', 'inherit', segment.fd], encoding: 'utf8' })
  t.is(run('read', '10', '5').stdout, 'for C')
  t.is(run('write', '100', 'from C').status, 0)
  t.is(segment.read(100, 6).toString(), 'from C')
})

test('a Node child maps an inherited descriptor with fromFd, which duplicates it', async t => {
  using segment = MemfdSegment.create('stdio', { size: PAGE })
  segment.write(0, 'for a child')
  const script = `import { MemfdSegment } from 'shmem'
    import { closeSync } from 'node:fs'
    const segment = MemfdSegment.fromFd(3)
    closeSync(3)
    const text = segment.read(0, 11).toString()
    segment.write(PAGE - text.length, text.toUpperCase())`.replace('PAGE', String(PAGE))
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'inherit', 'inherit', segment.fd] })
  t.deepEqual(await once(child, 'exit'), [0, null])
  t.is(segment.read(PAGE - 11, 11).toString(), 'FOR A CHILD')
})

test('fromProcess maps the object of another process\'s descriptor, and says what is missing', async t => {
  const peer = new Peer(t)
  const theirs = await peer.open('MemfdSegment.create', 'theirs', { size: 2 * PAGE })
  const fd = await theirs.get<number>('fd')
  using ours = MemfdSegment.fromProcess(peer.child.pid, fd)
  using part = MemfdSegment.fromProcess(peer.child.pid, fd, { access: 'read', offset: PAGE })
  ours.write(PAGE, 'both ways')
  t.is(await theirs.call('read', PAGE, 9), 'both ways')
  await theirs.call('write', PAGE, 'BOTH')
  t.is(part.read(0, 4).toString(), 'BOTH')
  t.throws(() => MemfdSegment.fromProcess(peer.child.pid, 9_999), { instanceOf: ShmError, code: 'ENOENT' })
  await peer.child.kill()
  t.throws(() => MemfdSegment.fromProcess(peer.child.pid, fd), { instanceOf: ShmError, code: 'ENOENT' })
  t.is(ours.read(PAGE, 4).toString(), 'BOTH')
})

test('another user may not take descriptors out of a process', async t => {
  const reason = whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  using ours = MemfdSegment.create('mine', { size: PAGE })
  const error = await t.throwsAsync(new Peer(t, { prefix: asOther() }).open('MemfdSegment.fromProcess', process.pid, ours.fd))
  t.true(['EACCES', 'EPERM'].includes(String((error as unknown as ShmError).code)), error?.message)
})

test('sendFd and receiveFd pass it between Node processes, in both directions', async t => {
  const path = `${temporaryFolder(t)}/socket`
  const peer = new Peer(t)
  using ours = MemfdSegment.create('sent', { size: PAGE })
  peer.child.tell('receiveFd', { path, timeoutMs: 20_000 })
  sendFd(path, ours.fd, { timeoutMs: 20_000 })
  const theirs = await peer.open('MemfdSegment.fromFd', await peer.child.answer<number>())
  ours.write(0, 'sent')
  t.is(await theirs.call('read', 0, 4), 'sent')

  peer.child.tell('sendFd', { path: '@shmem-test-' + process.pid, fd: await theirs.get('fd') })
  const fd = receiveFd('@shmem-test-' + process.pid, { timeoutMs: 20_000 })
  await peer.child.answer()
  using back = MemfdSegment.fromFd(fd)
  close(fd)
  back.write(0, 'back')
  t.is(ours.read(0, 4).toString(), 'back')
  t.deepEqual(readdirSync(path.replace('/socket', '')), [])
})

test('a C program receives a descriptor from us, and we one from it', async t => {
  const program = compileC(t, 'segment-peer')
  if (program === undefined) return
  const path = `${temporaryFolder(t)}/socket`
  using ours = MemfdSegment.create('to C', { size: PAGE })
  const taker = startCommand(t, program, ['socket', path, 'write', 5, 'C got it'])
  sendFd(path, ours.fd, { timeoutMs: 20_000 })
  t.deepEqual(await taker.ended, { code: 0, signal: null })
  t.is(ours.read(5, 8).toString(), 'C got it')

  const giver = startCommand(t, program, ['give', path, 'create', 12_345, 'C gives'])
  const fd = receiveFd(path, { timeoutMs: 20_000 })
  t.deepEqual(await giver.ended, { code: 0, signal: null })
  using theirs = MemfdSegment.fromFd(fd)
  close(fd)
  t.deepEqual([theirs.size, theirs.read(0, 7).toString()], [12_345, 'C gives'])
})

test('Python\'s socket.recv_fds and send_fds are peers', async t => {
  if (spawnSync('python3', ['-c', 'import socket; socket.recv_fds']).status !== 0) return skip(t, 'there is no Python with socket.recv_fds')
  const path = `${temporaryFolder(t)}/socket`
  const python = (script: string) => startCommand(t, 'python3', ['-c', `import mmap, os, socket, sys, time\npath = ${JSON.stringify(path)}\n${script}`])
  using ours = MemfdSegment.create('to Python', { size: PAGE })
  ours.write(0, 'from Node')
  const taker = python(`listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
_, fds, _, _ = socket.recv_fds(listener.accept()[0], 1, 1)
memory = mmap.mmap(fds[0], 0)
memory[100:109] = memory[0:9][::-1]
os.unlink(path)`)
  sendFd(path, ours.fd, { timeoutMs: 20_000 })
  t.deepEqual(await taker.ended, { code: 0, signal: null }, taker.stderr)
  t.is(ours.read(100, 9).toString(), 'edoN morf')

  const giver = python(`fd = os.memfd_create('python')
os.write(fd, b'from Python')
peer = socket.socket(socket.AF_UNIX)
for _ in range(2000):
    try: peer.connect(path); break
    except OSError: time.sleep(0.01)
socket.send_fds(peer, [b'x'], [fd])`)
  const fd = receiveFd(path, { timeoutMs: 20_000 })
  t.deepEqual(await giver.ended, { code: 0, signal: null }, giver.stderr)
  using theirs = MemfdSegment.fromFd(fd)
  close(fd)
  t.is(theirs.read(0, theirs.size).toString(), 'from Python')
})

test('passing times out with a clear error, leaves no socket, and refuses a peer without a descriptor', async t => {
  const folder = temporaryFolder(t)
  const path = `${folder}/socket`
  using ours = MemfdSegment.create('unsent', { size: PAGE })
  t.like(t.throws(() => receiveFd(path, { timeoutMs: 20 }), { instanceOf: ShmError, code: 'ETIMEDOUT' }), { errno: -110, path })
  t.like(t.throws(() => sendFd(path, ours.fd, { timeoutMs: 20 }), { instanceOf: ShmError, code: 'ENOENT' }), { path })
  t.deepEqual(readdirSync(folder), [])
  writeFileSync(path, 'taken')
  t.throws(() => receiveFd(path, { timeoutMs: 20 }), { instanceOf: ShmError, code: 'EADDRINUSE' })
  t.is(readFileSync(path, 'utf8'), 'taken')

  const empty = `${folder}/empty`
  const peer = new Peer(t)
  peer.child.tell('receiveFd', { path: empty, timeoutMs: 20_000 })
  const sender = spawn(process.execPath, ['-e', `const { connect } = require('node:net')
    const dial = () => connect(${JSON.stringify(empty)}, function () { this.end('x') }).on('error', () => setTimeout(dial, 10))
    dial()`])
  t.teardown(() => sender.kill())
  t.like(await t.throwsAsync(peer.child.answer()), { code: 'ENODATA' })
})

test('seals forbid shrinking and growing to everybody, and further seals when sealed', async t => {
  using segment = MemfdSegment.create('sealed', { size: 2 * PAGE, seals: ['shrink', 'grow'] })
  t.deepEqual(segment.seals, ['shrink', 'grow'])
  for (const size of [PAGE, 3 * PAGE]) {
    t.regex(t.throws(() => segment.resize(size), { instanceOf: ShmError, code: 'EPERM' })?.hint ?? '', /seal/)
  }
  t.is(segment.size, 2 * PAGE)
  t.throws(() => ftruncate(segment.fd, 0), { code: 'EPERM' })
  segment.write(0, 'still works')
  segment.addSeals(['seal'])
  t.deepEqual(segment.seals, ['seal', 'shrink', 'grow'])
  t.throws(() => segment.addSeals(['future-write']), { instanceOf: ShmError, code: 'EPERM' })
  const theirs = await new Peer(t).open('MemfdSegment.fromProcess', process.pid, segment.fd)
  t.like(await t.throwsAsync(theirs.call('resize', PAGE)), { code: 'EPERM' })
  t.deepEqual(await theirs.get<Seal[]>('seals'), ['seal', 'shrink', 'grow'])
})

test('the write seal needs access read, and then nobody can write', t => {
  t.regex(t.throws(() => MemfdSegment.create('busy', { size: PAGE, seals: ['write'] }), { instanceOf: ShmError, code: 'EBUSY' })?.hint ?? '', /access "read"/)
  const fd = memfd_create('content', 3)
  t.teardown(() => close(fd))
  writeFileSync(fd, 'fixed for ever')
  using reader = MemfdSegment.fromFd(fd, { access: 'read' })
  reader.addSeals(['write'])
  t.throws(() => MemfdSegment.fromFd(fd), { instanceOf: ShmError, code: 'EPERM' })
  t.throws(() => writeFileSync(fd, 'changed'), { code: 'EPERM' })
  reader.bytes[0] = 1
  t.throws(() => reader.read(0, 5), { code: 'ERR_SHM_READ_ONLY' })
  using fresh = MemfdSegment.fromFd(fd, { access: 'read' })
  t.is(fresh.read(0, 14).toString(), 'fixed for ever')
})

test('a read-only memfd can be created sealed against writing', t => {
  using fixed = MemfdSegment.create('zeroes', { size: PAGE, access: 'read', seals: ['write'] })
  t.deepEqual(fixed.seals, ['write'])
})

test('what was opened for reading cannot be protected into writing', t => {
  using maker = MemfdSegment.create('shown', { size: PAGE })
  using reader = MemfdSegment.fromFd(maker.fd, { access: 'read' })
  using created = MemfdSegment.create('own', { size: PAGE, access: 'read' })
  for (const segment of [reader, created]) {
    t.like(t.throws(() => segment.protect({ offset: 0, length: PAGE }, 'write'), { instanceOf: ShmError, code: 'EACCES' }), { syscall: 'mprotect' })
  }
})

test('future-write lets the maker write on, and nobody else', t => {
  using maker = MemfdSegment.create('feed', { size: PAGE, seals: ['future-write'] })
  using reader = MemfdSegment.fromFd(maker.fd, { access: 'read' })
  maker.write(0, 'news')
  t.is(reader.read(0, 4).toString(), 'news')
  t.like(t.throws(() => MemfdSegment.fromFd(maker.fd), { instanceOf: ShmError }), { code: 'EPERM' })
  t.throws(() => reader.protect({ offset: 0, length: PAGE }, 'write'), { instanceOf: ShmError })
  maker.write(0, 'more')
  t.is(reader.read(0, 4).toString(), 'more')
})

test('resize() is seen by another process after refresh()', async t => {
  using ours = MemfdSegment.create('growing', { size: PAGE })
  const theirs = await new Peer(t).open('MemfdSegment.fromProcess', process.pid, ours.fd)
  ours.resize(5 * PAGE)
  ours.write(4 * PAGE, 'end')
  t.true(await theirs.call('refresh'))
  t.is(await theirs.call('read', 4 * PAGE, 3), 'end')
  await theirs.call('resize', PAGE)
  t.is(ours.bytes[4 * PAGE], 0)
  t.throws(() => ours.read(0, 1), { code: 'ERR_SHM_TRUNCATED' })
  t.true(ours.refresh())
  t.is(ours.size, PAGE)
})

test('more than there is memory is ERR_SHM_NO_MEMORY at once, and may be made sparse', t => {
  const size = 2 ** 44
  const fds = readdirSync('/proc/self/fd').length
  const error = t.throws(() => MemfdSegment.create('huge', { size, length: PAGE }), { instanceOf: ShmError, code: 'ERR_SHM_NO_MEMORY' })
  t.regex(error?.hint ?? '', /reserve: false/)
  t.is(readdirSync('/proc/self/fd').length, fds)
  using sparse = MemfdSegment.create('huge', { size, offset: size - PAGE, reserve: false })
  sparse.write(PAGE - 3, 'end')
  t.deepEqual([sparse.read(PAGE - 3, 3).toString(), sparse.stat().allocatedBytes, sparse.stat().reserved], ['end', PAGE, false])
})

test('what is no regular object is refused: a pipe, a folder, an empty memfd, a descriptor that is closed', t => {
  const empty = memfd_create('empty', 0)
  t.teardown(() => close(empty))
  t.throws(() => MemfdSegment.fromFd(empty), { instanceOf: ShmError, code: 'ERR_SHM_EMPTY' })
  t.throws(() => MemfdSegment.fromFd(1_000_000), { instanceOf: ShmError, code: 'EBADF' })
  for (const path of ['/dev/null', '/dev/zero', '/']) {
    const open = spawnSync(process.execPath, ['--input-type=module', '-e', `import { MemfdSegment } from 'shmem'
      import { openSync } from 'node:fs'
      try { MemfdSegment.fromFd(openSync('${path}', 'r'), { access: 'read' }) } catch (error) { console.log(error.code) }`], { encoding: 'utf8' })
    t.is(open.stdout.trim(), 'EINVAL', path)
  }
})

test.serial('huge pages: required with an empty pool is ENOMEM with a hint, preferred falls back', async t => {
  const reason = await hugePagePool(t, 0)
  if (reason !== undefined) return skip(t, reason)
  const error = t.throws(() => MemfdSegment.create('huge', { size: 2 ** 21, hugePages: 'require' }), { instanceOf: ShmError, code: 'ENOMEM' })
  t.regex(error?.hint ?? '', /HugePages_Free.*vm\.nr_hugepages/)
  using fallback = MemfdSegment.create('huge', { size: 2 ** 21, hugePages: 'prefer' })
  t.like(fallback.stat().hugePages, { kind: 'none', pageSizeBytes: PAGE, bytes: 0 })
  fallback.write(2 ** 21 - 3, 'end')
  using named = PosixSegment.create(objectName(t), { size: PAGE, hugePages: 'prefer' })
  t.is(named.stat().hugePages.kind, 'none')
})

test.serial('huge pages: with a reserved pool the segment is on them, whole, in every process', async t => {
  const reason = await hugePagePool(t, 4)
  if (reason !== undefined) return skip(t, reason)
  using huge = MemfdSegment.create('huge', { size: 3_000_000, hugePages: 'require', hugePageSize: '2MiB' })
  t.like(huge.stat().hugePages, { kind: 'hugetlb', pageSizeBytes: 2 ** 21, bytes: 2 ** 22 })
  huge.write(2_999_997, 'end')
  const theirs = await new Peer(t).open('MemfdSegment.fromProcess', process.pid, huge.fd, {})
  t.is(await theirs.call('read', 2_999_997, 3), 'end')
  t.like(await theirs.call<object>('stat'), { hugePages: { kind: 'hugetlb', pageSizeBytes: 2 ** 21, bytes: 2 ** 22 } })
  using reader = MemfdSegment.fromFd(huge.fd, { access: 'read' })
  reader.bytes[5] = 1
  t.throws(() => reader.read(0, 1), { code: 'ERR_SHM_READ_ONLY' })
  t.is(huge.bytes[5], 0)
  t.throws(() => MemfdSegment.create('too much', { size: 2 ** 23, hugePages: 'require' }), { code: 'ENOMEM' })
})

/** Reserves huge pages until the end of the test, or says why not. */

test('set changes owner and mode of the anonymous object', t => {
  using segment = MemfdSegment.create('owned', { size: PAGE })
  segment.set({ mode: 0o640 })
  t.is(segment.stat().mode, 0o640)
  if (process.getuid?.() !== 0) return skip(t, 'giving an object away needs root')
  segment.set({ uid: 65_534, gid: 65_534 })
  t.like(segment.stat(), { uid: 65_534, gid: 65_534, mode: 0o640 })
})

test('where /proc refuses a descriptor, pidfd_getfd hands it over', async t => {
  const reason = whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  const child = startChild(t, 'locked-memfd', { prefix: asOther() })
  t.deepEqual(JSON.parse(await child.line()), { refusal: 'EACCES', read: 'through pidfd_getfd' })
})
