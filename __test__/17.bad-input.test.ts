/**
 * Bad input of every public function: each bad value of each argument is refused by an error that names the argument, says what
 * was expected and what came, and leaves nothing behind. The values are in `support/bad-values.ts`, the functions in
 * `support/bad-input-table.ts`; one that is exported without a row there is a failure.
 */
import test from 'ava'
import {
  FileSegment, MemfdSegment, PosixSegment, PosixSemaphore, PthreadBarrier, PthreadCondition, PthreadMutex, PthreadRwLock, SysvSegment, SysvSemaphoreSet
} from 'shmem'
import { Semaphore } from 'shmem/posix'
import { startChild } from './support/child.js'
import { privately, whyNotPrivate } from './support/namespace.js'
import { objectName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'

interface Report {
  calls: number
  accepted: string[]
  unclear: string[]
  leftovers: string[]
  unlisted: string[]
  unknown: string[]
}

let report: Report
const notPrivate = whyNotPrivate()

// One run answers all claims. In namespaces of its own nobody else's objects come and go meanwhile.
test.serial('no bad input ends the process', async t => {
  const prefix = notPrivate === undefined ? privately('mount -t tmpfs shm /dev/shm') : []
  const child = startChild(t, 'bad-input', { args: [temporaryFolder(t)], prefix, patienceMs: 100_000 })
  report = JSON.parse(await child.line()) as Report
  t.deepEqual(await child.ended, { code: 0, signal: null }, child.stderr)
  t.true(report.calls > 6_000)
})

test.serial('every exported function, class and method has a row in the table', t => {
  t.deepEqual([report.unlisted, report.unknown], [[], []])
})

test.serial('every bad value is refused', t => {
  t.deepEqual(report.accepted, [])
})

test.serial('every refusal names the argument, what was expected, and what came', t => {
  t.deepEqual(report.unclear, [])
})

test.serial('nothing is created by a refused call', t => {
  if (notPrivate !== undefined) return skip(t, notPrivate)
  t.deepEqual(report.leftovers, [])
})

test('methods refuse a foreign this instead of reading it', async t => {
  const classes = [
    PosixSegment, SysvSegment, MemfdSegment, FileSegment, SysvSemaphoreSet, PosixSemaphore, Semaphore,
    PthreadMutex, PthreadCondition, PthreadRwLock, PthreadBarrier
  ]
  for (const foreign of [{}, null, new Uint8Array(4)]) {
    for (const one of classes) {
      for (const key of Reflect.ownKeys(one.prototype)) {
        const { value: method } = Object.getOwnPropertyDescriptor(one.prototype, key) ?? {}
        if (typeof method !== 'function' || ['constructor', 'describe'].includes(String(key))) continue
        // A memfd has no name to remove: its remove() does nothing, for anybody.
        if (one === MemfdSegment && key === 'remove') continue
        await t.throwsAsync(async () => await method.call(foreign, 0, 0), { any: true }, `${one.name}#${String(key)}`)
      }
    }
  }
})

test('options that change while they are read cannot make a reader a writer', t => {
  const name = objectName(t)
  using whole = PosixSegment.create(name, { size: 4096 })
  let looks = 0
  const options = { get access() { return (looks += 1) % 2 === 1 ? 'read' as const : 'write' as const } }
  using segment = PosixSegment.open(name, options)
  if (segment.access === 'read') t.throws(() => segment.write(0, 'x'), { code: 'ERR_SHM_READ_ONLY' })
  else t.notThrows(() => segment.write(0, 'x') && segment.read(0, 1))
  t.is(whole.read(0, 1).toString(), segment.access === 'read' ? '\0' : 'x')
})
