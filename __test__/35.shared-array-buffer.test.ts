/**
 * `toSharedArrayBuffer()`, where the runtime exports the call for it (Node 22.23, 24.16, 26.1), and its error elsewhere. The claims are
 * played in a child process (children/shared-buffer.ts), under this Node if it can, else under one that `npm run test:runtimes`
 * fetched.
 */
import test from 'ava'
import { MemfdSegment } from 'shmem'
import { fetchedNode, survives } from './support/scenario.js'
import { skip } from './support/skip.js'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const here = isHere()
const runtime = here ? process.execPath : (fetchedNode(24) ?? fetchedNode(26) ?? fetchedNode(22))

const claims: Record<string, string> = {
  'it is the same bytes, for every kind, and none for copy-on-write': 'same-bytes',
  'it survives close': 'survives-close',
  'threads wait for and notify each other over it': 'between-threads',
  'a worker goes on with it after everybody else dropped it': 'worker-alone',
  'bad touches through it are repaired': 'guarded',
  'many of them come and go': 'many'
}

for (const [claim, name] of Object.entries(claims)) {
  test(claim, async t => {
    if (runtime === undefined) return skip(t, 'this Node has no external SharedArrayBuffer; npm run test:runtimes fetches one that has')
    const outcome = await survives(t, 'shared-buffer', name, { execArgv: ['--expose-gc'], runtime })
    t.is(outcome.skipped, undefined)
  })
}

test('where the runtime has none it is ERR_SHM_NO_SHARED_ARRAY_BUFFER', t => {
  if (here) return skip(t, 'this runtime has it')
  using segment = MemfdSegment.create('shmem-test', { size: 4096 })
  const error = t.throws(() => segment.toSharedArrayBuffer(), { code: 'ERR_SHM_NO_SHARED_ARRAY_BUFFER' })
  t.is(error?.name, 'ShmError')
  segment.bytes[0] = 1
  t.is(segment.read(0, 1)[0], 1)
})

test('it is there from the releases on that its doc names', t => {
  const since: Record<number, number> = { 22: 23, 24: 16, 26: 1 }
  t.is(here, major > 26 || minor >= (since[major] ?? Infinity))
})

function isHere(): boolean {
  using segment = MemfdSegment.create('shmem-test', { size: 1 })
  try {
    segment.toSharedArrayBuffer()
    return true
  } catch {
    return false
  }
}
