/** Our side of `latest.bench.ts`: `mem.latest('pose', { bytes })` of a managed segment of that name. */
import { ManagedSegment } from 'shmem'

export interface LatestValue {
  write(value: Uint8Array): void
  /** Into the target. */
  read(target: Uint8Array): void
  close(): void
}

const READERS = 8

export function openLatest(name: string, bytes: number): LatestValue {
  const mem = ManagedSegment.create(name, { size: (1 << 20) + (READERS + 2) * (bytes + 64) })
  const pose = mem.latest('pose', { bytes, readers: READERS })
  const [out, input] = [pose.writer(), pose.reader()]
  return {
    write: value => void out.write(value),
    read: target => void input.read(target),
    close: () => {
      mem.close()
      mem.remove()
    }
  }
}
