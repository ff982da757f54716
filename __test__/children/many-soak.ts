/**
 * One end of a ring of many, for the soak: a producer sends so many numbered messages, a consumer checks all that it gets until the producers have ended.
 * Usage: many-soak.js <segment> <options of the ring> producer <number of the producer> <messages>, or … consumer.
 */
import { ManagedSegment } from 'shmem'
import { MESSAGE_BYTES, isWhole, mixed, writeMessage } from '../support/many-message.js'

/** What a consumer got of a producer. */
export interface Got {
  sender: number
  count: number
  /** Of the numbers. */
  sum: number
  /** Of a hash of each number: two for one, or one for another, would change it. */
  hashes: number
}

const [, , segment = '', options = '', role = '', sender = '', messages = ''] = process.argv
const mem = ManagedSegment.open(segment)
const ring = mem.ring('soak', JSON.parse(options) as Parameters<typeof mem.ring>[1])

if (role === 'producer') send(Number(sender), Number(messages))
else process.stdout.write(`${JSON.stringify(receive())}\n`)
mem.close()

function send(id: number, count: number): void {
  const output = ring.producer()
  const bytes = new Uint8Array(MESSAGE_BYTES)
  const words = new Int32Array(bytes.buffer)
  const slots = output.memory.i32
  const stride = output.memory.strideBytes / 4
  for (let number = 0; number < count; number += 1) {
    const index = output.claimIndex()
    if (index >= 0) {
      writeMessage(slots, index * stride, id, number)
      output.commit()
    } else {
      writeMessage(words, 0, id, number)
      const sent = output.sendSync(bytes)
      if (sent !== 'sent') throw new Error(`message ${number} was not sent: ${sent}`)
    }
  }
}

function receive(): Got[] {
  const input = ring.consumer()
  const slots = input.memory.i32
  const stride = input.memory.strideBytes / 4
  const got = new Map<number, Got & { last: number }>()
  for (;;) {
    const index = input.takeIndex()
    if (index >= 0) {
      check(slots, index * stride)
      input.release()
      continue
    }
    const message = input.receiveSync()
    if (message === 'ended') return [...got.values()].map(({ sender: id, count, sum, hashes }) => ({ sender: id, count, sum, hashes }))
    if (typeof message === 'string') throw new Error(message)
    check(new Int32Array(message.buffer, message.byteOffset, message.length / 4), 0)
  }

  function check(words: Int32Array, at: number): void {
    if (!isWhole(words, at)) throw new Error(`a torn message of ${words[at]}: ${words[at + 1]}`)
    const id = words[at] as number
    const number = words[at + 1] as number
    let of = got.get(id)
    if (of === undefined) got.set(id, (of = { sender: id, count: 0, sum: 0, hashes: 0, last: -1 }))
    if (number <= of.last) throw new Error(`message ${number} of ${id} came after ${of.last}`)
    of.last = number
    of.count += 1
    of.sum += number
    of.hashes = (of.hashes + mixed(id, number, 1)) | 0
  }
}
