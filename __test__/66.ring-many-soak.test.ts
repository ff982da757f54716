/**
 * Messages from two producers to two consumers in other processes, each of them checked: whole, in its sender's order, and once. The long form is
 * `npm run test:soak`.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { ManagedSegment } from 'shmem'
import type { Got } from './children/many-soak.js'
import { managed } from './support/managed.js'
import { MESSAGE_BYTES, mixed } from './support/many-message.js'

type RingOptions = Parameters<ManagedSegment['ring']>[1]

const wished = Number(process.env['SHMEM_TEST_SOAK_MANY'])
const MESSAGES = wished > 0 ? Math.ceil(wished) : 200_000
const PRODUCERS = [1, 2]
const CONSUMERS = 2

for (const [slots, share] of [[1024, 0.95], [8, 0.05]] as const) {
  test.serial(`every message of two producers comes to one of two consumers once, in order and whole: ${slots} slots`, async t => {
    const each = Math.ceil((MESSAGES * share) / PRODUCERS.length)
    t.timeout(120_000 + each / 10)
    const { mem, name } = managed(t)
    const options: RingOptions = { slots, slotBytes: MESSAGE_BYTES, producers: 'many', consumers: 'many' }
    const ring = mem.ring('soak', options)
    const begun = performance.now()
    const start = (...words: (string | number)[]): Promise<string> => end(t, [name, JSON.stringify(options), ...words.map(String)])
    const consumers = Array.from({ length: CONSUMERS }, () => start('consumer'))
    await Promise.all(PRODUCERS.map(id => start('producer', id, each)))
    ring.producer().end()
    const got = (await Promise.all(consumers)).flatMap(line => JSON.parse(line) as Got[])
    const seconds = (performance.now() - begun) / 1000
    t.log(`${PRODUCERS.length * each} messages in ${seconds.toFixed(1)} s, processes' starts included; ${ring.stats().waits} waits`)
    for (const id of PRODUCERS) {
      const parts = got.filter(({ sender }) => sender === id)
      const sum = (of: (part: Got) => number): number => parts.reduce((total, part) => total + of(part), 0)
      t.is(sum(part => part.count), each)
      t.is(sum(part => part.sum), (each * (each - 1)) / 2)
      t.is(sum(part => part.hashes) | 0, hashesOf(id, each))
    }
    t.like(ring.stats(), { sent: PRODUCERS.length * each, received: PRODUCERS.length * each, lost: 0, recovered: 0 })
  })
}

function hashesOf(sender: number, count: number): number {
  let hashes = 0
  for (let number = 0; number < count; number += 1) hashes = (hashes + mixed(sender, number, 1)) | 0
  return hashes
}

/** Another process to its end; what it printed. */
async function end(t: ExecutionContext<unknown>, words: string[]): Promise<string> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('children/many-soak.js', import.meta.url)), ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', text => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  const code = await new Promise(resolve => child.on('close', resolve))
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}
