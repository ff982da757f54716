/**
 * The channel `shmem:fault` of node:diagnostics_channel: who listens before a segment is opened learns of a bad touch at once,
 * without a call on the segment; the call throws all the same.
 */
import test from 'ava'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { MemfdSegment, type FaultMessage } from 'shmem'
import { ftruncate } from 'shmem/posix'
import { until } from './support/until.js'

test.serial('a listener learns of a bad touch before the segment is called again', async t => {
  const { promise, resolve } = withResolver<FaultMessage>()
  const listen = (message: unknown): void => resolve(message as FaultMessage)
  subscribe('shmem:fault', listen)
  t.teardown(() => unsubscribe('shmem:fault', listen))
  using writable = MemfdSegment.create('fault-events', { size: 4096 })
  using readable = MemfdSegment.fromFd(writable.fd, { access: 'read' })

  readable.bytes[0] = 1
  // The watch keeps no process alive, so something else must while we wait.
  const awake = setInterval(() => {}, 1000)
  const message = await promise
  clearInterval(awake)

  t.deepEqual(message.counts, { readOnly: 1, truncated: 0, hole: 0 })
  t.is(message.code, 'ERR_SHM_READ_ONLY')
  t.throws(() => readable.read(0, 1), { code: 'ERR_SHM_READ_ONLY' })
  t.is(writable.read(0, 1)[0], 0)
})

test.serial('without a listener the next call throws, and nothing is published later', t => {
  using writable = MemfdSegment.create('fault-events', { size: 4096 })
  using readable = MemfdSegment.fromFd(writable.fd, { access: 'read' })
  readable.bytes[0] = 1
  t.throws(() => readable.read(0, 1), { code: 'ERR_SHM_READ_ONLY' })
  const heard: unknown[] = []
  const listen = (message: unknown): void => void heard.push(message)
  subscribe('shmem:fault', listen)
  t.teardown(() => unsubscribe('shmem:fault', listen))
  t.is(readable.read(0, 1)[0], 1, 'the private copy keeps the write')
  t.deepEqual(heard, [])
})

test.serial('a segment that was told of and is closed, or mapped anew, is not told of again', async t => {
  const told: FaultMessage[] = []
  const listen = (message: unknown): void => void told.push(message as FaultMessage)
  subscribe('shmem:fault', listen)
  t.teardown(() => unsubscribe('shmem:fault', listen))
  using remapped = MemfdSegment.create('fault-remapped', { size: 8192 })
  const closed = MemfdSegment.create('fault-closed', { size: 8192 })
  for (const segment of [remapped, closed]) {
    const bytes = new Uint8Array(segment.buffer)
    ftruncate(segment.fd, 4096)
    t.is(bytes[5000], 0)
  }
  await until('both are told of', () => told.length === 2)
  remapped.refresh()
  t.throws(() => closed.read(0, 1), { code: 'ERR_SHM_TRUNCATED' })
  closed.close()

  using last = MemfdSegment.create('fault-last', { size: 4096 })
  using readable = MemfdSegment.fromFd(last.fd, { access: 'read' })
  readable.bytes[0] = 1
  await until('the last is told of', () => told.length > 2)
  t.deepEqual(told.map(({ code }) => code), ['ERR_SHM_TRUNCATED', 'ERR_SHM_TRUNCATED', 'ERR_SHM_READ_ONLY'])
  t.throws(() => readable.read(0, 1), { code: 'ERR_SHM_READ_ONLY' })
})

test.serial('a listener that closes the segment in the middle of refresh() leaves it closed', t => {
  const segment = MemfdSegment.create('fault-closed-in-refresh', { size: 8192 })
  const listen = (): void => segment.close()
  const bytes = new Uint8Array(segment.buffer)
  ftruncate(segment.fd, 4096)
  t.is(bytes[5000], 0)
  subscribe('shmem:fault', listen)
  t.teardown(() => unsubscribe('shmem:fault', listen))
  t.throws(() => segment.refresh(), { code: 'ERR_SHM_CLOSED' })
  t.deepEqual([segment.closed, segment.size], [true, 0])
})

function withResolver<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>(settle => (resolve = settle))
  return { promise, resolve }
}
