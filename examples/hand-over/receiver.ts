/**
 * The receiving process. It takes rounds as the sender announces them, stops the clock when every cache line has
 * arrived, and computes the checksums afterwards. It ends with the sender, whatever ends that one.
 */
import { createHash, type Hash } from 'node:crypto'
import { ChannelReceiver } from './process-send.js'
import type { ToReceiver, ToSender } from './protocol.js'
import { SharedMemoryReceiver } from './shared-memory.js'
import { SocketReceiver } from './unix-socket.js'

const senderPid = Number(process.argv[2])
let isFinished = false

/** A dead sender's children get another parent; between system calls this is the only sign of its death. */
function endIfSenderDied(): void {
  if (process.ppid !== senderPid) endWithoutSender()
}

function endWithoutSender(): never {
  process.stderr.write(`hand-over: the sender (pid ${senderPid}) died before the hand-over was complete.\n`)
  process.exit(1)
}

function answer(message: ToSender): Promise<void> {
  return new Promise((resolve) => {
    // A lost channel shows itself in 'disconnect'.
    process.send?.(message, () => resolve())
  })
}

const sharedMemory = new SharedMemoryReceiver()
const socket = new SocketReceiver()
const channel = new ChannelReceiver()
const hashes = new Map<string, Hash>()

async function takeRound({ way, transfer, sizeBytes }: ToReceiver & { kind: 'round' }): Promise<void> {
  const arriving = way === 'Unix socket' ? socket.receive(sizeBytes) : way === 'process.send' ? channel.receive(sizeBytes) : undefined
  // The answer must be out before this thread blocks in the semaphore.
  await answer({ kind: 'ready' })
  const { pieces, touched } = arriving === undefined ? sharedMemory.receive(endIfSenderDied) : await arriving
  const endedAtNs = process.hrtime.bigint()
  if (transfer !== undefined) {
    const hash = hashes.get(transfer) ?? createHash('sha256')
    hashes.set(transfer, hash)
    for (const piece of pieces) hash.update(piece)
  }
  if (arriving === undefined) sharedMemory.giveBack(pieces)
  await answer({ kind: 'done', endedAtNs, touched })
}

async function finish(): Promise<void> {
  isFinished = true
  const sha256 = Object.fromEntries([...hashes].map(([transfer, hash]) => [transfer, hash.digest('hex')]))
  await answer({ kind: 'checksums', sha256 })
  process.exit(0)
}

process.on('message', (message: ToReceiver | Uint8Array) => {
  if (message instanceof Uint8Array) channel.take(message)
  else if (message.kind === 'round') void takeRound(message)
  else void finish()
})
process.on('disconnect', () => {
  if (!isFinished) endWithoutSender()
})
endIfSenderDied()
