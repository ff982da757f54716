/** Our side of `ring-latency.bench.ts`: messages of 64 bytes go to a partner and back, through a ring for each way. */
import { ManagedSegment, type Consumer, type Producer } from 'shmem'
import { Partner } from './partner.js'
import { idleWakes, pingPong } from './wakes.js'

/** How both processes wait for a message. */
export type WaitKind = { blocks: boolean; spinMicros: number }

export interface RingPair {
  partner: Partner
  /** Nanoseconds one way, of so many rounds. */
  pingPong(rounds: number, wait: WaitKind): Promise<number>
  /** Nanoseconds one way of each message to a partner whose event loop sleeps. */
  idle(messages: number): Promise<number[]>
  close(): void
}

interface Ends {
  out: Producer
  input: Consumer
}

const options = { slots: 64, slotBytes: 64 }
let partnersEnds: Ends | undefined

/** The partner's ends. */
export function ringsThere(segment: ManagedSegment): Ends {
  partnersEnds ??= { out: segment.ring('back', options).producer(), input: segment.ring('there', options).consumer() }
  return partnersEnds
}

/** Two rings in a managed segment of that name. */
export function openRingPair(name: string): RingPair {
  const segment = ManagedSegment.create(name, { size: '1MiB' })
  const partner = new Partner('ring-sender', [name])
  const out = segment.ring('there', options).producer()
  const input = segment.ring('back', options).consumer()
  const ends = { out, input }
  return {
    partner,
    pingPong: (rounds, { blocks, spinMicros }) => {
      const play = async (count: number): Promise<void> => {
        if (blocks) ask(ends, count, spinMicros)
        else await askLater(ends, count, spinMicros)
      }
      return pingPong(partner, [blocks ? 'ring echo, blocking' : 'ring echo', spinMicros], play, rounds)
    },
    idle: messages => idleWakes(partner, ['ring arrivals'], () => send(out, 0), messages),
    close: () => {
      partner.close()
      segment.remove()
      segment.close()
    },
  }
}

function ask({ out, input }: Ends, rounds: number, spinMicros: number): void {
  for (let round = 0; round < rounds; round += 1) {
    send(out, round)
    receive(input, round, spinMicros)
  }
}

/** Sends what comes back, so many times. */
export function echo({ out, input }: Ends, rounds: number, spinMicros: number): void {
  for (let round = 0; round < rounds; round += 1) {
    receive(input, round, spinMicros)
    send(out, round)
  }
}

async function askLater({ out, input }: Ends, rounds: number, spinMicros: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    send(out, round)
    await receiveLater(input, round, spinMicros)
  }
}

/** As {@link echo}, with the event loop free. */
export async function echoLater({ out, input }: Ends, rounds: number, spinMicros: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await receiveLater(input, round, spinMicros)
    send(out, round)
  }
}

function send(out: Producer, round: number): void {
  const index = out.claimIndex()
  if (index < 0) throw new Error('the ring is full')
  const first = (index * out.memory.strideBytes) / 4
  out.memory.u32[first] = round
  out.memory.u32[first + 15] = round
  out.commit()
}

/** Who spins looks by itself: `waitSync` leaves time between its looks. */
function receive(input: Consumer, round: number, spinMicros: number): void {
  let index = input.takeIndex()
  while (index < 0) {
    if (spinMicros === 0) input.waitSync({ spinMicros: 0 })
    index = input.takeIndex()
  }
  check(input, index, round)
}

async function receiveLater(input: Consumer, round: number, spinMicros: number): Promise<void> {
  let index = input.takeIndex()
  while (index < 0) {
    await input.wait({ spinMicros })
    index = input.takeIndex()
  }
  check(input, index, round)
}

function check(input: Consumer, index: number, round: number): void {
  const first = (index * input.memory.strideBytes) / 4
  if (input.memory.u32[first] !== round || input.memory.u32[first + 15] !== round) throw new Error(`message ${round} has other ends`)
  input.release()
}
