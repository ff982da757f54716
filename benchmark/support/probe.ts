/**
 * The other side, where it is no package: compiles a probe of `benchmark/probes` with `cc -O2` into a temporary folder, or a project in Rust
 * with cargo, or starts one in Python, and talks to it.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { benchmarkFolder, probesFolder } from './paths.js'

export interface ProbeCase {
  name: string
  iterations: number
  /** Name, key or path of the object that the case works on, or what else the probe takes, without white space. */
  subject?: string
  sizeBytes?: number
}

/** Compiles a probe and returns the path of the result, which disappears with this process. */
export function compileProbe(name: string, flags: readonly string[] = []): string {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-probe-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const output = join(folder, `${name}.node`)
  try {
    execFileSync('cc', ['-O2', '-pthread', ...flags, '-o', output, `${probesFolder}${name}.c`], { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    throw new Error(`the C side of this benchmark does not compile: is a C compiler installed as cc?`, { cause: error })
  }
  return output
}

/**
 * Builds a project in Rust of its own below `benchmark/`, and starts it; or answers the sentence that says why it is missing.
 * Its dependencies come from the network the first time.
 */
export function rustProbe(folder: string, args: readonly string[] = []): Probe | string {
  const project = `${benchmarkFolder}${folder}/`
  const name = readFileSync(`${project}Cargo.toml`, 'utf8').match(/^name = "(.+)"$/m)?.[1] ?? ''
  process.stdout.write(`Building benchmark/${folder} (cargo)…\n`)
  try {
    const build = ['build', '--release', '--locked', '--quiet', '--target-dir', `${project}target`]
    execFileSync('cargo', build, { cwd: project, stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    const complaint = String((error as { stderr?: Buffer }).stderr ?? error)
    return `benchmark/${folder} does not build here: ${complaint.split('\n').find((line) => line.includes('error')) ?? complaint}`
  }
  return new Probe(name, `${project}target/release/${name}`, args)
}

/** Starts a probe in Python, or answers the sentence that says why it is missing. `needs` is a module of its own. */
export function pythonProbe(name: string, needs: string): Probe | string {
  if (spawnSync('python3', ['-c', `import ${needs}`]).status !== 0) return `python3 with ${needs} is not here (apt-get install python3).`
  return new Probe(name, 'python3', [`${probesFolder}${name}.py`])
}

/** A probe that runs until `close()`; it answers one case at a time. */
export class Probe {
  readonly #child: ChildProcess
  readonly #lines: Interface
  /** Rejects when the probe ends, which it only does of itself when a call failed. */
  readonly #death: Promise<never>

  constructor(name: string, path = compileProbe(name), args: readonly string[] = []) {
    this.#child = spawn(path, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    if (this.#child.stdout === null) throw new Error('the probe has no output')
    this.#lines = createInterface({ input: this.#child.stdout })
    this.#child.stdin?.on('error', () => {})
    this.#death = once(this.#child, 'exit').then(() => {
      throw new Error(`the probe ${name} ended early`)
    })
    this.#death.catch(() => {})
  }

  /** The number that the probe says it answers: most often nanoseconds an operation. */
  async measure({ name, iterations, subject = '-', sizeBytes = 0 }: ProbeCase): Promise<number> {
    const answer = once(this.#lines, 'line')
    this.#child.stdin?.write(`${name} ${iterations} ${subject} ${sizeBytes}\n`)
    const [line] = (await Promise.race([answer, this.#death])) as [string]
    return Number(line)
  }

  close(): void {
    this.#child.stdin?.end()
  }
}
