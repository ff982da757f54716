/**
 * Scenarios that may crash, each in a process of its own: `scenario(t, 'lifetime', 'a-name')` runs one of those that
 * `__test__/children/lifetime.ts` plays (their side is `scenarios.ts`) and answers how it ended. A scenario has survived only
 * if it also said so at its end: an early exit with 0 proves nothing.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { privately, whyNotPrivate } from './namespace.js'
import { oneFile } from './one-file.js'

/** How a scenario ended. */
export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  /** Whether it reached its last line. */
  survived: boolean
  /** Why it stepped aside, if it did. */
  skipped: string | undefined
  stdout: string
  stderr: string
}

export interface ScenarioOptions {
  args?: (string | number)[]
  execArgv?: string[]
  env?: Record<string, string>
  /** The runtime's binary. @default this Node */
  runtime?: string
  /** When it is killed. @default 110 s */
  patienceMs?: number
  /** Whether its objects are in namespaces of its own, where those can be had: they go with it also when the whole run is killed. */
  isAlone?: boolean
  /** Whether the program is put into one file first: it starts many workers. */
  isOneFile?: boolean
}

/** Runs one scenario to its end. */
export async function scenario(t: ExecutionContext<unknown>, program: string, name: string, options: ScenarioOptions = {}): Promise<Outcome> {
  const file = options.isOneFile === true ? oneFile(program) : programFile(program)
  const args = [...(options.execArgv ?? []), file, name, ...(options.args ?? []).map(String)]
  const alone = options.isAlone === true && whyNotPrivate() === undefined ? privately('mount -t tmpfs shm /dev/shm') : []
  const [command = '', ...words] = [...alone, options.runtime ?? process.execPath, ...args]
  const child = spawn(command, words, {
    env: { ...process.env, NODE_NO_WARNINGS: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.patienceMs ?? 110_000,
    killSignal: 'SIGKILL'
  })
  t.teardown(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', text => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (output.stderr += text))
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject).on('close', (...how) => resolve(how))
  })
  const skipped = /^skip: (.*)$/m.exec(output.stdout)?.[1]
  return { code, signal, skipped, survived: output.stdout.endsWith(`survived ${name}\n`), ...output }
}

/** Asserts that a scenario ended well. Answers its outcome. */
export async function survives(t: ExecutionContext<unknown>, program: string, name: string, options?: ScenarioOptions): Promise<Outcome> {
  const outcome = await scenario(t, program, name, options)
  const { code, signal, survived } = outcome
  if (outcome.skipped !== undefined && code === 0) t.log(`SKIP ${t.title}: ${outcome.skipped}`)
  t.deepEqual({ code, signal, survived }, { code: 0, signal: null, survived: true }, `${name}: ${outcome.stderr}\n${outcome.stdout}`.slice(-4000))
  return outcome
}

/** A runtime that `npm run test:runtimes` fetched, such as `node24`; nothing where it was never run. */
export function fetchedNode(line: 22 | 24 | 26): string | undefined {
  const folder = `../../../.runtimes/node${line}/node_modules/node-linux-${process.arch}/bin/node`
  const path = fileURLToPath(new URL(folder, import.meta.url))
  return existsSync(path) ? path : undefined
}

/** The compiled child program. */
export function programFile(program: string): string {
  return fileURLToPath(new URL(`../children/${program}.js`, import.meta.url))
}
