/** The two events through which the processes of a benchmark wake each other. */
import { ManagedSegment } from 'shmem'

/** Every process of a benchmark opens them the same way, whoever comes first. */
export function openEvents(name: string) {
  const segment = ManagedSegment.openOrCreate(name, { size: '4MiB' })
  return { segment, there: segment.event('there', { reset: 'auto' }), back: segment.event('back', { reset: 'auto' }) }
}

/** Without a number: the library's own spin budget. */
export function waitOptions(spinMicros?: number): { spinMicros?: number } {
  return spinMicros === undefined ? {} : { spinMicros }
}
