/**
 * What does a read lock cost, against our mutex, and do readers of two processes slow each other?
 * The bars: 1.2 times the mutex; and what two readers at once take is within 1.2 times of one alone, and of two with a lock each.
 */
import { Arena, countTogether, openLocks } from './support/locks.js'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave, nanosecondsPerCall } from './support/pairing.js'
import { Partner } from './support/partner.js'
import { compileProbe } from './support/probe.js'
import { atMost, Report } from './support/report.js'

const options = parseOptions()
const report = new Report('rwlock', 'Read-lock and unlock: how many times the mutex, and how many times a reader alone?', options)
const name = `shmem-bench-${process.pid}`
const lockRounds = options.quick ? 100_000 : 1_000_000
const readMs = options.quick ? 20 : 60

const segment = openLocks(name)
const arena = new Arena(name)
const addon = compileProbe('robust-mutex-addon', ['-shared', '-fPIC'])
const readers = [new Partner('locker', [name, addon]), new Partner('locker', [name, addon])] as const

/** Nanoseconds a read lock and unlock of each reader, the mean of those that read at once. */
async function readTogether(...lockOfReader: [number, number?]): Promise<number> {
  const [one, two] = lockOfReader
  const partners: [Partner, ...number[]][] = two === undefined ? [[readers[0], one]] : [[readers[0], one], [readers[1], two]]
  const counts = await countTogether(arena, partners, 'read lock', readMs)
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return (readMs * 1e6) / mean
}

try {
  const mutex = segment.mutex('alone mutex')
  const rwlock = segment.rwlock('alone')
  const lockAlone = (): void => {
    mutex.lockSync()
    mutex.unlock()
  }
  const readAlone = (): void => {
    rwlock.readLockSync()
    rwlock.readUnlock()
  }
  const { read, lock } = await interleave(
    { read: () => nanosecondsPerCall(readAlone, lockRounds), lock: () => nanosecondsPerCall(lockAlone, lockRounds) },
    roundsFor(options),
  )
  const asReader = { name: 'RwLock, to read', samples: read }
  report.add({ subject: 'uncontended', unit: 'ns', ours: asReader, other: { name: 'Mutex', samples: lock }, bar: atMost(1.2, read, lock) })

  const { both, alone, apart } = await interleave(
    { both: () => readTogether(0, 0), alone: () => readTogether(0), apart: () => readTogether(1, 2) },
    roundsFor(options),
  )
  const atOnce = { subject: 'two processes read', unit: 'ns', ours: { name: 'both at once', samples: both } } as const
  report.add({ ...atOnce, other: { name: 'one of them alone', samples: alone }, bar: atMost(1.2, both, alone) })
  report.add({ ...atOnce, other: { name: 'both at once, a lock each', samples: apart }, bar: atMost(1.2, both, apart) })
} finally {
  for (const reader of readers) reader.close()
  arena.remove()
  arena.close()
  segment.remove()
  segment.close()
}
report.remark('Two processes: nanoseconds a read lock and unlock, the mean of the readers. With a lock each, only the machine can slow them.')
report.finish()
