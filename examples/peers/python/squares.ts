/**
 * POSIX named semaphores both ways, with Python's posix_ipc: Node asks for squares, Python answers, each waits for the other asleep.
 *
 *     npm run build
 *     pip install posix_ipc
 *     node dist/examples/peers/python/squares.js python3 examples/peers/python/squares.py
 *
 * A run that is killed leaves /dev/shm/shmem-peers-squares-<its pid> and two /dev/shm/sem.shmem-peers-squares-… behind.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment, PosixSemaphore } from 'shmem'

const COUNT = 1000

const [command = 'python3', ...words] = process.argv.slice(2)
const name = `/shmem-peers-squares-${process.pid}`
const segment = PosixSegment.create(name, { size: 16 })
const pythonsTurn = PosixSemaphore.openOrCreate(`${name}-python`)
const nodesTurn = PosixSemaphore.openOrCreate(`${name}-node`)
try {
  const question = new Uint32Array(segment.buffer, 0, 1)
  const answer = new BigUint64Array(segment.buffer, 8, 1)
  const python = spawn(command, [...words, name, `${name}-python`, `${name}-node`], { stdio: 'inherit' })
  const ended = once(python, 'exit')
  let sum = 0n
  for (let number = 1; number <= COUNT; number += 1) {
    question[0] = number
    pythonsTurn.post()
    if (await Promise.race([nodesTurn.wait(), ended]) !== 'acquired') throw new Error('Python ended too early')
    sum += answer[0] ?? 0n
  }
  question[0] = 0
  pythonsTurn.post()
  await ended
  console.log(`Node: the squares of 1 to ${COUNT} are ${sum} together; Python ended with ${python.exitCode}`)
} finally {
  for (const object of [nodesTurn, pythonsTurn, segment]) {
    object.remove()
    object.close()
  }
}
