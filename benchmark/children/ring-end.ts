/**
 * An end of a ring of many: sends so many messages of 64 bytes, or receives and checks them until they end.
 * Its arguments are the name of the managed segment, and how many slots the ring has.
 */
import { ManagedSegment } from 'shmem'
import { nowNs, serve } from '../support/duties.js'
import { endMark, ringOfMany, spinMicros } from '../support/our-ring-many.js'

const wordCount = 16

const [name = '', slots = ''] = process.argv.slice(2)
const segment = ManagedSegment.open(name)
const ring = ringOfMany(segment, Number(slots))
const producersLeft = segment.word('producers left')

function send(startNs: number, producer: number, count: number, consumers: number): number[] {
  using output = ring.producer()
  const words = output.memory.i32
  const stride = output.memory.strideBytes / 4
  const write = (from: number, sequence: number): void => {
    let index = output.claimIndex()
    while (index < 0) {
      output.waitSync({ spinMicros })
      index = output.claimIndex()
    }
    const at = index * stride
    words[at] = from
    for (let word = 1; word < wordCount; word += 1) words[at + word] = sequence + word - 1
    output.commit()
  }
  while (nowNs() < startNs) continue
  for (let sequence = 0; sequence < count; sequence += 1) write(producer, sequence)
  // The last one sends the end to every consumer.
  if (producersLeft.sub(1) === 1) for (let mark = 0; mark < consumers; mark += 1) write(endMark, 0)
  return [count]
}

/** When the last message came; how many there were of each producer, and what their sequences add up to. */
function receive(startNs: number, producers: number): number[] {
  using input = ring.consumer()
  const words = input.memory.i32
  const stride = input.memory.strideBytes / 4
  const next = new Array<number>(producers).fill(0)
  const arrived = new Array<number>(producers).fill(0)
  const sums = new Array<number>(producers).fill(0)
  while (nowNs() < startNs) continue
  for (let lastNs = startNs; ; ) {
    const index = input.takeIndex()
    if (index < 0) {
      lastNs = nowNs()
      input.waitSync({ spinMicros })
      continue
    }
    const at = index * stride
    const producer = words[at] ?? 0
    const sequence = words[at + 1] ?? 0
    let isWhole = true
    for (let word = 2; word < wordCount; word += 1) if (words[at + word] !== sequence + word - 1) isWhole = false
    input.release()
    if (producer === endMark) return [Math.max(lastNs, nowNs()), ...arrived, ...sums]
    if (!isWhole || sequence < (next[producer] ?? Infinity)) throw new Error(`message ${sequence} of ${producer} is torn or late`)
    next[producer] = sequence + 1
    arrived[producer] = (arrived[producer] ?? 0) + 1
    sums[producer] = (sums[producer] ?? 0) + sequence
  }
}

await serve({
  send: (startNs = 0, producer = 0, count = 0, consumers = 0) => send(startNs, producer, count, consumers),
  receive: (startNs = 0, producers = 0) => receive(startNs, producers),
})
segment.close()
