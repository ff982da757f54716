/**
 * Bad touches of our own memory: each scenario touches, and asserts that it lives to see the error, the counts, and the shared
 * bytes unchanged. Played by 32.fault-guard.test.ts.
 */
import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { readFileSync, readSync } from 'node:fs'
import { KINDS, codeOf, make, play, readOnlyPair, seenByAnother, stepAside, truncatedByAnother } from '../support/scenarios.js'
import { FileSegment, MemfdSegment, PosixSegment, SysvSegment, PosixSemaphore, openDescriptor, type Segment } from 'shmem'
import * as posix from 'shmem/posix'

const PAGE = 4096
const SIZE = 16 * PAGE

await play({
  'one-write': oneWrite,
  'every-kind': everyKind,
  'hot-loop': hotLoop,
  'every-builtin': everyBuiltin,
  'no-native-writer-crashes': nativeWriters,
  'fill-256MiB': fillLarge,
  'stripes': writeStripes,
  'copies': copies,
  'hole': hole,
  'protected': protectedPages,
  'truncated': truncated,
  'truncated-in-use': truncatedInUse,
  'raw-munmap': rawMunmap,
  'reported-once': reportedOnce,
  'other-segments-stay-clean': otherSegmentsStayClean,
  'clean-after-refresh': cleanAfterRefresh,
  'huge-pages': hugePages,
  'semaphore-in-bad-memory': semaphoreInBadMemory,
  'semaphore-over-garbage': semaphoreOverGarbage,
  'unguarded-write': () => unguarded(segment => segment.protect({}, 'read')),
  'unguarded-truncation': () => unguarded(segment => truncatedByAnother((segment as MemfdSegment).fd, 0))
})

function oneWrite(): void {
  const { writer, reader } = readOnlyPair(SIZE)
  writer.bytes.fill('shared')
  const view = new Uint8Array(reader.buffer)
  view[5] = 0
  assert.equal(view[5], 0, 'the touched page is a private copy')
  assert.equal(Buffer.from(view.buffer).toString('latin1', 0, 5), 'share')
  assert.equal(reader.bytes, undefined as never)
}

/** A read-only view of every kind, and the same bytes seen by a second process. */
function everyKind(): void {
  for (const kind of KINDS) {
    const owner = make(kind, SIZE)
    owner.bytes.fill(0x5a)
    const reader = openForReading(owner)
    const view = new Uint8Array(reader.buffer)
    for (let index = 0; index < SIZE; index += 1000) view[index] = 1
    assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY', kind)
    assert.deepEqual({ ...reader.stat().faults }, { readOnly: 16, truncated: 0, hole: 0 }, kind)
    assert.ok(owner.bytes.every(byte => byte === 0x5a), kind)
    const fd = (owner as MemfdSegment).fd as number | undefined
    if (fd !== undefined) assert.ok(seenByAnother(fd, 0, SIZE).every(byte => byte === 0x5a), kind)
    reader.close()
  }
}

function openForReading(owner: Segment): Segment {
  if (owner instanceof SysvSegment) return SysvSegment.attach(owner.id, { access: 'read' })
  const { fd } = owner as MemfdSegment | PosixSegment | FileSegment
  return MemfdSegment.fromFd(fd as number, { access: 'read' })
}

/** What the private pages hold: the shared bytes as they were, but for what was written. */
function copies(): void {
  const { writer, reader } = readOnlyPair(SIZE)
  for (let index = 0; index < SIZE; index++) writer.bytes[index] = index % 251
  const view = new Uint8Array(reader.buffer)
  for (let page = 0; page < SIZE; page += PAGE) view[page] = 255
  for (let index = 0; index < SIZE; index++) assert.equal(view[index], index % PAGE === 0 ? 255 : index % 251)
  assert.equal(codeOf(() => reader.stat()), 'ERR_SHM_READ_ONLY')
}

function hotLoop(): void {
  const { writer, reader } = readOnlyPair(SIZE)
  const plain = new Float64Array(SIZE / 8)
  const view = new Float64Array(reader.buffer)
  // Optimised on other memory first, so that the fault comes from compiled code.
  for (let round = 0; round < 3000; round++) write(plain, round)
  write(view, 1.5)
  assert.equal(view[SIZE / 8 - 1], 1.5)
  for (let round = 0; round < 100; round++) write(view, round)
  assert.equal(codeOf(() => reader.stat()), 'ERR_SHM_READ_ONLY')
  assert.equal(reader.stat().faults.readOnly, SIZE / PAGE)
  assert.ok(seenByAnother(writer.fd, 0, SIZE).every(byte => byte === 0))
}

function write(view: Float64Array, value: number): void {
  for (let index = 0; index < view.length; index++) view[index] = value
}

