/**
 * `examples/semaphore-pipe`, in TypeScript and in C: every pairing moves the same bytes, whoever comes first, and after a kill of
 * either side the other one ends, and nothing is left.
 */
import test, { type ExecutionContext } from 'ava'
import { spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ending, openRoom, type Room } from './support/example-room.js'
import { skip } from './support/skip.js'
import { until } from './support/until.js'

type Test = ExecutionContext<unknown>
type Role = 'send' | 'receive'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'shmem-test-pipe-'))
const commands: Record<string, string[] | undefined> = {
  TypeScript: [process.execPath, join(root, 'dist/examples/semaphore-pipe.js')],
  C: compiled()
}
const pairings = ['TypeScript', 'C'].flatMap(sender => ['TypeScript', 'C'].map(receiver => ({ send: sender, receive: receiver })))

test.after.always(() => rmSync(folder, { recursive: true }))

for (const languages of pairings) {
  for (const first of ['send', 'receive'] as const) {
    const title = `${languages.send} sends to ${languages.receive}, and ${first === 'send' ? 'the sender' : 'the receiver'} comes first`
    test.serial(`${title}: 3 MB arrive as they were`, async t => {
      const pipe = await openPipe(t, languages, first)
      if (pipe === undefined) return
      const bytes = randomBytes(3_000_001)
      pipe.sender.stdin?.end(bytes)
      const ends = await Promise.all([pipe.sent, pipe.received])
      t.true(readFileSync(pipe.output).equals(bytes), 'the bytes differ')
      t.deepEqual(ends.map(end => end.code), [0, 0])
      t.regex(ends[0].stderr, /^send: 3000001 bytes in \d+ blocks$/mu)
      t.regex(ends[1].stderr, /^receive: 3000001 bytes in \d+ blocks$/mu)
      leftNothing(t, pipe.room)
    })

    for (const victim of ['send', 'receive'] as const) {
      test.serial(`${title}: ${victim === 'send' ? 'the receiver' : 'the sender'} ends when the other is killed`, async t => {
        const pipe = await openPipe(t, languages, first)
        if (pipe === undefined) return
        // The sender then waits for standard input, the receiver for its turn.
        pipe.sender.stdin?.write(randomBytes(1000))
        await until('1000 bytes arrive', () => statSync(pipe.output).size === 1000)
        const [killed, survivor] = victim === 'send' ? [pipe.sender, pipe.received] : [pipe.receiver, pipe.sent]
        killed.kill('SIGKILL')
        const { code, stderr } = await survivor
        t.is(code, 1)
        t.regex(stderr, /: 1000 bytes in 1 blocks, then: the other side has gone$/mu)
        leftNothing(t, pipe.room)
      })
    }
  }
}

for (const [language, command] of Object.entries(commands)) {
  test.serial(`a side in ${language} that is killed while it waits for the other leaves nothing`, async t => {
    if (command === undefined) return skip(t, 'there is no C compiler (cc)')
    const room = await openRoom(t)
    const { child } = await firstSide(room, command, 'send', ['ignore', 'ignore'])
    child.kill('SIGKILL')
    await ending(child)
    leftNothing(t, room)
  })

  test.serial(`Ctrl-C ends both sides in ${language}, and nothing is left`, async t => {
    const pipe = await openPipe(t, { send: language, receive: language }, 'send')
    if (pipe === undefined) return
    pipe.sender.stdin?.write(randomBytes(1000))
    await until('1000 bytes arrive', () => statSync(pipe.output).size === 1000)
    for (const child of [pipe.sender, pipe.receiver]) child.kill('SIGINT')
    for (const { code, stderr } of await Promise.all([pipe.sent, pipe.received])) {
      t.is(code, 1)
      // The block is in the file before the receiver has counted it.
      t.regex(stderr, /: (?:1000 bytes in 1|0 bytes in 0) blocks, then: /u)
    }
    leftNothing(t, pipe.room)
  })
}

test.serial('an empty input arrives as an empty output', async t => {
  const pipe = await openPipe(t, { send: 'TypeScript', receive: 'TypeScript' }, 'send')
  pipe?.sender.stdin?.end()
  t.deepEqual((await Promise.all([pipe?.sent, pipe?.received])).map(end => end?.code), [0, 0])
  t.is(pipe && statSync(pipe.output).size, 0)
})

interface Pipe {
  room: Room
  sender: ChildProcess
  receiver: ChildProcess
  sent: ReturnType<typeof ending>
  received: ReturnType<typeof ending>
  /** The file that the receiver writes. */
  output: string
}

/** Both sides, introduced to each other; the sender's standard input is a pipe. Nothing where there is no compiler: `t` is skipped. */
async function openPipe(t: Test, languages: Record<Role, string>, first: Role): Promise<Pipe | undefined> {
  const [send, receive] = [commands[languages.send], commands[languages.receive]]
  if (send === undefined || receive === undefined) {
    skip(t, 'there is no C compiler (cc)')
    return undefined
  }
  const room = await openRoom(t)
  const output = join(mkdtempSync(join(folder, 'out-')), 'output')
  const fd = openSync(output, 'w')
  const words = { send, receive }
  const stdio = { send: ['pipe', 'ignore'], receive: ['ignore', fd] } as const
  const second = first === 'send' ? 'receive' : 'send'
  const { child, id } = await firstSide(room, words[first], first, [...stdio[first]])
  const other = room.start([...words[second], second, id], [...stdio[second], 'pipe'])
  closeSync(fd)
  t.teardown(() => [child, other].forEach(each => each.kill('SIGKILL')))
  const [sender, receiver] = first === 'send' ? [child, other] : [other, child]
  // A killed sender no longer reads.
  sender.stdin?.on('error', () => {})
  return { room, sender, receiver, sent: ending(sender), received: ending(receiver), output }
}

/** Starts the side that comes first and waits until it says how to reach it. */
async function firstSide(room: Room, command: string[], role: Role, stdio: ('pipe' | 'ignore' | number)[]): Promise<{ child: ChildProcess; id: string }> {
  const child = room.start([...command, role], [...stdio, 'pipe'])
  let said = ''
  child.stderr?.setEncoding('utf8')
  const listen = (text: string): void => void (said += text)
  child.stderr?.on('data', listen)
  await until('the first side says what to run next', () => said.includes('\n') || child.exitCode !== null)
  child.stderr?.off('data', listen)
  const [, id] = /^now run: semaphore-pipe (?:send|receive) (\d+)$/mu.exec(said) ?? []
  if (id === undefined) throw new Error(`the first side said: ${said}`)
  return { child, id }
}

function leftNothing(t: Test, room: Room): void {
  if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
  else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
}

/** The C program, or nothing where there is no compiler. */
function compiled(): string[] | undefined {
  if (spawnSync('cc', ['--version']).error !== undefined) return undefined
  const program = join(folder, 'semaphore-pipe')
  const cc = spawnSync('cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, join(root, 'examples/semaphore-pipe.c')], { encoding: 'utf8' })
  if (cc.status !== 0) throw new Error(cc.stderr)
  return [program]
}
