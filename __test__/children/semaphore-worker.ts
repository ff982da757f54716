/**
 * Ends a worker thread that blocks in a semaphore wait, for the tests. As a program it starts itself as a worker with the words it
 * was given, waits for "blocking", ends the worker, and prints `terminated` with the exit code, proof that the main thread got
 * through. As a worker it blocks for ever: `sysv <set id>`, `semop <set id>`, `posix <name>`, `sem_wait <name>`.
 */
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { PosixSemaphore, SysvSemaphoreSet } from 'shmem'
import { sem_open, sem_wait } from 'shmem/posix'
import { semop } from 'shmem/sysv'

const blocking: Record<string, (name: string) => unknown> = {
  sysv: id => SysvSemaphoreSet.attach(Number(id)).acquireSync(0),
  zero: id => SysvSemaphoreSet.attach(Number(id)).waitForZeroSync(1),
  semop: id => semop(Number(id), [{ sem_num: 0, sem_op: -1 }]),
  posix: name => PosixSemaphore.open(name).waitSync(),
  sem_wait: name => sem_wait(sem_open(name, 0))
}

if (isMainThread) {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: process.argv.slice(2) })
  worker.once('message', async () => {
    // The test looks on until the kernel knows of the waiter, then says so.
    process.stdin.once('data', async () => {
      const code = await worker.terminate()
      console.log(`terminated ${code}`)
      process.exit(0)
    })
    console.log('blocking')
  })
} else {
  const [verb = '', name = ''] = workerData as string[]
  parentPort?.postMessage('blocking')
  blocking[verb]?.(name)
}
