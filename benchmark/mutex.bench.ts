/**
 * What does a mutex cost that survives its owner, against the robust mutex of pthread: alone, and fought for by two processes?
 * The bars: alone at most 1.4 times C in the same process (on Bun as fast as C), contended at least C's increments a second.
 */
import { findBun } from './support/runtimes.js'
import { Arena, countTogether, openLocks } from './support/locks.js'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave } from './support/pairing.js'
import { Partner } from './support/partner.js'
import { compileProbe, Probe } from './support/probe.js'
import { atLeast, atMost, Report } from './support/report.js'

const options = parseOptions()
const report = new Report('mutex', 'Lock and unlock a mutex: how many times the robust mutex of pthread?', options)
const name = `shmem-bench-${process.pid}`
const lockRounds = options.quick ? 100_000 : 1_000_000
const contendedMs = 100

const addon = compileProbe('robust-mutex-addon', ['-shared', '-fPIC'])
const segment = openLocks(name)
const arena = new Arena(name)
const probe = new Probe('robust-mutex')

async function measureAlone(runtime: string, locker: Partner, limit: number): Promise<void> {
  const first = async (duty: string): Promise<number> => (await locker.ask(duty, lockRounds))[0] ?? Number.NaN
  const { ours, c } = await interleave(
    { ours: () => first('lock in JavaScript'), c: () => first('lock in C') },
    roundsFor(options),
  )
  const other = { name: 'pthread robust, same process', samples: c }
  report.add({ subject: `alone, ${runtime}`, unit: 'ns', ours: { name: 'Mutex', samples: ours }, other, bar: atMost(limit, ours, c) })
}

/** Millions of increments a second; the counter must have seen each of them. */
async function incrementTogether(one: Partner, two: Partner): Promise<number> {
  arena.counter = 0
  const counts = await countTogether(arena, [[one], [two]], 'increment', contendedMs)
  const increments = counts.reduce((sum, count) => sum + count, 0)
  if (arena.counter !== increments) throw new Error(`${increments} increments were made, the counter says ${arena.counter}`)
  return increments / contendedMs / 1000
}

async function measureContended(runtime: string, one: Partner, two: Partner, hasBar: boolean): Promise<void> {
  const inC = async (kind: string): Promise<number> => (await probe.measure({ name: kind, iterations: contendedMs })) / 1e6
  const { ours, robust, plain } = await interleave(
    { ours: () => incrementTogether(one, two), robust: () => inC('contended'), plain: () => inC('plain-contended') },
    roundsFor(options),
  )
  const compared = { subject: `two processes, ${runtime}`, unit: 'M/s', ours: { name: 'Mutex', samples: ours } } as const
  const bar = hasBar ? { bar: atLeast(1, ours, robust) } : {}
  report.add({ ...compared, other: { name: 'pthread robust', samples: robust }, ...bar })
  report.add({ ...compared, other: { name: 'pthread, not robust', samples: plain } })
}

async function measureRuntime(runtime: string, path: string, limit: number, hasBar: boolean): Promise<void> {
  const start = (): Partner => new Partner('locker', [name, addon], { runtime: path })
  const lockers = [start(), start()] as const
  try {
    await measureAlone(runtime, lockers[0], limit)
    await measureContended(runtime, ...lockers, hasBar)
  } finally {
    for (const locker of lockers) locker.close()
  }
}

try {
  await measureRuntime('Node', process.execPath, 1.4, true)
  const bun = findBun()
  if (bun === undefined) report.skip('Bun', 'it is not installed here (npm run test:runtimes -- --only bun).')
  else await measureRuntime('Bun', bun, 1, false)
} finally {
  probe.close()
  arena.remove()
  arena.close()
  segment.remove()
  segment.close()
}
report.remark('Two processes: millions of increments a second of one counter under the lock, by both together; each increment is checked.')
report.finish()
