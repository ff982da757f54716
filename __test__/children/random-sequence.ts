/**
 * Thousands of random steps with every kind of segment: `random-sequence.js play <seed> <steps>`. The same seed is the same
 * sequence, so a crash can be replayed; the last steps stand on standard output. Any error of ours is a fine answer to a step; any
 * other exception, wrong length, or wrong byte in memory that nobody else writes ends the process with 1.
 */
import assert from 'node:assert/strict'
import { ftruncateSync, readSync, writeSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { IPC_PRIVATE, MemfdSegment, PosixSemaphore, SysvSegment, openDescriptor, type Descriptor, type Segment } from 'shmem'
import { MFD_CLOEXEC, memfd_create } from 'shmem/posix'
import { KINDS, make, play, steal, type Kind } from '../support/scenarios.js'

const PAGE = 4096
const ADVICE = ['willneed', 'dontneed', 'dontdump', 'hugepage', 'nohugepage', 'remove', 'cold', 'pageout', 'free', 'populate_write', 'collapse', 'dontfork'] as const
/** What a step may answer beside success: ours, and the kernel's word on calls that do not fit. */
const FINE = /^(ERR_|E[A-Z0-9]+$|AbortError)/

const scratch = memfd_create('shmem-test', MFD_CLOEXEC)

/** mulberry32: small, good enough, the same everywhere. */
class Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let word = this.#state
    word = Math.imul(word ^ (word >>> 15), word | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return Math.floor((((word ^ (word >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

class World {
  readonly open: Segment[] = []
  readonly closed: { segment: Segment; views: (Uint8Array | DataView)[] }[] = []
  readonly kept: (Uint8Array | SharedArrayBuffer)[] = []
  readonly workers: Worker[] = []
  constructor(readonly random: Random) {}

  readonly steps: Record<string, (segment: Segment) => unknown> = {
    create: () => this.#add(make(this.#kind(), this.#size(), { guard: true, reserve: this.random.below(2) === 0 })),
    createReadOnly: () => this.#add(make(this.#kind(), this.#size(), { access: 'read' })),
    attach: () => {
      const owner = SysvSegment.create(IPC_PRIVATE, { size: this.#size(), removeOnLastDetach: true })
      this.#add(SysvSegment.attach(owner.id))
      this.#close(owner)
    },
    open: segment => segment instanceof MemfdSegment && this.#add(MemfdSegment.fromFd(segment.fd, { access: this.random.of(['read', 'write', 'copy-on-write']) })),
    describe: segment => segment instanceof MemfdSegment && this.#add(openDescriptor(JSON.parse(JSON.stringify(segment.descriptor)) as Descriptor)),
    close: segment => this.#close(segment),
    closeTwice: segment => (this.#close(segment), segment.close()),
    dispose: segment => (this.#forget(segment), segment[Symbol.dispose]()),
    forget: segment => this.#forget(segment),
    remove: segment => segment.kind === 'memfd' && segment.remove(),
    steal: async segment => this.kept.push(await steal(segment)),
    share: segment => this.kept.push(segment.toSharedArrayBuffer()),
    drop: () => this.kept.splice(this.random.below(this.kept.length + 1), 3),
    collect: () => globalThis.gc?.(),
    turn: () => new Promise(resolve => setImmediate(resolve)),
    resize: segment => this.#resize(segment),
    refresh: segment => segment.refresh(),
    truncate: segment => this.#truncate(segment),
    protect: segment => segment.protect(this.#pages(segment), this.random.of(['none', 'read', 'write'])),
    unmap: segment => segment.unmap(this.#pages(segment)),
    advise: segment => segment.advise(this.random.below(3) === 0 ? undefined : this.#pages(segment), this.random.of(ADVICE)),
    flush: segment => segment.flush({ async: true }),
    prefault: segment => segment.prefault(),
    lock: segment => segment.lockMemory(),
    lockOnFault: segment => segment.lockMemory({ onFault: true }),
    unlock: segment => segment.unlockMemory(),
    // Whatever becomes of the segment meanwhile.
    prefaultAsync: segment => void segment.prefaultAsync({ chunkBytes: PAGE }).catch((error: { code?: string }) => assert.match(error.code ?? '', FINE)),
    collapse: segment => this.#collapse(segment),
    place: segment => segment.placement({ policy: this.random.of(['local', 'default']), move: true, ...this.#pages(segment) }),
    placement: segment => segment.placement(),
    statPages: segment => segment.stat({ pages: true }),
    residency: segment => segment.residency(),
    stat: segment => assert.equal(segment.stat().size, segment.size),
    write: segment => segment.write(this.random.below(segment.size), 'written'),
    read: segment => segment.read(this.random.below(segment.size), this.random.below(100)),
    touch: segment => this.#touch(new Uint8Array(segment.buffer)),
    touchKept: () => {
      const kept = this.random.of(this.kept)
      if (kept !== undefined) this.#touch(kept instanceof Uint8Array ? kept : new Uint8Array(kept))
    },
    touchClosed: () => this.#checkClosed(),
    fill: segment => new Uint8Array(segment.buffer).fill(this.random.below(256)),
    scan: segment => segment.bytes.reduce((sum, byte) => sum + byte, 0),
    atomics: segment => Atomics.add(new Int32Array(segment.buffer, 0, segment.size >> 2), this.random.below(segment.size >> 2), 1),
    semaphore: segment => {
      const semaphore = PosixSemaphore.init(segment, this.random.below(segment.size >> 5) * 32, { value: this.random.below(2) })
      semaphore.tryWait()
      semaphore.post()
      semaphore.waitSync({ timeoutMs: 0 })
    },
    syscall: segment => this.#systemCall(segment),
    worker: segment => this.#worker(segment),
    terminate: () => this.workers.shift()?.terminate()
  }

  async step(name: string): Promise<string> {
    if (this.open.length === 0) this.#add(make('memfd', PAGE))
    while (this.open.length > 24) this.#close(this.open[0] as Segment)
    while (this.kept.length > 24) this.kept.shift()
    const segment = this.random.of(this.open)
    try {
      await this.steps[name]?.(segment)
      return 'done'
    } catch (error) {
      const code = (error as { code?: string }).code ?? (error as Error).name
      if (error instanceof assert.AssertionError) throw error
      // V8's word on a buffer that a step before stole, or on a byte offset that is none of a word.
      if (FINE.test(code) || (error instanceof TypeError && /detached/.test(error.message)) || error instanceof RangeError) return code
      throw error
    }
  }

  #kind(): Kind {
    return this.random.of(KINDS)
  }

  #size(): number {
    return this.random.of([1, 100, PAGE, PAGE + 1, 3 * PAGE, 16 * PAGE, 100 * PAGE + 7])
  }

  #pages(segment: Segment): { offset: number; length: number } {
    const pages = Math.ceil(segment.size / PAGE)
    const first = this.random.below(pages)
    return { offset: first * PAGE, length: (1 + this.random.below(pages - first)) * PAGE }
  }

  #add(segment: Segment): void {
    this.open.push(segment)
  }

  #forget(segment: Segment): void {
    this.open.splice(this.open.indexOf(segment), 1)
  }

  #close(segment: Segment): void {
    this.#forget(segment)
    const views = this.random.below(2) === 0 ? this.#views(segment) : []
    segment.close()
    this.closed.push({ segment, views })
    if (this.closed.length > 50) this.closed.shift()
  }

  #views(segment: Segment): (Uint8Array | DataView)[] {
    try {
      return [new Uint8Array(segment.buffer), new DataView(segment.buffer), segment.bytes]
    } catch {
      return []
    }
  }

  #touch(view: Uint8Array): void {
    for (let touch = 0; touch < 5; touch++) {
      const index = this.random.below(view.length)
      view[index] = (view[index] ?? 0) + 1
    }
  }

  #checkClosed(): void {
    for (const { segment, views } of this.closed) {
      assert.equal(segment.size, 0)
      for (const view of views) {
        if (view instanceof Uint8Array) assert.equal(view.length, 0)
        else assert.throws(() => view.byteLength, TypeError)
      }
    }
  }

  #resize(segment: Segment): void {
    const size = this.#size()
    segment.resize(size)
    assert.equal(segment.size, size)
    assert.equal(segment.buffer.byteLength, size)
  }

  /** The object changes under the mapping, as if another process did it. */
  #truncate(segment: Segment): void {
    if (segment instanceof MemfdSegment) ftruncateSync(segment.fd, this.random.of([0, 1, PAGE, 5 * PAGE]))
  }

  /** The kernel touches the memory: an errno, never a signal. */
  /** Few segments here fill a huge page: now and then one that does comes to stay. */
  #collapse(segment: Segment): void {
    if (this.random.below(10) !== 0) return void segment.collapse(this.random.below(2) === 0 ? undefined : this.#pages(segment))
    const huge = MemfdSegment.create('huge', { size: 2 ** 21 })
    this.#add(huge)
    huge.collapse()
  }

  #systemCall(segment: Segment): void {
    if (this.random.below(2) === 0) writeSync(scratch, segment.bytes, 0, undefined, 0)
    else readSync(scratch, segment.bytes, 0, segment.size, 0)
  }

  #worker(segment: Segment): void {
    if (this.workers.length >= 2 || this.random.below(8) !== 0) return
    const share = this.kept.find(kept => !(kept instanceof Uint8Array))
    const descriptor = segment.kind === 'memfd' ? segment.descriptor : undefined
    const worker = new Worker(new URL(import.meta.url), { workerData: { descriptor, share, seed: this.random.below(1000) } })
    worker.on('error', error => {
      if (!FINE.test((error as { code?: string }).code ?? '')) throw error
    })
    worker.on('exit', () => void this.workers.splice(this.workers.indexOf(worker) >>> 0, 1))
    this.workers.push(worker)
  }
}

async function run(seed: string, steps: string): Promise<void> {
  const world = new World(new Random(Number(seed)))
  const names = Object.keys(world.steps)
  const answers = new Map<string, number>()
  for (let index = 0; index < Number(steps); index++) {
    const name = world.random.of(names)
    // Synchronously, and before the step: the last line tells which step killed the process.
    say(`${index} ${name}\n`)
    if ((await world.step(name)) === 'done') answers.set(name, (answers.get(name) ?? 0) + 1)
  }
  const never = names.filter(name => !answers.has(name) && name !== 'share')
  assert.deepEqual(never, [], 'steps that never succeeded test nothing')
  await Promise.all(world.workers.map(worker => worker.terminate()))
}

/** The pipe to the parent does not block: where it is full, once more. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, line)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

/** A worker that touches what it was given, and segments of its own, until it ends or is ended. */
function work(): void {
  const { descriptor, share, seed } = workerData as { descriptor?: Descriptor; share?: SharedArrayBuffer; seed: number }
  const random = new Random(seed)
  // Kinds without a name even for a moment: this thread may be terminated at any time.
  const views = [make(random.of(['sysv', 'memfd']), PAGE).bytes]
  if (share !== undefined) views.push(Buffer.from(share))
  try {
    if (descriptor !== undefined) views.push(openDescriptor(descriptor).bytes)
  } catch (error) {
    // Its owner may have closed, or truncated it, meanwhile.
    if (!FINE.test((error as { code?: string }).code ?? '')) throw error
  }
  for (let round = 0; round < 200; round++) for (const view of views) view.fill(round)
  parentPort?.postMessage('worked')
}

if (isMainThread) await play({ play: run })
else work()
