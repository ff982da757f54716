/**
 * The main job, examples/hand-over: a file arrives whole by every way; whoever is killed, the other side ends with one
 * clear sentence, and nothing is left in /dev/shm or ipcs.
 */
import test, { type ExecutionContext } from 'ava'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ending, openRoom } from './support/example-room.js'
import { temporaryFolder } from './support/peer.js'
import { stateOf, until } from './support/until.js'

const program = fileURLToPath(new URL('../examples/hand-over.js', import.meta.url))
const WAYS = ['shared memory in place', 'shared memory by copy', 'Unix socket', 'process.send']
/** The survivor looks for the other side several times a second; this is only so that a hang ends. */
const PATIENCE_MS = 20_000

test.serial('a file arrives whole by every way', async t => {
  const folder = temporaryFolder(t)
  // Not a multiple of a block, so that the last one is short.
  const content = randomBytes(3 * 2 ** 20 + 12_345)
  writeFileSync(join(folder, 'file'), content)
  const { code, stdout } = await ending(start(t, [join(folder, 'file'), '--repeats', '2']))
  t.is(code, 0)
  t.true(stdout.includes(createHash('sha256').update(content).digest('hex')), 'the receiver saw other bytes')
  for (const way of WAYS) t.true(stdout.includes(way), way)
})

for (const [what, bytes] of [['one byte', 1], ['more than a round', 9 * 2 ** 20]] as const) {
  test.serial(`standard input of ${what} arrives whole`, async t => {
    const content = randomBytes(bytes)
    const child = start(t, ['-', '--repeats', '1'])
    child.stdin.end(content)
    const { code, stdout } = await ending(child)
    t.is(code, 0)
    t.true(stdout.includes(createHash('sha256').update(content).digest('hex')))
  })
}

test.serial('a file that is not there is one sentence', async t => {
  const { code, stderr } = await ending(start(t, ['/no/such/file']))
  t.is(code, 1)
  t.regex(stderr, /^hand-over: .*no such file.*\n$/u)
})

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  for (const victim of ['sender', 'receiver'] as const) {
    test.serial(`a ${victim} that gets ${signal} leaves a survivor that ends, and nothing else`, async t => {
      // A /dev/shm and an IPC namespace of its own: what is left there was left by it.
      const room = await openRoom(t)
      const child = room.start([process.execPath, program, '--pids', '--repeats', '1000'], 'pipe') as ChildProcessWithoutNullStreams
      t.teardown(() => child.kill('SIGKILL'))
      const pids = await whoTheyAre(child)
      const whole = ending(child)
      process.kill(pids[victim], signal)
      await gone(pids[victim === 'sender' ? 'receiver' : 'sender'])
      const { code, stderr } = await whole
      if (victim === 'receiver') t.is(code, 1)
      t.is(stderr.split('\n').filter(line => line.startsWith('hand-over: ')).length, 1, stderr)
      if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
      else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
    })
  }
}

function start(t: ExecutionContext<unknown>, args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [program, ...args], { timeout: PATIENCE_MS, killSignal: 'SIGKILL' })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function whoTheyAre(child: ChildProcessWithoutNullStreams): Promise<{ sender: number; receiver: number }> {
  let text = ''
  for await (const chunk of child.stderr.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    const [, sender, receiver] = /sender (\d+)\nreceiver (\d+)\n/u.exec(text) ?? []
    if (sender !== undefined && receiver !== undefined) return { sender: Number(sender), receiver: Number(receiver) }
  }
  throw new Error(`it ended before it said who it is: ${text}`)
}

/** A process that nobody reaps is a zombie for a while: it has ended all the same. */
async function gone(pid: number): Promise<void> {
  await until(`process ${pid} ends`, () => ['Z', undefined].includes(stateOf(pid)))
}
