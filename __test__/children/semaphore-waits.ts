/**
 * Waits with promises that need a process of their own: many at once, beside a blocked thread pool, at the end of the process, in worker
 * threads that are ended. Played by 23.semaphore-waits.test.ts.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { readFileSync, readdirSync } from 'node:fs'
import { parentPort, Worker, isMainThread, workerData } from 'node:worker_threads'
import { IPC_PRIVATE, PosixSemaphore, SysvSemaphoreSet } from 'shmem'
import { play } from '../support/play.js'
import { until } from '../support/until.js'

/** What a worker waits for. */
interface Work {
  setId: number
  name: string
  /** Whether it never turns its event loop again. */
  busy: boolean
}

if (isMainThread) {
  await play({
    'hundred-at-once': hundredAtOnce,
    'no-pool-thread': noPoolThread,
    'pending-keeps-alive': () => withSet([0], async set => assert.equal(await set.acquire(0, { timeoutMs: 400 }), 'timedOut')),
    'unref-lets-go': unrefLetsGo,
    'terminate-idle': () => terminate(false),
    'terminate-granted': () => terminate(true),
    'threads-end': threadsEnd
  })
} else {
  workerPart(workerData as Work)
}

async function withSet(initial: number[], act: (set: SysvSemaphoreSet) => Promise<void>): Promise<void> {
  const set = SysvSemaphoreSet.create(IPC_PRIVATE, { initial })
  try {
    await act(set)
  } finally {
    set.remove()
  }
}

/** Names of the threads of this process that wait for semaphores. */
function helpers(): string[] {
  return readdirSync('/proc/self/task').map(nameOf).filter(name => name === 'shmem-wait')
}

function nameOf(task: string): string {
  try {
    return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}

async function hundredAtOnce(): Promise<void> {
  await withSet(Array.from({ length: 100 }, () => 0), async set => {
    let settled = 0
    const abort = new AbortController()
    const waits = Array.from({ length: 100 }, async (_, index) => {
      const outcome = await set.acquire(index, { signal: abort.signal })
      settled += 1
      return outcome
    })
    await until('as many threads run as may', () => helpers().length === 16)
    // A thread is with 16 of them; the last ones have their turns all the same.
    for (const index of [99, 50, 0, 98]) {
      set.release(index)
      assert.equal(await waits[index], 'acquired')
    }
    assert.equal(settled, 4)
    for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setTimeout(resolve, 1))
    assert.equal(settled, 4, 'the event loop turned fifty times while they pended')
    assert.equal(helpers().length, 16)
    set.setAll(set.values().map(() => 1))
    assert.deepEqual(new Set(await Promise.all(waits)), new Set(['acquired']))
    await until('nothing is left to take', () => set.values().reduce((sum, value) => sum + value) === 4)
  })
}

/** Run with one pool thread: a wait in it would keep the file from being read. */
async function noPoolThread(): Promise<void> {
  assert.equal(process.env['UV_THREADPOOL_SIZE'], '1')
  await withSet([0], async set => {
    let settled = 0
    const waits = Array.from({ length: 20 }, async () => {
      assert.equal(await set.acquire(0), 'acquired')
      settled += 1
    })
    await until('they wait', () => set.waiting(0).forIncrease > 0)
    assert.ok((await readFile('/proc/self/status', 'utf8')).length > 0)
    assert.equal(settled, 0)
    set.release(0, { count: 20 })
    await Promise.all(waits)
  })
}

async function unrefLetsGo(): Promise<void> {
  const set = SysvSemaphoreSet.create(IPC_PRIVATE, { initial: [0] })
  // Both are told how they end; only the second one keeps the process alive meanwhile.
  const unheard = set.acquire(0, { ref: false })
  assert.equal(await set.acquire(0, { timeoutMs: 150 }), 'timedOut')
  set.remove()
  const hold = setInterval(() => {}, 1000)
  await assert.rejects(unheard, { code: 'EIDRM' })
  clearInterval(hold)
  const name = `/shmem-test-${process.pid}-unref`
  const semaphore = PosixSemaphore.create(name)
  semaphore.remove()
  void semaphore.wait({ ref: false })
}

async function terminate(busy: boolean): Promise<void> {
  const name = `/shmem-test-${process.pid}-terminate`
  const semaphore = PosixSemaphore.create(name)
  try {
    await withSet([0], async set => {
      for (let round = 0; round < 50; round++) {
        const worker = new Worker(new URL(import.meta.url), { workerData: { setId: set.id, name, busy } satisfies Work })
        const ended = new Promise<number>((resolve, reject) => worker.on('error', reject).on('exit', resolve))
        await new Promise(resolve => worker.once('message', resolve))
        if (busy) {
          set.release(0, { count: 5 })
          for (let count = 0; count < 5; count++) semaphore.post()
          await until('all is granted', () => set.getValue(0) === 0 && semaphore.value === 0)
        }
        await worker.terminate()
        assert.equal(await ended, 1)
        if (busy) {
          await until('all is given back', () => set.getValue(0) === 5 && semaphore.value === 5)
          set.setValue(0, 0)
          for (let count = 0; count < 5; count++) assert.equal(semaphore.tryWait(), 'acquired')
        }
      }
      await until('nobody waits for a dead environment', () => set.waiting(0).forIncrease === 0)
      set.release(0)
      semaphore.post()
      // What a dead wait took in passing would be missing here.
      for (let turn = 0; turn < 30; turn++) await new Promise(resolve => setTimeout(resolve, 10))
      assert.deepEqual([set.getValue(0), semaphore.value], [1, 1])
    })
  } finally {
    semaphore.close()
    semaphore.remove()
  }
}

function workerPart({ setId, name, busy }: Work): void {
  const set = SysvSemaphoreSet.attach(setId)
  const semaphore = PosixSemaphore.open(name)
  for (let count = 0; count < 5; count++) {
    void set.acquire(0)
    void semaphore.wait()
  }
  parentPort?.postMessage('pending')
  if (busy) for (;;);
}

async function threadsEnd(): Promise<void> {
  await withSet([0, 5], async set => {
    const wait = set.acquire(1, { count: 6, undo: true })
    await until('it waits', () => set.waiting(1).forIncrease === 1)
    set.release(1)
    assert.equal(await wait, 'acquired')
    await until('the thread that took it is gone', () => helpers().length === 0)
    // The kernel's memory of it is the process's, not the thread's.
    assert.equal(set.getValue(1), 0)
    set.release(1, { count: 6, undo: true })
  })
}
