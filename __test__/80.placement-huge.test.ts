/**
 * Huge pages: of a reserved pool on every kind that can have them, transparent ones, and what is said where there are none.
 */
import test from 'ava'
import { IPC_PRIVATE, FileSegment, MemfdSegment, ManagedSegment, PosixSegment, numaNodes, type PrefaultProgress, type Segment } from 'shmem'
import { MAP_ANONYMOUS, MAP_HUGETLB, MAP_HUGE_2MB, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap } from 'shmem/posix'
import { readFileSync } from 'node:fs'
import { startChild } from './support/child.js'
import { answersWith, failsWith } from './support/failure.js'
import { hugePagePool } from './support/huge-pages.js'
import { privately, whyNotPrivate } from './support/namespace.js'
import { objectName, Peer, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'
import { areas, freeHugePages, kibibytes } from './support/smaps.js'
import { newSegment } from './support/sysv-objects.js'

const HUGE = 2 ** 21
const POOL_HINT = /HugePages_Free.*vm\.nr_hugepages.*hugepages-1048576kB/u

test.serial('System V and memfd segments are on the reserved pool, rounded up, and an exhausted pool is ENOMEM at creation', async t => {
  const reason = await hugePagePool(t, 4)
  if (reason !== undefined) return skip(t, reason)
  const wish = { size: 3_000_000, hugePages: 'require', hugePageSize: '2MiB' } as const
  for (const make of [(): Segment => newSegment(t, IPC_PRIVATE, wish), (): Segment => MemfdSegment.create('huge', wish)]) {
    const segment = make()
    t.deepEqual(freeHugePages(), { free: 4, reserved: 2 })
    segment.bytes.fill(7)
    t.deepEqual(freeHugePages(), { free: 2, reserved: 0 })
    const { hugePages, mappedBytes, pages } = segment.stat({ pages: true })
    t.deepEqual(hugePages, { asked: 'require', kind: 'hugetlb', pageSizeBytes: HUGE, bytes: 2 * HUGE })
    t.is(mappedBytes, 2 * HUGE)
    t.like(pages, { hugetlbBytes: 2 * HUGE, residentBytes: 2 * HUGE, transparentBytes: 0 })
    t.like(segment.placement({ policy: 'preferred', nodes: [numaNodes()[0]?.node ?? 0], move: true }), { residentPages: 2, absentPages: 0, pageSizeBytes: HUGE })
    segment.lockMemory()
    segment.prefault()
    segment.unlockMemory()
    const tooMuch = { ...wish, size: 3 * HUGE }
    failsWith(t, () => newSegment(t, IPC_PRIVATE, tooMuch), { code: 'ENOMEM', syscall: 'shmget', key: 0, hint: POOL_HINT })
    failsWith(t, () => MemfdSegment.create('more', tooMuch), { code: 'ENOMEM', syscall: 'mmap', objectName: 'more', hint: POOL_HINT })
    if (segment.kind === 'sysv') segment.remove()
    segment.close()
    t.deepEqual(freeHugePages(), { free: 4, reserved: 0 })
  }
})

test.serial('raw mmap takes from the pool, and answers ENOMEM when it is empty', async t => {
  const reason = await hugePagePool(t, 2)
  if (reason !== undefined) return skip(t, reason)
  const map = () => mmap(null, HUGE + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1)
  const mapping = map()
  new Uint8Array(mapping.buffer).fill(1)
  t.deepEqual(freeHugePages(), { free: 0, reserved: 0 })
  t.is(kibibytes(areas(Number(mapping.address), HUGE).join(''), 'Shared_Hugetlb') + kibibytes(areas(Number(mapping.address), HUGE).join(''), 'Private_Hugetlb'), 2 * HUGE)
  failsWith(t, map, { code: 'ENOMEM', syscall: 'mmap', hint: POOL_HINT })
  munmap(mapping)
  t.is(freeHugePages().free, 2)
})

test.serial('a file on hugetlbfs is on huge pages; elsewhere requiring them is EINVAL with a hint', async t => {
  failsWith(t, () => FileSegment.create('/tmp/shmem-test-no-huge', { size: 1, hugePages: 'require' }), {
    code: 'EINVAL', syscall: 'open', path: '/tmp/shmem-test-no-huge', hint: /hugetlbfs/u
  })
  const reason = (await hugePagePool(t, 3)) ?? whyNotPrivate()
  if (reason !== undefined) return skip(t, reason)
  const folder = temporaryFolder(t)
  const child = startChild(t, 'caller', { prefix: privately(`mount -t hugetlbfs -o pagesize=2M none ${folder}`) })
  await child.ask('call', ['FileSegment.create', [`${folder}/f`, { size: 3_000_000, hugePages: 'require' }], 'file'])
  await child.ask('call', ['file.write', [2_999_997, 'end']])
  const stat = await child.ask('call', ['file.stat', [{ pages: true }]])
  t.like(stat, { size: 2 * HUGE, hugePages: { kind: 'hugetlb', pageSizeBytes: HUGE, bytes: 2 * HUGE }, pages: { hugetlbBytes: HUGE } })
  await child.ask('call', ['FileSegment.open', [`${folder}/f`], 'again'])
  t.is(await child.ask('call', ['again.read', [2_999_997, 3]]), Buffer.from('end').toString('hex'))
  await t.throwsAsync(child.ask('call', ['FileSegment.create', [`${folder}/more`, { size: 2 * HUGE }]]), { any: true, message: /ENOMEM/u })
  t.is(await child.ask('call', ['file.close']), undefined)
})

test.serial('hugePages: prefer on a POSIX object makes transparent ones, keeps its bytes, and says so', t => {
  const size = 4 * HUGE + 5000
  const reason = whyNotTransparent()
  if (reason !== undefined) return skip(t, reason)
  const segment = PosixSegment.create(objectName(t), { size, hugePages: 'prefer' })
  t.teardown(() => segment.close())
  t.deepEqual(segment.stat({ pages: true }).hugePages, { asked: 'prefer', kind: 'transparent', pageSizeBytes: HUGE, bytes: 4 * HUGE })
  t.is(segment.stat().hugePages.kind, 'none')
  segment.write(size - 3, 'end')
  segment.resize(6 * HUGE)
  t.is(segment.read(size - 3, 3).toString(), 'end')
  t.like(segment.collapse(), { kind: 'transparent', bytes: 6 * HUGE })
  t.is(segment.read(size - 3, 3).toString(), 'end')
})

test.serial('where no pool is, prefer takes transparent pages on memfd and System V, and require fails with the sysctl', async t => {
  const reason = (await hugePagePool(t, 0)) ?? whyNotTransparent()
  if (reason !== undefined) return skip(t, reason)
  failsWith(t, () => MemfdSegment.create('huge', { size: HUGE, hugePages: 'require' }), { code: 'ENOMEM', syscall: 'mmap', objectName: 'huge', hint: POOL_HINT })
  using memfd = MemfdSegment.create('huge', { size: 2 * HUGE, hugePages: 'prefer' })
  t.like(memfd.stat({ pages: true }).hugePages, { asked: 'prefer', kind: 'transparent', bytes: 2 * HUGE })
  const sysv = newSegment(t, IPC_PRIVATE, { size: 2 * HUGE, hugePages: 'prefer', prefault: true })
  t.like(sysv.stat({ pages: true }).hugePages, { asked: 'prefer', kind: 'transparent', bytes: 2 * HUGE })
  using small = MemfdSegment.create('small', { size: HUGE - 1, hugePages: 'prefer' })
  t.like(small.stat({ pages: true }).hugePages, { asked: 'prefer', kind: 'none', bytes: 0 })
})

test.serial('pages of 1 GiB that nobody reserved: require is ENOMEM at creation, prefer falls back', async t => {
  const reason = await hugePagePool(t, 0)
  if (reason !== undefined) return skip(t, reason)
  const wish = { size: 2 ** 20, hugePageSize: '1GiB' } as const
  const error = t.throws(() => MemfdSegment.create('giant', { ...wish, hugePages: 'require' }), { any: true }) as { code?: string; hint?: string }
  if (error?.code === 'ENODEV' || error?.code === 'EINVAL') return skip(t, 'this machine has no pages of 1 GiB')
  t.is(error?.code, 'ENOMEM')
  t.regex(error?.hint ?? '', POOL_HINT)
  using fallback = MemfdSegment.create('giant', { ...wish, hugePages: 'prefer' })
  t.like(fallback.stat(), { mappedBytes: 2 ** 20, hugePages: { asked: 'prefer', kind: 'none' } })
})

test.serial('collapse makes huge pages of sparse and of used memory, of any kind, and its bytes stay', t => {
  const reason = whyNotTransparent()
  if (reason !== undefined) return skip(t, reason)
  using sparse = MemfdSegment.create('sparse', { size: 3 * HUGE, reserve: false })
  sparse.write(HUGE + 5, 'kept')
  t.like(sparse.collapse({ offset: HUGE, length: HUGE }), { asked: false, kind: 'transparent', pageSizeBytes: HUGE, bytes: HUGE })
  t.is(sparse.read(HUGE + 5, 4).toString(), 'kept')
  t.is(sparse.stat({ pages: true }).pages?.transparentBytes, HUGE)
  const sysv = newSegment(t, IPC_PRIVATE, { size: HUGE })
  t.is(sysv.collapse().bytes, HUGE)
  using reader = MemfdSegment.fromFd(sparse.fd, { access: 'read' })
  t.is(reader.collapse({ offset: HUGE, length: HUGE }).bytes, HUGE)
})

test.serial('collapseAsync makes the same huge pages beside the event loop, whole ones whatever the offsets', async t => {
  const reason = whyNotTransparent()
  if (reason !== undefined) return skip(t, reason)
  using segment = MemfdSegment.create('beside', { size: 5 * HUGE, reserve: false })
  segment.write(3 * HUGE + 5, 'kept')
  const seen: [number, number][] = []
  let turns = 0
  const counting = setInterval(() => (turns += 1), 0)
  t.teardown(() => clearInterval(counting))
  const onProgress = ({ doneBytes, totalBytes }: PrefaultProgress): void => void seen.push([doneBytes, totalBytes])
  const got = await segment.collapseAsync({ offset: 4096, length: 4 * HUGE, chunkBytes: 1, onProgress })
  t.like(got, { asked: false, kind: 'transparent', pageSizeBytes: HUGE, bytes: 3 * HUGE })
  t.deepEqual(seen, [[2 * HUGE - 4096, 4 * HUGE], [3 * HUGE - 4096, 4 * HUGE], [4 * HUGE, 4 * HUGE]])
  t.true(turns > 0)
  t.is(segment.read(3 * HUGE + 5, 4).toString(), 'kept')
  // A part that begins elsewhere in the object has its huge pages elsewhere in the view.
  using object = MemfdSegment.create('part', { size: 4 * HUGE })
  using part = MemfdSegment.fromFd(object.fd, { offset: 8192 })
  t.is((await part.collapseAsync({ chunkBytes: HUGE })).bytes, 3 * HUGE)
})

test.serial('collapseAsync is ended by close and by its signal, and refuses what collapse refuses', async t => {
  const reason = whyNotTransparent()
  if (reason !== undefined) return skip(t, reason)
  const closing = MemfdSegment.create('closing', { size: 4 * HUGE, reserve: false })
  const ended = closing.collapseAsync({ chunkBytes: HUGE })
  closing.close()
  await t.throwsAsync(ended, { code: 'ERR_SHM_CLOSED' })
  using segment = MemfdSegment.create('aborted', { size: 4 * HUGE, reserve: false })
  const controller = new AbortController()
  const why = new Error('no more')
  const aborted = segment.collapseAsync({ chunkBytes: HUGE, signal: controller.signal, onProgress: () => controller.abort(why) })
  t.is(await t.throwsAsync(aborted), why)
  t.is(segment.stat({ pages: true }).hugePages.bytes, HUGE)
  // The kernel takes it where the range begins at a huge page, and does nothing.
  t.throws(() => segment.collapse({ length: HUGE - 4096 }), { code: 'EINVAL' })
  await t.throwsAsync(segment.collapseAsync({ offset: HUGE, length: 4096 }), { code: 'EINVAL' })
  await t.throwsAsync(segment.collapseAsync({ length: 5 * HUGE }), { any: true, code: 'ERR_OUT_OF_RANGE' })
})

test.serial('collapse while another process has the memory open keeps what both wrote, and its mapping goes on', async t => {
  const reason = whyNotTransparent()
  if (reason !== undefined) return skip(t, reason)
  using mine = MemfdSegment.create('both', { size: 2 * HUGE })
  const theirs = await new Peer(t).open('MemfdSegment.fromProcess', process.pid, mine.fd, {})
  await theirs.call('write', HUGE - 3, 'theirs')
  mine.write(7, 'mine')
  t.is(mine.collapse().bytes, 2 * HUGE)
  t.is(mine.read(HUGE - 3, 6).toString(), 'theirs')
  await theirs.call('write', 2 * HUGE - 5, 'after')
  t.is(mine.read(2 * HUGE - 5, 5).toString(), 'after')
  t.is(await theirs.call('read', 7, 4), 'mine')
})

test('a plain stat() does not look into /proc; with pages it does, and says so where there is none', async t => {
  const reason = whyNotPrivate()
  if (reason !== undefined) return skip(t, reason)
  const child = startChild(t, 'caller', { prefix: privately('mount -t tmpfs none /proc') })
  await child.ask('call', ['MemfdSegment.create', ['blind', { size: 4096 }], 'mine'])
  t.like(await child.ask('call', ['mine.stat']), { size: 4096, hugePages: { kind: 'none' } })
  await answersWith(t, child.ask('call', ['mine.stat', [{ pages: true }]]), { code: 'ENOENT', syscall: 'open', path: '/proc/self/smaps' })
})

test.serial('collapse of less than a huge page, and of a file on disk, is EINVAL with a hint', t => {
  const reason = whyNotTransparent()
  if (reason !== undefined) return skip(t, reason)
  using small = MemfdSegment.create('small', { size: 4096 })
  t.regex((t.throws(() => small.collapse(), { code: 'EINVAL' }) as { hint?: string } | undefined)?.hint ?? '', /Linux 6\.1/u)
  using file = FileSegment.create(`${temporaryFolder(t)}/file`, { size: 2 * HUGE, hugePages: 'prefer' })
  t.like(file.stat({ pages: true }).hugePages, { asked: 'prefer' })
  t.throws(() => file.collapse({ offset: 0, length: 2 ** 40 }), { any: true, code: 'ERR_OUT_OF_RANGE' })
})

test.serial('a managed segment takes the same wishes by name, and is in no core dump', t => {
  const reason = whyNotTransparent()
  if (reason !== undefined) return skip(t, reason)
  const mem = ManagedSegment.create(objectName(t).slice(1), { size: 2 * HUGE, hugePages: 'prefer', lockMemory: 'onFault', placement: { policy: 'local' } })
  try {
    const { hugePages, memoryLock, dump, pages } = mem.segment.stat({ pages: true })
    t.like(hugePages, { asked: 'prefer', kind: 'transparent', bytes: 2 * HUGE })
    t.deepEqual([memoryLock, dump, pages?.undumpedBytes], ['onFault', false, 2 * HUGE])
    mem.mutex('book').withLockSync(() => t.pass())
  } finally {
    mem.close()
  }
})

/** MADV_COLLAPSE is Linux 6.1. */
function whyNotTransparent(): string | undefined {
  try {
    if (Number(readFileSync('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size', 'utf8')) !== HUGE) return 'transparent huge pages are not 2 MiB here'
  } catch {
    return 'this kernel has no transparent huge pages'
  }
  const [major = 0, minor = 0] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number)
  if (major < 6 || (major === 6 && minor < 1)) return 'MADV_COLLAPSE needs Linux 6.1'
  return readFileSync('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'utf8').includes('[deny]') ? 'transparent huge pages are denied to shared memory' : undefined
}
