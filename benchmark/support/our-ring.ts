/** Our side of the benchmarks of rings: this process receives what a partner sends. */

/** What is done with each message: the same words as in `probes/ring-one-one.c`. */
export type Payload = 'words' | 'ends' | 'copy'

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

/** Once there is one: a ring for one producer and one consumer in a managed segment of that name. */
export function openOurRing(_name: string): OurRing | string {
  return 'Ring is not there yet.'
}
