/**
 * A managed segment shared with Rust: orders go through a ring, results come back in a map, both sides count in one total under a mutex. Then the Rust side is
 * killed with the mutex in hand: Node has it at once, is told, and repairs. Rust is a full member, by the crate `shmem-core` that is under this package, too.
 *
 *     npm run build
 *     cargo build -p shmem-core --example workshop     # crate/core/examples/workshop.rs
 *     node dist/examples/peers/rust/workshop.js target/debug/examples/workshop
 *
 * A run that is killed leaves /dev/shm/shmem-peers-workshop-<its pid> behind.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { ManagedSegment } from 'shmem'

const COUNT = 500

const [command = '', ...words] = process.argv.slice(2)
if (command === '') throw new Error('usage: workshop <the Rust program>')
const name = `shmem-peers-workshop-${process.pid}`
const mem = ManagedSegment.create(name, { size: '2MiB' })
try {
  const done = mem.map('done', { memory: '256KiB', values: 'text' })
  const mutex = mem.mutex('total')

  // Before there is a worker: one that waits at a ring whose producer's end nobody has taken yet is not told of our death.
  const orders = mem.ring('orders', { slots: 64, slotBytes: 16 }).producer()
  const worker = spawn(command, [...words, 'work', name], { stdio: 'inherit' })
  const ended = once(worker, 'exit')
  for (let order = 1; order <= COUNT; order += 1) {
    if (await Promise.race([orders.send(String(order)), ended]) !== 'sent') throw new Error('Rust ended too early')
    await mutex.withLock(() => done.set('total', String(Number(done.get('total') ?? 0) + 1)))
  }
  orders.end()
  orders.close()
  await ended
  const squares = Array.from({ length: COUNT }, (_, index) => Number(done.get(String(index + 1))))
  console.log(`Node: ${squares.filter((square, index) => square === (index + 1) ** 2).length} squares in the map`)
  console.log(`Node: the total of both is ${done.get('total')}`)

  const dying = spawn(command, [...words, 'die', name], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await Promise.race([once(createInterface(dying.stdout), 'line'), once(dying, 'exit')])
  console.log(line)
  console.log(`Node: tryLock() is '${mutex.tryLock()}', its owner is ${mutex.owner?.name}`)
  const locked = mutex.lock()
  dying.kill('SIGKILL')
  console.log(`Node: Rust is killed, lock() is '${await locked}', the total is ${done.get('total')}`)
  done.set('total', '0')
  mutex.markConsistent()
  mutex.unlock()
} finally {
  mem.close()
  mem.remove()
}
