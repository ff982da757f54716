/**
 * The same hand-over through `process.send`, with the binary ("advanced") serialization and several blocks under way.
 */
import type { ChildProcess, Serializable } from 'node:child_process'
import { blockBytes } from './protocol.js'
import { touchEveryCacheLine } from './touch.js'

/** Blocks that may wait in the channel at once; more do not make it faster. */
const blocksUnderWay = 4

/** Sends a round; resolves once the kernel took the last block. */
export async function sendThroughChannel(child: ChildProcess, round: Buffer): Promise<void> {
  const sends: Promise<void>[] = []
  for (let start = 0; start < round.length; start += blockBytes) {
    if (sends.length >= blocksUnderWay) await sends[sends.length - blocksUnderWay]
    sends.push(sendOne(child, round.subarray(start, start + blockBytes)))
  }
  await Promise.all(sends)
}

function sendOne(child: ChildProcess, block: Serializable): Promise<void> {
  return new Promise((resolve) => {
    // A channel fails because the receiver ended; the caller hears of that, and says it better.
    child.send(block, () => resolve())
  })
}

/** The receiver's end; the caller passes it each message that is a block. */
export class ChannelReceiver {
  #pieces: Uint8Array[] = []
  #missingBytes = 0
  #touched = 0
  #finish: (() => void) | undefined

  /** Starts to expect a round. What it promises is the round, of which every cache line has been touched. */
  receive(sizeBytes: number): Promise<{ pieces: Uint8Array[]; touched: number }> {
    this.#pieces = []
    this.#missingBytes = sizeBytes
    this.#touched = 0
    return new Promise((resolve) => {
      this.#finish = () => resolve({ pieces: this.#pieces, touched: this.#touched })
    })
  }

  take(piece: Uint8Array): void {
    this.#touched = (this.#touched + touchEveryCacheLine(piece)) | 0
    this.#pieces.push(piece)
    this.#missingBytes -= piece.length
    if (this.#missingBytes === 0) this.#finish?.()
  }
}
