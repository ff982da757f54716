/**
 * Pages brought in before they are needed, with progress, beside the event loop, and with errors instead of faults; and memory kept out
 * of core dumps.
 */
import test from 'ava'
import { truncateSync } from 'node:fs'
import { FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, pageSizeBytes as PAGE, type PrefaultProgress } from 'shmem'
import { startChild } from './support/child.js'
import { answersWith } from './support/failure.js'
import { privately, whyNotPrivate } from './support/namespace.js'
import { objectName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'
import { areas } from './support/smaps.js'
import { newSegment } from './support/sysv-objects.js'

const SIZE = 2 ** 20

test('prefault tells its progress by chunks, and what it took', t => {
  using segment = MemfdSegment.create('progress', { size: SIZE, reserve: false })
  const seen: PrefaultProgress[] = []
  const taken = segment.prefault({ chunkBytes: SIZE / 4 - 1, onProgress: progress => seen.push(progress) })
  t.deepEqual(seen.map(({ doneBytes, totalBytes }) => [doneBytes, totalBytes]), [1, 2, 3, 4].map(part => [part * SIZE / 4, SIZE]))
  t.deepEqual(seen.map(({ pageFaults }) => pageFaults), seen.map(({ pageFaults }) => pageFaults).toSorted((one, other) => one - other))
  t.true(taken.pageFaults >= 1 && taken.pageFaults === seen.at(-1)?.pageFaults)
  t.true(taken.milliseconds > 0)
  t.is(segment.residency().residentBytes, SIZE)
  t.is(segment.stat({ pages: true }).pages?.residentBytes, SIZE)
})

test('prefault ends where its callback throws or its signal is aborted', t => {
  using segment = MemfdSegment.create('ended', { size: SIZE, reserve: false })
  const stop = new Error('enough')
  const chunkBytes = SIZE / 4
  t.is(t.throws(() => segment.prefault({ chunkBytes, onProgress: () => { throw stop } })), stop)
  t.is(segment.residency().residentBytes, SIZE / 4)
  const controller = new AbortController()
  const onProgress = ({ doneBytes }: PrefaultProgress): void => { if (doneBytes === SIZE / 2) controller.abort(stop) }
  t.is(t.throws(() => segment.prefault({ chunkBytes, onProgress, signal: controller.signal })), stop)
  t.is(segment.residency().residentBytes, SIZE / 2)
  t.throws(() => segment.prefault({ chunkBytes, onProgress: () => segment.close() }), { code: 'ERR_SHM_CLOSED' })
})

test('prefaultAsync lets the event loop turn, and brings every page in', async t => {
  using segment = MemfdSegment.create('beside', { size: 16 * SIZE, reserve: false })
  let turns = 0
  const counting = setInterval(() => (turns += 1), 0)
  let chunks = 0
  const taken = await segment.prefaultAsync({ chunkBytes: SIZE / 4, onProgress: () => { chunks += 1 } })
  clearInterval(counting)
  t.is(chunks, 64)
  t.true(turns > 0, `${turns}`)
  t.true(taken.pageFaults >= 1)
  t.is(segment.residency().residentBytes, 16 * SIZE)
})

test('prefaultAsync is ended by close and by its signal, and a closed segment crashes nobody', async t => {
  const closing = MemfdSegment.create('closing', { size: 16 * SIZE, reserve: false })
  const ended = closing.prefaultAsync({ chunkBytes: SIZE })
  closing.close()
  await t.throwsAsync(ended, { code: 'ERR_SHM_CLOSED' })
  using segment = MemfdSegment.create('aborted', { size: 16 * SIZE, reserve: false })
  const controller = new AbortController()
  const reason = new Error('no more')
  const aborted = segment.prefaultAsync({ chunkBytes: SIZE, signal: controller.signal, onProgress: () => controller.abort(reason) })
  t.is(await t.throwsAsync(aborted), reason)
  t.true(segment.residency().residentBytes < 16 * SIZE)
  await t.throwsAsync(segment.prefaultAsync({ signal: controller.signal }), { message: 'no more' })
})

test('prefaultAsync of a segment that becomes shorter meanwhile goes as far as it is', async t => {
  using segment = MemfdSegment.create('shorter', { size: 16 * SIZE, reserve: false })
  const under = segment.prefaultAsync({ chunkBytes: 16 * SIZE })
  segment.resize(SIZE)
  await t.notThrowsAsync(under)
  t.is(segment.size, SIZE)
})

test('a sparse object on a full /dev/shm is ENOSPC, at once and beside, never a fault', async t => {
  const reason = whyNotPrivate()
  if (reason !== undefined) return skip(t, reason)
  const child = startChild(t, 'caller', { prefix: privately('mount -t tmpfs -o size=1m shm /dev/shm') })
  await child.ask('call', ['PosixSegment.create', ['/sparse', { size: 4 * SIZE, reserve: false }], 'mine'])
  const full = { code: 'ENOSPC', syscall: 'madvise', objectName: '/sparse', hint: /df -h/u }
  await answersWith(t, child.ask('call', ['mine.prefault']), full)
  await answersWith(t, child.ask('call', ['mine.prefaultAsync', [{ chunkBytes: SIZE / 4 }]]), full)
  await answersWith(t, child.ask('call', ['mine.collapse']), full)
  await answersWith(t, child.ask('call', ['mine.collapseAsync']), full)
  await answersWith(t, child.ask('call', ['PosixSegment.create', ['/born', { size: SIZE, reserve: false, prefault: true }]]), { ...full, objectName: '/born' })
  t.deepEqual(await child.ask('call', ['mine.stat']).then(stat => stat.faults), { readOnly: 0, truncated: 0, hole: 0 })
})

test('beyond the end of an object that shrank, prefault is EFAULT with a hint', async t => {
  const path = `${temporaryFolder(t)}/shrinking`
  using segment = FileSegment.create(path, { size: 8 * PAGE })
  truncateSync(path, PAGE)
  t.regex((t.throws(() => segment.prefault(), { code: 'EFAULT' }) as { hint?: string } | undefined)?.hint ?? '', /refresh\(\)/u)
  await t.throwsAsync(segment.prefaultAsync(), { code: 'EFAULT' })
})

test('dump: false keeps every kind out of core dumps, also what resize maps anew', t => {
  const path = `${temporaryFolder(t)}/file`
  const posix = PosixSegment.create(objectName(t), { size: SIZE, dump: false })
  const all = [posix, MemfdSegment.create('secret', { size: SIZE, dump: false }), FileSegment.create(path, { size: SIZE, dump: false }), newSegment(t, IPC_PRIVATE, { size: SIZE, dump: false })]
  for (const segment of all) {
    t.like(segment.stat({ pages: true }), { dump: false, pages: { undumpedBytes: SIZE } }, segment.kind)
  }
  posix.resize(2 * SIZE)
  t.is(posix.stat({ pages: true }).pages?.undumpedBytes, 2 * SIZE)
  for (const segment of all) segment.close()
})

test('the kernel agrees: dd is among the flags with dump: false and the advice, and not without', t => {
  using plain = MemfdSegment.create('plain', { size: SIZE })
  t.like(plain.stat({ pages: true }), { dump: true, pages: { undumpedBytes: 0 } })
  t.false(flagsOf('plain').some(flags => flags.includes('dd')))
  plain.advise({ offset: 0, length: SIZE / 2 }, 'dontdump')
  t.is(plain.stat({ pages: true }).pages?.undumpedBytes, SIZE / 2)
  plain.advise(undefined, 'dodump')
  t.is(plain.stat({ pages: true }).pages?.undumpedBytes, 0)
  using secret = MemfdSegment.create('secret-flags', { size: SIZE, dump: false })
  t.true(secret.size > 0 && flagsOf('secret-flags').every(flags => flags.includes('dd')))
})

function flagsOf(label: string): string[][] {
  const found = areas(0, Number.MAX_SAFE_INTEGER).filter(area => area.split('\n')[0]?.includes(`/memfd:${label} `))
  return found.map(area => (/^VmFlags: (.*)$/mu.exec(area)?.[1] ?? '').split(' '))
}
