/**
 * The Rust member of the kill tests (`crate/core/src/bin/member`): a build of the core with fail points, made once, in a folder of its own so
 * that it and the ordinary build leave each other alone.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The repository; compiled files lie in `dist/__test__/support`. */
const root = fileURLToPath(new URL('../../../', import.meta.url))
const folder = join(root, 'target/fail-points')

let built: string | undefined

/** Builds the program if it is not there or out of date; cargo itself keeps test files that ask at once apart. Answers its path. */
export function memberProgram(): string {
  if (built !== undefined) return built
  const args = ['build', '--release', '--quiet', '--locked', '-p', 'shmem-core', '--bin', 'member', '--features', 'fail-points', '--target-dir', folder]
  execFileSync('cargo', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  built = join(folder, 'release/member')
  return built
}

let points: readonly string[] | undefined

/** Every place at which the program can be stopped. */
export function failPoints(): readonly string[] {
  points ??= execFileSync(memberProgram(), ['points'], { encoding: 'utf8' }).trim().split('\n')
  return points
}

/** Why a process cannot have a PID namespace of its own here, or nothing. */
export function whyNoPidNamespace(): string | undefined {
  if (process.getuid?.() !== 0) return 'a PID namespace needs root'
  const tried = spawnSync('unshare', [...UNSHARE, 'true'], { encoding: 'utf8' })
  if (tried.error !== undefined) return `unshare: ${tried.error.message}`
  return tried.status === 0 ? undefined : `unshare --pid: ${tried.stderr.trim()}`
}

const UNSHARE = ['--pid', '--fork', '--kill-child']

export interface StartOptions {
  env?: Record<string, string>
  /** In a PID namespace of its own: every such process is number 1 there. */
  ownPidNamespace?: boolean
}

/** A running process of a kill test. */
export class Member {
  /** How it ended: its exit code, or nothing after a signal. */
  readonly ended: Promise<number | undefined>
  /** Resolves at a fail point, or at the end. */
  readonly stopped: Promise<void>
  hasEnded = false
  /** Whether it stopped at its fail point. */
  isStopped = false
  stderr = ''
  readonly #process: ChildProcess
  readonly #isBehindUnshare: boolean
  #isShot = false

  constructor(command: string, args: readonly (string | number)[], { env, ownPidNamespace = false }: StartOptions = {}) {
    const words = [command, ...args.map(String)]
    const [first = '', ...rest] = ownPidNamespace ? ['unshare', ...UNSHARE, ...words] : words
    this.#isBehindUnshare = ownPidNamespace
    this.#process = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.#process.stderr?.setEncoding('utf8').on('data', text => (this.stderr += text))
    this.ended = new Promise((resolve, reject) => {
      this.#process.on('error', reject)
      this.#process.on('close', code => {
        this.hasEnded = true
        // unshare(1) of util-linux 2.38 ends with 1 when its child was killed; a member that fails by itself says why.
        const wasKilled = code === null || (this.#isBehindUnshare && this.#isShot && code !== 0 && !this.stderr.startsWith('member'))
        resolve(wasKilled ? undefined : code)
      })
    })
    this.stopped = new Promise(resolve => {
      this.#process.stdout?.once('data', () => {
        this.isStopped = true
        resolve()
      })
      void this.ended.then(() => resolve(), () => resolve())
    })
  }

  /** SIGKILL, and waits until it is gone. Answers whether that ended it. */
  async kill(): Promise<boolean> {
    while (!this.hasEnded) {
      const pid = this.pid
      if (pid !== undefined) {
        this.#isShot = true
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // It has just ended by itself.
        }
        break
      }
      await setImmediate()
    }
    return (await this.ended) === undefined
  }

  /** The member's own, as our PID namespace numbers it; none before unshare has started it. Who killed unshare first would leave it behind. */
  get pid(): number | undefined {
    const outer = this.#process.pid
    if (!this.#isBehindUnshare || outer === undefined) return outer
    try {
      return Number(readFileSync(`/proc/${outer}/task/${outer}/children`, 'utf8').split(' ')[0]) || undefined
    } catch {
      return undefined
    }
  }

  /** Waits for its end, so long at most. `false`: it goes on. */
  async endsWithin(ms: number): Promise<boolean> {
    if (this.hasEnded) return true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>(resolve => (timer = setTimeout(resolve, ms, false)))
    const inTime = await Promise.race([late, this.ended.then(() => true)])
    clearTimeout(timer)
    return inTime
  }
}
