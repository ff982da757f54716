/**
 * Workers as members: each is one, and its end in any state is the death of that member alone. Played in child processes
 * (children/lock-workers.ts): a crash of the addon would end this one.
 */
import test from 'ava'
import { survives } from './support/scenario.js'

const claims: Record<string, string> = {
  'a worker is a member of its own, and its end is a death': 'listed',
  'a worker terminated while it holds a lock': 'holding',
  'a worker terminated while it waits with its thread blocked': 'waiting-sync',
  'a worker terminated while it waits with a promise': 'waiting-async',
  'a worker terminated with a lock that it was granted and not told of': 'granted',
  'a worker that calls process.exit() while it holds and waits': 'exiting',
  'a worker that ends with everything open': 'returning'
}

for (const [claim, name] of Object.entries(claims)) {
  test(`others go on after ${claim}`, async t => {
    await survives(t, 'lock-workers', name, { patienceMs: 100_000, isOneFile: true })
  })
}

test('the process ends while workers hold and wait', async t => {
  await survives(t, 'lock-workers', 'main-exits')
})
