/** The process that messages of 64 bytes are sent to, over the channel of `process.send` or a Unix socket; it checks each. */
import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net'
import { serve } from '../support/duties.js'
import { isMessage, MessageReader, wordsOf, type ChannelMessage } from '../support/messages.js'
import { partnerSocketFd } from '../support/partner.js'

let onWords: (words: ArrayLike<number>) => void = () => {}

const reader = new MessageReader()
const buffer = Buffer.alloc(64 * 1024)
const options: SocketConstructorOpts & { onread: OnReadOpts } = {
  fd: partnerSocketFd,
  onread: {
    buffer,
    callback: (byteCount) => {
      reader.take(buffer.subarray(0, byteCount), onWords)
      return true
    },
  },
}
const socket = new Socket(options)
socket.on('error', () => {})
socket.read(0)
process.on('message', (message: ChannelMessage) => onWords(wordsOf(message)))

/** Resolves with the number of messages when they have all arrived in their order. */
function receive(count: number): Promise<number[]> {
  let next = 0
  return new Promise((resolve, reject) => {
    onWords = (words) => {
      if (!isMessage(words, next)) reject(new Error(`message ${next} has other words`))
      next += 1
      if (next === count) resolve([count])
    }
  })
}

await serve({ receive: (count = 0) => receive(count) })
socket.destroy()
if (process.connected) process.disconnect()
