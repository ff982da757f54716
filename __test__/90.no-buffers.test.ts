/**
 * A runtime that allows no ArrayBuffer over memory of native code, as Electron: simulated by a library between node and the image.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { compileC } from './support/c-program.js'
import { skip } from './support/skip.js'

test('where the runtime allows no buffers over our memory, copying is left, and the rest is one error', t => {
  const library = compileC(t, 'no-external-buffers', ['-shared', '-fPIC', '-ldl'])
  if (library === undefined) return
  const program = fileURLToPath(new URL('children/no-buffers.js', import.meta.url))
  const { stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8', env: { ...process.env, LD_PRELOAD: library } })
  if (/cannot be preloaded/u.test(stderr)) return skip(t, 'nothing can be preloaded here')
  t.deepEqual(JSON.parse(stdout), {
    read: 'copied',
    size: 131_072,
    waits: ['acquired', 'busy', 'acquired'],
    looks: [true, true],
    buffer: 'ERR_SHM_NO_EXTERNAL_BUFFERS',
    bytes: 'ERR_SHM_NO_EXTERNAL_BUFFERS',
    shared: 'ERR_SHM_NO_SHARED_ARRAY_BUFFER',
    managed: 'ERR_SHM_NO_EXTERNAL_BUFFERS',
    object: 'ENOENT'
  }, stderr)
})
