/** A Redis that belongs to one benchmark: it listens on a Unix socket of its own, saves nothing, and ends with us. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const startMs = 10_000

export class RedisServer {
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child
    this.#folder = folder
    // If the benchmark fails, the server must not stay.
    process.once('exit', () => this.#end())
  }

  /** The server, listening; or the sentence that says why there is none. */
  static async start(): Promise<RedisServer | string> {
    if (spawnSync('redis-server', ['--version']).status !== 0) return 'redis-server is not installed here (apt-get install redis-server).'
    const folder = mkdtempSync(join(tmpdir(), 'shmem-redis-'))
    const args = ['--port', '0', '--unixsocket', join(folder, 'socket'), '--save', '', '--appendonly', 'no', '--daemonize', 'no', '--dir', folder]
    const server = new RedisServer(spawn('redis-server', args, { stdio: 'ignore' }), folder)
    const givesUpAt = Date.now() + startMs
    while (!existsSync(server.socketPath)) {
      if (server.#child.exitCode !== null || Date.now() > givesUpAt) {
        await server.stop()
        return 'redis-server did not begin to listen.'
      }
      await sleep(10)
    }
    return server
  }

  get socketPath(): string {
    return join(this.#folder, 'socket')
  }

  async stop(): Promise<void> {
    const ended = this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'exit') : undefined
    this.#end()
    await ended
  }

  #end(): void {
    this.#child.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
