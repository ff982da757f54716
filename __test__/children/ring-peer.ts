/**
 * Another process at an end of a ring, for 65.ring-*.test.ts: does one thing with it at a time, as it is told.
 */
import { ManagedSegment, type Consumer, type Producer, type Ring, type RingOptions } from 'shmem'
import { answer } from '../support/replies.js'

let mem: ManagedSegment
let ring: Ring
let out: Producer
let input: Consumer

answer({
  open({ name, options }: { name: string; options: RingOptions }): void {
    mem = ManagedSegment.open(name)
    ring = mem.ring('ring', options)
  },
  produce: () => {
    out = ring.producer()
  },
  consume: () => {
    input = ring.consumer()
  },
  send: (text: string) => out.trySend(text),
  sendSync: ({ text, timeoutMs }: { text: string; timeoutMs?: number }) => out.sendSync(text, timeoutMs === undefined ? {} : { timeoutMs }),
  receive: () => texts(input.tryReceive()),
  receiveSync: (timeoutMs?: number) => texts(input.receiveSync(timeoutMs === undefined ? {} : { timeoutMs })),
  receiveLater: async () => texts(await input.receive()),
  /** Takes one, and keeps it. */
  take: () => input.take()?.length,
  /** Claims one, writes half of it, and keeps it. */
  claim: (half: string) => {
    out.claim()?.bytes.set(Buffer.from(half))
  },
  endSending: () => out.end(),
  endReceiving: () => input.end(),
  closeProducer: () => out.close(),
  closeConsumer: () => input.close(),
  /** Takes so many numbers, which must come in their order, and answers how many came otherwise. */
  async count({ from, to }: { from: number; to: number }): Promise<number> {
    let wrong = 0
    for (let next = from; next < to; ) {
      const taken = input.drain(Infinity, slot => {
        if (slot.f64[0] !== next) wrong += 1
        next += 1
      })
      if (taken > 0) continue
      const message = await input.receive({ spinMicros: 0 })
      if (typeof message === 'string') break
      if (new Float64Array(message.buffer, message.byteOffset, 1)[0] !== next) wrong += 1
      next += 1
    }
    return wrong
  },
  /** Has another thread of this process's environment gone: a worker that died with an end. */
  close: () => mem.close()
})

function texts(message: Uint8Array | string): string {
  return typeof message === 'string' ? message : `:${Buffer.from(message).toString()}`
}
