/**
 * Rings whose words somebody scribbles over while they are used: errors or nonsense, never a crash or a hang.
 */
import test from 'ava'
import { survives } from './support/scenario.js'

const RINGS = [
  { slots: 8, slotBytes: 32 },
  { slots: 8, slotBytes: 32, producers: 'many', consumers: 'many' },
  { slots: 4, slotBytes: 32, producers: 'many', whenFull: 'dropOldest' }
]

for (const options of RINGS) {
  test.serial(`somebody scribbles over a ring that is used: ${JSON.stringify(options)}`, async t => {
    const { stdout } = await survives(t, 'hostile-ring', 'scribbled', { args: [JSON.stringify(options)] })
    t.log(/^did .*$/mu.exec(stdout)?.[0] ?? '')
  })
}
