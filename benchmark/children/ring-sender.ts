/** The process that sends messages through a ring, and echoes them. Its argument is the name of the managed segment. */
import { ManagedSegment, type Producer } from 'shmem'
import { nowNs, serve } from '../support/duties.js'
import { echo, echoLater, ringsThere } from '../support/our-ring-latency.js'
import { payloads, ringOf, spinMicros } from '../support/our-ring.js'

const segment = ManagedSegment.open(process.argv[2] ?? '')

await serve({
  send: (payload = 0, messageBytes = 0, slots = 0, batch = 1, count = 0) => {
    const out = ringOf(segment, slots, messageBytes).producer()
    const kind = payloads[payload] ?? 'words'
    if (kind === 'copy') sendCopies(out, count)
    else if (batch === 1) sendEach(out, kind === 'words', count)
    else sendBatches(out, kind === 'words', batch, count)
    out.close()
    return []
  },
  'ring echo, blocking': (rounds = 0, micros = 0) => {
    echo(ringsThere(segment), rounds, micros)
    return []
  },
  'ring echo': async (rounds = 0, micros = 0) => {
    await echoLater(ringsThere(segment), rounds, micros)
    return []
  },
  'ring arrivals': async (count = 0) => {
    const { input } = ringsThere(segment)
    const times: number[] = []
    while (times.length < count) {
      await input.wait({ spinMicros: 0 })
      input.takeIndex()
      input.release()
      times.push(nowNs())
    }
    return times
  },
})
segment.close()

function sendEach(out: Producer, allWords: boolean, count: number): void {
  const words = out.memory.u32
  const stride = out.memory.strideBytes / 4
  const length = out.slotBytes / 4
  for (let next = 0; next < count; next += 1) {
    let index = out.claimIndex()
    while (index < 0) {
      out.waitSync({ spinMicros })
      index = out.claimIndex()
    }
    if (allWords) fill(words, index * stride, length, next)
    else fillEnds(words, index * stride, length, next)
    out.commit()
  }
}

function sendBatches(out: Producer, allWords: boolean, batch: number, count: number): void {
  const words = out.memory.u32
  const stride = out.memory.strideBytes / 4
  const length = out.slotBytes / 4
  for (let next = 0; next < count; ) {
    const got = out.claimBatch(Math.min(batch, count - next))
    for (let message = 0; message < got; message += 1, next += 1) {
      const first = out.batchIndex(message) * stride
      if (allWords) fill(words, first, length, next)
      else fillEnds(words, first, length, next)
    }
    if (got > 0) out.commitBatch()
    else out.waitSync({ spinMicros })
  }
}

function sendCopies(out: Producer, count: number): void {
  const words = new Uint32Array(out.slotBytes / 4)
  const bytes = new Uint8Array(words.buffer)
  for (let next = 0; next < count; next += 1) {
    fillEnds(words, 0, words.length, next)
    out.sendSync(bytes, { spinMicros })
  }
}

/** Unrolled: V8 does not, and the C compiler does. Messages have a multiple of 16 words. */
function fill(words: Uint32Array, first: number, length: number, next: number): void {
  for (let at = first, value = next; at < first + length; at += 8, value += 8) {
    words[at] = value
    words[at + 1] = value + 1
    words[at + 2] = value + 2
    words[at + 3] = value + 3
    words[at + 4] = value + 4
    words[at + 5] = value + 5
    words[at + 6] = value + 6
    words[at + 7] = value + 7
  }
}

function fillEnds(words: Uint32Array, first: number, length: number, next: number): void {
  words[first] = next
  words[first + length - 1] = next + length - 1
}
