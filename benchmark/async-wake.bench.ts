/**
 * How long does it take until a promise in another process hears of a wake, against a byte over a Unix socket between the
 * same two processes? The bars: no slower when both are idle, 0.3 times the socket in a ping-pong with a spin budget, and
 * 100 wakes in a burst cost one, counted in sleeps of the waiting process.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ByteSocket } from './support/byte-socket.js'
import { openEvents, waitOptions } from './support/events.js'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave } from './support/pairing.js'
import { Partner } from './support/partner.js'
import { atMost, Report } from './support/report.js'
import { summarize } from './support/statistics.js'
import { voluntarySwitches } from './support/switches.js'
import { idleWakes, pingPong, playSocket } from './support/wakes.js'

const options = parseOptions()
const report = new Report('async-wake', 'Wake a promise of another process, one way: how many times a Unix socket?', options)
const spinMicros = 100
const wakesASample = options.quick ? 10 : 40
const pingPongRounds = options.quick ? 500 : 4000
const burstsASample = options.quick ? 5 : 20
const setsABurst = 100
/** Between two bursts everybody has gone to sleep, and long after it a count of wakes is over. */
const burstGapMs = 10
const quietMs = 500

const { segment, there, back } = openEvents(`shmem-bench-${process.pid}`)
const partner = new Partner('event-waiter', [`shmem-bench-${process.pid}`])
const socket = new ByteSocket(partner.socket)

async function playEvent(rounds: number, budgetMicros?: number): Promise<void> {
  const wait = waitOptions(budgetMicros)
  for (let round = 0; round < rounds; round += 1) {
    there.set()
    await back.wait(wait)
  }
}

const medianMicros = (samplesNs: number[]): number => summarize(samplesNs).median / 1000

/** How often the threads of the waiting process went to sleep, a burst. */
async function switchesABurst(send: () => void): Promise<number> {
  await sleep(2 * burstGapMs)
  const before = voluntarySwitches(partner.pid)
  for (let burst = 0; burst < burstsASample; burst += 1) {
    send()
    await sleep(burstGapMs)
  }
  return (voluntarySwitches(partner.pid) - before) / burstsASample
}

const wakesOfBursts: number[] = []
async function eventBursts(sets: number): Promise<number> {
  const { answer } = await partner.begin('event wakes', quietMs)
  const switches = await switchesABurst(() => {
    for (let count = 0; count < sets; count += 1) there.set()
  })
  const [wakes = 0] = await answer
  if (wakes < burstsASample) throw new Error(`${burstsASample} bursts ended only ${wakes} waits`)
  if (sets > 1) wakesOfBursts.push(wakes / burstsASample)
  return switches
}

async function socketBursts(): Promise<number> {
  const { answer } = await partner.begin('socket arrivals', burstsASample * setsABurst)
  const switches = await switchesABurst(() => {
    for (let count = 0; count < setsABurst; count += 1) socket.send()
  })
  await answer
  return switches
}

try {
  const idle = await interleave(
    {
      ours: async () => medianMicros(await idleWakes(partner, ['event arrivals'], () => there.set(), wakesASample)),
      socket: async () => medianMicros(await idleWakes(partner, ['socket arrivals'], () => socket.send(), wakesASample)),
    },
    roundsFor(options),
  )
  const byte = (samples: number[]) => ({ name: 'a byte over a Unix socket', samples })
  const event = (samples: number[]) => ({ name: 'Event', samples })
  report.add({ subject: 'idle', unit: 'µs', ours: event(idle.ours), other: byte(idle.socket), bar: atMost(1, idle.ours, idle.socket) })

  const playing = await interleave(
    {
      ours: async () => (await pingPong(partner, ['event echo', spinMicros], (rounds) => playEvent(rounds, spinMicros), pingPongRounds)) / 1000,
      default: async () => (await pingPong(partner, ['event echo'], (rounds) => playEvent(rounds), pingPongRounds)) / 1000,
      socket: async () => (await pingPong(partner, ['socket echo'], (rounds) => playSocket(socket, rounds), pingPongRounds)) / 1000,
    },
    roundsFor(options),
  )
  const bar = atMost(0.3, playing.ours, playing.socket)
  report.add({ subject: `ping-pong, spins ${spinMicros} µs`, unit: 'µs', ours: event(playing.ours), other: byte(playing.socket), bar })
  report.add({ subject: 'ping-pong, default spin', unit: 'µs', ours: event(playing.default), other: byte(playing.socket) })

  const bursts = await interleave(
    { ours: () => eventBursts(setsABurst), one: () => eventBursts(1), socket: () => socketBursts() },
    options.quick ? { rounds: 3, warmUps: 1 } : { rounds: 9, warmUps: 1 },
  )
  const burst = { subject: `burst of ${setsABurst}`, unit: 'switches', ours: event(bursts.ours) } as const
  report.add({ ...burst, other: { name: 'Event, set once', samples: bursts.one }, bar: atMost(1.2, bursts.ours, bursts.one) })
  report.add({ ...burst, other: { name: `${setsABurst} bytes over a Unix socket`, samples: bursts.socket } })
  report.remark(`A burst of ${setsABurst} sets ended ${summarize(wakesOfBursts).median.toPrecision(3)} waits of the one waiter (median).`)
} finally {
  partner.close()
  segment.remove()
  segment.close()
}
report.remark('Idle: both processes slept in their event loops; a sample is the median of its wakes, from the same clock in both.')
report.remark('Switches: how often the threads of the waiting process went to sleep, a burst, as the kernel counts them.')
report.finish()
