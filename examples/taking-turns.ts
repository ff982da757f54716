/**
 * Parent and child take turns by two words of shared memory: one says whose turn it is, one is the ball that they count up.
 *
 * `wait` and `notify` are `Atomics.wait` and `Atomics.notify` that reach other processes. Who waits sleeps in the kernel and burns no
 * time. The memory is a plain POSIX object without any lock.
 *
 *     npm run build && node dist/examples/taking-turns.js
 *
 * A run that was killed leaves /dev/shm/shmem-taking-turns-<its pid> behind.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment, notify, wait } from 'shmem'

/** Indexes of the words. */
const TURN = 0
const BALL = 1

/** Values of the word TURN. */
const PARENT = 0
const CHILD = 1

async function parent(name: string): Promise<void> {
  const segment = PosixSegment.create(name, { size: 4096 })
  try {
    const ended = once(fork(import.meta.filename, [name]), 'exit')
    play(segment, 'parent', PARENT, CHILD)
    const [code] = await ended
    if (code !== 0) throw new Error(`the child ended with ${code}`)
    console.log(`parent: the ball is at ${new Int32Array(segment.buffer)[BALL]}`)
  } finally {
    segment.close()
    segment.remove()
  }
}

function child(name: string): void {
  const segment = PosixSegment.open(name)
  try {
    play(segment, 'child', CHILD, PARENT)
  } finally {
    segment.close()
  }
}

function play(segment: PosixSegment, player: string, me: number, other: number): void {
  const words = new Int32Array(segment.buffer, 0, 2)
  for (let round = 1; round <= 3; round += 1) {
    waitForTurn(words, me, other)
    console.log(`${player}: ${Atomics.add(words, BALL, 1) + 1}`)
    // First the value, then the notification: who looks in between sees the value, and does not sleep.
    Atomics.store(words, TURN, other)
    notify(words, TURN)
  }
}

/** In a loop, since a wait may end for no reason. Nobody owns a word: should the other one die, only the time tells. */
function waitForTurn(words: Int32Array, me: number, other: number): void {
  while (Atomics.load(words, TURN) !== me) {
    if (wait(words, TURN, other, { timeoutMs: 30_000 }) === 'timed-out') throw new Error('the other one is gone')
  }
}

const name = process.argv[2]
if (name === undefined) await parent(`/shmem-taking-turns-${process.pid}`)
else child(name)
