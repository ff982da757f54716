/**
 * Messages of 64 bytes that go one at a time from this process to a partner over what Node has: the channel of
 * `process.send`, a Unix socket, and `postMessage` to a thread of this process. A message is 16 words, of which the first is its place in the sequence and each other
 * one more than the word before it; the partner checks all of them.
 */
import type { ChildProcess, SerializationType } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { nowNs } from './duties.js'
import { Partner } from './partner.js'
import { WorkerPartner } from './worker-partner.js'

export const messageBytes = 64
const messageWords = messageBytes / Uint32Array.BYTES_PER_ELEMENT

/** What goes over the channel: numbers as JSON, bytes where it is serialized by the structured clone algorithm. */
export type ChannelMessage = number[] | Uint8Array

/** Whether the words are those of the message at that place; any kind of array will do. */
export function isMessage(words: ArrayLike<number>, sequence: number): boolean {
  for (let word = 0; word < messageWords; word += 1) {
    if (words[word] !== (sequence + word) >>> 0) return false
  }
  return words.length === messageWords
}

/** The words of a message that came over the channel. A clone need not lie at a multiple of four. */
export function wordsOf(message: ChannelMessage): ArrayLike<number> {
  return Array.isArray(message) ? message : new Uint32Array(message.slice().buffer)
}

/** A partner and one way of messages to it. */
export class MessageWay {
  readonly name: string
  readonly #partner: Partner | WorkerPartner
  readonly #send: (count: number) => Promise<void>

  private constructor(name: string, partner: Partner | WorkerPartner, send: (count: number) => Promise<void>) {
    this.name = name
    this.#partner = partner
    this.#send = send
  }

  static overSocket(): MessageWay {
    const partner = new Partner('message-receiver')
    const writer = new MessageWriter(partner.socket)
    return new MessageWay('Unix socket', partner, (count) => writer.send(count))
  }

  static overChannel(serialization: SerializationType): MessageWay {
    const partner = new Partner('message-receiver', [], { channel: serialization })
    const asBytes = serialization === 'advanced'
    return new MessageWay(`process.send, ${serialization}`, partner, (count) => sendOverChannel(partner.channel, count, asBytes))
  }

  /** `postMessage` takes whatever it is given; nothing says when the thread is behind. */
  static overWorker(): MessageWay {
    const partner = new WorkerPartner('message-worker')
    const words = new Uint32Array(messageWords)
    return new MessageWay('worker postMessage', partner, async (count) => {
      for (let sequence = 0; sequence < count; sequence += 1) {
        writeMessage(words, sequence)
        partner.post(words)
      }
    })
  }

  /** Nanoseconds a message of that many, until the partner has checked the last one. */
  async stream(count: number): Promise<number> {
    const { answer } = await this.#partner.begin('receive', count)
    const startedNs = nowNs()
    await this.#partner.whileAlive(this.#send(count))
    const [checked] = await answer
    if (checked !== count) throw new Error(`${count} messages were sent, ${checked} arrived`)
    return (nowNs() - startedNs) / count
  }

  close(): void {
    this.#partner.close()
  }
}

/** As many messages as the channel takes; then it waits until one more is written. */
async function sendOverChannel(channel: ChildProcess, count: number, asBytes: boolean): Promise<void> {
  let sequence = 0
  while (sequence < count) {
    const hasRoom = channel.send(channelMessage(sequence, asBytes))
    sequence += 1
    if (hasRoom || sequence === count) continue
    const message = channelMessage(sequence, asBytes)
    await new Promise<void>((resolve, reject) => {
      channel.send(message, (error) => (error === null ? resolve() : reject(error)))
    })
    sequence += 1
  }
}

function channelMessage(sequence: number, asBytes: boolean): ChannelMessage {
  if (!asBytes) return Array.from({ length: messageWords }, (_, word) => sequence + word)
  const words = new Uint32Array(messageWords)
  writeMessage(words, sequence)
  return new Uint8Array(words.buffer)
}

/** One write a message. The socket keeps what it could not write at once, so that there are more messages than it keeps. */
class MessageWriter {
  readonly #socket: Socket
  readonly #messages: { bytes: Uint8Array; words: Uint32Array }[]

  constructor(socket: Socket) {
    this.#socket = socket
    const atOnce = 2 * Math.ceil(socket.writableHighWaterMark / messageBytes)
    this.#messages = Array.from({ length: atOnce }, () => {
      const words = new Uint32Array(messageWords)
      return { words, bytes: new Uint8Array(words.buffer) }
    })
  }

  async send(count: number): Promise<void> {
    for (let sequence = 0; sequence < count; sequence += 1) {
      const message = this.#messages[sequence % this.#messages.length]
      if (message === undefined) throw new RangeError('the socket keeps no message')
      writeMessage(message.words, sequence)
      if (!this.#socket.write(message.bytes)) await once(this.#socket, 'drain')
    }
  }
}

/** Puts the bytes of a stream together to messages, and hands out the words of each until it has taken another. */
export class MessageReader {
  readonly #bytes = new Uint8Array(messageBytes)
  readonly #words = new Uint32Array(this.#bytes.buffer)
  #filled = 0

  take(chunk: Uint8Array, onMessage: (words: Uint32Array) => void): void {
    let offset = 0
    while (offset < chunk.length) {
      const end = Math.min(offset + messageBytes - this.#filled, chunk.length)
      this.#bytes.set(chunk.subarray(offset, end), this.#filled)
      this.#filled += end - offset
      offset = end
      if (this.#filled < messageBytes) return
      this.#filled = 0
      onMessage(this.#words)
    }
  }
}

/** Makes the words those of the message at that place. */
export function writeMessage(words: Uint32Array, sequence: number): void {
  for (let word = 0; word < messageWords; word += 1) words[word] = sequence + word
}