/** Whatever in the runtime writes through a view without asking. */
function everyBuiltin(): void {
  const other = new Uint8Array(SIZE).fill(9)
  const writers: Record<string, (view: Uint8Array) => unknown> = {
    fill: view => view.fill(7),
    set: view => view.set(other),
    copyWithin: view => view.copyWithin(PAGE, 0, PAGE + 10),
    sort: view => view.sort(),
    reverse: view => view.reverse(),
    'sort by function': view => view.sort((a, b) => b - a),
    store: view => Atomics.store(view, 3, 1),
    add: view => Atomics.add(view, 3, 1),
    compareExchange: view => Atomics.compareExchange(view, 3, view[3] ?? 0, 1),
    'Atomics on int32': view => Atomics.or(new Int32Array(view.buffer), 5, 1),
    'Atomics on int64': view => Atomics.exchange(new BigInt64Array(view.buffer), 5, 1n),
    DataView: view => new DataView(view.buffer).setFloat64(PAGE - 4, 1.5),
    'Buffer.write': view => Buffer.from(view.buffer).write('text', 10),
    'Buffer.write latin1': view => Buffer.from(view.buffer).write('text', 10, 'latin1'),
    'Buffer.write ucs2': view => Buffer.from(view.buffer).write('text', 10, 'ucs2'),
    'Buffer.write base64': view => Buffer.from(view.buffer).write('AAAABBBB', 10, 'base64'),
    'Buffer.fill': view => Buffer.from(view.buffer).fill('abc'),
    'Buffer.copy': view => Buffer.from(other).copy(view),
    swap64: view => Buffer.from(view.buffer).swap64(),
    writeBigInt64LE: view => Buffer.from(view.buffer).writeBigInt64LE(1n, PAGE - 3),
    encodeInto: view => new TextEncoder().encodeInto('texté'.repeat(1000), view)
  }
  for (const [name, attack] of Object.entries(writers)) {
    const { writer, reader } = readOnlyPair(SIZE)
    writer.bytes.forEach((_, index, bytes) => (bytes[index] = index & 0xff))
    attack(new Uint8Array(reader.buffer))
    assert.ok(seenByAnother(writer.fd, 0, SIZE).every((byte, index) => byte === (index & 0xff)), name)
    assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY', name)
    reader.close()
    writer.close()
  }
}

/** Native code that gets the view: an error or a private write, never a crash. */
function nativeWriters(): void {
  for (const spoil of [(segment: Segment) => segment.protect({}, 'none'), (segment: Segment) => segment.protect({}, 'read'), (segment: Segment) => segment.unmap({ offset: 0 })]) {
    const segment = make('memfd', SIZE) as MemfdSegment
    const source = MemfdSegment.create('shmem-test', { size: SIZE })
    const { bytes } = segment
    spoil(segment)
    assert.equal(codeOf(() => readSync(source.fd, bytes, 0, SIZE, 0)), 'EFAULT')
    randomFillSync(bytes)
    Buffer.concat([bytes, bytes])
    bytes.toString('hex')
    structuredClone(bytes)
    assert.notEqual(codeOf(() => segment.read(0, 1)), undefined)
  }
}

function mapCount(): number {
  return readFileSync('/proc/self/maps', 'latin1').split('\n').length
}

function fillLarge(): void {
  const writer = MemfdSegment.create('shmem-test', { size: '256MiB', reserve: false })
  const reader = MemfdSegment.fromFd(writer.fd, { access: 'read' })
  const view = new Uint8Array(reader.buffer)
  const before = mapCount()
  view.fill(1)
  assert.ok(mapCount() - before < 100, `${mapCount() - before} mappings more`)
  assert.equal(view[view.length - 1], 1)
  assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY')
  assert.equal(reader.stat().faults.readOnly, 65_536)
  for (let index = 0; index < view.length; index += PAGE) if (view[index] !== 1) assert.fail(`page ${index / PAGE} lost what was written`)
}

/** Every second page: no two exchanged pages touch, so each costs two mappings, and the process runs out of them. */
function writeStripes(): void {
  const limit = Number(readFileSync('/proc/sys/vm/max_map_count', 'latin1'))
  if (limit > 200_000) return stepAside(`vm.max_map_count is ${limit}: running out of mappings would take too long`)
  const writer = MemfdSegment.create('shmem-test', { size: (limit + 4000) * PAGE, reserve: false })
  const reader = MemfdSegment.fromFd(writer.fd, { access: 'read' })
  const view = new Uint8Array(reader.buffer)
  for (let index = 0; index < view.length; index += 2 * PAGE) view[index] = 1
  assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY')
  reader.close()
  assert.ok(mapCount() < 1000)
}

