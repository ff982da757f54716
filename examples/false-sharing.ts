/**
 * False sharing: two processes count, each in a counter of its own, and still hold each other up, because the counters lie in one cache line, which
 * only one processor can write at a time. With `cacheLine()` between them they do not.
 *
 *     npm run build && node dist/examples/false-sharing.js
 *
 * A run that was killed leaves /dev/shm/shmem-false-sharing-<its pid> behind.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment, atomicU32, cacheLine, f64, struct } from 'shmem'

const ADDITIONS = 1_000_000
/** The best of some runs counts, since other programs want the processors too. */
const RUNS = 2

const Neighbours = struct({ first: atomicU32, second: atomicU32, ready: atomicU32, firstMs: f64, secondMs: f64 })
const Apart = struct({ first: atomicU32, line: cacheLine(), second: atomicU32, anotherLine: cacheLine(), ready: atomicU32, firstMs: f64, secondMs: f64 })
const layouts = { 'in one cache line': { type: Neighbours, byteOffset: 0 }, 'in lines of their own': { type: Apart, byteOffset: 1024 } }
type LayoutName = keyof typeof layouts

async function parent(name: string): Promise<void> {
  const segment = PosixSegment.create(name, { size: 4096 })
  try {
    const best: Record<LayoutName, number> = { 'in one cache line': Infinity, 'in lines of their own': Infinity }
    for (let run = 0; run < RUNS; run += 1) {
      for (const layout of Object.keys(best) as LayoutName[]) best[layout] = Math.min(best[layout], await count(segment, name, layout))
    }
    for (const [layout, { type, byteOffset }] of Object.entries(layouts)) {
      const { first, second } = type.at(segment, byteOffset)
      console.log(`${layout}: ${first.load()} and ${second.load()} additions, ${RUNS * ADDITIONS} each were asked for`)
    }
    console.log(`in one cache line they take ${(best['in one cache line'] / best['in lines of their own']).toFixed(1)} times as long`)
  } finally {
    segment.close()
    segment.remove()
  }
}

/** Answers the milliseconds of the slower one. */
async function count(segment: PosixSegment, name: string, layout: LayoutName): Promise<number> {
  const { type, byteOffset } = layouts[layout]
  const view = type.at(segment, byteOffset)
  view.ready.store(0)
  const children = ['first', 'second'].map(counter => fork(import.meta.filename, [name, layout, counter]))
  for (const [code] of await Promise.all(children.map(started => once(started, 'exit')))) {
    if (code !== 0) throw new Error(`a child ended with ${code}`)
  }
  return Math.max(view.firstMs, view.secondMs)
}

function child(name: string, layout: LayoutName, counter: 'first' | 'second'): void {
  const segment = PosixSegment.open(name)
  try {
    const { type, byteOffset } = layouts[layout]
    const view = type.at(segment, byteOffset)
    const mine = view[counter]
    // Neither begins before the other is there.
    view.ready.add(1)
    const deadline = Date.now() + 30_000
    while (view.ready.load() < 2) if (Date.now() > deadline) throw new Error('the other one is not there')
    const started = performance.now()
    for (let added = 0; added < ADDITIONS; added += 1) mine.add(1)
    view[`${counter}Ms`] = performance.now() - started
  } finally {
    segment.close()
  }
}

const [, , name, layout, counter] = process.argv
if (name === undefined) await parent(`/shmem-false-sharing-${process.pid}`)
else child(name, layout as LayoutName, counter as 'first' | 'second')
