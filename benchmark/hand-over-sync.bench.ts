/**
 * How long does it take to wake another process that blocks, one way, against a futex and a bare cache line in C?
 * The bars: 1.5 times the futex where both spin before they sleep, 1.4 times the cache line where nobody sleeps.
 */
import { openEvents, waitOptions } from './support/events.js'
import { nowNs } from './support/duties.js'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave } from './support/pairing.js'
import { Partner } from './support/partner.js'
import { Probe } from './support/probe.js'
import { atMost, Report } from './support/report.js'

const options = parseOptions()
const report = new Report('hand-over-sync', 'Wake another process that blocks, one way: how many times a futex and a cache line in C?', options)
const spinMicros = 50
/** Longer than a partner is ever away. */
const neverSleepMicros = 1_000_000
const spinRounds = options.quick ? 10_000 : 200_000
const sleepRounds = options.quick ? 500 : 4000

const { segment, there, back } = openEvents(`shmem-bench-${process.pid}`)
const partner = new Partner('event-waiter', [`shmem-bench-${process.pid}`])
const futex = new Probe('futex-hand-over')
const cacheLine = new Probe('cache-line')

/** Nanoseconds one way; the first tenth is not counted, as in the probes. */
async function handOver(rounds: number, budgetMicros: number): Promise<number> {
  const warmUp = Math.floor(rounds / 10) + 1
  const wait = waitOptions(budgetMicros)
  const { answer } = await partner.begin('event echo, blocking', warmUp + rounds, budgetMicros)
  const play = (count: number): void => {
    for (let round = 0; round < count; round += 1) {
      there.set()
      back.waitSync(wait)
    }
  }
  play(warmUp)
  const startedNs = nowNs()
  play(rounds)
  const tookNs = nowNs() - startedNs
  await answer
  return tookNs / rounds / 2
}

try {
  const budgetNs = String(spinMicros * 1000)
  const spinning = await interleave(
    {
      ours: () => handOver(spinRounds, spinMicros),
      futex: () => futex.measure({ name: 'spin', iterations: spinRounds, subject: budgetNs }),
      oursOnly: () => handOver(spinRounds, neverSleepMicros),
      line: () => cacheLine.measure({ name: 'ping-pong', iterations: spinRounds }),
    },
    roundsFor(options),
  )
  report.add({
    subject: `spins ${spinMicros} µs, then sleeps`,
    unit: 'ns',
    ours: { name: 'Event', samples: spinning.ours },
    other: { name: 'futex in C', samples: spinning.futex },
    bar: atMost(1.5, spinning.ours, spinning.futex),
  })
  report.add({
    subject: 'spins only',
    unit: 'ns',
    ours: { name: 'Event', samples: spinning.oursOnly },
    other: { name: 'cache line in C', samples: spinning.line },
    bar: atMost(1.4, spinning.oursOnly, spinning.line),
  })
  const sleeping = await interleave(
    {
      ours: () => handOver(sleepRounds, 0),
      futex: () => futex.measure({ name: 'sleep', iterations: sleepRounds }),
    },
    roundsFor(options),
  )
  const ours = { name: 'Event', samples: sleeping.ours }
  report.add({ subject: 'sleeps at once', unit: 'ns', ours, other: { name: 'futex in C', samples: sleeping.futex } })
} finally {
  futex.close()
  cacheLine.close()
  partner.close()
  segment.remove()
  segment.close()
}
report.remark('Two processes wake each other in turns, through an event each that resets itself; half of a round is shown.')
report.finish()
