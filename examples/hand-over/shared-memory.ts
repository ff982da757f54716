/**
 * The hand-over through shared memory: blocks in a segment, and two semaphores that say whose turn it is.
 *
 *     offset 0     writer's turn: a semaphore that counts the free slots
 *           64     reader's turn: a semaphore that counts the filled slots
 *          128     length of the block in each slot, one int32 a slot; 0 ends the round
 *         4096     the slots, 1 MiB each
 *
 * The segment is a memfd that the receiver inherits, and the semaphores lie inside it: no part of this has a name, so
 * the kernel frees all of it with the last of the two processes, however they end.
 */
import { MemfdSegment, PosixSemaphore } from 'shmem'
import { blockBytes, blocksPerRound, inheritedFds } from './protocol.js'
import { touchEveryCacheLine } from './touch.js'

const writersTurnOffset = 0
const readersTurnOffset = 64
const lengthsOffset = 128
const slotsOffset = 4096
/** One slot more than a round has blocks, for the empty block that ends it. */
const slotCount = blocksPerRound + 1

/** Waits are cut into slices, between which each side looks whether the other one still lives. */
const slice = { timeoutMs: 50 }

function viewsOf(segment: MemfdSegment): { lengths: Int32Array; slots: Buffer[] } {
  const slots = Array.from({ length: slotCount }, (_, index) => {
    const start = slotsOffset + index * blockBytes
    return segment.bytes.subarray(start, start + blockBytes)
  })
  return { lengths: new Int32Array(segment.buffer, lengthsOffset, slotCount), slots }
}

/** The blocks of a round with the slot of each, the empty one that ends the round included. */
function* blocksOf(round: Buffer): Generator<[slot: number, block: Buffer]> {
  const blockCount = Math.ceil(round.length / blockBytes)
  for (let slot = 0; slot <= blockCount; slot += 1) yield [slot, round.subarray(slot * blockBytes, (slot + 1) * blockBytes)]
}

/** The sender's end; it makes the segment, whose descriptor the receiver inherits. */
export class SharedMemorySender {
  readonly segment = MemfdSegment.create('hand-over', {
    size: slotsOffset + slotCount * blockBytes,
    prefault: true,
    // Neither side can shrink the memory under the other.
    seals: ['shrink', 'grow', 'seal'],
  })
  readonly #writersTurn = PosixSemaphore.init(this.segment, writersTurnOffset, { value: slotCount })
  readonly #readersTurn = PosixSemaphore.init(this.segment, readersTurnOffset, { value: 0 })
  readonly #views = viewsOf(this.segment)

  /** Copies a round into the slots, block by block, and hands each over. Between slices of waiting, `patience` may throw. */
  async send(round: Buffer, patience: () => Promise<void>): Promise<void> {
    for (const [slot, block] of blocksOf(round)) {
      await this.#fill(slot, block, patience)
      this.#handOver(slot, block.length)
    }
  }

  /** Lays a round into the slots without handing it over, as a program does that reads or computes straight into them. */
  async fill(round: Buffer, patience: () => Promise<void>): Promise<void> {
    for (const [slot, block] of blocksOf(round)) await this.#fill(slot, block, patience)
  }

  /** Hands over what `fill` has laid ready. */
  sendFilled(round: Buffer): void {
    for (const [slot, block] of blocksOf(round)) this.#handOver(slot, block.length)
  }

  async #fill(slot: number, block: Buffer, patience: () => Promise<void>): Promise<void> {
    while (this.#writersTurn.waitSync(slice) === 'timedOut') await patience()
    this.#views.slots[slot]?.set(block)
  }

  #handOver(slot: number, lengthBytes: number): void {
    this.#views.lengths[slot] = lengthBytes
    this.#readersTurn.post()
  }

  close(): void {
    this.segment.close()
  }
}

/** The receiver's end; the bytes stay in the segment until they are given back. */
export class SharedMemoryReceiver {
  readonly #segment = MemfdSegment.fromFd(inheritedFds.segment, { prefault: true })
  readonly #writersTurn = PosixSemaphore.at(this.#segment, writersTurnOffset)
  readonly #readersTurn = PosixSemaphore.at(this.#segment, readersTurnOffset)
  readonly #views = viewsOf(this.#segment)

  /** Takes blocks until the empty one; between slices of waiting, `patience` may throw. */
  receive(patience: () => void): { pieces: Uint8Array[]; touched: number } {
    const { lengths, slots } = this.#views
    const pieces: Uint8Array[] = []
    let touched = 0
    for (let slot = 0; ; slot += 1) {
      while (this.#readersTurn.waitSync(slice) === 'timedOut') patience()
      const length = lengths[slot] ?? 0
      const piece = slots[slot]?.subarray(0, length)
      if (piece === undefined || length === 0) return { pieces, touched }
      touched = (touched + touchEveryCacheLine(piece)) | 0
      pieces.push(piece)
    }
  }

  /** Makes all slots of a received round free again. */
  giveBack(pieces: Uint8Array[]): void {
    for (let taken = 0; taken <= pieces.length; taken += 1) this.#writersTurn.post()
  }
}