function hole(): void {
  for (const kind of KINDS) {
    const segment = make(kind, SIZE)
    const view = new Uint8Array(segment.buffer).fill(5)
    segment.unmap({ offset: PAGE, length: 2 * PAGE })
    assert.deepEqual([view[PAGE - 1], view[PAGE], view[3 * PAGE - 1], view[3 * PAGE]], [5, 0, 0, 5])
    view[PAGE] = 1
    assert.equal(codeOf(() => segment.read(0, 1)), 'ERR_SHM_HOLE')
    assert.equal(codeOf(() => segment.read(0, 1)), undefined)
    assert.equal(segment.stat().faults.hole, 2)
    segment.unmap({ offset: 0 })
    assert.equal(view.reduce((sum, byte) => sum + byte, 0), 0)
    assert.equal(codeOf(() => segment.write(0, 'x')), 'ERR_SHM_HOLE')
    segment.close()
  }
}

function protectedPages(): void {
  for (const kind of KINDS) {
    const segment = make(kind, SIZE)
    const view = new Uint8Array(segment.buffer).fill(5)
    segment.protect({ offset: 0, length: PAGE }, 'none')
    assert.equal(view[0], 0)
    assert.equal(codeOf(() => segment.stat()), 'ERR_SHM_HOLE')
    segment.protect({ offset: PAGE, length: PAGE }, 'read')
    assert.equal(view[PAGE], 5)
    assert.equal(codeOf(() => segment.stat()), undefined)
    view[PAGE] = 6
    assert.equal(codeOf(() => segment.stat()), 'ERR_SHM_READ_ONLY')
    segment.protect({ offset: 2 * PAGE, length: PAGE }, 'read')
    segment.protect({ offset: 2 * PAGE, length: PAGE }, 'write')
    view[2 * PAGE] = 7
    assert.equal(codeOf(() => segment.stat()), undefined)
    segment.close()
  }
}

function truncated(): void {
  for (const kind of ['posix', 'memfd', 'file'] as const) {
    const segment = make(kind, SIZE) as MemfdSegment
    const view = new Uint8Array(segment.buffer).fill(5)
    truncatedByAnother(segment.fd, PAGE)
    assert.deepEqual([view[0], view[PAGE], view[SIZE - 1]], [5, 0, 0])
    view[2 * PAGE] = 1
    assert.equal(codeOf(() => segment.read(0, 1)), 'ERR_SHM_TRUNCATED', kind)
    assert.equal(segment.stat().faults.truncated, 3)
    assert.equal(segment.refresh(), true)
    assert.equal(segment.buffer.byteLength, PAGE)
    assert.equal(segment.bytes[0], 5)
    segment.close()
  }
}

/** The object shrinks again and again while a loop of compiled code and memcpy run over it. */
function truncatedInUse(): void {
  const segment = MemfdSegment.create('shmem-test', { size: SIZE })
  const view = new Uint8Array(segment.buffer)
  for (let round = 0; round < 5; round++) {
    truncatedByAnother(segment.fd, (round % 3) * PAGE)
    view.fill(round)
    Buffer.from(view.buffer).equals(Buffer.alloc(SIZE))
    for (let index = 0; index < SIZE; index++) view[index] = (view[index] ?? 0) + 1
  }
  assert.equal(codeOf(() => segment.prefault()), 'ERR_SHM_TRUNCATED')
  assert.equal(codeOf(() => segment.prefault()), undefined)
}

function rawMunmap(): void {
  const handle = posix.mmap(null, SIZE, posix.PROT_READ | posix.PROT_WRITE, posix.MAP_SHARED | posix.MAP_ANONYMOUS, -1)
  const view = new Uint8Array(handle.buffer).fill(5)
  posix.munmap(handle, PAGE, PAGE)
  assert.deepEqual([view[PAGE - 1], view[PAGE], view[2 * PAGE]], [5, 0, 5])
  assert.equal(codeOf(() => handle.buffer), 'ERR_SHM_HOLE')
  posix.mprotect(handle, 0, PAGE, posix.PROT_NONE)
  view.fill(1)
  assert.equal(codeOf(() => handle.buffer), 'ERR_SHM_HOLE')
  posix.munmap(handle)
  assert.equal(view.length, 0)
}

function reportedOnce(): void {
  const touched = (): Segment => {
    const { reader } = readOnlyPair(SIZE)
    new Uint8Array(reader.buffer)[0] = 1
    return reader
  }
  const calls: ((segment: Segment) => unknown)[] = [
    segment => segment.buffer, segment => segment.bytes, segment => segment.read(0, 1), segment => segment.stat(),
    segment => segment.residency(), segment => segment.advise(undefined, 'willneed'), segment => segment.flush()
  ]
  for (const call of calls) {
    const segment = touched()
    assert.equal(codeOf(() => call(segment)), 'ERR_SHM_READ_ONLY', String(call))
    assert.equal(codeOf(() => call(segment)), undefined, String(call))
    assert.equal(segment.stat().faults.readOnly, 1)
    segment.close()
  }
}

