/**
 * A writer that is killed while a read of its thread pool copies into the slot it claimed: the copying goes on behind its death. Whoever takes the end, the
 * seat or the claim over writes there only when it is over, so that no message is torn.
 */
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { PosixSegment, type Broadcast, type Latest, type ManagedSegment, type Ring } from 'shmem'
import { startChild } from './support/child.js'
import { BYTES, opened, type Kind } from './support/late-writes.js'
import { managed } from './support/managed.js'
import { objectName } from './support/peer.js'

/** Of a message only the end is written: there the late bytes come last. */
const WRITTEN = 4 << 20

/** Takes over from the dead one, and publishes a message where that one was. Answers how it is received, and given back. */
type Successor = (t: ExecutionContext<unknown>, mem: ManagedSegment) => Promise<{ message(): Uint8Array | undefined; release?(): void }>

test.serial('a successor’s message is whole: a ring of one producer', tornBy, 'one', async (_, mem) => {
  const ring = opened(mem, 'one') as Ring
  const input = ring.consumer()
  const output = ring.producer()
  write(output.claim()?.bytes)
  output.commit()
  return { message: () => input.take()?.bytes, release: () => input.release() }
})

for (const method of ['waitSync', 'wait'] as const) {
  test.serial(`a successor’s message is whole: a ring of many producers, whose consumer comes by ${method}`, tornBy, 'many', async (t, mem) => {
    const ring = opened(mem, 'many') as Ring
    const input = ring.consumer()
    const output = ring.producer()
    // The dead one has a slot, this message the other.
    output.claim()
    output.commit(1)
    t.is(await input[method]({ timeoutMs: 20_000 }), 'ready')
    t.is(input.take()?.length, 1)
    input.release()
    write(output.claim()?.bytes)
    output.commit()
    return { message: () => input.take()?.bytes, release: () => input.release() }
  })
}

test.serial('a successor’s value is whole: a latest', tornBy, 'latest', async (_, mem) => {
  const latest = opened(mem, 'latest') as Latest
  const input = latest.reader()
  const output = latest.writer()
  write(output.begin())
  output.publish()
  return { message: () => input.view() }
})

test.serial('a successor’s message is whole: a broadcast', tornBy, 'broadcast', async (_, mem) => {
  const broadcast = opened(mem, 'broadcast') as Broadcast
  const input = broadcast.reader({ from: 'oldest' })
  const output = broadcast.writer()
  write(output.claim())
  output.commit()
  return { message: () => input.peek() }
})

test.serial('what a terminated worker claimed is taken over, though its process lives on', async t => {
  const { mem, name } = managed(t, { size: '1MiB' })
  const one = mem.ring('one', { slots: 2, slotBytes: 8 })
  const many = mem.ring('many', { slots: 2, slotBytes: 8, producers: 'many' })
  const feeds = { latest: mem.latest('latest', { bytes: 8, readers: 1 }), broadcast: mem.broadcast('broadcast', { slots: 2, slotBytes: 8 }) }
  const worker = new Worker(
    `import(${JSON.stringify(import.meta.resolve('shmem'))}).then(({ ManagedSegment }) => {
      const mem = ManagedSegment.open(${JSON.stringify(name)})
      mem.ring('one', { slots: 2, slotBytes: 8 }).producer().claim()
      mem.ring('many', { slots: 2, slotBytes: 8, producers: 'many' }).producer().claim()
      mem.latest('latest', { bytes: 8, readers: 1 }).writer().begin()
      mem.broadcast('broadcast', { slots: 2, slotBytes: 8 }).writer().claim()
      require('node:worker_threads').parentPort.postMessage('claimed')
      setInterval(() => {}, 1000)
    })`,
    { eval: true }
  )
  await once(worker, 'message')
  await worker.terminate()
  t.is(one.producer().trySend(new Uint8Array(1)), 'sent')
  t.is(many.producer().trySend(new Uint8Array(1)), 'sent')
  const input = many.consumer()
  t.is(input.waitSync({ timeoutMs: 20_000 }), 'ready')
  t.is(feeds.latest.writer().write(new Uint8Array(1)), 1)
  t.is(feeds.broadcast.writer().send(new Uint8Array(1)), 0)
})

function write(bytes: Uint8Array | undefined): void {
  bytes?.subarray(BYTES - WRITTEN).fill(1)
}

async function tornBy(t: ExecutionContext<unknown>, kind: Kind, succeed: Successor): Promise<void> {
  const { mem, name } = managed(t, { size: 3 * BYTES + (4 << 20), reserve: false })
  opened(mem, kind)
  // On tmpfs, whose reads do not look for a signal before they are done.
  const source = objectName(t)
  PosixSegment.create(source, { size: BYTES, reserve: false }).close()
  const writer = startChild(t, 'late-writer', { args: [name, `/dev/shm${source}`, kind] })
  t.is(await writer.ask('read'), 'reading')
  const dead = writer.kill()
  await untilDead(mem)
  const { message, release } = await succeed(t, mem)
  await dead
  t.is(message()?.subarray(BYTES - WRITTEN).findIndex(byte => byte !== 1), -1, 'the dead one wrote into it')
  release?.()
}

/** At once: five milliseconds later the read may be over. */
async function untilDead(mem: ManagedSegment): Promise<void> {
  const looksUntil = Date.now() + 20_000
  while (mem.members.every(member => member.alive)) {
    if (Date.now() > looksUntil) throw new Error('nobody died')
    await setImmediate()
  }
}
