/**
 * Latest and Broadcast whose bytes somebody scribbles over or takes away: errors or nonsense, never a crash or a hang. Played in child processes
 * (children/hostile-feeds.ts).
 */
import test from 'ava'
import { survives } from './support/scenario.js'

test.serial('one member scribbles over a latest and a broadcast while another uses them', async t => {
  const { stdout } = await survives(t, 'hostile-feeds', 'scribbled', { args: [2000], patienceMs: 60_000 })
  t.log(/^did .*$/m.exec(stdout)?.[0] ?? '')
})

for (const size of [0, 4096]) {
  test.serial(`the memory cut to ${size} bytes under their writers and readers`, async t => {
    const { stdout } = await survives(t, 'hostile-feeds', 'truncated', { args: [size], patienceMs: 60_000 })
    t.log(/^saw .*$/m.exec(stdout)?.[0] ?? '')
  })
}
