/**
 * Uses a ring while a worker scribbles random words over its bytes. Played by 62.hostile-ring.test.ts.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { ManagedSegment, MemfdSegment, type Ring, type RingOptions } from 'shmem'
import { play } from '../support/scenarios.js'

const LASTS_MS = 1500
/** And longer, where this thread had so little of the processor that it saw nothing. */
const LONGEST_MS = 30_000
const GOOD = new Set([0, 1, -1, 2, 1 << 29, 1 << 30, 1 << 31])

if (isMainThread) await play({ scribbled })
else scribble(workerData as { buffer: SharedArrayBuffer; fd: number; offset: number; bytes: number })

async function scribbled(...words: string[]): Promise<void> {
  const options = JSON.parse(words[0] ?? '{}') as RingOptions
  const segment = MemfdSegment.create('shmem-test', { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment)
  const ring = mem.ring('ring', options)
  const entry = mem.objects.find(object => object.name === 'ring') ?? assert.fail()
  const stop = new SharedArrayBuffer(4)
  const worker = new Worker(new URL(import.meta.url), { workerData: { buffer: stop, fd: segment.fd, offset: entry.offset, bytes: entry.bytes } })
  const seen = new Map<string, number>()
  await once(worker, 'message')
  const began = performance.now()
  const goesOn = (): boolean => performance.now() - began < (seen.has('ERR_SHM_POSSIBLY_CORRUPT') ? LASTS_MS : LONGEST_MS)
  let rounds = 0
  for (; goesOn(); rounds++) {
    await use(ring, seen)
    if (rounds % 16 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  Atomics.store(new Int32Array(stop), 0, 1)
  await new Promise(resolve => worker.once('exit', resolve))
  attempt(seen, () => mem.close())
  console.log(`did ${rounds} rounds: ${[...seen].map(([code, count]) => `${count} ${code}`).join(', ')}`)
  assert.ok(rounds > 5)
  assert.ok((seen.get('ERR_SHM_POSSIBLY_CORRUPT') ?? 0) > 0, 'nobody saw what was scribbled')
}

/** Everything, with limits of time. */
async function use(ring: Ring, seen: Map<string, number>): Promise<void> {
  const out = attempt(seen, () => ring.producer())
  const input = attempt(seen, () => ring.consumer())
  for (let turn = 0; turn < 4; turn++) {
    attempt(seen, () => out?.trySend('some bytes'))
    attempt(seen, () => out?.sendSync('x', { timeoutMs: 1 }))
    attempt(seen, () => {
      out?.claim()?.bytes.fill(1)
      out?.commit(3)
    })
    attempt(seen, () => {
      if ((out?.claimBatch(3) ?? 0) > 0) out?.commitBatch()
    })
    attempt(seen, () => input?.tryReceive())
    attempt(seen, () => input?.receiveSync({ timeoutMs: 1 }))
    attempt(seen, () => {
      if (input?.take() !== undefined) input.release()
    })
    attempt(seen, () => input?.drain(5, slot => slot.bytes[0]))
    attempt(seen, () => [ring.stats(), ring.length, ring.producerMember, ring.consumerMember])
  }
  await Promise.allSettled([out?.send('y', { timeoutMs: 1 }), input?.receive({ timeoutMs: 1 })])
  for (const end of [out, input]) {
    attempt(seen, () => (end as { abort?: () => void } | undefined)?.abort?.())
    attempt(seen, () => end?.close())
  }
}

/** Whatever is thrown is an error of ours. */
function attempt<Result>(seen: Map<string, number>, call: () => Result): Result | undefined {
  try {
    return call()
  } catch (error) {
    const { code = 'none' } = error as { code?: string }
    assert.match(code, /^ERR_SHM_/u, String(error))
    seen.set(code, (seen.get(code) ?? 0) + 1)
    return undefined
  }
}

function scribble({ buffer, fd, offset, bytes }: { buffer: SharedArrayBuffer; fd: number; offset: number; bytes: number }): void {
  const segment = MemfdSegment.fromFd(fd)
  const words = new Int32Array(segment.buffer, offset, bytes / 4)
  const header = Math.min(words.length, 200)
  const good = [...GOOD]
  const random = (limit: number): number => Math.floor(Math.random() * limit)
  parentPort?.postMessage('begins')
  while (Atomics.load(new Int32Array(buffer), 0) === 0) {
    const index = random(Math.random() < 0.8 ? header : words.length)
    const near = (words[index] ?? 0) + random(5) - 2
    words[index] = [random(2 ** 32), near, good[random(good.length)] ?? 0][random(3)] ?? 0
    for (let pause = random(2000); pause > 0; pause--);
  }
  segment.close()
}
