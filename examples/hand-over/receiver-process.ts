/**
 * The receiver as the sender sees it: a child process that inherits the segment and a socket, and that may die.
 * Every wait of the sender ends with the receiver, so that no death leaves it waiting for ever.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { sendThroughChannel } from './process-send.js'
import type { ToReceiver, ToSender, Way } from './protocol.js'
import { SharedMemorySender } from './shared-memory.js'
import { sendThroughSocket } from './unix-socket.js'

export class ReceiverProcess {
  readonly #sharedMemory = new SharedMemorySender()
  readonly #child: ChildProcess
  readonly #socket: Socket
  /** Never resolves; rejects when the receiver ends. */
  readonly #death: Promise<never>
  #deathError: Error | undefined
  #onMessage: ((message: ToSender) => void) | undefined

  constructor() {
    this.#child = spawn(process.execPath, [fileURLToPath(new URL('receiver.js', import.meta.url)), String(process.pid)], {
      // 3 is the segment, 4 an unnamed pair of Unix sockets, 5 the channel of process.send.
      stdio: ['ignore', 'ignore', 'inherit', this.#sharedMemory.segment.fd, 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    this.#child.on('message', (message) => this.#onMessage?.(message as ToSender))
    this.#death = this.#watch()
    this.#death.catch(() => {})
    const socket = this.#child.stdio[4]
    if (!(socket instanceof Socket)) throw new Error('the socket to the receiver is missing')
    // A write to a dead receiver fails here first; its exit, which follows, says more.
    this.#socket = socket.on('error', () => {})
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Hands one round over; the clock stops in the receiver. */
  async handOver(way: Way, round: Buffer, transfer?: string): Promise<{ handOverNs: bigint; withChecksumNs: bigint }> {
    const announcement = { kind: 'round', way, sizeBytes: round.length } as const
    await this.#ask(transfer === undefined ? announcement : { ...announcement, transfer }, 'ready')
    if (way === 'shared memory in place') await this.#sharedMemory.fill(round, () => this.#throwIfDead())
    const done = this.#receive('done')
    const startedAtNs = process.hrtime.bigint()
    await this.whileAlive(this.#send(way, round))
    const { endedAtNs } = await done
    return { handOverNs: endedAtNs - startedAtNs, withChecksumNs: process.hrtime.bigint() - startedAtNs }
  }

  /** The receiver's checksums by the name of the transfer; it ends afterwards. */
  async finish(): Promise<Record<string, string>> {
    return (await this.#ask({ kind: 'finish' }, 'checksums')).sha256
  }

  /** What `work` promises, unless the receiver dies first. */
  whileAlive<T>(work: Promise<T>): Promise<T> {
    // The loser of the race may fail later, and nobody listens to it then.
    work.catch(() => {})
    return Promise.race([work, this.#death])
  }

  close(): void {
    this.#socket.destroy()
    if (this.#child.connected) this.#child.disconnect()
    this.#sharedMemory.close()
  }

  #send(way: Way, round: Buffer): Promise<void> {
    if (way === 'Unix socket') return sendThroughSocket(this.#socket, round)
    if (way === 'process.send') return sendThroughChannel(this.#child, round)
    if (way === 'shared memory in place') return Promise.resolve(this.#sharedMemory.sendFilled(round))
    return this.#sharedMemory.send(round, () => this.#throwIfDead())
  }

  /** Turns the event loop once: without that, Node cannot hear of the receiver's end. */
  async #throwIfDead(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (this.#deathError !== undefined) throw this.#deathError
  }

  async #ask<Kind extends ToSender['kind']>(message: ToReceiver, kind: Kind): Promise<ToSender & { kind: Kind }> {
    const answer = this.#receive(kind)
    // A channel that fails does so because the receiver ended, which the answer waits for as well.
    this.#child.send(message, () => {})
    return await answer
  }

  #receive<Kind extends ToSender['kind']>(kind: Kind): Promise<ToSender & { kind: Kind }> {
    return this.whileAlive(
      new Promise((resolve, reject) => {
        this.#onMessage = (message) => {
          if (message.kind === kind) resolve(message as ToSender & { kind: Kind })
          else reject(new Error(`the receiver answered ${message.kind} instead of ${kind}`))
        }
      }),
    )
  }

  #watch(): Promise<never> {
    return new Promise((_, reject) => {
      const die = (how: string): void => {
        this.#deathError ??= new Error(`the receiver (pid ${this.pid}) ${how} before the hand-over was complete.`)
        reject(this.#deathError)
      }
      this.#child.on('error', (error) => die(`could not be reached (${error.message})`))
      this.#child.on('exit', (code, signal) => die(signal === null ? `ended with code ${code}` : `was killed by ${signal}`))
    })
  }
}
