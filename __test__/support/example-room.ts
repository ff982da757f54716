/**
 * A room for programs that are run as a user would run them: an IPC namespace, a /dev/shm and a folder for temporary files of its
 * own, where several programs meet and where afterwards everything that is left was left by them.
 */
import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { ExecutionContext } from 'ava'
import { whyNotPrivate } from './namespace.js'

/** How a program ended, and what it wrote to pipes. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

const whyNoRoom = whyNotPrivate()

/** Who ends what was begun: a test, or a file of tests. */
export type Scope = Pick<ExecutionContext<unknown>, 'teardown'>

/** Opens a room, which goes with the test. Without the right to a namespace it is no room of its own: see `whyShared`. */
export async function openRoom(t: Scope): Promise<Room> {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-room-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o777)
  if (whyNoRoom !== undefined) return new Room(folder, [], whyNoRoom)
  const holder = spawn('unshare', ['--ipc', '--mount', 'sh', '-c', 'mount -t tmpfs shm /dev/shm && echo ready && exec cat'])
  t.teardown(async () => {
    holder.stdin.end()
    if (holder.exitCode === null) await once(holder, 'exit')
  })
  const [first] = (await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])) as [unknown]
  if (String(first).trim() !== 'ready') throw new Error(`no namespace for a room: ${first}`)
  return new Room(folder, ['nsenter', `--target=${holder.pid}`, '--ipc', '--mount', '--'], undefined)
}

/** A room; `open` makes it. */
export class Room {
  readonly #folder: string
  readonly #prefix: string[]
  /** Why `leftovers()` cannot tell what was left here, or nothing. */
  readonly whyShared: string | undefined

  constructor(folder: string, prefix: string[], whyShared: string | undefined) {
    this.#folder = folder
    this.#prefix = prefix
    this.whyShared = whyShared
  }

  /** Starts a program; its process is the program's own, for signals. */
  start(words: string[], stdio: StdioOptions = ['ignore', 'pipe', 'pipe'], patienceMs = 60_000): ChildProcess {
    const [command = '', ...args] = [...this.#prefix, ...words]
    return spawn(command, args, { stdio, timeout: patienceMs, killSignal: 'SIGKILL', env: { ...process.env, TMPDIR: this.#folder } })
  }

  /** Runs a program to its end. */
  async run(words: string[]): Promise<Ended> {
    return await ending(this.start(words))
  }

  /** What lies in the room: System V segments and semaphores by kind and id, POSIX objects and temporary files by path. */
  leftovers(): string[] {
    const kernel = ['shm', 'sem'].flatMap(kind =>
      this.#look('cat', `/proc/sysvipc/${kind}`).slice(1).map(line => `${kind} ${line.trim().split(/\s+/u)[1]}`)
    )
    const objects = this.#look('ls', '-A', '/dev/shm').map(name => `/dev/shm/${name}`)
    return [...kernel, ...objects, ...readdirSync(this.#folder).map(name => join(this.#folder, name))]
  }

  #look(...words: string[]): string[] {
    const [command = '', ...args] = [...this.#prefix, ...words]
    const looked = spawnSync(command, args, { encoding: 'utf8' })
    if (looked.status !== 0) throw new Error(`${words.join(' ')}: ${looked.error?.message ?? looked.stderr}`)
    return looked.stdout.split('\n').filter(line => line !== '')
  }
}

/** Waits for the end of a program that was started. */
export async function ending(child: ChildProcess): Promise<Ended> {
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>,
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr)
  ])
  return { code, signal, stdout, stderr }
}
