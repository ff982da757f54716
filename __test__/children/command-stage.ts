/**
 * The stage on which 82 shows the command: one object of each kind, a managed segment with traffic and a dead member, and what a killed process left. It says
 * `ready`, and goes on until its standard input ends. Its objects go with its namespaces.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ManagedSegment, MemfdSegment, PosixSegment, PosixSemaphore, SysvSegment, SysvSemaphoreSet, f64, i32, struct } from 'shmem'

const [role] = process.argv.slice(2)
if (role === 'victim') await victim()
else await stage()

async function stage(): Promise<void> {
  const mem = ManagedSegment.create('orders', { size: '256KiB', members: 4, objects: 16, memberName: 'exchange' })
  const ring = mem.ring('ticks', { slots: 256, slotBytes: 64 })
  const cache = mem.map('cache', { memory: '64KiB' })
  const state = mem.struct('state', struct({ count: i32, total: f64 }))
  mem.mutex('book').lockSync()
  mem.semaphore('seats', { permits: 3 }).tryAcquire()
  mem.event('open').set()
  mem.rwlock('table')
  await killedVictim()

  const frames = PosixSegment.create('/frames', { size: '64KiB' })
  frames.bytes.write('the first frame')
  const odd = PosixSegment.create('/odd \u001b[31m\u202ename', { size: 100 })
  const sysv = SysvSegment.create(0x2a, { size: 10_000 })
  const scratch = MemfdSegment.create('scratch', { size: '8KiB' })
  const set = SysvSemaphoreSet.create(0x2b, { initial: [1, 0] })
  const gate = PosixSemaphore.create('/gate', { value: 2 })

  const producer = ring.producer()
  const consumer = ring.consumer()
  const message = Buffer.from('hello')
  producer.trySend(message)
  // Ten messages at once: the ring always has one, and rates are steady.
  const traffic = setInterval(() => {
    for (let index = 0; index < 10; index += 1) {
      producer.trySend(message)
      consumer.tryReceive()
    }
    cache.set('last', `${(state.count += 1)}`)
  }, 5)
  process.stdout.write('ready\n')
  await once(process.stdin.resume(), 'end')
  clearInterval(traffic)
  // Named so that they live until here.
  for (const object of [mem, frames, odd, sysv, scratch, set, gate]) if (object.closed === undefined) throw new Error('not open')
  process.exit()
}

/** A process that joins, takes a lock, makes an object, and is killed. */
async function killedVictim(): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'victim'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function victim(): Promise<void> {
  const mem = ManagedSegment.open('orders', { memberName: 'reporter' })
  mem.rwlock('table').writeLockSync()
  PosixSegment.create('/left-over', { size: '16KiB' })
  process.stdout.write('ready\n')
  await new Promise(() => setInterval(() => {}, 1000))
}
