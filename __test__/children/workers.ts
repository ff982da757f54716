/**
 * The addon in several threads of one process, which end in every way they can. Played by 34.workers.test.ts; a worker plays the
 * part that its `workerData` names, and says so before it begins.
 */
import assert from 'node:assert/strict'
import { parentPort, Worker, isMainThread, workerData } from 'node:worker_threads'
import { collect, play, stepAside } from '../support/play.js'

const SIZE = 65_536

interface Part {
  name: string
  argument?: unknown
}

if (isMainThread) {
  await play({
    'load-at-once': loadAtOnce,
    'terminate-in-semaphore-wait': () => terminate('waitSync'),
    'terminate-in-sysv-wait': () => terminate('acquireSync'),
    'terminate-in-copy': () => terminate('copy'),
    'terminate-in-fault': () => terminate('fault'),
    'terminate-in-open-close': () => terminate('openClose'),
    'terminate-with-async-read': () => terminate('pool'),
    'end-in-every-way': endInEveryWay,
    'main-goes-on-after-worker': mainGoesOn,
    'image-stays': imageStays,
    'shared-buffer-survives-worker': sharedBufferSurvivesWorker
  })
} else {
  await playPart(workerData as Part)
}

function start(name: string, argument?: unknown): { worker: Worker; said: Promise<unknown>; ended: Promise<number> } {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { name, argument } satisfies Part,
    resourceLimits: { maxOldGenerationSizeMb: 64 }
  })
  const ended = new Promise<number>((resolve, reject) => worker.on('error', reject).on('exit', resolve))
  const said = new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve)
    ended.then(code => reject(new Error(`the worker ended with ${code} before it said a word`)), reject)
  })
  // A part that says nothing is awaited by its end.
  said.catch(() => undefined)
  return { worker, said, ended }
}

async function loadAtOnce(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const workers = [0, 1, 2, 3, 4, 5].map(() => start('openClose', 50))
    const { make } = await import('../support/scenarios.js')
    for (let count = 0; count < 50; count++) make('sysv', SIZE).close()
    assert.deepEqual(await Promise.all(workers.map(({ ended }) => ended)), [0, 0, 0, 0, 0, 0])
  }
}

/** Ended from outside once it is in the middle of it; several times, at other moments of it. */
async function terminate(name: string): Promise<void> {
  for (let round = 0; round < 6; round++) {
    const { worker, said, ended } = start(name)
    const word = await said
    await new Promise(resolve => setTimeout(resolve, round * 7))
    await worker.terminate()
    assert.equal(await ended, 1)
    if (typeof word === 'number') (await import('shmem')).SysvSemaphoreSet.attach(word).remove()
    await collect()
  }
  assert.equal(await start('openClose', 5).ended, 0)
}

async function endInEveryWay(): Promise<void> {
  assert.equal(await start('leaveOpen').ended, 0)
  assert.equal(await start('exit', 5).ended, 5)
  await assert.rejects(start('throw').ended, /thrown in the worker/)
  await assert.rejects(start('outOfMemory').ended, { code: 'ERR_WORKER_OUT_OF_MEMORY' })
  assert.equal(await start('openClose', 5).ended, 0)
}

async function mainGoesOn(): Promise<void> {
  assert.equal(await start('leaveOpen').ended, 0)
  const { make, readOnlyPair, codeOf } = await import('../support/scenarios.js')
  make('posix', SIZE).bytes.fill(1)
  const { reader } = readOnlyPair(SIZE)
  assert.equal(await start('fault', 5).ended, 0)
  new Uint8Array(reader.buffer)[0] = 1
  assert.equal(codeOf(() => reader.stat()), 'ERR_SHM_READ_ONLY')
}

function imageIsMapped(): boolean {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] }
  return sharedObjects.some(path => /shmem\.[^/]*\.node$/.test(path))
}

/** Loaded by a worker alone: its handler is still the process's when the worker is gone. */
async function imageStays(): Promise<void> {
  assert.equal(imageIsMapped(), false)
  assert.equal(await start('fault', 5).ended, 0)
  assert.equal(imageIsMapped(), true, 'the image was unloaded with its handler installed')
}

async function sharedBufferSurvivesWorker(): Promise<void> {
  const { worker, said, ended } = start('shareAndStay')
  let shared = (await said) as SharedArrayBuffer | string | undefined
  if (typeof shared === 'string') return stepAside(shared)
  worker.postMessage('go')
  assert.equal(await ended, 0)
  const view = new Uint8Array(shared as SharedArrayBuffer)
  assert.equal(view[0], 42)
  view.fill(7)
  assert.equal(view[SIZE - 1], 7)
  shared = undefined
}

async function playPart({ name, argument }: Part): Promise<void> {
  const parts = await import('../support/worker-parts.js')
  const part = parts.parts[name]
  if (part === undefined) throw new Error(`no such part: ${name}`)
  await part(argument, word => parentPort?.postMessage(word))
}
