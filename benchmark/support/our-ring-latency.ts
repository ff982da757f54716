/** Our side of `ring-latency.bench.ts`: messages of 64 bytes go to a partner and back, through a ring for each way. */
import type { Partner } from './partner.js'

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

/** Once there is one: two rings in a managed segment of that name. */
export function openRingPair(_name: string): RingPair | string {
  return 'Ring is not there yet.'
}
