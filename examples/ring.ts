/**
 * A ring without a lock between two processes: the parent sends prices, written in place in its slots, and the child reads them there.
 *
 * Halfway the child is killed with a message in its hands. Another one takes its end and goes on behind that message: nothing comes twice, nothing is
 * torn, and one message is lost, as the counters say.
 *
 *     npm run build && node dist/examples/ring.js
 *
 * A run that was killed leaves /dev/shm/shmem-ring-<its pid> behind.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { ManagedSegment, type Producer, type RingOptions } from 'shmem'

const PRICES = 200_000
/** At which message the first child is killed. */
const FATEFUL = 77_777

/** 64 bytes a message: a cache line. One producer and one consumer is what a ring is for where nothing else is said. */
const RING: RingOptions = { slots: 1024, slotBytes: 64 }

async function parent(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '1MiB' })
  try {
    const ring = mem.ring('prices', RING)
    const out = ring.producer()
    const first = fork(import.meta.filename, [name])
    // Both begin at once: what is sent before the consumer is there waits in the ring.
    const sent = send(out)
    await killed(first)
    const second = fork(import.meta.filename, [name])
    const [code] = await once(second, 'exit')
    if (code !== 0) throw new Error(`the second child ended with ${code}`)
    await sent
    const { received, lost, recovered } = ring.stats()
    console.log(`parent: ${ring.stats().sent} sent, ${received} received, ${lost} lost with the child that was killed, ${recovered} end taken over`)
  } finally {
    mem.remove()
    mem.close()
  }
}

/** In batches: one store makes all messages of one visible at once. */
async function send(out: Producer): Promise<void> {
  for (let next = 0; next < PRICES; ) {
    const count = out.claimBatch(Math.min(64, PRICES - next))
    for (let message = 0; message < count; message += 1, next += 1) {
      const { f64 } = out.batchSlot(message)
      f64[0] = next
      f64[1] = priceOf(next)
    }
    if (count > 0) out.commitBatch()
    // Full: the promise leaves this thread free meanwhile. Of the first child's death it is told here, and waits for the second.
    else await out.wait()
  }
  out.end()
}

async function killed(first: ChildProcess): Promise<void> {
  const [message] = (await once(first, 'message')) as [string]
  console.log(`first child: ${message}`)
  first.kill('SIGKILL')
  await once(first, 'exit')
}

function child(name: string): void {
  const mem = ManagedSegment.open(name)
  const ring = mem.ring('prices', RING)
  const input = ring.consumer()
  const begins = ring.stats().received
  let count = 0
  let wrong = 0
  // The messages are read where they lie. 'ended' is told when all of them are.
  while (input.waitSync() === 'ready') {
    input.drain(Infinity, ({ f64 }) => {
      const number = f64[0] ?? NaN
      if (number !== begins + count || f64[1] !== priceOf(number)) wrong += 1
      count += 1
      if (number === FATEFUL) waitForTheEnd(`has message ${FATEFUL} in its hands, ${wrong} were out of order`)
    })
  }
  console.log(`second child: began with message ${begins}, ${wrong} were out of order, ${begins + count} is the end`)
  mem.close()
}

function priceOf(number: number): number {
  return 100 + Math.sin(number)
}

/** Says where it stands, and never goes on. */
function waitForTheEnd(message: string): void {
  process.send?.(message)
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

const name = process.argv[2]
if (name === undefined) await parent(`shmem-ring-${process.pid}`)
else child(name)
