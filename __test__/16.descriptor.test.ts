/**
 * Descriptors: a segment of each kind, whole and in part, goes as JSON into a worker thread, a forked child and a cluster worker;
 * one that leads elsewhere by now is told from one that does not.
 */
import cluster, { type Worker as ClusterWorker } from 'node:cluster'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { FileSegment, IPC_PRIVATE, ManagedSegment, MemfdSegment, PosixSegment, ShmError, SysvSegment, openDescriptor, type Descriptor, type Segment } from 'shmem'
import { asOther, whyNotOther } from './support/namespace.js'
import { Peer, objectName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'

const PAGE = 4096
const user = fileURLToPath(new URL('children/descriptor-user.js', import.meta.url))

/** Makes a segment, closed and removed at the end of the test. */
type Make = (t: ExecutionContext, size: number) => Segment
const kinds: Record<Segment['kind'], Make> = {
  sysv: (_, size) => SysvSegment.create(IPC_PRIVATE, { size, removeOnLastDetach: true }),
  posix: (t, size) => PosixSegment.create(objectName(t), { size }),
  memfd: (_, size) => MemfdSegment.create('described', { size }),
  file: (t, size) => FileSegment.create(`${temporaryFolder(t)}/file`, { size })
}

/** Never called: it holds if it compiles. What a descriptor opens is of its kind, so that it can be managed. */
export function typed(memfd: MemfdSegment, described: Descriptor, received: ReturnType<typeof JSON.parse>): unknown[] {
  const opened = openDescriptor(described)
  // @ts-expect-error: it may be of System V
  ManagedSegment.open(opened)
  return [ManagedSegment.open(openDescriptor(memfd.descriptor)), ManagedSegment.open(openDescriptor(received)), opened.kind === 'sysv' ? opened.id : ManagedSegment.open(opened)]
}

/** Sends a descriptor somewhere and answers what is found there. */
type Send = (descriptor: Descriptor) => Promise<unknown>
const places: Record<string, Send> = {
  'a worker thread': async descriptor => {
    const worker = new Worker(user, { workerData: descriptor })
    const ended = once(worker, 'exit')
    const [found] = await once(worker, 'message') as [unknown]
    await ended
    return found
  },
  'a forked child': descriptor => converse(fork(user), descriptor),
  'a cluster worker': descriptor => {
    cluster.setupPrimary({ exec: user })
    return converse(cluster.fork(), descriptor)
  }
}

/** Descriptors, and mappings of the memfd `stale-other`. */
const traces = (): number[] => [readdirSync('/proc/self/fd').length, readFileSync('/proc/self/maps', 'utf8').split('memfd:stale-other').length]

async function converse(child: ChildProcess | ClusterWorker, descriptor: Descriptor): Promise<unknown> {
  const ended = once(child, 'exit')
  await once(child, 'message')
  child.send(descriptor)
  const [found] = await once(child, 'message') as [unknown]
  await ended
  return found
}

for (const [kind, make] of Object.entries(kinds)) {
  for (const [place, send] of Object.entries(places)) {
    test(`${kind}: a descriptor opens in ${place}`, async t => {
      using segment = make(t, 3 * PAGE + 7)
      segment.write(0, 'question')
      const descriptor = JSON.parse(JSON.stringify(segment.descriptor)) as Descriptor
      t.deepEqual(await send(descriptor), { kind, size: 3 * PAGE + 7, text: 'question' })
      t.is(segment.read(3 * PAGE + 1, 6).toString(), 'answer')
    })
  }

  test(`${kind}: a descriptor opens in the same process, with a mapping of its own`, t => {
    using segment = make(t, PAGE)
    segment.write(0, 'same')
    const second = openDescriptor(segment.descriptor)
    t.deepEqual([second.kind, second.size, second.access, second.created], [segment.kind, PAGE, 'write', false])
    second.write(4, ' bytes')
    second.close()
    t.is(segment.read(0, 10).toString(), 'same bytes')
    using reader = openDescriptor(segment.descriptor, { access: 'read', guard: true })
    t.is(reader.access, 'read')
    t.throws(() => reader.write(0, 'x'), { instanceOf: ShmError, code: 'ERR_SHM_READ_ONLY' })
  })

  test(`${kind}: a read-only segment's descriptor opens read-only`, async t => {
    using segment = make(t, PAGE)
    segment.write(0, 'readable')
    using reader = openDescriptor(segment.descriptor, { access: 'read' })
    const { descriptor } = reader
    t.is(descriptor.access, 'read')
    t.deepEqual(await places['a forked child']?.(descriptor), { kind, size: PAGE, text: 'readable' })
    t.is(segment.bytes[PAGE - 1], 0)
  })
}

test('a descriptor of a part opens that part', async t => {
  const name = objectName(t)
  using whole = PosixSegment.create(name, { size: 4 * PAGE })
  using part = PosixSegment.open(name, { offset: PAGE, length: 5_000 })
  whole.write(PAGE, 'the part')
  t.like(part.descriptor, { kind: 'posix', name, offset: PAGE, size: 5_000, access: 'write' })
  t.deepEqual(await places['a worker thread']?.(part.descriptor), { kind: 'posix', size: 5_000, text: 'the part' })
  t.is(whole.read(PAGE + 5_000 - 6, 6).toString(), 'answer')
})

test('several worker threads and their main thread have one segment at once, and their ends harm nobody', async t => {
  using segment = MemfdSegment.create('shared', { size: PAGE })
  segment.write(0, 'question')
  const send = places['a worker thread'] as Send
  const found = await Promise.all(Array.from({ length: 4 }, () => send(segment.descriptor)))
  t.is(found.length, 4)
  for (const one of found) t.like(one, { kind: 'memfd', text: 'question' })
  t.is(segment.read(0, 8).toString(), 'question')
})

test('a name or path that leads to another object by now is ERR_SHM_STALE_DESCRIPTOR', t => {
  const name = objectName(t)
  // Held open, so that the file system cannot use its inode number again.
  using first = PosixSegment.create(name, { size: PAGE })
  const { descriptor } = first
  first.remove()
  using second = PosixSegment.create(name, { size: PAGE })
  second.write(0, 'other')
  const error = t.throws(() => openDescriptor(descriptor), { instanceOf: ShmError, code: 'ERR_SHM_STALE_DESCRIPTOR' })
  t.regex(error?.message ?? '', /posix/)

  const path = `${temporaryFolder(t)}/file`
  using file = FileSegment.create(path, { size: PAGE })
  file.remove()
  writeFileSync(path, Buffer.alloc(PAGE))
  t.throws(() => openDescriptor(file.descriptor), { instanceOf: ShmError, code: 'ERR_SHM_STALE_DESCRIPTOR' })
})

test('a stale descriptor is told also where the other object is too small for the part it describes', t => {
  const name = objectName(t)
  using old = PosixSegment.create(name, { size: 4 * PAGE })
  const { descriptor } = old
  old.remove()
  using smaller = PosixSegment.create(name, { size: PAGE })
  t.is(smaller.size, PAGE)
  t.throws(() => openDescriptor(descriptor), { instanceOf: ShmError, code: 'ERR_SHM_STALE_DESCRIPTOR' })
})

test.serial('a stale descriptor leaves no mapping and no descriptor behind', t => {
  const first = MemfdSegment.create('first', { size: PAGE })
  const { descriptor } = first
  first.close()
  // Takes the lowest free number, which was the first one's.
  using other = MemfdSegment.create('stale-other', { size: PAGE })
  t.is(other.fd, descriptor.fd)
  const before = traces()
  t.throws(() => openDescriptor(descriptor), { instanceOf: ShmError, code: 'ERR_SHM_STALE_DESCRIPTOR' })
  t.deepEqual(traces(), before)
})

test('what is gone is ENOENT, EINVAL or EBADF: nothing to be stale', async t => {
  const name = objectName(t)
  const posix = PosixSegment.create(name, { size: PAGE })
  const sysv = SysvSegment.create(IPC_PRIVATE, { size: PAGE, removeOnLastDetach: true })
  const gone = [posix.descriptor, sysv.descriptor]
  posix.remove()
  for (const segment of [posix, sysv]) segment.close()
  for (const [at, code] of ['ENOENT', 'EINVAL'].entries()) t.throws(() => openDescriptor(gone[at] as Descriptor), { instanceOf: ShmError, code })
  const peer = new Peer(t)
  const theirs = await peer.open('MemfdSegment.create', 'theirs', { size: PAGE })
  const descriptor = await theirs.get<Descriptor>('descriptor')
  openDescriptor(descriptor).close()
  await peer.child.kill()
  t.throws(() => openDescriptor(descriptor), { instanceOf: ShmError, code: 'ENOENT' })
})

test('a System V id that another segment has by now is stale', t => {
  const ours = SysvSegment.create(IPC_PRIVATE, { size: PAGE })
  t.teardown(() => ours.remove())
  const { descriptor } = ours
  // The kernel gives an id again only after thousands; a forged descriptor stands for that.
  t.throws(() => openDescriptor({ ...descriptor, size: 2 * PAGE } as Descriptor), { instanceOf: ShmError, code: 'ERR_SHM_STALE_DESCRIPTOR' })
  t.is(ours.stat().attachCount, 1)
  ours.close()
})

test('another user\'s descriptor opens what the mode allows, and no more', async t => {
  const reason = whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  const peer = new Peer(t, { prefix: asOther() })
  const name = objectName(t)
  using shown = PosixSegment.create(name, { size: PAGE, mode: 0o644 })
  shown.write(0, 'shown')
  t.like(await t.throwsAsync(peer.open('openDescriptor', shown.descriptor)), { code: 'EACCES' })
  const theirs = await peer.open('openDescriptor', shown.descriptor, { access: 'read' })
  t.is(await theirs.call('read', 0, 5), 'shown')
})

test('a descriptor that is bent by hand is an error that names the field', t => {
  using segment = PosixSegment.create(objectName(t), { size: PAGE })
  const { descriptor } = segment
  const bent: [string, Record<string, unknown>][] = [
    ['kind', { kind: 'disk' }], ['name', { name: 5 }], ['name', { name: 'a/b' }], ['offset', { offset: 1 }], ['offset', { offset: -4096 }],
    ['size', { size: NaN }], ['size', { size: 2 ** 60 }], ['access', { access: 'sometimes' }]
  ]
  for (const [field, change] of bent) {
    const error = t.throws(() => openDescriptor({ ...descriptor, ...change } as unknown as Descriptor), { any: true }) as Error
    t.true(error instanceof TypeError || error instanceof RangeError || error instanceof ShmError)
    t.regex(error.message, new RegExp(field === 'size' ? 'size|length' : field), JSON.stringify(change))
  }
  for (const change of [{ size: 2 * PAGE }, { inode: 1 }, { device: 1 }, { inode: 'x' }]) {
    t.throws(() => openDescriptor({ ...descriptor, ...change } as unknown as Descriptor), { any: true })
  }
})
