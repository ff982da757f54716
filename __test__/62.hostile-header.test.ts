/**
 * Managed segments whose bytes somebody spoils: refused by an error or harmless, never a crash or a hang. Played in child processes
 * (children/hostile-header.ts).
 */
import test from 'ava'
import { survives } from './support/scenario.js'

for (const part of ['header', 'member', 'directory', 'object', 'heap']) {
  test.serial(`each byte of the ${part} spoiled, then opened and used`, async t => {
    const { stdout } = await survives(t, 'hostile-header', 'bytes', { args: [part] })
    t.log(/^tried .*$/m.exec(stdout)?.[0] ?? '')
  })
}

test.serial('each byte of the header spoiled under a member that has it open', async t => {
  await survives(t, 'hostile-header', 'under-a-member')
})

test.serial('one member scribbles over everything while two others lock, list and make objects', async t => {
  const { stdout } = await survives(t, 'hostile-header', 'scribbled')
  t.log(/^did .*$/m.exec(stdout)?.[0] ?? '')
})

for (const size of [0, 4096, 150_000]) {
  test.serial(`the object cut to ${size} bytes under its members`, async t => {
    await survives(t, 'hostile-header', 'truncated', { args: [size] })
  })
}

test.serial('a member that ends with its object cut', async t => {
  await survives(t, 'hostile-header', 'truncated-and-gone')
})
