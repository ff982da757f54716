/**
 * How fast does a block of 1 MiB go from one process to another, against a Unix socket and `process.send`?
 * This is what `npm start` shows, repeated; the bar is three times the Unix socket.
 */
import { handOver, type WayReport } from '../examples/hand-over/sender.js'
import { blocksPerRound, type Way } from '../examples/hand-over/protocol.js'
import { parseOptions } from './support/options.js'
import { atLeast, Report } from './support/report.js'

const options = parseOptions()
const report = new Report('hand-over', 'Hand blocks of 1 MiB to another process: how many times a Unix socket?', options)
// The checksums are part of it: this rejects if a single byte differs.
const { ways, sizeBytes } = await handOver({ input: process.execPath, repeats: options.quick ? 3 : 15 })

function rates(way: Way): number[] {
  const found: WayReport | undefined = ways.find((candidate) => candidate.way === way)
  return (found?.seconds ?? []).map((seconds) => sizeBytes / seconds / 1e9)
}

const socket = rates('Unix socket')
const inPlace = rates('shared memory in place')
const byCopy = rates('shared memory by copy')
const against = { subject: 'against a socket', unit: 'GB/s', other: { name: 'Unix socket', samples: socket } } as const
report.add({ ...against, ours: { name: 'shared memory in place', samples: inPlace }, bar: atLeast(3, inPlace, socket) })
report.add({ ...against, ours: { name: 'shared memory by copy', samples: byCopy } })
const channel = { subject: 'against the channel', unit: 'GB/s', other: { name: 'process.send', samples: rates('process.send') } } as const
report.add({ ...channel, ours: { name: 'shared memory in place', samples: inPlace } })
report.add({ ...channel, ours: { name: 'shared memory by copy', samples: byCopy } })
report.remark('In place: the blocks lie in the shared memory when the clock starts. By copy: they lie in private memory, as for the socket;')
report.remark('one memcpy bounds that, and no bar is set.')
report.remark(`Each sample is the whole Node binary (${(sizeBytes / 1e6).toFixed(1)} MB) in rounds of ${blocksPerRound} blocks.`)
report.remark('The receiver touched every cache line, and its checksums were all right.')
report.finish()
