/**
 * One end of a ring of many in another process, as it is told: claims, takes, and dies with it in hand.
 * Usage: many-end.js <segment> <options of the ring>
 */
import { ManagedSegment } from 'shmem'
import { answer } from '../support/replies.js'

const mem = ManagedSegment.open(process.argv[2] ?? '', { memberName: 'end' })
const ring = mem.ring('ring', JSON.parse(process.argv[3] ?? '') as Parameters<typeof mem.ring>[1])
let producer: ReturnType<typeof ring.producer> | undefined
let consumer: ReturnType<typeof ring.consumer> | undefined
const output = (): ReturnType<typeof ring.producer> => (producer ??= ring.producer())
const input = (): ReturnType<typeof ring.consumer> => (consumer ??= ring.consumer())
const text = (message: Uint8Array | string): string => (typeof message === 'string' ? message : Buffer.from(message).toString())

answer({
  trySend: (message: string) => output().trySend(message),
  sendSync: (message: string) => output().sendSync(message),
  claim: () => output().claim() !== undefined,
  commit: (length: number) => output().commit(length),
  abort: () => output().abort(),
  tryReceive: () => text(input().tryReceive()),
  receiveSync: () => text(input().receiveSync()),
  take: () => input().take()?.length,
  release: () => input().release(),
  end: () => output().end()
})
