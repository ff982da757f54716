/** Our side of `ring-many.bench.ts`: partners send to partners. */

export interface RingOfMany {
  /** Nanoseconds a message of that many, from the common start until the last one is received. */
  stream(count: number): Promise<number>
  close(): void
}

/** Once there is one: a ring for many producers and many consumers in a managed segment of that name. */
export function openOurRingOfMany(_name: string, _geometry: { producers: number; consumers: number; slots: number }): RingOfMany | string {
  return 'Ring is not there yet.'
}
