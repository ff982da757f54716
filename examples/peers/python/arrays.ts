/**
 * Arrays shared with Python's `multiprocessing.shared_memory`, in both directions; and its trap, sprung once: Python removes what it only attached.
 *
 *     npm run build
 *     node dist/examples/peers/python/arrays.js python3 examples/peers/python/arrays.py
 *
 * A run that is killed leaves /dev/shm/shmem-peers-arrays-<its pid> behind.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { PosixSegment, array, f64, struct, text as textField, u32, type ShmError } from 'shmem'

const COUNT = 1000
const Samples = struct({ count: u32, mean: f64, unit: textField(16), samples: array(f64, COUNT) })

const [command = 'python3', ...words] = process.argv.slice(2)
const name = `shmem-peers-arrays-${process.pid}` // Python adds the slash.

await average('trap')
await average('attach')
await made()

/** Node makes it, Python reads and writes it. */
async function average(role: 'trap' | 'attach'): Promise<void> {
  const segment = PosixSegment.create(`/${name}`, { size: Samples.size })
  try {
    const shared = Samples.at(segment, 0)
    Object.assign(shared, { count: COUNT, unit: 'mm' })
    shared.samples.forEach((_, index) => (shared.samples[index] = index / 2))
    const python = spawn(command, [...words, role, name], { stdio: ['ignore', 'inherit', 'pipe'] })
    // The tracker is a process of its own, which ends a little later: so does this pipe.
    const [, complaint] = await Promise.all([once(python, 'exit'), text(python.stderr)])
    if (python.exitCode !== 0) throw new Error(complaint)
    console.log(`Node: the mean is ${shared.mean} ${shared.unit}, the first one is ${shared.samples[0]} now`)
    console.log(`Node: by its name it is ${found()}${complaint.includes('leaked') ? '; Python calls it leaked' : ''}`)
  } finally {
    if (found() === 'there') segment.remove()
    segment.close()
  }
}

/** Python makes it, Node reads and writes it. */
async function made(): Promise<void> {
  const python = spawn(command, [...words, 'make', name], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(python, 'exit')
  for await (const line of createInterface(python.stdout)) {
    console.log(line)
    if (!line.startsWith('Python: made')) continue
    const segment = PosixSegment.open(`/${name}`)
    const samples = new Float64Array(segment.buffer, 0, 6)
    samples[5] = samples.reduce((sum, sample) => sum + sample, 0)
    console.log(`Node: found ${samples.subarray(0, 5).join(' ')} in ${segment.size} bytes, mode 0${segment.stat().mode.toString(8)}`)
    segment.close()
    python.stdin.end('go on\n')
  }
  await ended
  console.log(`Node: by its name it is ${found()}`)
}

function found(): string {
  try {
    PosixSegment.open(`/${name}`).close()
    return 'there'
  } catch (error) {
    return (error as ShmError).code
  }
}
