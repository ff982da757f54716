/**
 * One end of a Unix socket between two Node processes, over which they wake each other with single bytes.
 * An end that was inherited reads into a buffer of its own (`onread`), so that nothing is allocated on the way.
 */
import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net'

export class ByteSocket {
  readonly #socket: Socket
  readonly #byte = Buffer.from([1])
  #onByte: () => void = () => {}

  constructor(end: Socket | number) {
    this.#socket = typeof end === 'number' ? this.#inherited(end) : end.on('data', (bytes) => this.#take(bytes.length))
    this.#socket.on('error', () => {})
  }

  send(): void {
    this.#socket.write(this.#byte)
  }

  /** Calls back for each byte, from the event loop, until another listener takes its place. */
  listen(onByte: () => void): void {
    this.#onByte = onByte
  }

  /** Resolves with `count` times at which a byte arrived. */
  arrivals(count: number, clock: () => number): Promise<number[]> {
    const times: number[] = []
    return new Promise((resolve) => {
      this.listen(() => {
        if (times.push(clock()) === count) resolve(times)
      })
    })
  }

  /** Answers `count` bytes, each with one. */
  async echo(count: number): Promise<void> {
    await this.arrivals(count, () => {
      this.send()
      return 0
    })
  }

  #take(byteCount: number): void {
    for (let byte = 0; byte < byteCount; byte += 1) this.#onByte()
  }

  #inherited(fd: number): Socket {
    const options: SocketConstructorOpts & { onread: OnReadOpts } = {
      fd,
      onread: {
        buffer: Buffer.alloc(64),
        callback: (byteCount) => {
          this.#take(byteCount)
          return true
        },
      },
    }
    const socket = new Socket(options)
    socket.read(0)
    return socket
  }
}
