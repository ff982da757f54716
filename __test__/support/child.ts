/**
 * Other processes as the other side of a test: programs from `__test__/children/<name>.ts`, asked by JSON lines on their standard
 * input, which answer on their standard output (their side is `replies.ts`). Each is killed and waited for at the end of its test.
 * Nobody waits for ever: a child that dies or stays silent fails the question, with what it wrote to standard error.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

/** How a process ended. */
export interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
}

/** What a child threw, with the properties of its error (`code`, `errno`, `syscall`, `key`, `id`, `hint`, …). */
export type RemoteError = Error & Record<string, unknown>

export interface ChildOptions {
  /** For the program. */
  args?: (string | number)[]
  /** For Node. */
  execArgv?: string[]
  env?: Record<string, string>
  /** A command that runs the command behind it, with exec: `namespace.ts` makes them. */
  prefix?: string[]
  /** How long a question may take. @default 60 s */
  patienceMs?: number
}

/** Starts the compiled `__test__/children/<name>.ts` under this Node. */
export function startChild(t: ExecutionContext<unknown>, name: string, options: ChildOptions = {}): Child {
  const file = fileURLToPath(new URL(`../children/${name}.js`, import.meta.url))
  return startCommand(t, process.execPath, [...(options.execArgv ?? []), file, ...(options.args ?? [])], options)
}

/** Starts any program, such as one of `compileC`; `options.args` and `options.execArgv` are not used. */
export function startCommand(t: ExecutionContext<unknown>, command: string, args: (string | number)[], options: ChildOptions = {}): Child {
  const [first = command, ...rest] = [...(options.prefix ?? []), command, ...args.map(String)]
  const child = new Child(spawn(first, rest, { env: { ...process.env, ...options.env } }), [first, ...rest].join(' '), options.patienceMs ?? 60_000)
  t.teardown(async () => child.kill('SIGKILL'))
  return child
}

/** A running child. */
export class Child {
  /** How it ended, once it has. */
  readonly ended: Promise<Ending>
  /** What it wrote to standard error so far. */
  stderr = ''
  readonly #process: ChildProcessWithoutNullStreams
  readonly #command: string
  readonly #patienceMs: number
  readonly #lines: string[] = []
  #ending: Ending | undefined
  #wake = (): void => {}
  #turn: Promise<unknown> = Promise.resolve()

  constructor(process: ChildProcessWithoutNullStreams, command: string, patienceMs: number) {
    this.#process = process
    this.#command = command
    this.#patienceMs = patienceMs
    process.stderr.setEncoding('utf8').on('data', text => (this.stderr += text))
    createInterface({ input: process.stdout }).on('line', line => {
      this.#lines.push(line)
      this.#wake()
    })
    // A child may be gone before it reads: its ending says so.
    process.stdin.on('error', () => {})
    this.ended = this.#end()
  }

  /** The same for the program behind a prefix, which execs it. */
  get pid(): number {
    return this.#process.pid ?? -1
  }

  /** Asks and waits for the answer. Throws the child's error. */
  async ask<T = any>(verb: string, argument?: unknown): Promise<T> {
    this.tell(verb, argument)
    return await this.answer<T>()
  }

  /** Asks; the answer comes by {@link Child.answer}, in order. */
  tell(verb: string, argument?: unknown): void {
    this.write(`${JSON.stringify({ verb, argument })}\n`)
  }

  /** Waits for the next answer. Throws the child's error. */
  async answer<T = any>(): Promise<T> {
    const { value, error } = JSON.parse(await this.line()) as { value?: T; error?: Record<string, unknown> }
    if (error !== undefined) throw Object.assign(new Error(String(error['message'])), error)
    return value as T
  }

  /** Writes to its standard input. */
  write(text: string | Uint8Array): void {
    this.#process.stdin.write(text)
  }

  /** Ends its standard input; a child of `replies.ts` then exits by itself. */
  endInput(): void {
    this.#process.stdin.end()
  }

  /** Waits for the next line of its standard output; of several who wait, the first gets the first. */
  line(): Promise<string> {
    const mine = this.#turn.then(() => this.#nextLine())
    this.#turn = mine.catch(() => {})
    return mine
  }

  async #nextLine(): Promise<string> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.#wake()
    }, this.#patienceMs)
    try {
      while (this.#lines.length === 0) {
        if (this.#ending !== undefined) throw this.#complaint(`ended with ${this.#ending.code ?? this.#ending.signal}`)
        if (late) throw this.#complaint(`was silent for ${this.#patienceMs} ms`)
        await new Promise<void>(resolve => (this.#wake = resolve))
      }
      return this.#lines.shift() as string
    } finally {
      clearTimeout(timer)
    }
  }

  /** Kills it and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ending> {
    if (this.#ending === undefined) this.#process.kill(signal)
    return await this.ended
  }

  async #end(): Promise<Ending> {
    try {
      const [code, signal] = (await once(this.#process, 'close')) as [number | null, NodeJS.Signals | null]
      this.#ending = { code, signal }
    } catch (error) {
      this.stderr += String(error)
      this.#ending = { code: -1, signal: null }
    }
    this.#wake()
    return this.#ending
  }

  #complaint(what: string): Error {
    return new Error(`the child ${what}: ${this.#command}\n${this.stderr}`)
  }
}
