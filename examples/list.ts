/**
 * A list of jobs between processes, with texts of any length: `mem.list` keeps the order, `mem.allocator` has room for the texts.
 *
 * A value of the list has one size, so it says where the text is and how long. One worker is killed with a job in its hand: the list is
 * whole, the job is known to be open, and another worker does it.
 *
 *     npm run build && node dist/examples/list.js
 *
 * A run that was killed leaves /dev/shm/shmem-list-<its pid> behind.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { ManagedSegment, type List, type ListNode } from 'shmem'

/** A value: offset and length of the text, and whether somebody is at it, as three words. */
const WORDS = { offset: 0, length: 1, taken: 2 } as const
const VALUE = { valueBytes: 12, capacity: 100 }

/** Jobs in a managed segment. */
class Jobs {
  readonly #list: List

  constructor(readonly mem: ManagedSegment) {
    this.#list = mem.list('jobs', VALUE)
  }

  /** The text first, then what leads to it. */
  add(text: string): void {
    const bytes = Buffer.from(text)
    const offset = this.mem.allocator.allocate(bytes.length)
    this.mem.allocator.bytesAt(offset).set(bytes)
    if (this.#list.push(value(offset, bytes.length)) === 'full') {
      this.mem.allocator.free(offset)
      throw new Error('there are too many jobs')
    }
  }

  /** The first job that nobody is at. Whoever changes a word of it from 0 first has it. */
  take(): ListNode | undefined {
    for (const node of this.#list) if (Atomics.compareExchange(this.#wordsOf(node), WORDS.taken, 0, process.pid) === 0) return node
    return undefined
  }

  /** Gives up jobs of a worker that is gone. */
  giveUp(pid: number): void {
    for (const node of this.#list) Atomics.compareExchange(this.#wordsOf(node), WORDS.taken, pid, 0)
  }

  /** Out of the list first; then nobody finds the text any more. */
  finish(node: ListNode): void {
    const [offset = 0] = this.#wordsOf(node)
    this.#list.remove(node)
    this.mem.allocator.free(offset)
  }

  textOf(node: ListNode): string {
    const [offset = 0, length = 0] = this.#wordsOf(node)
    return Buffer.from(this.mem.allocator.bytesAt(offset)).toString('utf8', 0, length)
  }

  get text(): string {
    return this.#list.nodes().map(node => this.textOf(node)).join(', ') || 'nothing'
  }

  /** A value in place: a multiple of 16 bytes from the beginning, so words may lie there. */
  #wordsOf(node: ListNode): Int32Array {
    return new Int32Array(this.mem.buffer, this.#list.offset(node), 3)
  }
}

async function parent(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '1MiB' })
  try {
    const jobs = new Jobs(mem)
    for (const text of ['sweep the floor', 'water the plants', 'feed the cat']) jobs.add(text)
    console.log(`to do: ${jobs.text}`)
    console.log(`the texts have ${mem.allocator.stats().allocatedBlocks} blocks of the heap`)

    const lazy = await worker(name, 'lazy')
    lazy.kill('SIGKILL')
    await once(lazy, 'exit')
    console.log(`a worker was killed at its job; to do: ${jobs.text}`)
    jobs.giveUp(lazy.pid ?? 0)

    const busy = await worker(name, 'busy')
    await once(busy, 'exit')
    console.log(`to do: ${jobs.text}`)
    console.log(`blocks: ${mem.allocator.stats().allocatedBlocks}, left in flight: ${mem.allocator.repair().blocks}`)
  } finally {
    mem.close()
    mem.remove()
  }
}

/** The other process: does all jobs, or stops in the middle of the first. */
function work(name: string, how: string): void {
  const mem = ManagedSegment.open(name)
  const jobs = new Jobs(mem)
  if (how === 'lazy') {
    jobs.take()
    process.send?.('in the middle')
    // Keeps the process alive as long as the parent is.
    process.on('message', () => {})
    return
  }
  for (let node = jobs.take(); node !== undefined; node = jobs.take()) {
    console.log(`worker: ${jobs.textOf(node)}: done`)
    jobs.finish(node)
  }
  mem.close()
  process.send?.('done')
  process.disconnect?.()
}

async function worker(name: string, how: string): Promise<ChildProcess> {
  const child = fork(import.meta.filename, [name, how])
  await once(child, 'message')
  return child
}

function value(offset: number, length: number): Uint8Array {
  return new Uint8Array(Int32Array.of(offset, length, 0).buffer)
}

const [name, how = 'busy'] = process.argv.slice(2)
if (name === undefined) await parent(`shmem-list-${process.pid}`)
else work(name, how)
