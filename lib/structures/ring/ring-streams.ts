/**
 * The ends of a ring as streams of Node's: a message a chunk, or bytes.
 *
 * @module
 */

import { Readable, Writable } from 'node:stream'
import * as check from '../../arguments.js'
import { ShmError } from '../../errors.js'
import type { Consumer } from './ring-consumer.js'
import { sendAndWait, type Producer } from './ring-producer.js'

/** How a ring is read as a stream. */
export interface RingReadableOptions {
  /** A message a chunk, also an empty one; else bytes, whose division into chunks means nothing. @default false */
  objectMode?: boolean | undefined
  /** As Node's: so many bytes, or messages, are read before somebody asks for them. @default Node's */
  highWaterMark?: number | undefined
}

/** How a ring is written as a stream. */
export interface RingWritableOptions {
  /** A chunk is a message, a `Uint8Array` or text, and fails where it is longer than a slot; else bytes, which are divided into messages as slots are long. @default false */
  objectMode?: boolean | undefined
  /** As Node's: `write()` answers `false` from so many bytes, or messages, on that wait. @default Node's */
  highWaterMark?: number | undefined
}

/** A stream over the consumer that `take` takes. @internal */
export function readableOf(take: () => Consumer, options: RingReadableOptions | undefined): Readable {
  const given = terms(options)
  const consumer = take()
  // An empty chunk would be no news to a stream of bytes, and it would never be asked again.
  const skipsEmpty = given.objectMode !== true
  const abort = new AbortController()
  const isChunk = (message: Uint8Array | string): message is Uint8Array => typeof message !== 'string' && !(skipsEmpty && message.length === 0)
  /** Pushes what is there; whether that was anything. One `read()` pushes, then returns: the next may come at once. */
  const pushAll = (stream: Readable): boolean => {
    let pushed = false
    for (;;) {
      const message = consumer.tryReceive()
      if (message === 'empty' || message === 'ended') return pushed
      if (!isChunk(message)) continue
      pushed = true
      if (!stream.push(message)) return true
    }
  }
  const pushNext = async (stream: Readable): Promise<void> => {
    for (;;) {
      const message = await consumer.receive({ signal: abort.signal })
      if (message === 'peerDied') throw died('producer')
      if (message === 'ended' || isChunk(message)) return void stream.push(message === 'ended' ? null : message)
    }
  }
  return new Readable({
    ...given,
    read() {
      try {
        if (!pushAll(this)) pushNext(this).catch((error: Error) => this.destroy(error))
      } catch (error) {
        this.destroy(error as Error)
      }
    },
    destroy(error, callback) {
      abort.abort()
      consumer.close()
      callback(error)
    }
  })
}

/** A stream over the producer that `take` takes. @internal */
export function writableOf(take: () => Producer, slotBytes: number, options: RingWritableOptions | undefined): Writable {
  const given = terms(options)
  const producer = take()
  const abort = new AbortController()
  const wait = { timeoutMs: Infinity, signal: abort.signal, ref: true }
  const send = async (message: Uint8Array | string): Promise<void> => {
    const sent = await sendAndWait(producer, message, wait)
    if (sent === 'ended') throw new ShmError({ code: 'ERR_SHM_ENDED', message: 'the ring has ended: nobody will take what is written' })
    if (sent === 'peerDied') throw died('consumer')
  }
  const sendBytes = async (bytes: Uint8Array): Promise<void> => {
    for (let start = 0; start < bytes.length; start += slotBytes) await send(bytes.subarray(start, start + slotBytes))
  }
  return new Writable({
    ...given,
    write(chunk: Uint8Array | string, _encoding, callback) {
      void told(given.objectMode === true ? send(chunk) : sendBytes(chunk as Uint8Array), callback)
    },
    final(callback) {
      try {
        producer.end()
        callback()
      } catch (error) {
        callback(error as Error)
      }
    },
    destroy(error, callback) {
      abort.abort()
      producer.close()
      callback(error)
    }
  })
}

/** Tells a stream how it ended. */
async function told(sent: Promise<void>, callback: (error?: Error | null) => void): Promise<void> {
  try {
    await sent
  } catch (error) {
    return callback(error as Error)
  }
  callback()
}

function terms(options: RingReadableOptions | undefined): RingReadableOptions {
  const { objectMode, highWaterMark } = check.options<RingReadableOptions>('options', options, ['objectMode', 'highWaterMark'])
  return {
    objectMode: check.flag('options.objectMode', objectMode, false),
    ...(highWaterMark === undefined ? {} : { highWaterMark: check.integer('options.highWaterMark', highWaterMark, 0, 2 ** 31 - 1) })
  }
}

function died(who: string): ShmError {
  return new ShmError({ code: 'ERR_SHM_PEER_DIED', message: `the ${who} of the ring died` })
}
