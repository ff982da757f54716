/**
 * Files as memory through {@link FileSegment}: shared with other processes in Node and C, durable by flush(), private when
 * copied on write, and what the rules of create, open and openOrCreate are on a disk.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, linkSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { FileSegment, ShmError } from 'shmem'
import { compileC, runC } from './support/c-program.js'
import { asOther, privately, whyNotOther, whyNotPrivate } from './support/namespace.js'
import { Peer, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'

const PAGE = 4096

test('two Node processes share a file, and what they write is in it', async t => {
  const path = `${temporaryFolder(t)}/shared`
  using ours = FileSegment.create(path, { size: 10_000 })
  const theirs = await new Peer(t).open('FileSegment.open', path)
  ours.write(0, 'from here')
  t.is(await theirs.call('read', 0, 9), 'from here')
  await theirs.call('write', 9_995, 'there')
  t.is(ours.read(9_995, 5).toString(), 'there')
  const content = readFileSync(path)
  t.deepEqual([content.length, content.subarray(0, 9).toString(), content.subarray(9_995).toString()], [10_000, 'from here', 'there'])
})

test('Node and C share a file, whoever makes it', t => {
  const program = compileC(t, 'segment-peer')
  if (program === undefined) return
  const folder = temporaryFolder(t)
  using ours = FileSegment.create(`${folder}/node`, { size: PAGE })
  ours.write(1, 'hello C')
  t.is(runC(program, ['file', ours.path, 'read', 1, 7]).toString(), 'hello C')
  runC(program, ['file', ours.path, 'write', 100, 'hello Node'])
  t.is(ours.read(100, 10).toString(), 'hello Node')
  runC(program, ['file', `${folder}/c`, 'create', 77, 'C made it'])
  using theirs = FileSegment.open(`${folder}/c`)
  t.deepEqual([theirs.size, theirs.read(0, 9).toString()], [77, 'C made it'])
})

test('a file persists: closed, its content is there for the next who opens it', t => {
  const path = `${temporaryFolder(t)}/persistent`
  const first = FileSegment.create(path, { size: PAGE })
  first.write(7, 'kept')
  first.flush()
  first.flush({ offset: 7, length: 4 })
  first.flush({ async: true })
  first.close()
  using second = FileSegment.open(path)
  t.is(second.read(7, 4).toString(), 'kept')
  FileSegment.remove(path)
  t.is(second.read(7, 4).toString(), 'kept')
  t.throws(() => statSync(path), { code: 'ENOENT' })
  t.like(t.throws(() => FileSegment.remove(path), { instanceOf: ShmError, code: 'ENOENT' }), { path, syscall: 'unlink', errno: -2 })
})

test('flush() asks the kernel for durability: msync with MS_SYNC of the pages touched', t => {
  if (!has('strace')) return skip(t, 'there is no strace to see the call')
  const path = `${temporaryFolder(t)}/traced`
  const script = `import { FileSegment } from 'shmem'
    const segment = FileSegment.create(${JSON.stringify(path)}, { size: 16384 })
    segment.flush({ offset: 5000, length: 10 })
    segment.flush({ async: true })`
  const trace = `${path}.trace`
  execFileSync('strace', ['-f', '-e', 'trace=msync', '-o', trace, process.execPath, '--input-type=module', '-e', script])
  t.regex(readFileSync(trace, 'utf8'), /msync\(0x\w+, 4096, MS_SYNC\)\s+= 0[^]*msync\(0x\w+, 16384, MS_ASYNC\)\s+= 0/)
})

test('a private mapping does not write back', t => {
  const path = `${temporaryFolder(t)}/private`
  writeFileSync(path, 'original')
  using own = FileSegment.open(path, { access: 'copy-on-write' })
  own.write(0, 'changed!')
  own.flush()
  own.close()
  t.is(readFileSync(path, 'utf8'), 'original')
})

test('a file that may only be read can be mapped for reading and copied on write, not for writing', async t => {
  const reason = whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  const path = `${temporaryFolder(t)}/readable`
  writeFileSync(path, 'read me', { mode: 0o644 })
  execFileSync('chmod', ['755', path.replace('/readable', '')])
  const peer = new Peer(t, { prefix: asOther() })
  const error = await t.throwsAsync(peer.open('FileSegment.open', path))
  t.like(error, { code: 'EACCES', errno: -13, path, syscall: 'open' })
  t.is(await (await peer.open('FileSegment.open', path, { access: 'read' })).call('read', 0, 4), 'read')
  const own = await peer.open('FileSegment.open', path, { access: 'copy-on-write' })
  await own.call('write', 0, 'READ')
  t.is(await own.call('read', 0, 7), 'READ me')
  t.is(readFileSync(path, 'utf8'), 'read me')
})

test('create is EEXIST for whatever has the path; open is ENOENT; neither leaves anything', t => {
  const folder = temporaryFolder(t)
  writeFileSync(`${folder}/file`, 'mine')
  mkdirSync(`${folder}/folder`)
  symlinkSync('nowhere', `${folder}/dangling`)
  for (const taken of ['file', 'folder', 'dangling']) {
    t.like(t.throws(() => FileSegment.create(`${folder}/${taken}`, { size: 1 }), { instanceOf: ShmError, code: 'EEXIST' }), { path: `${folder}/${taken}` })
  }
  t.throws(() => FileSegment.open(`${folder}/absent`), { instanceOf: ShmError, code: 'ENOENT' })
  t.throws(() => FileSegment.create(`${folder}/absent/file`, { size: 1 }), { instanceOf: ShmError, code: 'ENOENT' })
  t.throws(() => FileSegment.open(`${folder}/file/file`), { instanceOf: ShmError, code: 'ENOTDIR' })
  t.deepEqual(readdirSync(folder).toSorted(), ['dangling', 'file', 'folder'])
  t.is(readFileSync(`${folder}/file`, 'utf8'), 'mine')
})

test('openOrCreate through a dangling link ends, by an error or by the file it names', t => {
  const folder = temporaryFolder(t)
  symlinkSync(`${folder}/target`, `${folder}/dangling`)
  const script = `import { FileSegment } from 'shmem'
    try { FileSegment.openOrCreate(${JSON.stringify(`${folder}/dangling`)}, { size: 1 }) } catch (error) { console.log(error.code) }`
  t.notThrows(() => execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000, killSignal: 'SIGKILL' }))
})

test('openOrCreate takes either: a larger file keeps its size, a smaller one is EINVAL and stays', t => {
  const path = `${temporaryFolder(t)}/either`
  using made = FileSegment.openOrCreate(path, { size: 100 })
  t.true(made.created)
  using again = FileSegment.openOrCreate(path, { size: 10 })
  t.deepEqual([again.created, again.size], [false, 100])
  t.throws(() => FileSegment.openOrCreate(path, { size: 101 }), { instanceOf: ShmError, code: 'EINVAL', message: /100.*101/ })
  t.is(statSync(path).size, 100)
})

test('of many processes that open or create at once one makes the file and all see its full size', async t => {
  const folder = temporaryFolder(t)
  const peers = Array.from({ length: 4 }, () => new Peer(t))
  for (let round = 0; round < 20; round += 1) {
    const opened = await Promise.all(peers.map(peer => peer.open('FileSegment.openOrCreate', `${folder}/${round}`, { size: 5_000 })))
    t.deepEqual(await Promise.all(opened.map(segment => segment.get('size'))), peers.map(() => 5_000))
    t.is((await Promise.all(opened.map(segment => segment.get('created')))).filter(Boolean).length, 1)
  }
  t.is(readdirSync(folder).length, 20)
})

test('links and file: URLs lead to the file; an empty file, a folder and a device are refused', t => {
  const folder = temporaryFolder(t)
  writeFileSync(`${folder}/file with % and ü`, 'content')
  symlinkSync(`${folder}/file with % and ü`, `${folder}/link`)
  linkSync(`${folder}/file with % and ü`, `${folder}/hard`)
  using byUrl = FileSegment.open(pathToFileURL(`${folder}/file with % and ü`) as unknown as string)
  using byLink = FileSegment.open(`${folder}/link`)
  using byHard = FileSegment.open(`${folder}/hard`)
  for (const segment of [byUrl, byLink, byHard]) t.is(segment.read(0, 7).toString(), 'content')
  t.is(byHard.stat().links, 2)
  writeFileSync(`${folder}/empty`, '')
  t.throws(() => FileSegment.open(`${folder}/empty`), { instanceOf: ShmError, code: 'ERR_SHM_EMPTY' })
  t.throws(() => FileSegment.open(folder), { instanceOf: ShmError, code: 'EISDIR' })
  t.throws(() => FileSegment.open('/dev/zero'), { instanceOf: ShmError, code: 'EINVAL' })
  execFileSync('mkfifo', [`${folder}/fifo`])
  for (const access of ['read', 'write'] as const) t.throws(() => FileSegment.open(`${folder}/fifo`, { access }), { instanceOf: ShmError, code: 'EINVAL' })
})

test('the mode is exact whatever the umask, and set() changes it', async t => {
  const folder = temporaryFolder(t)
  const peer = new Peer(t)
  await peer.child.ask('umask', 0o077)
  const made = await peer.open('FileSegment.create', `${folder}/modes`, { size: 1, mode: 0o664 })
  t.is(statSync(`${folder}/modes`).mode & 0o7777, 0o664)
  await made.call('set', { mode: 0o400 })
  t.is(statSync(`${folder}/modes`).mode & 0o7777, 0o400)
})

test('a part is mapped by offset and length; the size need not be whole pages', t => {
  const path = `${temporaryFolder(t)}/part`
  writeFileSync(path, Buffer.alloc(2 * PAGE + 10, 'abcdefgh'))
  using tail = FileSegment.open(path, { offset: 2 * PAGE })
  using middle = FileSegment.open(path, { offset: PAGE, length: 5 })
  t.deepEqual([tail.size, tail.read(0, 10).toString()], [10, 'abcdefghab'])
  t.is(middle.size, 5)
  middle.write(0, 'HELLO')
  t.is(readFileSync(path).subarray(PAGE, PAGE + 8).toString(), 'HELLOfgh')
})

test('growth and truncation by others are seen by refresh(), and a touch of what is gone is reported', t => {
  const path = `${temporaryFolder(t)}/grown`
  using segment = FileSegment.create(path, { size: 3 * PAGE })
  appendFileSync(path, 'appended')
  t.true(segment.refresh())
  t.is(segment.read(3 * PAGE, 8).toString(), 'appended')
  truncateSync(path, 10)
  t.is(segment.bytes[2 * PAGE], 0)
  t.throws(() => segment.read(0, 1), { instanceOf: ShmError, code: 'ERR_SHM_TRUNCATED' })
  t.true(segment.refresh())
  t.is(segment.size, 10)
  segment.resize(PAGE)
  t.is(statSync(path).size, PAGE)
})

test('a file that was replaced is not taken for the one that is mapped', t => {
  const folder = temporaryFolder(t)
  using old = FileSegment.create(`${folder}/file`, { size: PAGE })
  using kept = FileSegment.open(`${folder}/file`, { keepFd: true })
  writeFileSync(`${folder}/new`, 'new')
  renameSync(`${folder}/new`, `${folder}/file`)
  for (const use of [() => old.resize(10), () => old.refresh(), () => old.stat()]) t.throws(use, { instanceOf: ShmError, code: 'ERR_SHM_REMOVED' })
  t.is(readFileSync(`${folder}/file`, 'utf8'), 'new')
  kept.resize(2 * PAGE)
  t.like(kept.stat(), { removed: true, objectSize: 2 * PAGE })
})

test('a full disk is ENOSPC at creation, and nothing is left', async t => {
  const reason = whyNotPrivate()
  if (reason !== undefined) return skip(t, reason)
  const folder = temporaryFolder(t)
  const { child } = new Peer(t, { prefix: privately(`mount -t tmpfs -o size=1m small ${folder}`) })
  const error = await t.throwsAsync(child.ask('open', { by: 'FileSegment.create', args: [`${folder}/big`, { size: '2MiB' }] }))
  t.like(error, { code: 'ENOSPC', errno: -28, path: `${folder}/big` })
  t.regex(String((error as unknown as ShmError).hint), /df -h/)
  t.deepEqual(readdirSync(`/proc/${child.pid}/root${folder}`), [])
})

test('a read-only file system is EROFS for writing and fine for reading', async t => {
  const reason = whyNotPrivate()
  if (reason !== undefined) return skip(t, reason)
  const folder = temporaryFolder(t)
  const setup = `mount -t tmpfs small ${folder}; echo content > ${folder}/file; mount -o remount,ro ${folder}`
  const peer = new Peer(t, { prefix: privately(setup) })
  t.like(await t.throwsAsync(peer.open('FileSegment.create', `${folder}/new`, { size: 1 })), { code: 'EROFS' })
  t.like(await t.throwsAsync(peer.open('FileSegment.open', `${folder}/file`)), { code: 'EROFS' })
  t.is(await (await peer.open('FileSegment.open', `${folder}/file`, { access: 'read' })).call('read', 0, 7), 'content')
})

function has(program: string): boolean {
  try {
    execFileSync('which', [program])
    return true
  } catch {
    return false
  }
}
