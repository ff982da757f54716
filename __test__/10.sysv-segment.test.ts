/**
 * `SysvSegment` between processes: Node with Node and Node with C, its life from creation to the last detach, and what the kernel
 * says of it. Errors and limits are in `10.sysv-segment-errors.test.ts`.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import test from 'ava'
import { IPC_PRIVATE, SysvSegment } from 'shmem'
import { startChild } from './support/child.js'
import { compileC, runC } from './support/c-program.js'
import { failsWith } from './support/failure.js'
import { hugePagePool } from './support/huge-pages.js'
import { skip } from './support/skip.js'
import { newSegment, segmentExists, segmentId, segmentOf, uniqueKey } from './support/sysv-objects.js'
import { until } from './support/until.js'

test('two Node processes see the same bytes, written by either', async t => {
  const key = uniqueKey()
  const mine = newSegment(t, key, { size: 100_003 })
  const view = new Uint8Array(mine.buffer)
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSegment.open', [key], 'theirs'])

  const first = randomBytes(100_003)
  view.set(first)
  t.is(await there.ask('call', ['theirs.buffer']), first.toString('hex'))

  t.is(await there.ask('call', ['theirs.write', [70_000, 'grüße']]), 7)
  const expected = Buffer.concat([first.subarray(0, 70_000), Buffer.from('grüße'), first.subarray(70_007)])
  t.deepEqual(Buffer.from(view), expected)
  t.deepEqual(mine.read(0, 100_003), expected)
})

test('a segment that Node creates is filled and printed by C, byte for byte', t => {
  const program = compileC(t, 'sysv-peer')
  if (program === undefined) return
  const key = uniqueKey()
  const mine = newSegment(t, key, { size: 70_001 })
  const fromNode = randomBytes(70_001)
  mine.write(0, fromNode)
  t.deepEqual(runC(program, ['print', key]), fromNode)
  const fromC = randomBytes(70_001)
  t.is(Number(runC(program, ['fill', key], fromC).toString()), mine.id)
  t.deepEqual(Buffer.from(mine.buffer), fromC)
})

test('a segment that C creates is read and overwritten by Node, byte for byte', t => {
  const program = compileC(t, 'sysv-peer')
  if (program === undefined) return
  const key = uniqueKey()
  const fromC = randomBytes(12_345)
  const id = segmentId(t, Number(runC(program, ['create', key, 12_345], fromC).toString()))
  const mine = segmentOf(t, SysvSegment.open(key))
  t.deepEqual([mine.id, mine.key, mine.size, mine.created], [id, key, 12_345, false])
  t.deepEqual(mine.read(0, 12_345), fromC)
  new Uint8Array(mine.buffer).reverse()
  t.deepEqual(runC(program, ['print', key]), Buffer.from(fromC).reverse())
})

test('a segment of 100 bytes has a view of 100 bytes, although a page is mapped', t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: 100 })
  t.deepEqual([mine.size, mine.buffer.byteLength, mine.bytes.length], [100, 100, 100])
  const { size, mappedBytes, pageSizeBytes } = mine.stat()
  t.deepEqual([size, mappedBytes], [100, pageSizeBytes])
  t.throws(() => mine.read(0, 101), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => mine.write(99, 'ab'), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
  t.is(mine.write(98, 'ab'), 2)
})

test('a new segment is all zeroes, and its size may be text or a bigint', t => {
  for (const size of ['4KiB', 4096n, 4096]) {
    const mine = newSegment(t, IPC_PRIVATE, { size })
    t.deepEqual(Buffer.from(mine.buffer), Buffer.alloc(4096))
  }
})

test('the attach count counts attachments, and falls with close, exit and kill', async t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: 4096 })
  const count = (): number => mine.stat().attachCount
  t.is(count(), 1)
  const again = SysvSegment.attach(mine.id)
  const reading = SysvSegment.attach(mine.id, { access: 'read' })
  t.is(count(), 3)
  again.close()
  again.close()
  reading.close()
  t.is(count(), 1)

  const [killed, exiting] = [startChild(t, 'caller'), startChild(t, 'caller')]
  for (const child of [killed, exiting]) await child.ask('call', ['SysvSegment.attach', [mine.id], 'theirs'])
  t.is(count(), 3)
  await killed.kill()
  t.is(count(), 2)
  exiting.endInput()
  await exiting.ended
  t.is(count(), 1)
})

test('what one attachment writes, another one of the same process reads, each closed by itself', t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: 64 })
  const reading = SysvSegment.attach(mine.id, { access: 'read' })
  t.teardown(() => reading.close())
  const view = new Uint8Array(reading.buffer)
  mine.write(3, 'abc')
  t.is(Buffer.from(view.subarray(3, 6)).toString(), 'abc')
  mine.close()
  t.is(view.length, 64)
  t.is(reading.read(3, 3).toString(), 'abc')
  reading.close()
  t.is(view.length, 0)
  t.true(segmentExists(mine.id), 'closing all does not remove')
})

test('a removed segment lives on for its users, its key is free at once, and it goes with the last detach', async t => {
  const key = uniqueKey()
  const mine = newSegment(t, key, { size: 32 })
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSegment.open', [key], 'theirs'])
  t.false(mine.stat().markedForRemoval)
  mine.remove()
  const { markedForRemoval, removed, key: keyNow, attachCount } = mine.stat()
  t.deepEqual([markedForRemoval, removed, keyNow, attachCount], [true, true, 0, 2])

  failsWith(t, () => SysvSegment.open(key), { code: 'ENOENT', syscall: 'shmget', key, hint: /IPC namespace/u })
  const second = newSegment(t, key, { size: 32 })
  t.not(second.id, mine.id)
  await there.ask('call', ['theirs.write', [0, 'still here']])
  t.is(mine.read(0, 10).toString(), 'still here')
  t.deepEqual(second.read(0, 10), Buffer.alloc(10))

  mine.close()
  t.true(segmentExists(mine.id))
  await there.kill()
  t.false(segmentExists(mine.id))
})

test('removeOnLastDetach makes a segment that its users share, and that does not outlive them when all are killed', async t => {
  const [first, second] = [startChild(t, 'caller'), startChild(t, 'caller')]
  await first.ask('call', ['SysvSegment.create', [IPC_PRIVATE, { size: 4096, removeOnLastDetach: true }], 'theirs'])
  const id = segmentId(t, await first.ask<number>('call', ['theirs.id']))
  await second.ask('call', ['SysvSegment.attach', [id], 'theirs'])
  await first.ask('call', ['theirs.write', [9, 'shared']])
  await first.kill()
  t.is(await second.ask('call', ['theirs.read', [9, 6]]), Buffer.from('shared').toString('hex'))
  const mine = SysvSegment.attach(id)
  t.deepEqual([mine.stat().markedForRemoval, mine.stat().attachCount], [true, 2])
  mine.close()
  await second.kill()
  t.false(segmentExists(id))
})

test('openOrCreate makes it once: a larger existing one keeps its size and bytes', t => {
  const key = uniqueKey()
  const first = segmentOf(t, SysvSegment.openOrCreate(key, { size: 8192 }))
  first.write(0, 'first')
  const second = segmentOf(t, SysvSegment.openOrCreate(key, { size: 100 }))
  t.deepEqual([first.created, second.created, second.id, second.size, second.buffer.byteLength], [true, false, first.id, 8192, 8192])
  t.is(second.read(0, 5).toString(), 'first')
})

test('stat says what ipcs says', async t => {
  const key = uniqueKey()
  const mine = newSegment(t, key, { size: 5000, mode: 0o640 })
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSegment.open', [key], 'theirs'])
  await there.ask('call', ['theirs.close'])
  let report: string
  try {
    report = execFileSync('ipcs', ['-m', '-i', String(mine.id)], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  } catch (error) {
    return skip(t, `ipcs does not run: ${(error as Error).message}`)
  }
  const said = Object.fromEntries([...report.matchAll(/(\w+)=(\S+)/gu)].map(([, word, value]) => [word, value]))
  const stat = mine.stat()
  t.deepEqual(
    {
      uid: stat.uid, gid: stat.gid, cuid: stat.creatorUid, cgid: stat.creatorGid, mode: stat.mode, bytes: stat.size,
      lpid: stat.lastPid, cpid: stat.creatorPid, nattch: stat.attachCount
    },
    {
      uid: Number(said['uid']), gid: Number(said['gid']), cuid: Number(said['cuid']), cgid: Number(said['cgid']),
      mode: parseInt(String(said['access_perms']), 8), bytes: Number(said['bytes']), lpid: Number(said['lpid']),
      cpid: Number(said['cpid']), nattch: Number(said['nattch'])
    }
  )
  t.deepEqual([stat.key, stat.mode, stat.creatorPid, stat.attachCount], [key, 0o640, process.pid, 1])
  for (const [word, when] of [['att_time', stat.attachedAt], ['det_time', stat.detachedAt], ['change_time', stat.changedAt]] as const) {
    const text = new RegExp(`${word}=(.+)`, 'u').exec(report)?.[1]?.trim()
    t.true(when instanceof Date && String(when).includes(String(text?.split(/\s+/u)[3])), `${word}: ${text} is ${when}`)
  }
})

test('lastPid is who attached or detached last, creatorPid who made it', async t => {
  // Nothing of it is attached here: a fork of this process, for another test's child, would be the last user.
  const [first, second] = [startChild(t, 'caller'), startChild(t, 'caller')]
  await first.ask('call', ['SysvSegment.create', [IPC_PRIVATE, { size: 4096 }], 'theirs'])
  const id = segmentId(t, await first.ask<number>('call', ['theirs.id']))
  const pids = async (): Promise<number[]> => {
    const stat = await first.ask('call', ['theirs.stat'])
    return [stat.creatorPid, stat.lastPid]
  }
  t.deepEqual(await pids(), [first.pid, first.pid])
  await second.ask('call', ['SysvSegment.attach', [id], 'theirs'])
  t.deepEqual(await pids(), [first.pid, second.pid])
})

test('times that never were are null', async t => {
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSegment.create', [IPC_PRIVATE, { size: 1, removeOnLastDetach: true }], 'theirs'])
  segmentId(t, await there.ask<number>('call', ['theirs.id']))
  const { attachedAt, detachedAt } = await there.ask('call', ['theirs.stat'])
  t.regex(attachedAt, /^\d{4}-\d\d-\d\dT/u)
  t.is(detachedAt, null)
})

test('mode is exact whatever the umask, and 0600 where nothing is said', async t => {
  const there = startChild(t, 'caller')
  await there.ask('umask', 0o777)
  await there.ask('call', ['SysvSegment.create', [IPC_PRIVATE, { size: 1, mode: 0o666 }], 'open'])
  await there.ask('call', ['SysvSegment.create', [IPC_PRIVATE, { size: 1 }], 'own'])
  for (const name of ['open', 'own']) segmentId(t, await there.ask<number>('call', [`${name}.id`]))
  t.is((await there.ask('call', ['open.stat'])).mode, 0o666)
  t.is((await there.ask('call', ['own.stat'])).mode, 0o600)
})

test('set changes owner, group and mode, and leaves alone what is not given', t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: 1 })
  const before = mine.stat()
  mine.set({ mode: 0o644 })
  t.like(mine.stat(), { uid: before.uid, gid: before.gid, mode: 0o644 })
  if (process.getuid?.() !== 0) return skip(t, 'giving a segment away needs root')
  mine.set({ uid: 12, gid: 34 })
  t.like(mine.stat(), { uid: 12, gid: 34, mode: 0o644, creatorUid: before.creatorUid, creatorGid: before.creatorGid })
  mine.set({ gid: 0 })
  t.like(mine.stat(), { uid: 12, gid: 0, mode: 0o644 })
})

test('lockMemory sets SHM_LOCKED, which others see, and unlockMemory clears it', async t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: 4096 })
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSegment.attach', [mine.id], 'theirs'])
  const locked = async (): Promise<boolean> => (await there.ask('call', ['theirs.stat'])).lockedInMemory
  t.false(await locked())
  mine.lockMemory()
  t.true(await locked())
  t.true(mine.stat().lockedInMemory)
  t.is(mine.stat().mode, 0o600)
  mine.unlockMemory()
  t.false(await locked())
  const born = newSegment(t, IPC_PRIVATE, { size: 4096, lockMemory: true })
  t.true(born.stat().lockedInMemory)
})

test('reserve: true brings every page in, false brings none, and stat says which', t => {
  const size = 64 * 4096
  const reserved = newSegment(t, IPC_PRIVATE, { size, reserve: true })
  t.is(reserved.residency().residentPages, 64)
  t.true(reserved.stat().reserved)
  for (const options of [{ size, reserve: false }, { size }]) {
    const sparse = newSegment(t, IPC_PRIVATE, options)
    t.is(sparse.residency().residentPages, 0)
    t.false(sparse.stat().reserved)
    t.is(sparse.read(size - 1, 1)[0], 0)
  }
})

test('prefault brings every page in when it is attached', t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: 16 * 4096 })
  t.is(mine.residency().residentPages, 0)
  const again = segmentOf(t, SysvSegment.attach(mine.id, { prefault: true }))
  t.is(again.residency().residentPages, 16)
})

test('hugePages: require takes them from the pool, says so, and other processes see the bytes', async t => {
  const missing = await hugePagePool(t, 2)
  if (missing !== undefined) return skip(t, missing)
  const mine = newSegment(t, IPC_PRIVATE, { size: 3_000_000, hugePages: 'require', hugePageSize: '2MiB' })
  const { hugePages, size, mappedBytes } = mine.stat()
  t.deepEqual(hugePages, { asked: 'require', kind: 'hugetlb', pageSizeBytes: 2 ** 21, bytes: 2 ** 22 })
  t.is(mappedBytes, 2 ** 22)
  t.is(size, mine.buffer.byteLength)
  const there = startChild(t, 'caller')
  await there.ask('call', ['SysvSegment.attach', [mine.id], 'theirs'])
  t.is(await there.ask('call', ['theirs.size']), size)
  await there.ask('call', ['theirs.write', [2_999_990, 'last bytes']])
  t.is(mine.read(2_999_990, 10).toString(), 'last bytes')
  await there.kill()
  mine.close()
  t.true(segmentExists(mine.id))
})

test('without huge pages, require is ENOMEM and leaves nothing, prefer takes base pages', async t => {
  const missing = await hugePagePool(t, 0)
  if (missing !== undefined) return skip(t, missing)
  const key = uniqueKey()
  failsWith(t, () => newSegment(t, key, { size: '2MiB', hugePages: 'require' }), { code: 'ENOMEM', syscall: 'shmget', key, hint: /nr_hugepages/u })
  failsWith(t, () => SysvSegment.open(key), { code: 'ENOENT', syscall: 'shmget', key })
  const mine = newSegment(t, key, { size: '2MiB', hugePages: 'prefer' })
  t.deepEqual(mine.stat().hugePages, { asked: 'prefer', kind: 'none', pageSizeBytes: mine.stat().pageSizeBytes, bytes: 0 })
  t.is(mine.size, 2 ** 21)
})

test('after close every view is empty, every call is ERR_SHM_CLOSED, and remove still works', async t => {
  const mine = newSegment(t, IPC_PRIVATE, { size: 4096 })
  const views = [new Uint8Array(mine.buffer), new Float64Array(mine.buffer, 8, 4), mine.bytes]
  mine[Symbol.dispose]()
  t.deepEqual(views.map(view => view.length), [0, 0, 0])
  t.true(mine.closed)
  t.deepEqual([mine.size, mine.buffer.byteLength], [0, 0])
  const calls = [
    () => mine.stat(), () => mine.read(0, 1), () => mine.write(0, 'a'), () => mine.lockMemory(), () => mine.unlockMemory(),
    () => mine.set({ mode: 0o600 }), () => mine.prefault(), () => mine.residency(), () => mine.refresh()
  ]
  for (const call of calls) failsWith(t, call, { code: 'ERR_SHM_CLOSED' })
  mine.remove()
  await until('it is gone', () => !segmentExists(mine.id))
  failsWith(t, () => mine.remove(), { code: 'EINVAL', syscall: 'shmctl', id: mine.id })
})
