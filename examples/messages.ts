/**
 * Messages from a producer to a consumer: a queue of four places in shared memory, a mutex that guards it, and two condition
 * variables to wait for "not full" and "not empty".
 *
 * The producer blocks its thread, as it has nothing else to do. The consumer waits with promises: its event loop stays free.
 *
 *     npm run build && node dist/examples/messages.js
 *
 * A run that was killed leaves /dev/shm/shmem-messages-<its pid> and …-queue behind.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { ManagedSegment, PosixSegment } from 'shmem'

const PLACES = 4
const PLACE_BYTES = 32
const TEXTS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'the last one']

/** The queue, as both sides see it. All of it is touched with the mutex held. */
class Queue {
  readonly #mem: ManagedSegment
  readonly #segment: PosixSegment
  /** How many messages were put and taken so far. */
  readonly #counts: Int32Array

  constructor(mem: ManagedSegment, segment: PosixSegment) {
    this.#mem = mem
    this.#segment = segment
    this.#counts = new Int32Array(segment.buffer, 0, 2)
  }

  /** Puts a message, and blocks the thread while the queue is full. */
  putSync(text: string): void {
    const mutex = this.#mem.mutex('queue')
    mutex.withLockSync(() => {
      // In a loop: another producer may have been quicker, and a wait may end for no reason. While it waits, the mutex is free.
      while (this.#length === PLACES) this.#mem.condition('not full').waitSync(mutex)
      const place = this.#place(this.#put)
      place.fill(0)
      place.write(text)
      this.#counts[0] = this.#put + 1
      this.#mem.condition('not empty').notifyOne()
    })
  }

  /** Takes a message, and leaves the thread free while the queue is empty. */
  async take(): Promise<string> {
    const mutex = this.#mem.mutex('queue')
    return await mutex.withLock(async () => {
      while (this.#length === 0) await this.#mem.condition('not empty').wait(mutex)
      const place = this.#place(this.#taken)
      const text = place.toString('latin1', 0, place.indexOf(0))
      this.#counts[1] = this.#taken + 1
      this.#mem.condition('not full').notifyOne()
      return text
    })
  }

  get #put(): number {
    return this.#counts[0] ?? 0
  }

  get #taken(): number {
    return this.#counts[1] ?? 0
  }

  get #length(): number {
    return this.#put - this.#taken
  }

  #place(index: number): Buffer {
    const offset = 64 + (index % PLACES) * PLACE_BYTES
    return this.#segment.bytes.subarray(offset, offset + PLACE_BYTES)
  }
}

async function consumer(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '1MiB' })
  const segment = PosixSegment.create(`/${name}-queue`, { size: 4096 })
  try {
    const ended = once(fork(import.meta.filename, [name]), 'exit')
    const queue = new Queue(mem, segment)
    for (let count = 1; count <= TEXTS.length; count += 1) console.log(`consumer: ${await queue.take()}`)
    const [code] = await ended
    console.log(`consumer: the producer ended with ${code}`)
  } finally {
    for (const object of [mem, segment]) {
      object.close()
      object.remove()
    }
  }
}

function producer(name: string): void {
  const mem = ManagedSegment.open(name)
  const segment = PosixSegment.open(`/${name}-queue`)
  try {
    const queue = new Queue(mem, segment)
    for (const text of TEXTS) queue.putSync(text)
  } finally {
    mem.close()
    segment.close()
  }
}

const name = process.argv[2]
if (name === undefined) await consumer(`shmem-messages-${process.pid}`)
else producer(name)
