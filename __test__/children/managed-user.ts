/**
 * A process that has a managed segment open: `call` and `block` as in `caller.ts`, and loops that must run on one side without a word to the
 * other. `open` must have kept the segment under the name `mem`.
 */
import * as shmem from 'shmem'
import type { AtomicWord, Barrier, Condition, ManagedSegment, Mutex, Once, SeqLock } from 'shmem'
import { answer, say } from '../support/replies.js'

type Call = [path: string, args?: unknown[], keep?: string]

const kept: Record<string, any> = { ...shmem }
const mem = (): ManagedSegment => kept['mem']

answer({
  call,
  block: (given: Call) => {
    say('blocking')
    return call(given)
  },
  /** An `Int32Array` over any segment, kept under a name. */
  view: ([segment, name]: [string, string]) => {
    kept[name] = new Int32Array(kept[segment].buffer, 0, 16)
    return null
  },
  consume,
  phases,
  impatient,
  once,
  writeRecords,
  stall: () => {
    say('stalls')
    for (;;);
  }
})

function call([path, args = [], keep]: Call): unknown {
  const words = path.split('.')
  const last = words.pop() as string
  const home = words.reduce<any>((from, word) => from[word], kept)
  const member = home[last]
  const given = args.map(argument => (typeof argument === 'string' && argument.startsWith('$') ? kept[argument.slice(1)] : argument))
  const result = typeof member === 'function' ? member.apply(home, given) : member
  if (keep === undefined) return typeof result === 'bigint' ? String(result) : result
  kept[keep] = result
  return null
}

/** Takes that many messages: a word counts those that lie there, `-1` ends. */
async function consume({ messages, sync }: { messages: number; sync: boolean }): Promise<number> {
  const [mutex, filled, emptied, there] = [mem().mutex('mutex'), mem().condition('filled'), mem().condition('emptied'), mem().word('there')] as [Mutex, Condition, Condition, AtomicWord]
  let taken = 0
  while (taken < messages) {
    if (sync) mutex.lockSync()
    else await mutex.lock()
    while (there.load() === 0) {
      if (sync) filled.waitSync(mutex)
      else await filled.wait(mutex)
    }
    taken += there.exchange(0)
    emptied.notifyOne()
    mutex.unlock()
  }
  return taken
}

/** Goes through phases; answers how often somebody was ahead or behind. */
async function phases({ parties, count, sync }: { parties: number; count: number; sync: boolean }): Promise<number> {
  const barrier: Barrier = mem().barrier('barrier', { parties })
  const arrivals = mem().word('arrivals')
  let wrong = 0
  for (let phase = 1; phase <= count; phase += 1) {
    arrivals.add(1)
    for (let half = 0; half < 2; half += 1) {
      const outcome = sync ? barrier.waitSync() : await barrier.wait()
      // Nobody adds between the two.
      if (outcome !== 'released' || (half === 0 && arrivals.load() !== parties * phase)) wrong += 1
    }
  }
  return wrong
}

/** Waits for moments only, for so long; answers how often it was released. */
function impatient({ milliseconds }: { milliseconds: number }): number {
  const barrier = mem().barrier('barrier', { parties: 2 })
  const end = performance.now() + milliseconds
  let released = 0
  // Random times, so that they end in the middle of what the other does.
  while (performance.now() < end) if (barrier.waitSync({ timeoutMs: Math.random() * 0.3, spinMicros: 0 }) === 'released') released += 1
  return released
}

/** Runs a once: to its end, into an error, or never to its end. */
async function once({ name, how, sync = false }: { name: string; how: 'ends' | 'throws' | 'hangs'; sync?: boolean }): Promise<unknown> {
  const object: Once = mem().once(name)
  const runs = mem().word('runs')
  const act = (): unknown => {
    runs.add(1)
    if (how === 'throws') throw new Error('it failed')
    if (how === 'ends') return undefined
    say('hangs')
    return new Promise(() => setInterval(() => {}, 1000))
  }
  return sync ? object.runSync(act) : await object.run(act)
}

/** Writes records of one byte's value each, for ever. */
function writeRecords({ name, bytes }: { name: string; bytes: number }): void {
  const record: SeqLock = mem().seqlock(name, { bytes })
  const patterns = Array.from({ length: 251 }, (_, value) => new Uint8Array(bytes).fill(value))
  say('writes')
  for (let count = 0; ; count += 1) record.write(patterns[count % 251] as Uint8Array)
}
