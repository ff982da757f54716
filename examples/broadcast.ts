/**
 * Prices from one process to two others. One reads every price. The other is too slow, and the sender does not wait for it: it is told, to the message,
 * how many it missed. One more comes late and begins with the newest.
 *
 *     npm run build && node dist/examples/broadcast.js
 *
 * A run that was killed leaves /dev/shm/shmem-broadcast-<its pid> behind.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { ManagedSegment, type BroadcastReader } from 'shmem'

const PRICES = { slots: 64, slotBytes: 16 }
const COUNT = 2000

async function parent(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '1MiB' })
  try {
    const prices = mem.broadcast('prices', PRICES)
    const out = prices.writer()
    const children = ['diligent', 'slow'].map(role => fork(import.meta.filename, [name, role]))
    // Readers are nobody the sender knows: that they are there, they say themselves.
    await Promise.all(children.map(started => once(started, 'message')))
    const ended = Promise.all(children.map(started => once(started, 'exit')))
    const price = new Float64Array(2)
    const diligent = mem.word('read by the diligent one')
    for (let number = 0; number < COUNT; number += 1) {
      // For the sake of the example: in earnest a sender waits for nobody, and a reader may always be too slow.
      while (number - diligent.load() >= PRICES.slots - 1) Atomics.wait(NEVER, 0, 0, 0.1)
      price[0] = number
      price[1] = 100 + Math.sin(number / 100)
      out.send(new Uint8Array(price.buffer))
    }
    const late = prices.reader({ from: 'newest' })
    const newest = late.tryReceive() as Buffer
    console.log(`late: begins with price ${new Float64Array(newest.buffer, newest.byteOffset, 2)[0]}, and has lost ${late.lost}`)
    out.end()
    for (const [code] of await ended) if (code !== 0) throw new Error(`a child ended with ${code}`)
    for (const role of ['diligent', 'slow']) {
      const [received, lost] = ['received', 'lost'].map(what => mem.word(`${what} by the ${role} one`).load()) as [number, number]
      console.log(`${role}: lost ${lost === 0 ? 'none' : 'some'}; received and lost make ${received + lost}`)
    }
  } finally {
    mem.close()
    mem.remove()
  }
}

async function child(name: string, role: string): Promise<void> {
  const mem = ManagedSegment.open(name)
  const input = mem.broadcast('prices', PRICES).reader()
  process.send?.('ready')
  if (role === 'diligent') await readAll(input, mem)
  else await readSlowly(input)
  for (const what of ['received', 'lost'] as const) mem.word(`${what} by the ${role} one`).store(input[what])
  mem.close()
}

async function readAll(input: BroadcastReader, mem: ManagedSegment): Promise<void> {
  const progress = mem.word('read by the diligent one')
  for await (const price of input) {
    const number = new Float64Array(price.buffer, price.byteOffset, 2)[0]
    if (number !== input.position - 1) throw new Error(`price ${number} at ${input.position - 1}`)
    progress.store(input.received)
  }
}

async function readSlowly(input: BroadcastReader): Promise<void> {
  await input.receive()
  // Meanwhile many more are sent than there are slots.
  while (input.tryReceive() !== 'ended') Atomics.wait(NEVER, 0, 0, 10)
}

const NEVER = new Int32Array(new SharedArrayBuffer(4))
const [, , name, role = ''] = process.argv
if (name === undefined) await parent(`shmem-broadcast-${process.pid}`)
else await child(name, role)
