/**
 * Messages through a ring of one and one to another process, each of them checked: whole, in its order, once. The long form is `npm run test:soak`.
 */
import test from 'ava'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { RingOptions } from 'shmem'
import { managedSegment, nameOf } from './support/lock-peer.js'

const wished = Number(process.env['SHMEM_TEST_SOAK_ONE'])
/** In `npm test`; 100 million in the long form. */
const MESSAGES = wished > 0 ? Math.ceil(wished) : 2_000_000

for (const [slots, share] of [[4096, 0.95], [8, 0.05]] as const) {
  test.serial(`every message through a ring of ${slots} slots is whole, in its order, and there once`, async t => {
    const count = Math.ceil(MESSAGES * share)
    t.timeout(120_000 + count / 100)
    const mem = managedSegment(t)
    const options: RingOptions = { slots, slotBytes: 64 }
    const ring = mem.ring('ring', options)
    const input = ring.consumer()
    const words = input.memory.i32
    const stride = input.memory.strideBytes / 4
    const begun = performance.now()
    const child = spawn(process.execPath, [fileURLToPath(new URL('children/ring-soak.js', import.meta.url)), nameOf(mem), JSON.stringify(options), String(count)], { stdio: 'inherit' })
    const ended = new Promise<unknown>(resolve => child.on('close', resolve))
    t.teardown(() => child.kill('SIGKILL'))
    let next = 0
    let wrong = 0
    const check = (array: Int32Array, at: number): void => {
      if (array[at] !== next || array[at + 15] !== ~next) wrong += 1
      next += 1
    }
    const drain = (index: number, length: number): void => {
      if (length !== 64) wrong += 1
      check(words, index * stride)
    }
    // In place mostly, sometimes by copies, and now and then with a promise.
    for (let turn = 0, state: string = 'ready'; state === 'ready'; turn += 1) {
      if (turn % 8 === 7) {
        const message = turn % 64 === 63 ? await input.receive() : input.receiveSync()
        if (typeof message === 'string') state = message
        else check(new Int32Array(message.buffer, message.byteOffset, 16), 0)
      } else if (input.drainIndex(1 + ((turn * 37) % 2000), drain) === 0) state = input.waitSync()
      if (state !== 'ready') t.is(state, 'ended')
    }
    const seconds = (performance.now() - begun) / 1000
    t.is(await ended, 0)
    t.deepEqual([next, wrong], [count, 0])
    t.like(ring.stats(), { sent: count, received: count, lost: 0, recovered: 0 })
    t.log(`${count} messages in ${seconds.toFixed(1)} s, the process's start included; ${ring.stats().waits} waits`)
  })
}
