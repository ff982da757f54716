/**
 * The objects of 73, each with messages so large that a read into one is not over when its process is killed.
 */
import type { Broadcast, Latest, ManagedSegment, Ring } from 'shmem'

export const BYTES = 128 << 20

export type Kind = 'one' | 'many' | 'latest' | 'broadcast'

/** The object of that kind, in either process. */
export function opened(mem: ManagedSegment, kind: Kind): Ring | Latest | Broadcast {
  switch (kind) {
    case 'one':
      return mem.ring(kind, { slots: 2, slotBytes: BYTES })
    case 'many':
      return mem.ring(kind, { slots: 2, slotBytes: BYTES, producers: 'many' })
    case 'latest':
      return mem.latest(kind, { bytes: BYTES, readers: 1 })
    case 'broadcast':
      return mem.broadcast(kind, { slots: 2, slotBytes: BYTES })
  }
}
