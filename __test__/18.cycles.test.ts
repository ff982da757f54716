/**
 * 10,000 times create, open, close and remove, for each kind: the process ends with as many descriptors, mappings and segments as
 * it began with, and its memory does not grow beyond noise. Runs in child processes, whose holdings are nobody else's.
 */
import test from 'ava'
import { startChild } from './support/child.js'
import { temporaryFolder } from './support/peer.js'

interface Holdings {
  fds: number
  objectMaps: number
  maps: number
  segments: number
  names: number
  residentBytes: number
}

const ROUNDS = 10_000
/** From Node 22 on V8 takes some 10 MiB for its own before it stays as it is; a leak of 2 KiB a round is more. */
const NOISE_BYTES = 18 * 2 ** 20
/** Closed ranges in quarantine merge with their neighbours or not, as addresses fall; one mapping a round would be 10,000. */
const NOISE_MAPS = 60

for (const way of ['posix', 'sysv', 'memfd', 'file', 'without a view', 'without the guard', 'resize', 'failures', 'raw']) {
  test.serial(`${ROUNDS} cycles leave nothing behind: ${way}`, async t => {
    const child = startChild(t, 'cycles', { args: [way, ROUNDS, temporaryFolder(t)], execArgv: ['--expose-gc'], patienceMs: 100_000 })
    const { before, after } = JSON.parse(await child.line()) as { before: Holdings; after: Holdings }
    t.deepEqual(await child.ended, { code: 0, signal: null })
    const { maps, residentBytes, ...exact } = after
    t.like(before, exact)
    t.true(maps - before.maps <= NOISE_MAPS, `${before.maps} mappings became ${maps}`)
    t.true(residentBytes - before.residentBytes <= NOISE_BYTES, `${before.residentBytes} resident bytes became ${residentBytes}`)
  })
}
