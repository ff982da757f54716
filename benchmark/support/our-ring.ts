/** Our side of the benchmarks of rings: this process receives what a partner (`children/ring-sender.ts`) sends. */
import { ManagedSegment, type Consumer, type Ring } from 'shmem'
import { nowNs } from './duties.js'
import { Partner } from './partner.js'

/** What is done with each message: the same words as in `probes/ring-one-one.c`. */
export type Payload = 'words' | 'ends' | 'copy'
/** Their order is that of the numbers that a duty gets. */
export const payloads: readonly Payload[] = ['words', 'ends', 'copy']

export interface Stream {
  payload: Payload
  messageBytes: number
  slots: number
  /** Messages that are published together. */
  batch: number
  count: number
}

export interface OurRing {
  /** Nanoseconds a message, at the end that receives. */
  stream(stream: Stream): Promise<number>
  close(): void
}

/** Longer than the other end needs for a full ring of small messages; but who spins on for an end that has no processor keeps it from it. */
export const spinMicros = 100

/** The ring of such messages in the segment that both share. */
export function ringOf(segment: ManagedSegment, slots: number, messageBytes: number): Ring {
  return segment.ring(`${slots} of ${messageBytes}`, { slots, slotBytes: messageBytes })
}

/** A ring for one producer and one consumer in a managed segment of that name. */
export function openOurRing(name: string): OurRing {
  const segment = ManagedSegment.create(name, { size: '24MiB' })
  const partner = new Partner('ring-sender', [name])
  const stream = async ({ payload, messageBytes, slots, batch, count }: Stream): Promise<number> => {
    const input = ringOf(segment, slots, messageBytes).consumer()
    const warmUp = Math.ceil(count / 10)
    const { answer } = await partner.begin('send', payloads.indexOf(payload), messageBytes, slots, batch, warmUp + count)
    const check = payload === 'words' ? checkWords : checkEnds
    check(input, 0, warmUp)
    const startedNs = nowNs()
    check(input, warmUp, warmUp + count)
    const tookNs = nowNs() - startedNs
    await answer
    input.close()
    return tookNs / count
  }
  return {
    stream,
    close: () => {
      partner.close()
      segment.remove()
      segment.close()
    },
  }
}

function checkWords(input: Consumer, from: number, to: number): void {
  const words = input.memory.u32
  const stride = input.memory.strideBytes / 4
  let next = from
  const check = (index: number, length: number): void => {
    const first = index * stride
    const count = length / 4
    if (sumOf(words, first, count) !== (Math.imul(count, next) + (count * (count - 1)) / 2 | 0)) throw new Error(`message ${next} has other words`)
    next += 1
  }
  drain(input, to - from, check)
}

/** Unrolled: V8 does not, and the C compiler does. Messages have a multiple of 16 words. */
function sumOf(words: Uint32Array, first: number, count: number): number {
  const word = (at: number): number => words[at] as number
  let sum = 0
  for (let at = first; at < first + count; at += 8) {
    sum = (sum + word(at) + word(at + 1) + word(at + 2) + word(at + 3) + word(at + 4) + word(at + 5) + word(at + 6) + word(at + 7)) | 0
  }
  return sum
}

function checkEnds(input: Consumer, from: number, to: number): void {
  const words = input.memory.u32
  const stride = input.memory.strideBytes / 4
  let next = from
  const check = (index: number, length: number): void => {
    const first = index * stride
    if (words[first] !== next || words[first + length / 4 - 1] !== next + length / 4 - 1) throw new Error(`message ${next} has other ends`)
    next += 1
  }
  drain(input, to - from, check)
}

function drain(input: Consumer, count: number, check: (index: number, length: number) => void): void {
  for (let left = count; left > 0; ) {
    const drained = input.drainIndex(left, check)
    if (drained === 0) input.waitSync({ spinMicros })
    left -= drained
  }
}
