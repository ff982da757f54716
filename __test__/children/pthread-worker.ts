/**
 * A thread that ends while it holds or waits for a pthread object, for the tests. As a program it starts itself as a worker with the words it was
 * given, says when the worker is there, ends it when a line comes, and prints `terminated` with the exit code. With `collected` it locks
 * in the main thread, lets everything be collected that could unlock, and says so; it needs --expose-gc.
 *
 *   pthread-worker hold|lock|barrier|condition|collected <segment id>
 *
 * The mutex lies at 0, the condition variable at 64, the barrier at 128, a second mutex at 192.
 */
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { PthreadBarrier, PthreadCondition, PthreadMutex, SysvSegment } from 'shmem'

const ways: Record<string, (segment: SysvSegment, tell: () => void) => void> = {
  hold(segment, tell) {
    PthreadMutex.at(segment, 0).lockSync()
    PthreadMutex.at(segment, 192).lockSync()
    tell()
  },
  lock(segment, tell) {
    tell()
    PthreadMutex.at(segment, 0).lockSync()
  },
  barrier(segment, tell) {
    tell()
    PthreadBarrier.at(segment, 128).waitSync()
  },
  condition(segment, tell) {
    const mutex = PthreadMutex.at(segment, 0)
    mutex.lockSync()
    tell()
    PthreadCondition.at(segment, 64).waitSync(mutex, { until: () => false })
  }
}

// The test is over: a worker that waits for ever must not outlive it.
if (isMainThread) process.stdin.on('end', () => process.exit(1))

const [way = '', id = ''] = isMainThread ? process.argv.slice(2) : (workerData as string[])

if (!isMainThread) {
  ways[way]?.(SysvSegment.attach(Number(id)), () => parentPort?.postMessage('there'))
  // A worker without anything to do would end by itself.
  parentPort?.on('message', () => {})
} else if (way === 'collected') {
  await lockAndForget()
  console.log('there')
  process.stdin.resume()
} else {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: [way, id] })
  worker.once('message', () => {
    process.stdin.once('data', async () => {
      console.log(`terminated ${await worker.terminate()}`)
      process.stdin.once('data', () => process.exit(0))
    })
    console.log('there')
  })
}

async function lockAndForget(): Promise<void> {
  const forgotten = new WeakRef(lockInside())
  while (forgotten.deref() !== undefined) {
    await setImmediate()
    globalThis.gc?.()
  }
  // Finalizers of native handles come with a later turn.
  for (let turns = 0; turns < 10; turns++) await setImmediate()
}

function lockInside(): SysvSegment {
  const segment = SysvSegment.attach(Number(id))
  PthreadMutex.at(segment, 0).lockSync()
  return segment
}
