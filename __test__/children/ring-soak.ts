/**
 * The sending end of a ring of one and one, for 66.ring-one-soak.test.ts: so many messages, each with its number in two places, in batches, one by one and as copies.
 */
import { ManagedSegment, type RingOptions } from 'shmem'

const [name = '', options = '', count = ''] = process.argv.slice(2)
const mem = ManagedSegment.open(name)
const out = mem.ring('ring', JSON.parse(options) as RingOptions).producer()
const { i32: words, strideBytes } = out.memory
const stride = strideBytes / 4
const last = out.slotBytes / 4 - 1
const messages = Number(count)

for (let next = 0; next < messages; ) {
  // Some thousands in each way.
  const until = Math.min(messages, next + 10_000)
  const way = (next / 10_000) % 4
  while (next < until) {
    if (way === 3) next = copy(next)
    else if (way === 2) next = one(next)
    else next = batch(next, Math.min(way === 0 ? 64 : 7, until - next))
  }
}
out.end()
mem.close()

function batch(next: number, wished: number): number {
  const got = out.claimBatch(wished)
  if (got === 0) {
    out.waitSync()
    return next
  }
  for (let message = 0; message < got; message += 1) {
    const at = out.batchIndex(message) * stride
    words[at] = next + message
    words[at + last] = ~(next + message)
  }
  out.commitBatch()
  return next + got
}

function one(next: number): number {
  const index = out.claimIndex()
  if (index < 0) {
    out.waitSync()
    return next
  }
  words[index * stride] = next
  words[index * stride + last] = ~next
  out.commit()
  return next + 1
}

function copy(next: number): number {
  const message = new Int32Array(last + 1)
  message[0] = next
  message[last] = ~next
  if (out.sendSync(new Uint8Array(message.buffer)) !== 'sent') throw new Error(`message ${next} was not sent`)
  return next + 1
}
