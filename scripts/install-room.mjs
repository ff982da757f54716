/**
 * Where scripts/test-install.mjs tries the package as a user gets it: a temporary folder with a home, a registry of its own, and a
 * PATH on which there is Node.js and a shell, and neither cargo nor a compiler. All of it goes when the run ends, however it ends.
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { Stop, root } from './process.mjs'

export const tools = join(root, 'scripts/install-tools')

/** Opens a room, runs `use` in it, and removes it. */
export async function withRoom(use) {
  const room = new Room(mkdtempSync(join(tmpdir(), 'shmem-install-')))
  const interrupted = (signal) => void room.close().then(() => process.exit(128 + constants.signals[signal]))
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, interrupted)
  try {
    await room.open()
    return await use(room)
  } finally {
    await room.close()
    for (const signal of signals) process.off(signal, interrupted)
  }
}

/** See the module; `withRoom` opens and closes it. */
export class Room {
  #folder
  #environment
  #running = new Set()
  #closed = false

  constructor(folder) {
    this.#folder = folder
  }

  /** Starts the registry. */
  async open() {
    const home = this.folder('home')
    const bin = this.folder('bin')
    const npm = npmFolder()
    const programs = { node: process.execPath, npm: join(npm, 'npm-cli.js'), npx: join(npm, 'npx-cli.js'), sh: '/bin/sh' }
    for (const [name, target] of Object.entries(programs)) symlinkSync(target, join(bin, name))

    const address = `127.0.0.1:${await this.#startRegistry()}`
    const registry = `http://${address}/`
    const npmrc = join(home, '.npmrc')
    writeFileSync(npmrc, `registry=${registry}\n//${address}/:_authToken=${await tokenOf(registry)}\n`)
    // Nothing of ours: `npm run` hands down settings of its own.
    this.#environment = {
      PATH: bin,
      HOME: home,
      XDG_DATA_HOME: home,
      XDG_CACHE_HOME: home,
      TMPDIR: this.folder('tmp'),
      DENO_DIR: join(home, 'deno'),
      DENO_NO_UPDATE_CHECK: '1',
      npm_config_userconfig: npmrc,
      npm_config_registry: registry,
      npm_config_cache: join(home, 'npm'),
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      npm_config_update_notifier: 'false',
    }
  }

  /** An empty folder, or the one of that name that is there. */
  folder(name) {
    const path = join(this.#folder, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** Runs a program to its end; throws unless it ends with `code`, or with `'any'`. Answers what it wrote. */
  async run(cwd, words, { code = 0, env = {} } = {}) {
    // Who was interrupted starts nothing more.
    if (this.#closed) return new Promise(() => {})
    const [program, ...args] = words
    const child = spawn(program, args, {
      cwd,
      // A group of its own, so that what it starts goes with it.
      detached: true,
      // Where `program` has no slash it is searched for on this PATH.
      env: { ...this.#environment, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
      killSignal: 'SIGKILL',
    })
    this.#running.add(child)
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
    const ended = await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (exitCode, signal) => resolve(exitCode ?? signal))
    }).finally(() => this.#running.delete(child))
    if (ended !== code && code !== 'any') throw new Error(`${words.join(' ')} ended with ${ended}\n${stdout}${stderr}`)
    return { stdout, stderr }
  }

  /** Whether the PATH in here has no such program. */
  async lacks(program) {
    const { stdout } = await this.run(this.#folder, ['sh', '-c', `command -v ${program} || echo none`])
    return stdout.trim() === 'none'
  }

  /** Ends all that runs, waits until it is gone, and removes the folder. */
  async close() {
    this.#closed = true
    await Promise.all([...this.#running].map(end))
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #startRegistry() {
    const child = fork(join(tools, 'registry.mjs'), [this.folder('registry')], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: ['--no-deprecation'],
      detached: true,
    })
    this.#running.add(child)
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text))
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('message', resolve)
      child.on('exit', (code) => reject(new Stop(`The registry ended with ${code} before it listened.\n${complaint}`)))
    })
  }
}

/** Kills a child and all it started, and waits for it. */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
  await ended
}

/** Only who has an account publishes; here anybody gets one. */
async function tokenOf(registry) {
  const response = await fetch(`${registry}-/user/org.couchdb.user:tester`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'tester', password: 'of this run alone' }),
  })
  const { token } = await response.json()
  if (typeof token !== 'string') throw new Stop(`The registry gave no account: ${response.status}.`)
  return token
}

/** Where npm's own programs lie. */
function npmFolder() {
  const ours = process.env.npm_execpath
  if (ours !== undefined && ours.endsWith('npm-cli.js')) return dirname(ours)
  for (const folder of [dirname(process.execPath), ...(process.env.PATH ?? '').split(delimiter)]) {
    const path = join(folder, 'npm')
    if (existsSync(path)) return dirname(realpathSync(path))
  }
  throw new Stop('npm is not on PATH.')
}
