/**
 * A process that makes any call of the package on request: `call` takes a dotted path (`'SysvSegment.open'`, `'sysv.shmget'`, or a
 * value it kept, `'mine.write'`), the arguments, and a name to keep the result under, which is not answered then. Bytes are
 * answered as hex. `'about'` answers pid and uid.
 */
import * as shmem from 'shmem'
import * as posix from 'shmem/posix'
import * as sysv from 'shmem/sysv'
import { answer, say } from '../support/replies.js'

/** What `call` takes. A word `$name` among the arguments means the value kept under that name. */
export type Call = [path: string, args?: unknown[], keep?: string]

const kept: Record<string, unknown> = { ...shmem, sysv, posix }

answer({
  about: () => ({ pid: process.pid, uid: process.getuid?.() }),
  umask: (mask: number) => process.umask(mask),
  call,
  /** Says "blocking", then calls: the second answer is the call's. */
  block: (given: Call) => {
    say('blocking')
    return call(given)
  }
})

function call([path, args = [], keep]: Call): unknown {
  const words = path.split('.')
  const last = words.pop() as string
  const home = words.reduce<any>((from, word) => from[word], kept)
  const member = home[last]
  const result = typeof member === 'function' ? member.apply(home, args.map(meant)) : member
  if (keep === undefined) return answerable(result)
  kept[keep] = result
  return null
}

function meant(argument: unknown): unknown {
  return typeof argument === 'string' && argument.startsWith('$') ? kept[argument.slice(1)] : argument
}

function answerable(result: unknown): unknown {
  if (result instanceof ArrayBuffer) return Buffer.from(result).toString('hex')
  if (result instanceof Uint8Array) return Buffer.from(result).toString('hex')
  return typeof result === 'bigint' ? String(result) : result
}
