/**
 * The addon in worker threads: loaded by several at once, ended in any state, unloaded never. Each claim is played in a child process
 * (children/workers.ts).
 */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { fetchedNode, survives } from './support/scenario.js'
import { skip } from './support/skip.js'

const claims: Record<string, string> = {
  'six workers and the main thread load it at once, open and close': 'load-at-once',
  'a worker terminated in a POSIX semaphore wait': 'terminate-in-semaphore-wait',
  'a worker terminated around a System V semaphore wait': 'terminate-in-sysv-wait',
  'a worker terminated in the middle of copying': 'terminate-in-copy',
  'a worker terminated while it faults': 'terminate-in-fault',
  'a worker terminated while it opens and closes': 'terminate-in-open-close',
  'a worker terminated with asynchronous reads under way': 'terminate-with-async-read',
  'workers that return, exit, throw and run out of memory with everything open': 'end-in-every-way',
  'the main thread goes on after a worker loaded it first': 'main-goes-on-after-worker',
  'an image loaded by a worker alone, which is gone': 'image-stays'
}

for (const [claim, name] of Object.entries(claims)) {
  test(`the process survives ${claim}`, async t => {
    await survives(t, 'workers', name, { execArgv: ['--expose-gc'] })
  })
}

test('a SharedArrayBuffer outlives the only worker that had the addon', async t => {
  const runtime = fetchedNode(24) ?? process.execPath
  await survives(t, 'workers', 'shared-buffer-survives-worker', { execArgv: ['--expose-gc'], runtime })
})

test('the image asks the loader never to unload it', t => {
  const folder = fileURLToPath(new URL('../../native/', import.meta.url))
  const image = readdirSync(folder).find(name => name.startsWith(`shmem.linux-${process.arch}-`) && name.endsWith('.node'))
  if (image === undefined) return t.fail('there is no image')
  try {
    t.regex(execFileSync('readelf', ['-d', folder + image], { encoding: 'utf8' }), /FLAGS_1.*\bNODELETE\b/)
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error
    skip(t, 'there is no readelf')
  }
})
