/**
 * The second process of a comparison between two: a program of `benchmark/children` under Node or another runtime, which
 * carries out one duty at a time and answers numbers. Beside its standard input it inherits one end of a Unix socket.
 */
import { spawn, type ChildProcess, type SerializationType } from 'node:child_process'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The descriptor of the partner's end of the socket. */
export const partnerSocketFd = 3

export interface PartnerOptions {
  /** The program that runs it; Node by default. */
  runtime?: string
  /** Gives it a channel for `process.send` too, with this serialization. */
  channel?: SerializationType
}

export class Partner {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #unread: string[] = []
  /** Rejects when the partner ends, which it only does of itself when a duty failed. */
  readonly #death: Promise<never>

  /** Starts `dist/benchmark/children/<name>.js`; its arguments are the name of whatever both share. */
  constructor(name: string, args: readonly string[] = [], { runtime = process.execPath, channel }: PartnerOptions = {}) {
    const program = fileURLToPath(new URL(`../children/${name}.js`, import.meta.url))
    const stdio: ('pipe' | 'inherit' | 'ipc')[] = ['pipe', 'pipe', 'inherit', 'pipe']
    this.#child = spawn(
      runtime,
      [program, ...args],
      channel === undefined ? { stdio } : { stdio: [...stdio, 'ipc'], serialization: channel },
    )
    if (this.#child.stdout === null) throw new Error('the second process has no output')
    this.#lines = createInterface({ input: this.#child.stdout }).on('line', (line) => this.#unread.push(line))
    this.#child.stdin?.on('error', () => {})
    this.#death = once(this.#child, 'exit').then(() => {
      throw new Error(`the second process ${name} ended early`)
    })
    this.#death.catch(() => {})
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get socket(): Socket {
    const socket = this.#child.stdio[partnerSocketFd]
    if (!(socket instanceof Socket)) throw new Error('the socket to the second process is missing')
    return socket
  }

  /** The end of the channel for `send` and `'message'`, if it was asked for. */
  get channel(): ChildProcess {
    return this.#child
  }

  /** Resolves once the partner has begun, so that what it waits for may be sent. One duty at a time. */
  async begin(duty: string, ...numbers: number[]): Promise<{ answer: Promise<number[]> }> {
    const begun = this.#nextLine()
    this.#child.stdin?.write(`${JSON.stringify([duty, ...numbers])}\n`)
    await begun
    const answer = this.#nextLine().then((line) => JSON.parse(line) as number[])
    answer.catch(() => {})
    return { answer }
  }

  async ask(duty: string, ...numbers: number[]): Promise<number[]> {
    return await (await this.begin(duty, ...numbers)).answer
  }

  /** What `work` promises, unless the partner dies first. */
  whileAlive<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#death])
  }

  /** The partner ends when its input does. */
  close(): void {
    this.#child.stdin?.end()
    this.socket.destroy()
  }

  async #nextLine(): Promise<string> {
    // A duty that answers at once writes two lines together: those that nobody awaits yet must not be lost.
    if (this.#unread.length === 0) await this.whileAlive(once(this.#lines, 'line'))
    return this.#unread.shift() ?? ''
  }
}
