/**
 * The rows of the bad-input table for rings. Their ends are not exported: 65.ring-one.test.ts has their bad input.
 */
import { ManagedSegment, MemfdSegment } from 'shmem'
import * as bad from './bad-values.js'
import { needs, takes, type Argument } from './bad-values.js'

/** A managed segment with a ring. */
export function makeRing() {
  const segment = MemfdSegment.create('bad', { size: '1MiB' })
  const mem = ManagedSegment.openOrCreate(segment, { members: 4 })
  return { segment, mem, ring: mem.ring('ring', { slots: 2, slotBytes: 8 }) }
}

/** Takes it down. */
export function endRing({ segment, mem }: ReturnType<typeof makeRing>): void {
  mem.close()
  segment.close()
}

/** The rows. */
export function ringRows(): Record<string, Argument[]> {
  const name = needs('name', 'another', [...bad.text, 'x'.repeat(65), 'é'.repeat(33), 'x'.repeat(70_000)])
  const geometry = {
    slots: [...bad.whole(2, 2 ** 24), undefined], slotBytes: [...bad.whole(1, 2 ** 30), undefined], producers: bad.word, consumers: bad.word, whenFull: bad.word
  }
  const stream = takes('options', {}, bad.object, { objectMode: bad.flag, highWaterMark: bad.whole(0, 2 ** 31 - 1) })
  return {
    'ManagedSegment#ring': [name, needs('options', { slots: 2, slotBytes: 8 }, bad.object, geometry)],
    'new Ring': [needs('opened', undefined, bad.handle)],
    'Ring#producer': [],
    'Ring#consumer': [],
    'Ring#stats': [],
    'Ring#readable': [stream],
    'Ring#writable': [stream]
  }
}
