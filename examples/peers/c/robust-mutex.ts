/**
 * A robust pthread mutex between Node and C, in both directions: whichever side is killed with the mutex in hand, the other one has it at once, is
 * told, and repairs. Two accounts hold 100 together whenever nobody has the mutex; who is killed took 30 from the first one only.
 *
 *     npm run build
 *     cc -O2 -pthread -o robust-mutex examples/peers/c/robust-mutex.c
 *     node dist/examples/peers/c/robust-mutex.js ./robust-mutex
 *
 * Both sides need the same C library. A run that is killed leaves /dev/shm/shmem-peers-mutex-<its pid> behind.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { PosixSegment, PthreadMutex } from 'shmem'

const TOTAL = 100
const [MUTEX, ACCOUNTS] = [0, 64] // Bytes.
const [FIRST, SECOND, STAGE] = [0, 1, 2] // Words behind ACCOUNTS.
const [OWNED, WAITED_FOR] = [1, 2] // Stages.

const [command = '', ...words] = process.argv.slice(2)
if (command === '') throw new Error('usage: robust-mutex <the C program>')
if (command === 'owner') own(words[0] ?? '')
else await meet()

async function meet(): Promise<void> {
  const name = `/shmem-peers-mutex-${process.pid}`
  const segment = PosixSegment.create(name, { size: 4096 })
  try {
    const accounts = new Int32Array(segment.buffer, ACCOUNTS, 3)
    accounts[FIRST] = TOTAL
    const mutex = PthreadMutex.initialise(segment, MUTEX, { robust: true })

    const inC = spawn(command, [...words, 'owner', name], { stdio: 'inherit' })
    await reached(accounts, OWNED, inC)
    console.log(`Node: tryLock() is '${mutex.tryLock()}'`)
    inC.kill('SIGKILL')
    console.log(`Node: C is killed, lockSync() is '${mutex.lockSync()}', found ${accounts[FIRST]} + ${accounts[SECOND]}`)
    accounts[SECOND] = TOTAL - (accounts[FIRST] ?? 0)
    mutex.markConsistent()
    mutex.unlock()

    const inNode = fork(import.meta.filename, ['owner', name])
    await reached(accounts, OWNED, inNode)
    const heir = spawn(command, [...words, 'heir', name], { stdio: 'inherit' })
    await reached(accounts, WAITED_FOR, heir)
    console.log('Node: the owner is killed')
    inNode.kill('SIGKILL')
    await once(heir, 'exit')
    console.log(`Node: lockSync() is '${mutex.lockSync()}', found ${accounts[FIRST]} + ${accounts[SECOND]}`)
    mutex.unlock()
  } finally {
    segment.remove()
    segment.close()
  }
}

/** As the owner in C; the one who started it kills it, or ends the channel by ending itself. */
function own(name: string): void {
  const segment = PosixSegment.open(name)
  const accounts = new Int32Array(segment.buffer, ACCOUNTS, 3)
  PthreadMutex.at(segment, MUTEX).lockSync()
  accounts[FIRST] = (accounts[FIRST] ?? 0) - 30
  console.log('Node: took 30 from the first account')
  Atomics.store(accounts, STAGE, OWNED)
  process.on('message', () => {})
}

/** Waits until the other process has come so far, and sets the stage back. */
async function reached(accounts: Int32Array, stage: number, child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  while (Atomics.compareExchange(accounts, STAGE, stage, 0) !== stage) {
    if (await Promise.race([setTimeout(2, 'waiting'), ended]) !== 'waiting') throw new Error(`the other side ended with ${child.exitCode}`)
  }
}
