/**
 * Writers and readers of latests and broadcasts in another process: `children/feed-peer.ts`.
 */
import type { ExecutionContext } from 'ava'
import type { ManagedSegment } from 'shmem'
import type { Part } from '../children/feed-peer.js'
import { startChild, type Child } from './child.js'
import { nameOf } from './lock-peer.js'

/** One of them. */
export interface RemotePart {
  call<T = unknown>(method: string, ...args: unknown[]): Promise<T>
  get<T = unknown>(property: string): Promise<T>
  /** Lets a promise pend there; `end` waits for it. */
  begin(method: string, ...args: unknown[]): Promise<void>
  end<T = unknown>(): Promise<T>
}

/** See the module. */
export class FeedPeer {
  readonly child: Child
  #count = 0

  constructor(t: ExecutionContext<unknown>, mem: ManagedSegment) {
    this.child = startChild(t, 'feed-peer', { args: [nameOf(mem)] })
  }

  async open(kind: Part['kind'], name: string, options: object, part: Part['part'], from?: object): Promise<RemotePart> {
    const label = `${part} ${(this.#count += 1)}`
    const { child } = this
    await child.ask('open', { label, kind, name, options, part, from })
    return {
      call: (method, ...args) => child.ask('call', { label, method, args }),
      get: property => child.ask('get', { label, property }),
      begin: (method, ...args) => child.ask('begin', { label, method, args }),
      end: () => child.ask('end', label)
    }
  }

  /** By SIGKILL; answers when it is gone. */
  async kill(): Promise<void> {
    await this.child.kill('SIGKILL')
  }
}
