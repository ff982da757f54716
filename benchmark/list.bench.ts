/**
 * How long does a program take that lists 2,000 segments, with the users of each? Beside Node's own start, and beside `ipcs` and `ls`,
 * which know no users. Half are POSIX objects, half System V segments, all mapped by this process.
 */
import { execFileSync } from 'node:child_process'
import { PosixSegment, SysvSegment, type Segment } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave } from './support/pairing.js'
import { Report } from './support/report.js'
import { summarize } from './support/statistics.js'

const COUNT = 2000
const BAR_MS = 300

const options = parseOptions()
const report = new Report('list', `A program that lists ${COUNT} segments with their users: how long beyond Node's start?`, options)
const segments: Segment[] = []
const index = new URL('../index.js', import.meta.url).href
const program = `const { list } = await import('${index}'); console.log(list().length)`

function millisecondsOf(command: string, ...args: string[]): number {
  const started = performance.now()
  execFileSync(command, args, { maxBuffer: 2 ** 26 })
  return performance.now() - started
}

try {
  for (let one = 0; one < COUNT / 2; one += 1) {
    segments.push(PosixSegment.create(`/shmem-bench-${process.pid}-${one}`, { size: 8192 }))
    segments.push(SysvSegment.create(0x5f00_0000 + one, { size: 8192 }))
  }
  const listed = Number(execFileSync(process.execPath, ['--input-type=module', '-e', program]))
  if (listed < COUNT) throw new Error(`${listed} objects are listed, and ${COUNT} were made`)
  const { ours, start, tools } = await interleave(
    {
      ours: () => millisecondsOf(process.execPath, '--input-type=module', '-e', program),
      start: () => millisecondsOf(process.execPath, '--input-type=module', '-e', '0'),
      tools: () => millisecondsOf('sh', '-c', 'ipcs -m; ls -l /dev/shm')
    },
    roundsFor(options)
  )
  const beyond = summarize(ours.map((all, round) => all - (start[round] ?? 0)))
  const bar = { text: `≤ ${BAR_MS} ms beyond the start`, holds: beyond.median <= BAR_MS }
  report.add({ subject: 'list and exit', unit: 'ms', ours: { name: 'shmem', samples: ours }, other: { name: 'node -e 0', samples: start }, bar })
  report.add({ subject: 'the same', unit: 'ms', ours: { name: 'shmem', samples: ours }, other: { name: 'ipcs, ls', samples: tools } })
  report.remark(`Beyond Node's start: ${beyond.median.toFixed(0)} ms (${beyond.min.toFixed(0)}–${beyond.max.toFixed(0)}), loading the addon included.`)
} finally {
  for (const segment of segments) {
    segment.remove()
    segment.close()
  }
}
report.finish()
