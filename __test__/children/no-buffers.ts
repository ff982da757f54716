/** What is left where the runtime allows no buffers over memory of ours, as Electron: see `no-external-buffers.c`. Prints JSON. */
import {
  ManagedSegment, MemfdSegment, PosixSegment, PosixSemaphore, SysvSemaphoreSet, doctor, list
} from 'shmem'
import { codeOf, uniqueName } from '../support/scenarios.js'

const segment = MemfdSegment.create('no-buffers', { size: '64KiB' })
segment.write(0, 'copied')
segment.resize('128KiB')
const semaphore = PosixSemaphore.init(segment, 64, { value: 1 })
const set = SysvSemaphoreSet.create(0, { count: 1, initial: 1 })
const name = `/${uniqueName()}`
const left = {
  read: segment.read(0, 6).toString(),
  size: segment.stat().size,
  waits: [semaphore.tryWait(), semaphore.tryWait(), set.tryAcquire(0)],
  looks: [Array.isArray(list()), Array.isArray(doctor())],
  buffer: codeOf(() => segment.buffer),
  bytes: codeOf(() => segment.bytes),
  shared: codeOf(() => segment.toSharedArrayBuffer()),
  managed: codeOf(() => ManagedSegment.create(name, { size: '1MiB' })),
  // Nothing of it was made.
  object: codeOf(() => PosixSegment.open(name))
}
set.remove()
semaphore.close()
segment.close()
console.log(JSON.stringify(left))
