/**
 * Copies standard input to standard output through shared memory: a producer and a consumer take turns with two System V
 * semaphores. Length 0 ends. `semaphore-pipe.c` is the same program in C, and either can be on either side.
 *
 *     npm run build && node dist/examples/semaphore-pipe.js send < some.file     # says what to run next, such as:
 *     node dist/examples/semaphore-pipe.js receive 98305 > copy                  # in another terminal
 *
 * The segment is removed at once, and goes with its last process. Semaphores have no such kindness: whoever leaves removes
 * them, and leaves when the count of attachments tells that the other one was killed. Only if both are killed at once the
 * semaphores stay (`ipcs -s`, `ipcrm -s <id>`).
 */
import { setImmediate, setTimeout } from 'node:timers/promises'
import { IPC_PRIVATE, SysvSegment, SysvSemaphoreSet } from 'shmem'

const BLOCK_BYTES = 65_536
const [SENDERS_TURN, RECEIVERS_TURN] = [0, 1] // Semaphores of the set.
const [SET, LENGTH] = [0, 1] // Words before the block: the set's identifier + 1 (0: none yet), and the bytes in the block.
const ALL_TAKEN = -1 // In place of a length, at the very end: the receiver has written everything.

const [role, id] = process.argv.slice(2)
if (role !== 'send' && role !== 'receive') throw new Error('usage: semaphore-pipe send|receive [identifier]')
const size = 8 + BLOCK_BYTES
const segment = id === undefined ? SysvSegment.create(IPC_PRIVATE, { size, removeOnLastDetach: true }) : SysvSegment.attach(Number(id))
if (segment.size !== size) throw new Error(`segment ${id} is not of semaphore-pipe`)
const header = new Int32Array(segment.buffer, 0, 2)
const block = new Uint8Array(segment.buffer, 8, BLOCK_BYTES)
const total = { bytes: 0, blocks: 0 }
const set = await meet()
setInterval(() => segment.stat().attachCount < 2 && header[LENGTH] !== ALL_TAKEN && leave('the other side has gone'), 250)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => leave(signal))
await (role === 'send' ? send() : receive()).then(() => leave(), (error: Error) => leave(error.message))

/** The first one waits for the second, which brings the semaphores. */
async function meet(): Promise<SysvSemaphoreSet> {
  if (id === undefined) {
    process.stderr.write(`now run: semaphore-pipe ${role === 'send' ? 'receive' : 'send'} ${segment.id}\n`)
    while (Atomics.load(header, SET) === 0) await setTimeout(20)
    return SysvSemaphoreSet.attach(Atomics.load(header, SET) - 1)
  }
  if (header[SET] !== 0) throw new Error(`segment ${id} has two sides already`)
  const made = SysvSemaphoreSet.create(IPC_PRIVATE, { initial: [1, 0] })
  Atomics.store(header, SET, made.id + 1)
  return made
}

async function send(): Promise<void> {
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    for (let from = 0; from < chunk.length; from += BLOCK_BYTES) await put(chunk.subarray(from, from + BLOCK_BYTES))
  }
  await put(new Uint8Array(0))
  while (Atomics.load(header, LENGTH) !== ALL_TAKEN) await setTimeout(5)
}

async function put(bytes: Uint8Array): Promise<void> {
  await turn(SENDERS_TURN)
  block.set(bytes)
  header[LENGTH] = bytes.length
  pass(RECEIVERS_TURN, bytes.length)
}

async function receive(): Promise<void> {
  for (await turn(RECEIVERS_TURN); header[LENGTH] !== 0; await turn(RECEIVERS_TURN)) {
    const bytes = block.subarray(0, header[LENGTH])
    await new Promise<void>((resolve, reject) => process.stdout.write(bytes, error => (error ? reject(error) : resolve())))
    pass(SENDERS_TURN, bytes.length)
  }
  Atomics.store(header, LENGTH, ALL_TAKEN)
}

/** Waits in short steps, between which Node sees to signals and timers. */
async function turn(index: number): Promise<void> {
  while (set.acquireSync(index, { timeoutMs: 100 }) === 'timedOut') await setImmediate()
}

function pass(index: number, bytes: number): void {
  set.release(index)
  total.bytes += bytes
  total.blocks += Math.sign(bytes)
}

function leave(problem?: string): never {
  try { set.remove() } catch {} // The other side may have been faster.
  segment.close()
  process.stderr.write(`${role}: ${total.bytes} bytes in ${total.blocks} blocks${problem === undefined ? '' : `, then: ${problem}`}\n`)
  process.exit(problem === undefined ? 0 : 1)
}
