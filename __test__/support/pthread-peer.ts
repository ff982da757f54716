/**
 * A C program as the other side of pthread objects: `children/pthread-peer.c` behind typed words, and a Node process that opened the
 * same object.
 */
import type { ExecutionContext } from 'ava'
import { type SysvSegment } from 'shmem'
import { compileC } from './c-program.js'
import { startChild, startCommand, type Child, type ChildOptions } from './child.js'
import { passingSegment } from './sysv-objects.js'

type Test = ExecutionContext<unknown>

/** What pthread calls answer. */
export const errno = { EPERM: 1, EBUSY: 16, EINVAL: 22, EDEADLK: 35, ETIMEDOUT: 110, EOWNERDEAD: 130, ENOTRECOVERABLE: 131 }

/** A memory, and the means to start C programs on it. */
export interface Room {
  segment: SysvSegment
  startPeer(options?: ChildOptions): CPeer
}

/** A fresh segment; nothing, and `t` skipped, without a C compiler. */
export function roomWithC(t: Test, size = 8192): Room | undefined {
  const program = compileC(t, 'pthread-peer')
  if (program === undefined) return undefined
  const segment = passingSegment(t, size)
  return { segment, startPeer: options => new CPeer(startCommand(t, program, [segment.id], options)) }
}

/** A C program that obeys. */
export class CPeer {
  constructor(readonly child: Child) {}

  /** What the call answers: 0, or an errno. */
  async call(verb: string, ...words: (string | number)[]): Promise<number> {
    this.tell(verb, ...words)
    return Number(await this.child.line())
  }

  /** Calls; the answer comes by {@link CPeer.answer}. */
  tell(verb: string, ...words: (string | number)[]): void {
    this.child.write(`${[verb, ...words].join(' ')}\n`)
  }

  async answer(): Promise<number> {
    return Number(await this.child.line())
  }

  async kill(): Promise<void> {
    await this.child.kill()
  }
}

/** A Node process (`children/caller.ts`) that has the segment as `segment` and what lies at `offset` as `mine`. */
export async function nodePeer(t: Test, segment: SysvSegment, kind: string, offset: number, options?: ChildOptions): Promise<Child> {
  const child = startChild(t, 'caller', options)
  await child.ask('call', ['SysvSegment.attach', [segment.id], 'segment'])
  await child.ask('call', [`${kind}.at`, ['$segment', offset], 'mine'])
  return child
}
