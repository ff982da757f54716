/**
 * Managed segments in one program without a test runner, for every runtime (scripts/test-runtimes.mjs): membership, all locks and all
 * structures, with a second process of the same runtime as the other member, which is killed in the end. Memory is in `segments.ts`.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ManagedSegment, MemfdSegment, bool, f64, i32, notify, struct, text, wait, waitAsync } from 'shmem'
import { proveAll, type Claims } from '../support/claims.js'
import { codeOf, uniqueName } from '../support/scenarios.js'

const LATE = { timeoutMs: 20_000 }
const RING = { slots: 16, slotBytes: 64 }
const asked = process.argv[2]

function claims(): Claims {
  return {
    'a mutex excludes, waits by promise, and names its owner': () => within(async mem => {
      const book = mem.mutex('book')
      assert.equal(book.lockSync(), 'locked')
      assert.equal(book.owner?.pid, process.pid)
      assert.equal(codeOf(() => book.lockSync()), 'ERR_SHM_DEADLOCK')
      const [next, last] = [book.lock(LATE), book.lock({ timeoutMs: 1 })]
      assert.equal(await last, 'timedOut')
      book.unlock()
      assert.equal(await next, 'locked')
      book.unlock()
      assert.equal(await book.withLock(() => 5, LATE), 5)
    }),

    'another process has a lock, dies with it, and the next one is told': () => within(async (mem, name) => {
      const other = new Other(name)
      assert.equal(await other.line(), 'locked')
      const book = mem.mutex('book')
      assert.equal(book.tryLock(), 'busy')
      assert.equal(mem.members.filter(({ alive }) => alive).length, 2)
      const next = book.lock(LATE)
      await other.kill()
      assert.equal(await next, 'ownerDied')
      book.markConsistent()
      book.unlock()
      assert.equal(mem.members.filter(({ alive }) => alive).length, 1)
    }),

    'a ring, an event and a word reach another process and come back': () => within(async (mem, name) => {
      const other = new Other(name)
      assert.equal(await other.line(), 'locked')
      const [there, back] = [mem.ring('there', RING).producer(), mem.ring('back', RING).consumer()]
      mem.word('stage').store(1)
      mem.event('go').set()
      for (let number = 0; number < 1000; number++) {
        assert.equal(there.sendSync(`message ${number}`, LATE), 'sent')
        const received = number % 2 === 0 ? back.receiveSync(LATE) : await back.receive(LATE)
        assert.equal(Buffer.from(received as Uint8Array).toString(), `MESSAGE ${number}`)
      }
      await other.kill()
      there.close()
      back.close()
    }),

    'readers share and a writer is alone': () => within(async mem => {
      const table = mem.rwlock('table')
      table.readLockSync()
      assert.deepEqual([table.tryReadLock(), table.tryWriteLock()], ['locked', 'busy'])
      table.readUnlock()
      table.readUnlock()
      assert.equal(await table.writeLock(LATE), 'locked')
      table.writeUnlock()
    }),

    'permits, events, barriers and onces answer': () => within(async mem => {
      const permits = mem.semaphore('permits', { permits: 2 })
      assert.deepEqual([permits.tryAcquire(), await permits.acquire(LATE), permits.tryAcquire()], ['acquired', 'acquired', 'busy'])
      permits.release()
      permits.release()
      const event = mem.event('event')
      const told = event.wait(LATE)
      event.set()
      assert.equal(await told, 'set')
      assert.equal(mem.barrier('barrier', { parties: 1 }).waitSync(LATE), 'released')
      assert.deepEqual([mem.once('once').runSync(() => {}), await mem.once('once').run(() => {})], ['ran', 'done'])
    }),

    'a condition waits and is notified': () => within(async mem => {
      const [mutex, condition] = [mem.mutex('mutex'), mem.condition('condition')]
      mutex.lockSync()
      assert.equal(condition.waitSync(mutex, { timeoutMs: 1 }), 'timedOut')
      const told = condition.wait(mutex, LATE)
      // It gives the mutex back before it sleeps.
      assert.equal(await mutex.lock(LATE), 'locked')
      condition.notifyAll()
      mutex.unlock()
      assert.equal(await told, 'notified')
      mutex.unlock()
    }),

    'words of any segment are waited for': async () => {
      using segment = MemfdSegment.create('structures', { size: 4096 })
      const words = new Int32Array(segment.buffer, 0, 4)
      assert.equal(wait(words, 0, 1), 'not-equal')
      assert.equal(wait(words, 0, 0, { timeoutMs: 1 }), 'timed-out')
      const told = waitAsync(words, 0, 0, LATE)
      Atomics.store(words, 0, 1)
      notify(words, 0)
      assert.equal(await told, 'ok')
    },

    'a map keeps, counts and forgets': () => within(mem => {
      const map = mem.map('map', { memory: '256KiB' })
      for (let number = 0; number < 300; number++) map.set(`key ${number}`, Buffer.from(`value ${number}`))
      assert.equal(map.getText('key 299'), 'value 299')
      assert.deepEqual([map.size, map.delete('key 5'), map.has('key 5')], [300, true, false])
    }),

    'the newest value, a broadcast and a list read what was written': () => within(mem => {
      const latest = mem.latest('latest', { bytes: 64, readers: 4 })
      const [writer, reader] = [latest.writer(), latest.reader()]
      writer.write('first')
      writer.write('second')
      assert.equal(String(reader.read()), 'second')
      const broadcast = mem.broadcast('broadcast', RING)
      const [sends, receives] = [broadcast.writer(), broadcast.reader()]
      sends.send('news')
      assert.equal(String(receives.tryReceive()), 'news')
      const list = mem.list('list', { valueBytes: 8, capacity: 10 })
      list.push(Buffer.alloc(8, 1))
      list.unshift(Buffer.alloc(8, 2))
      assert.deepEqual([list.length, list.shift()?.[0], list.pop()?.[0]], [2, 2, 1])
      for (const end of [writer, reader, sends, receives]) end.close()
    }),

    'allocated bytes hold a struct as C has it': () => within(mem => {
      const Point = struct({ name: text(16), x: f64, count: i32, on: bool })
      const offset = mem.allocator.allocate(Point.size)
      const [point, same] = [Point.at(mem.buffer, offset), Point.at(mem.buffer, offset)]
      Object.assign(point, { name: 'pöint', x: 1.5, count: -7, on: true })
      assert.deepEqual([same.name, same.x, same.count, same.on], ['pöint', 1.5, -7, true])
      mem.allocator.free(offset)
      assert.equal(codeOf(() => mem.allocator.free(offset)), 'ERR_SHM_NOT_ALLOCATED')
    })
  }
}

/** A managed segment of one claim; nothing is left of it. */
async function within(prove: (mem: ManagedSegment, name: string) => unknown): Promise<void> {
  const name = uniqueName()
  const mem = ManagedSegment.create(name, { size: '2MiB' })
  try {
    await prove(mem, name)
  } finally {
    mem.remove()
    mem.close()
  }
}

/** This program again, as another member. */
class Other {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor(name: string) {
    const words = 'Deno' in globalThis ? ['run', '--allow-all', '--no-prompt'] : []
    this.#process = spawn(process.execPath, [...words, fileURLToPath(import.meta.url), name], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  async line(): Promise<string | undefined> {
    return ((await this.#lines.next()) as { value?: string }).value
  }

  async kill(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}

/** Takes the lock, says so, answers what comes in capitals, and never ends by itself. */
async function beOther(name: string): Promise<void> {
  // With its parent it ends, however that ended.
  process.stdin.on('end', () => process.exit()).resume()
  const mem = ManagedSegment.open(name)
  console.log(mem.mutex('book').lockSync())
  const [there, back] = [mem.ring('there', RING).consumer(), mem.ring('back', RING).producer()]
  await mem.event('go').wait()
  assert.equal(mem.word('stage').load(), 1)
  for (;;) {
    const message = await there.receive()
    back.sendSync(Buffer.from(message as Uint8Array).toString().toUpperCase())
  }
}

if (asked === undefined) await proveAll(claims())
else await beOther(asked)
