/**
 * No sequence of create, open, close, remove, transfer, garbage collection, resizing, protection, faults, workers and exit crashes:
 * random sequences, each in a process of its own (children/random-sequence.ts). To replay one:
 * `node --expose-gc dist/__test__/children/random-sequence.js play <seed> <steps>`. SHMEM_SEED adds a seed.
 */
import test from 'ava'
import { scenario } from './support/scenario.js'

const STEPS = 5000
const seeds = [1, 2, 3, Number(process.env['SHMEM_SEED'] ?? Date.now() % 2 ** 32)]

for (const [index, seed] of seeds.entries()) {
  test(`sequence ${index + 1} of ${STEPS} random steps survives`, async t => {
    const { code, signal, survived, stdout, stderr } = await scenario(t, 'random-sequence', 'play', { args: [seed, STEPS], execArgv: ['--expose-gc'] })
    const last = stdout.split('\n').slice(-6).join('; ')
    t.deepEqual({ code, signal, survived }, { code: 0, signal: null, survived: true }, `seed ${seed}, last steps: ${last}\n${stderr}`)
    t.is(stdout.split('\n').filter(line => /^\d+ \w+$/.test(line)).length, STEPS)
  })
}

test('the same seed is the same sequence', async t => {
  const play = () => scenario(t, 'random-sequence', 'play', { args: [7, 300], execArgv: ['--expose-gc'] })
  const [one, other] = [await play(), await play()]
  t.is(one.stdout, other.stdout)
  const third = await scenario(t, 'random-sequence', 'play', { args: [8, 300], execArgv: ['--expose-gc'] })
  t.not(one.stdout, third.stdout)
})