function otherSegmentsStayClean(): void {
  const other = make('memfd', SIZE)
  const { reader } = readOnlyPair(SIZE)
  new Uint8Array(reader.buffer)[0] = 1
  assert.equal(codeOf(() => other.read(0, 1)), undefined)
  assert.deepEqual({ ...other.stat().faults }, { readOnly: 0, truncated: 0, hole: 0 })
  assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY')
}

/** The counts begin anew with the new mapping; that is no news. */
function cleanAfterRefresh(): void {
  const segment = MemfdSegment.create('shmem-test', { size: SIZE })
  const view = new Uint8Array(segment.buffer)
  truncatedByAnother(segment.fd, PAGE)
  view[SIZE - 1] = 1
  assert.equal(codeOf(() => segment.read(0, 1)), 'ERR_SHM_TRUNCATED')
  segment.refresh()
  otherSegmentsStayClean()
  assert.equal(codeOf(() => segment.read(0, 1)), undefined)
}

function hugePages(): void {
  const size = 4 * 2 ** 20
  let writer: MemfdSegment
  try {
    writer = MemfdSegment.create('shmem-test', { size, hugePages: 'require', hugePageSize: '2MiB' })
  } catch (error) {
    return stepAside(`no huge pages: ${(error as Error).message}`)
  }
  writer.bytes.fill(5)
  const reader = MemfdSegment.fromFd(writer.fd, { access: 'read' })
  const view = new Uint8Array(reader.buffer)
  assert.equal(reader.stat().pageSizeBytes, 2 ** 21)
  view[2 ** 21 - 1] = 1
  assert.deepEqual([view[2 ** 21 - 2], view[2 ** 21 - 1], view[2 ** 21]], [5, 1, 5])
  assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY')
  assert.ok(writer.bytes.every(byte => byte === 5))
  const own = new Uint8Array(writer.buffer)
  writer.unmap({ offset: 2 ** 21, length: 2 ** 21 })
  assert.deepEqual([own[2 ** 21 - 1], own[2 ** 21]], [5, 0])
  reader.close()
  writer.close()
  assert.equal(view.length, 0)
}

function semaphoreInBadMemory(): void {
  const spoilers: ((segment: MemfdSegment) => void)[] = [
    segment => segment.protect({}, 'none'), segment => segment.protect({}, 'read'),
    segment => segment.unmap({ offset: 0 }), segment => truncatedByAnother(segment.fd, 0)
  ]
  for (const spoil of spoilers) {
    for (const use of ['tryWait', 'post', 'waitSync'] as const) {
      const segment = MemfdSegment.create('shmem-test', { size: SIZE })
      const semaphore = PosixSemaphore.init(segment, PAGE - 8, { value: 1 })
      spoil(segment)
      const code = codeOf(() => (use === 'waitSync' ? semaphore.waitSync({ timeoutMs: 5 }) : semaphore[use]()))
      assert.match(String(code), /^ERR_SHM_(?:HOLE|READ_ONLY|TRUNCATED)$/u, use)
      segment.close()
      assert.equal(codeOf(() => semaphore.post()), 'ERR_SHM_CLOSED')
    }
  }
}

/** Any bytes may lie where a semaphore is said to be: whoever shares the memory writes what they like. */
function semaphoreOverGarbage(): void {
  for (const garbage of [0x55, 1, 0xff, 0x80, 0x1234_5678]) {
    for (const value of [0, 1]) {
      const segment = MemfdSegment.create('shmem-test', { size: PAGE })
      segment.bytes.fill(garbage)
      new DataView(segment.buffer).setInt32(0, value, true)
      new DataView(segment.buffer).setInt32(8, garbage, true)
      codeOf(() => {
        const semaphore = PosixSemaphore.at(segment, 0)
        semaphore.tryWait()
        semaphore.waitSync({ timeoutMs: 2 })
        semaphore.post()
      })
      segment.close()
    }
  }
}

/** `guard: false` means what it says. The descriptor outlives: opened in time by others, it is fine. */
function unguarded(spoil: (segment: Segment) => void): void {
  const segment = MemfdSegment.create('shmem-test', { size: SIZE, guard: false })
  const copy = openDescriptor(segment.descriptor)
  const view = new Uint8Array(segment.buffer)
  spoil(segment)
  copy.close()
  view[0] = 1
  throw new Error('the write did not kill')
}
