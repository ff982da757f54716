/**
 * A bad touch of our memory is an error, not the end of the process, and shared bytes do not change by it (DESIGN §6). Each claim is
 * played in a child process (children/fault-guard.ts).
 */
import { spawnSync } from 'node:child_process'
import test from 'ava'
import { compileC } from './support/c-program.js'
import { hugePagePool } from './support/huge-pages.js'
import { scenario, survives } from './support/scenario.js'
import { skip } from './support/skip.js'

const claims: Record<string, string> = {
  'a write through a read-only view of every kind is private, counted, and reported by the next call': 'every-kind',
  'an optimised loop that writes through a read-only view goes on': 'hot-loop',
  'no builtin that writes through a read-only view changes shared bytes': 'every-builtin',
  'native writers given a spoilt view fail or write in private': 'no-native-writer-crashes',
  'fill over 256 MiB of read-only memory does not use up the mappings': 'fill-256MiB',
  'writes to every second read-only page survive the limit of mappings': 'stripes',
  'a touch of a hole reads zeroes and is ERR_SHM_HOLE': 'hole',
  'a touch of protected pages is reported by what they forbid': 'protected',
  'a touch beyond the end that another process set is ERR_SHM_TRUNCATED': 'truncated',
  'an object that shrinks in use does not crash': 'truncated-in-use',
  'a touch of a part that the raw munmap took is ERR_SHM_HOLE': 'raw-munmap',
  'a bad touch is thrown once, by whichever call comes next': 'reported-once',
  'a bad touch of one segment is no news of another': 'other-segments-stay-clean',
  'a bad touch reported before refresh is not reported again': 'clean-after-refresh',
  'a semaphore in memory that went bad does not crash': 'semaphore-in-bad-memory',
  'a semaphore over arbitrary bytes does not crash': 'semaphore-over-garbage'
}

for (const [claim, name] of Object.entries(claims)) {
  test(claim, async t => {
    await survives(t, 'fault-guard', name)
  })
}

/** 'protected' has the case that must stay a hole. */
for (const name of ['every-kind', 'copies', 'protected']) {
  test(`where a container forbids process_vm_readv, the guard copies and reports as ever: ${name}`, async t => {
    const forbid = compileC(t, 'forbid')
    if (forbid === undefined) return
    const number = process.arch === 'x64' ? 310 : 270
    await survives(t, 'fault-guard', name, { runtime: forbid, execArgv: [String(number), '--', process.execPath] })
  })
}

test('without a guard a write to protected memory dies by SIGSEGV', async t => {
  const { code, signal } = await scenario(t, 'fault-guard', 'unguarded-write')
  t.deepEqual({ code, signal }, { code: null, signal: 'SIGSEGV' })
})

test('without a guard a touch beyond the end dies by SIGBUS', async t => {
  const { code, signal } = await scenario(t, 'fault-guard', 'unguarded-truncation')
  t.deepEqual({ code, signal }, { code: null, signal: 'SIGBUS' })
})

test.serial('on huge pages the guard exchanges a whole huge page', async t => {
  const reason = await hugePagePool(t, 8)
  if (reason !== undefined) return skip(t, reason)
  await survives(t, 'fault-guard', 'huge-pages')
})

test('the write through a read-only view is what the error tells', async t => {
  const { code, stderr } = await scenario(t, 'fault-guard', 'one-write')
  t.is(code, 1)
  t.regex(stderr, /ERR_SHM_READ_ONLY/)
  t.regex(stderr, /the shared bytes are unchanged/)
})

test('the guard works under Bun where it is installed', async t => {
  const bun = spawnSync('bun', ['--version']).error === undefined ? 'bun' : undefined
  if (bun === undefined) return skip(t, 'bun is not in the PATH; npm run test:runtimes runs children/segments there')
  await survives(t, 'fault-guard', 'every-builtin', { runtime: bun })
})
