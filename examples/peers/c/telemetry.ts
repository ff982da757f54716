/**
 * One struct, defined here and compiled into C: `toC()` writes the declaration, with each size and offset checked by the C compiler. Node and C take turns
 * over it, asleep in between: `waitAsync` and `notify` are futex(2), as it is in C.
 *
 *     npm run build
 *     node dist/examples/peers/c/telemetry.js header > telemetry.h
 *     cc -O2 -I . -o telemetry examples/peers/c/telemetry.c -lm
 *     node dist/examples/peers/c/telemetry.js ./telemetry
 *
 * A run that is killed leaves /dev/shm/shmem-peers-telemetry-<its pid> behind.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment, array, atomicI32, f32, f64, notify, struct, text, u64, waitAsync } from 'shmem'

const Point = struct({ x: f64, y: f64 })
const Telemetry = struct({ turn: atomicI32, leg: text(12), target: Point, distance: f64, legs: u64, rotors: array(f32, 4) })
const [CS_TURN, OVER] = [1, 2] // 0: this side's.

const [command = '', ...words] = process.argv.slice(2)
if (command === '') throw new Error('usage: telemetry header | telemetry <the C program>')
if (command === 'header') process.stdout.write(Telemetry.toC('Telemetry'))
else await fly()

async function fly(): Promise<void> {
  const name = `/shmem-peers-telemetry-${process.pid}`
  const segment = PosixSegment.create(name, { size: Telemetry.size })
  try {
    const shared = Telemetry.at(segment, 0)
    const turn = shared.turn.array
    const pilot = spawn(command, [...words, name], { stdio: 'inherit' })
    const ended = once(pilot, 'exit')
    for (const [leg, x, y] of [['north', 0, 10], ['north-east', 3, 4], ['back', -9, -12]] as const) {
      Object.assign(shared, { leg })
      Object.assign(shared.target, { x, y })
      shared.turn.store(CS_TURN)
      notify(turn, shared.turn.index)
      const answered = await Promise.race([waitAsync(turn, shared.turn.index, CS_TURN), ended])
      if (typeof answered !== 'string') throw new Error('C ended too early')
      console.log(`Node: leg ${shared.legs}, ${shared.distance} in all, rotors ${shared.rotors.join(' ')}`)
    }
    shared.turn.store(OVER)
    notify(turn, shared.turn.index)
    await ended
    console.log(`Node: C ended with ${pilot.exitCode}`)
  } finally {
    segment.remove()
    segment.close()
  }
}
