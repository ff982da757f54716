/**
 * Pitfall: false sharing. A processor takes memory by lines of 64 bytes, and only one processor at a time can have a line to write.
 *
 * Wrong: two processes count, each for itself, side by side in one line, which flies to and fro. Right: `cacheLine()` between them.
 *
 *     npm run build && node dist/examples/pitfalls/false-sharing.js
 *
 * With one processor, or two that are busy with other programs, there is no difference.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment, array, atomicU32, cacheLine, f64, struct } from 'shmem'

/** Short rounds, in which both run at the same time. The middle one counts. */
const ROUNDS = 101
const ADDITIONS = 10_000
const layouts = [
  { at: 0, type: struct({ first: atomicU32, second: atomicU32, line: cacheLine(), came: atomicU32, ms: array(f64, ROUNDS) }) },
  { at: 2048, type: struct({ first: atomicU32, line: cacheLine(), second: atomicU32, anotherLine: cacheLine(), came: atomicU32, ms: array(f64, ROUNDS) }) }
]

async function parent(name: string): Promise<void> {
  const segment = PosixSegment.create(name, { size: 4096 })
  try {
    await Promise.all(['first', 'second'].map(mine => once(fork(import.meta.filename, [name, mine]), 'exit')))
    const [together = 0, apart = 0] = layouts.map(({ at, type }) => {
      const { first, second, ms } = type.at(segment, at)
      console.log(`${at === 0 ? 'in one line' : 'a line each'}: ${first.load()} and ${second.load()} additions`)
      return [...ms].toSorted((a, b) => a - b)[(ROUNDS - 1) / 2]
    })
    console.log(`in one line they take about ${(together / apart).toFixed(1)} times as long`)
  } finally {
    segment.remove()
    segment.close()
  }
}

function child(name: string, mine: 'first' | 'second'): void {
  const segment = PosixSegment.open(name)
  const counters = layouts.map(({ at, type }) => type.at(segment, at))
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const layout of counters) {
      const counter = layout[mine]
      meet(layout.came, 2 * (round + 1))
      const started = performance.now()
      for (let added = 0; added < ADDITIONS; added += 1) counter.add(1)
      if (mine === 'first') layout.ms[round] = performance.now() - started
    }
  }
  segment.close()
}

/** Neither begins before the other has come. */
function meet(came: { add(by: number): number; load(): number }, count: number): void {
  const deadline = performance.now() + 30_000
  for (came.add(1); came.load() < count; ) if (performance.now() > deadline) throw new Error('the other one does not come')
}

const [, , name, mine] = process.argv
if (name === undefined) await parent(`/shmem-false-sharing-${process.pid}`)
else child(name, mine as 'first' | 'second')
