/**
 * Uses a latest and a broadcast while somebody scribbles over their bytes. Played by 72.hostile-feeds.test.ts.
 */
import assert from 'node:assert/strict'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { ManagedSegment, MemfdSegment, type Broadcast, type Latest } from 'shmem'
import { play, truncatedByAnother } from '../support/scenarios.js'

const LATEST = { bytes: 64, readers: 3 }
const BROADCAST = { slots: 4, slotBytes: 64 }
const SIZE = 1 << 18

/** Errors by their codes. */
const seen = new Map<string, number>()

if (isMainThread) await play({ scribbled, truncated })
else scribble(workerData as { fd: number; from: number; to: number })

function create(): { segment: MemfdSegment; mem: ManagedSegment; latest: Latest; broadcast: Broadcast } {
  const segment = MemfdSegment.create('shmem-test', { size: SIZE })
  const mem = ManagedSegment.openOrCreate(segment, { members: 4, objects: 4 })
  return { segment, mem, latest: mem.latest('latest', LATEST), broadcast: mem.broadcast('broadcast', BROADCAST) }
}

async function scribbled(ms: string): Promise<void> {
  const { segment, mem, latest, broadcast } = create()
  const [first, last] = mem.objects.toSorted((a, b) => a.offset - b.offset)
  const worker = new Worker(new URL(import.meta.url), { workerData: { fd: segment.fd, from: first?.offset, to: (last?.offset ?? 0) + (last?.bytes ?? 0) } })
  const failed = new Promise<never>((_, reject) => worker.once('error', reject))
  failed.catch(() => {})
  const deadline = performance.now() + Number(ms)
  let rounds = 0
  while (performance.now() < deadline) {
    await Promise.race([useLatest(latest), failed])
    await Promise.race([useBroadcast(broadcast), failed])
    rounds += 1
  }
  console.log(`did ${rounds} rounds: ${[...seen].map(([code, count]) => `${code} ${count}`).join(', ')}`)
  await worker.terminate()
  attempt(() => mem.close())
  assert.ok(rounds > 5)
  assert.ok(seen.size > 0, 'nothing was ever wrong: nobody scribbled')
}

/** All calls, with limits of time. */
async function useLatest(latest: Latest): Promise<void> {
  const value = new Uint8Array(LATEST.bytes)
  const target = new Uint8Array(LATEST.bytes)
  const out = attempt(() => latest.writer())
  const input = attempt(() => latest.reader())
  for (let turn = 0; turn < 20; turn++) {
    attempt(() => out?.write(value))
    attempt(() => out?.begin().fill(turn))
    attempt(() => out?.offset)
    attempt(() => out?.publish(turn))
    attempt(() => input?.read(target))
    attempt(() => input?.view()?.at(-1))
    attempt(() => input?.offset)
    attempt(() => input?.tryNext())
    attempt(() => input?.isNewer)
    attempt(() => input?.version)
    attempt(() => latest.stats())
  }
  attempt(() => input?.nextSync({ timeoutMs: 2 }))
  await attempted(input?.next({ timeoutMs: 2 }))
  attempt(() => out?.abort())
  attempt(() => out?.end())
  attempt(() => input?.close())
}

async function useBroadcast(broadcast: Broadcast): Promise<void> {
  const message = new Uint8Array(BROADCAST.slotBytes)
  const out = attempt(() => broadcast.writer())
  const input = attempt(() => broadcast.reader({ from: 'oldest' }))
  for (let turn = 0; turn < 20; turn++) {
    attempt(() => out?.send(message))
    attempt(() => out?.claim().fill(turn))
    attempt(() => out?.offset)
    attempt(() => out?.commit(turn))
    attempt(() => input?.tryReceive(message))
    attempt(() => input?.peek()?.at(-1))
    attempt(() => input?.accept())
    attempt(() => input?.drain(10, bytes => bytes.at(-1)))
    attempt(() => broadcast.stats())
  }
  attempt(() => input?.receiveSync({ timeoutMs: 2 }))
  await attempted(input?.receive({ timeoutMs: 2 }))
  attempt(() => out?.abort())
  attempt(() => out?.end())
  attempt(() => input?.close())
}

/** The memory goes away under readers and writers. */
async function truncated(size: string): Promise<void> {
  const { segment, mem, latest, broadcast } = create()
  const [out, input] = [latest.writer(), latest.reader()]
  const [sender, receiver] = [broadcast.writer(), broadcast.reader()]
  const waits = [input.next({ timeoutMs: 200 }), receiver.receive({ timeoutMs: 200 })]
  truncatedByAnother(segment.fd, Number(size))
  for (const wait of waits) await attempted(wait)
  for (let turn = 0; turn < 10; turn++) {
    for (const call of [() => out.write(new Uint8Array(8)), () => input.read(), () => input.nextSync({ timeoutMs: 2 }), () => sender.send(new Uint8Array(8)), () => receiver.tryReceive(), () => receiver.receiveSync({ timeoutMs: 2 })]) attempt<unknown>(call)
  }
  // With writer and readers open: their seats and cells are gone with the memory.
  mem.close()
  assert.ok(mem.closed)
  for (const part of [out, input, sender, receiver]) part.close()
  console.log(`saw ${[...seen.keys()].join(', ')}`)
}

/** Whatever is thrown is an error of ours. */
function attempt<Result>(call: () => Result): Result | undefined {
  try {
    return call()
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).name
    assert.match(code, /^E[A-Z_]+$/, String((error as Error).stack))
    seen.set(code, (seen.get(code) ?? 0) + 1)
    return undefined
  }
}

async function attempted(wait: Promise<unknown> | undefined): Promise<void> {
  const [settled] = await Promise.allSettled([wait])
  if (settled?.status === 'rejected') {
    attempt(() => {
      throw settled.reason
    })
  }
}

/** Random words, and some of those that mean something. */
function scribble({ fd, from, to }: { fd: number; from: number; to: number }): void {
  const words = new Int32Array(MemfdSegment.fromFd(fd).buffer)
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let round = 0; ; round += 1) {
    for (let count = 0; count < 20; count += 1) {
      const random = Math.floor(Math.random() * 2 ** 32)
      // The first lines of both more often than the rest.
      const at = Math.floor((from + (Math.random() < 0.5 ? 0 : (to - from) * Math.random())) / 4) + Math.floor(Math.random() * 40)
      const other = words[Math.floor(from / 4 + ((to - from) / 4) * Math.random())] ?? 0
      if (at * 4 < to) Atomics.store(words, at, [random, 0, 1, -1, other, random & 0x3ff, random | 0x2000_0000][count % 7] ?? 0)
    }
    if (round % 3 === 0) Atomics.wait(pause, 0, 0, 0.1)
  }
}
