/** Our side of `ring-many.bench.ts`: partners send to partners. */
import { availableParallelism } from 'node:os'
import { ManagedSegment, type Ring } from 'shmem'
import { nowNs } from './duties.js'
import { Partner } from './partner.js'

export interface RingOfMany {
  /** Nanoseconds a message of that many, from the common start until the last one is received. */
  stream(count: number): Promise<number>
  close(): void
}

/** Stands instead of a producer when there are no more messages. */
export const endMark = 0xffff

/** Who spins with fewer processors than ends keeps one from the end that it waits for. */
export const spinMicros = availableParallelism() < 4 ? 0 : 20

/** Until all are there, who were told to begin. */
const headStartNs = 5e6

export function ringOfMany(segment: ManagedSegment, slots: number): Ring {
  return segment.ring('ring', { slots, slotBytes: 64, producers: 'many', consumers: 'many' })
}

/** A ring for many producers and many consumers in a managed segment of that name. */
export function openOurRingOfMany(name: string, geometry: { producers: number; consumers: number; slots: number }): RingOfMany {
  const { producers, consumers, slots } = geometry
  const segment = ManagedSegment.create(name, { size: '4MiB' })
  ringOfMany(segment, slots)
  const producersLeft = segment.word('producers left')
  const start = (): Partner => new Partner('ring-end', [name, String(slots)])
  const senders = Array.from({ length: producers }, start)
  const receivers = Array.from({ length: consumers }, start)

  async function stream(count: number): Promise<number> {
    producersLeft.store(producers)
    const startNs = nowNs() + headStartNs
    const shares = senders.map((_, producer) => Math.floor(count / producers) + Number(producer < count % producers))
    const received = receivers.map((receiver) => receiver.ask('receive', startNs, producers))
    await Promise.all(senders.map((sender, producer) => sender.ask('send', startNs, producer, shares[producer] ?? 0, consumers)))
    const answers = await Promise.all(received)
    for (const [producer, share] of shares.entries()) {
      const arrived = answers.reduce((sum, answer) => sum + (answer[1 + producer] ?? 0), 0)
      const sequences = answers.reduce((sum, answer) => sum + (answer[1 + producers + producer] ?? 0), 0)
      if (arrived !== share || sequences !== (share * (share - 1)) / 2) throw new Error(`${arrived} of ${share} messages of ${producer} came, or one of them twice`)
    }
    return (Math.max(...answers.map(([lastNs = 0]) => lastNs)) - startNs) / count
  }

  function close(): void {
    for (const partner of [...senders, ...receivers]) partner.close()
    segment.remove()
    segment.close()
  }

  return { stream, close }
}
