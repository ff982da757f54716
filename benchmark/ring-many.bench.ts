/**
 * How fast do messages of 64 bytes go from two processes to two others through one ring, against native code that does the
 * same: rigtorp's and crossbeam's algorithms across processes, and crossbeam itself between threads?
 * There is no bar: neither of those survives the death of a process inside, and ours must.
 */
import { addMatch, type Other } from './support/matches.js'
import { parseOptions, roundsFor } from './support/options.js'
import { openOurRingOfMany } from './support/our-ring-many.js'
import { Probe, rustProbe } from './support/probe.js'
import { Report } from './support/report.js'

const options = parseOptions()
const report = new Report('ring-many', 'Messages from two processes to two others through one ring: how many times native code?', options)
const ends = { producers: 2, consumers: 2 }
const slots = 1024
const count = options.quick ? 50_000 : 500_000
const subject = `${ends.producers}+${ends.consumers}/${slots}`

const c = new Probe('ring-many')
const crossbeam = rustProbe('probes/crossbeam')
const rust = rustProbe('probes/ring-rust', ['many'])
const others: Other[] = [
  { name: 'tickets in C, as rigtorp', side: () => c.measure({ name: 'ticket', iterations: count, subject }) },
  { name: 'stamps in C, as crossbeam', side: () => c.measure({ name: 'stamp', iterations: count, subject }) },
]
if (typeof crossbeam === 'string') report.skip('crossbeam', crossbeam)
if (typeof rust === 'string') report.skip('our ring in Rust', rust)
if (typeof crossbeam !== 'string') others.push({ name: 'crossbeam, threads', side: () => crossbeam.measure({ name: 'threads', iterations: count, subject }) })

const ring = openOurRingOfMany(`shmem-bench-${process.pid}`, { ...ends, slots })
const match = { subject: '64 B, 2 + 2', unit: 'M/s', others, convert: (ns: number): number => 1000 / ns } as const
try {
  const ours = { name: 'Ring', side: () => ring.stream(count) }
  await addMatch(report, { ...match, ours }, roundsFor(options))
  if (typeof rust !== 'string') {
    const inRust = { name: 'Ring, all ends in Rust', side: () => rust.measure({ name: 'many', iterations: count, subject }) }
    await addMatch(report, { ...match, ours: inRust }, roundsFor(options))
  }
} finally {
  ring.close()
  for (const probe of [crossbeam, rust]) if (typeof probe !== 'string') probe.close()
  c.close()
}
report.remark('Every message is checked: its words, that those of one producer come in order, and that each came once; larger is better.')
report.remark('Four processes, or threads, on fewer processors: the scheduler has a part in all of these numbers.')
report.finish()
