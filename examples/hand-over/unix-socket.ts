/**
 * The same hand-over through a Unix socket, tuned as well as Node allows: writes of 1 MiB, and a receiver that has the
 * kernel copy straight to where the bytes stay (`onread`), with no buffer allocated on the way.
 *
 * The socket is the unnamed pair that `spawn` makes for a `'pipe'`; it leaves no file behind.
 */
import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net'
import { blockBytes, inheritedFds, roundBytes } from './protocol.js'
import { touchEveryCacheLine } from './touch.js'

/** Writes a round, never more than one block ahead of what the kernel took. */
export async function sendThroughSocket(socket: Socket, round: Buffer): Promise<void> {
  for (let start = 0; start < round.length; start += blockBytes) {
    if (!socket.write(round.subarray(start, start + blockBytes))) await drained(socket)
  }
}

/** A socket fails because the receiver ended; the caller hears of that, and need not hear it twice. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('drain', () => resolve()))
}

/** The receiver's end, with a private buffer in which a round stays until its checksum is known. */
export class SocketReceiver {
  readonly #round = Buffer.alloc(roundBytes)
  #expectedBytes = 0
  #receivedBytes = 0
  #touched = 0
  #finish: (() => void) | undefined

  constructor() {
    const options: SocketConstructorOpts & { onread: OnReadOpts } = {
      fd: inheritedFds.socket,
      onread: {
        buffer: () => this.#round.subarray(this.#receivedBytes),
        callback: (byteCount, buffer) => {
          this.#take(buffer.subarray(0, byteCount))
          return true
        },
      },
    }
    new Socket(options).read(0)
  }

  /** Starts to expect a round. What it promises is the round, of which every cache line has been touched. */
  receive(sizeBytes: number): Promise<{ pieces: Uint8Array[]; touched: number }> {
    this.#expectedBytes = sizeBytes
    this.#touched = 0
    return new Promise((resolve) => {
      this.#finish = () => resolve({ pieces: [this.#round.subarray(0, sizeBytes)], touched: this.#touched })
    })
  }

  #take(piece: Uint8Array): void {
    this.#touched = (this.#touched + touchEveryCacheLine(piece)) | 0
    this.#receivedBytes += piece.length
    if (this.#receivedBytes < this.#expectedBytes) return
    // Node asks where to put the next bytes as soon as this returns.
    this.#receivedBytes = 0
    this.#finish?.()
  }
}
