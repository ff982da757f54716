/**
 * Opens the segment whose descriptor it is given, says what it finds, writes an answer into it and closes: as a worker thread
 * (by `workerData`), a forked child or a cluster worker (by message, once it said that it is ready).
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { openDescriptor, type Descriptor } from 'shmem'
import { plain } from '../support/replies.js'

function use(descriptor: Descriptor): unknown {
  try {
    using segment = openDescriptor(descriptor)
    const found = { kind: segment.kind, size: segment.size, text: segment.read(0, 8).toString() }
    if (segment.access === 'write') segment.write(segment.size - 6, 'answer')
    return found
  } catch (error) {
    return plain(error)
  }
}

if (isMainThread) {
  // A cluster worker loses messages that come before somebody listens.
  process.send?.('ready')
  process.once('message', descriptor => process.send?.(use(descriptor as Descriptor), () => process.disconnect?.()))
} else {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
  parentPort?.postMessage(use(workerData as Descriptor))
}
