/**
 * The hand-over of `semaphore-peer.ts` and `semaphore-peer.c` in all pairings: Node with Node, Node with C, C with Node, C with C.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { compileC } from './c-program.js'

const inNode = [process.execPath, fileURLToPath(new URL('../children/semaphore-peer.js', import.meta.url))]

/**
 * Sends the same bytes through each pairing; `words` follow `send` or `receive` and must name objects whose writer may begin, as
 * they also are after a hand-over. Skips where there is no compiler.
 */
export async function handOver(t: ExecutionContext<unknown>, words: (string | number)[], afterwards: () => void): Promise<void> {
  const program = compileC(t, 'semaphore-peer')
  if (program === undefined) return
  const inC = [program]
  for (const [sender, receiver] of [[inNode, inNode], [inNode, inC], [inC, inNode], [inC, inC]] as const) {
    const sent = randomBytes(54_321)
    const [, received] = await Promise.all([
      filter(t, [...sender, 'send', ...words], sent), filter(t, [...receiver, 'receive', ...words], '')
    ])
    t.true(received.equals(sent), `${sender === inC ? 'C' : 'Node'} to ${receiver === inC ? 'C' : 'Node'}: ${received.length} bytes`)
    afterwards()
  }
}

/** Runs a command to its end, input in, output out; it is killed with the test. */
async function filter(t: ExecutionContext<unknown>, [command = '', ...args]: (string | number)[], input: string | Buffer): Promise<Buffer> {
  const child = spawn(String(command), args.map(String))
  t.teardown(() => void child.kill('SIGKILL'))
  const [output, complaints]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return await new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(output))
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code ?? signal}: ${Buffer.concat(complaints)}`))
    })
  })
}
