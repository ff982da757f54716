/**
 * Workers that hold a lock or wait for one while they are ended. Played by 61.lock-workers.test.ts; a worker plays the part that its
 * `workerData` names on the descriptor it gets, and says so.
 */
import assert from 'node:assert/strict'
import { parentPort, Worker, isMainThread, workerData } from 'node:worker_threads'
import { ManagedSegment, MemfdSegment } from 'shmem'
import { play, survived } from '../support/play.js'

const ROUNDS = 40

interface Part {
  name: keyof typeof parts
  fd: number
}

const parts = {
  hold: (mem: ManagedSegment) => {
    mem.mutex('book').lockSync()
    say('held')
    setInterval(() => {}, 1000)
  },
  waitSync: (mem: ManagedSegment) => {
    say('waiting')
    mem.mutex('book').lockSync()
  },
  waitAsync: (mem: ManagedSegment) => {
    // Several locks, so that the thread has several words.
    for (const name of ['book', 'other']) void mem.mutex(name).lock()
    say('waiting')
  },
  /** Its thread is busy while the lock is granted to its promise. */
  busy: (mem: ManagedSegment) => {
    void mem.mutex('book').lock()
    say('waiting')
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  },
  exit: (mem: ManagedSegment) => {
    mem.mutex('other').lockSync()
    void mem.mutex('book').lock()
    say('waiting')
    setTimeout(() => process.exit(3), 5)
  },
  leave: (mem: ManagedSegment) => {
    mem.mutex('other').lockSync()
    void mem.mutex('book').lock({ ref: false })
    say('waiting')
  }
} satisfies Record<string, (mem: ManagedSegment) => void>

if (isMainThread) {
  await play({
    listed,
    holding,
    'waiting-sync': () => waiting('waitSync'),
    'waiting-async': () => waiting('waitAsync'),
    granted,
    exiting: () => ending('exit', 3),
    returning: () => ending('leave', 0),
    'main-exits': mainExits
  })
} else {
  const { name, fd } = workerData as Part
  parts[name](ManagedSegment.open(MemfdSegment.fromFd(fd), { memberName: `worker ${name}` }))
}

function say(word: string): void {
  parentPort?.postMessage(word)
}

function make(): { mem: ManagedSegment; fd: number } {
  const segment = MemfdSegment.create('shmem-test', { size: '1MiB' })
  return { mem: ManagedSegment.openOrCreate(segment, { memberName: 'main' }), fd: segment.fd }
}

async function start(name: Part['name'], fd: number): Promise<{ worker: Worker; ended: Promise<number> }> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { name, fd } satisfies Part })
  const ended = new Promise<number>((resolve, reject) => worker.on('error', reject).on('exit', resolve))
  await Promise.race([new Promise(resolve => worker.once('message', resolve)), ended.then(code => assert.fail(`ended with ${code}`))])
  return { worker, ended }
}

async function listed(): Promise<void> {
  const { mem, fd } = make()
  const events: string[] = []
  mem.on('memberJoined', ({ name }) => events.push(`joined ${name}`)).on('memberDied', ({ name }) => events.push(`died ${name}`))
  const { worker, ended } = await start('hold', fd)
  const members = mem.members.toSorted((a, b) => a.name.localeCompare(b.name))
  assert.deepEqual(members.map(({ name, alive, isSelf, pid }) => ({ name, alive, isSelf, pid })), [
    { name: 'main', alive: true, isSelf: true, pid: process.pid },
    { name: 'worker hold', alive: true, isSelf: false, pid: process.pid }
  ])
  assert.notEqual(members[0]?.tid, members[1]?.tid)
  assert.equal(mem.mutex('book').owner?.name, 'worker hold')
  await worker.terminate()
  await ended
  assert.equal(mem.members.find(({ name }) => name === 'worker hold')?.alive, false)
  while (events.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  assert.deepEqual(events, ['joined worker hold', 'died worker hold'])
  mem.close()
}

async function holding(): Promise<void> {
  const { mem, fd } = make()
  const book = mem.mutex('book')
  for (let round = 0; round < ROUNDS; round += 1) {
    const { worker, ended } = await start('hold', fd)
    assert.equal(book.tryLock(), 'busy')
    const got = book.lock({ timeoutMs: 20_000 })
    void worker.terminate()
    assert.equal(await got, 'ownerDied')
    await ended
    book.markConsistent()
    book.unlock()
  }
  mem.close()
}

/** The one that waits is ended; the owner here never notices. */
async function waiting(name: 'waitSync' | 'waitAsync'): Promise<void> {
  const { mem, fd } = make()
  const [book, other] = [mem.mutex('book'), mem.mutex('other')]
  for (let round = 0; round < ROUNDS; round += 1) {
    book.lockSync()
    other.lockSync()
    const { worker, ended } = await start(name, fd)
    const { worker: second, ended: secondEnded } = round % 10 === 0 ? await start('waitSync', fd) : { worker: undefined, ended: undefined }
    if (round % 2 === 0) await isWaitedFor(mem)
    const terminated = worker.terminate()
    // In every third round the lock comes free while the end is under way.
    if (round % 3 !== 0) await terminated
    book.unlock()
    other.unlock()
    await ended
    await second?.terminate()
    await secondEnded
    for (const lock of [book, other]) {
      if (lock.lockSync({ timeoutMs: 20_000 }) === 'ownerDied') lock.markConsistent()
      lock.unlock()
    }
  }
  mem.close()
}

async function granted(): Promise<void> {
  const { mem, fd } = make()
  const book = mem.mutex('book')
  let deaths = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    book.lockSync()
    const { worker, ended } = await start('busy', fd)
    await isWaitedFor(mem)
    book.unlock()
    if (round % 2 === 0) {
      while (book.owner?.name !== 'worker busy') await new Promise(resolve => setTimeout(resolve, 1))
    }
    const got = book.lock({ timeoutMs: 20_000 })
    await worker.terminate()
    await ended
    const answer = await got
    assert.notEqual(answer, 'timedOut')
    if (answer === 'ownerDied') {
      deaths += 1
      book.markConsistent()
    }
    book.unlock()
  }
  console.log(`${deaths} of ${ROUNDS} were reported as deaths, the others were given back`)
  mem.close()
}

async function ending(name: 'exit' | 'leave', code: number): Promise<void> {
  const { mem, fd } = make()
  const [book, other] = [mem.mutex('book'), mem.mutex('other')]
  for (let round = 0; round < ROUNDS / 4; round += 1) {
    book.lockSync()
    const { ended } = await start(name, fd)
    assert.equal(await ended, code)
    assert.equal(other.lockSync({ timeoutMs: 20_000 }), 'ownerDied')
    other.markConsistent()
    other.unlock()
    book.unlock()
    assert.equal(book.lockSync({ timeoutMs: 20_000 }), 'locked')
    book.unlock()
  }
  mem.close()
}

async function mainExits(): Promise<void> {
  const { mem, fd } = make()
  mem.mutex('mine').lockSync()
  await start('hold', fd)
  await start('waitSync', fd)
  await start('waitAsync', fd)
  await start('busy', fd)
  survived()
  process.exit(0)
}

/** Until bit 31 of the lock's word says that somebody may sleep. */
async function isWaitedFor(mem: ManagedSegment): Promise<void> {
  const offset = mem.objects.find(({ name }) => name === 'book')?.offset ?? 0
  const words = new Int32Array(mem.buffer, offset, 1)
  while (Atomics.load(words, 0) > 0) await new Promise(resolve => setTimeout(resolve, 1))
}
