/**
 * How long a wake of another process takes until its event loop runs the answer: one way when both are idle, and in a
 * ping-pong. The ways differ in what `send` does and in what the partner's duty waits for.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ByteSocket } from './byte-socket.js'
import { nowNs, type Duty } from './duties.js'
import { messageBytes, writeMessage } from './messages.js'
import type { Partner } from './partner.js'
import type { WorkerPartner } from './worker-partner.js'

/** A duty and its numbers after the count. */
export type DutyCall = [duty: string, ...numbers: number[]]

/** The process or the thread that is woken. */
export type Woken = Pick<Partner | WorkerPartner, 'begin' | 'whileAlive'>

/** Long enough for both processes to be asleep in their event loops. */
const idleMs = 5

/** What the partner does for the functions below over the socket. */
export function socketDuties(socket: ByteSocket): Record<string, Duty> {
  return {
    'socket arrivals': (count = 0) => socket.arrivals(count, nowNs),
    'socket echo': async (count = 0) => {
      await socket.echo(count)
      return []
    },
  }
}

/** Nanoseconds one way of each of `count` wakes. The duty answers the times at which it was awake, from the same clock. */
export async function idleWakes(partner: Woken, [duty, ...numbers]: DutyCall, send: (wake: number) => void, count: number): Promise<number[]> {
  const { answer } = await partner.begin(duty, count, ...numbers)
  const sentNs: number[] = []
  for (let wake = 0; wake < count; wake += 1) {
    await sleep(idleMs)
    sentNs.push(nowNs())
    send(wake)
  }
  const arrivedNs = await answer
  if (arrivedNs.length !== count) throw new Error(`${count} wakes were sent, ${arrivedNs.length} arrived`)
  return arrivedNs.map((timeNs, wake) => timeNs - (sentNs[wake] ?? Number.NaN))
}

/** Nanoseconds one way, of that many rounds there and back, by the partner's duty of the same count. */
export async function pingPong(
  partner: Woken,
  [duty, ...numbers]: DutyCall,
  play: (rounds: number) => Promise<void>,
  rounds: number,
): Promise<number> {
  const { answer } = await partner.begin(duty, rounds, ...numbers)
  const startedNs = nowNs()
  await partner.whileAlive(play(rounds))
  const tookNs = nowNs() - startedNs
  await answer
  return tookNs / rounds / 2
}

/** The waker's side of a ping-pong over the socket. */
export async function playSocket(socket: ByteSocket, rounds: number): Promise<void> {
  let left = rounds
  await new Promise<void>((resolve) => {
    socket.listen(() => {
      left -= 1
      if (left === 0) resolve()
      else socket.send()
    })
    socket.send()
  })
}

/** The waker's side of a ping-pong of messages of 64 bytes with a worker thread. */
export async function playWorker(worker: WorkerPartner, rounds: number): Promise<void> {
  const words = new Uint32Array(messageBytes / Uint32Array.BYTES_PER_ELEMENT)
  let round = 0
  const post = (): void => {
    writeMessage(words, round)
    worker.post(words)
  }
  await new Promise<void>((resolve) => {
    worker.listen(() => {
      round += 1
      if (round === rounds) resolve()
      else post()
    })
    post()
  })
}
