/**
 * Latest and Broadcast whose bytes somebody scribbles over or takes away: errors or nonsense, never a crash or a hang. Played in child processes
 * (children/hostile-feeds.ts).
 */
import test from 'ava'
import { HEAD, NEWEST, NUMBER } from '../lib/structures/feeds/feed-layout.js'
import { newManaged } from './support/managed-peer.js'
import { survives } from './support/scenario.js'

test.serial('one member scribbles over a latest and a broadcast while another uses them', async t => {
  const { stdout } = await survives(t, 'hostile-feeds', 'scribbled', { args: [2000] })
  t.log(/^did .*$/m.exec(stdout)?.[0] ?? '')
})

test.serial('stats() of a corrupt latest or broadcast throws; those of the segment go on', t => {
  const mem = newManaged(t)
  const [latest, broadcast] = [mem.latest('pose', { bytes: 8, readers: 2 }), mem.broadcast('ticks', { slots: 2, slotBytes: 8 })]
  const offsetOf = (name: string): number => mem.objects.find(one => one.name === name)?.offset ?? NaN
  latest.writer().write(new Uint8Array(8))
  broadcast.writer().send(new Uint8Array(8))
  t.deepEqual([latest.stats().sent, broadcast.stats().sent], [1, 1])
  const words = new Int32Array(mem.buffer, offsetOf('pose'))
  for (const number of [5, NUMBER]) {
    words[NEWEST] = ((words[NEWEST] ?? 0) & ~NUMBER) | number
    t.throws(() => latest.stats(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' }, String(number))
  }
  for (const head of [-1, 0.5, NaN, 2 ** 60]) {
    new Float64Array(mem.buffer, offsetOf('ticks'))[HEAD] = head
    t.throws(() => broadcast.stats(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' }, String(head))
  }
  t.deepEqual(mem.stats().map(({ counters }) => counters['sent']), [0, 0])
})

for (const size of [0, 4096]) {
  test.serial(`the memory cut to ${size} bytes under their writers and readers`, async t => {
    const { stdout } = await survives(t, 'hostile-feeds', 'truncated', { args: [size] })
    t.log(/^saw .*$/m.exec(stdout)?.[0] ?? '')
  })
}
