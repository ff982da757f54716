/**
 * `shmem stat`: everything that is known of an object, and what is in it where it is a managed segment or a set of semaphores.
 */
import { PosixSemaphore, SysvSemaphoreSet, type ObjectFacts, type ObjectKind } from 'shmem'
import { EXIT } from './exit.js'
import { found } from './find.js'
import { inManaged, memberLines, objectLines, type Inside } from './managed.js'
import { colored, printAll, printJson } from './output.js'
import { escaped, mode, objectWords, size, time } from './words.js'

/** What is known besides the facts. */
interface More {
  /** Of a managed segment. */
  inside?: Inside
  /** Of semaphores. */
  values?: number[]
  /** Why it could not be opened. */
  whyNotOpened?: string
}

export function stat(word: string, { kind, json }: { kind?: ObjectKind; json?: boolean }): number {
  const objects = found(word, kind, true).map(facts => ({ ...facts, ...lookInto(facts) }))
  if (json) printJson({ objects })
  else printAll(objects.flatMap((object, index) => [...(index === 0 ? [] : ['']), ...lines(object)]))
  return EXIT.ok
}

function lookInto({ kind, name, id, managed }: ObjectFacts): More {
  try {
    if (kind === 'posix' && managed === true) return { inside: inManaged(name) }
    if (kind === 'sysv-semaphore' && id !== undefined) return { values: SysvSemaphoreSet.attach(id).values() }
    if (kind === 'posix-semaphore') return { values: [semaphoreValue(name)] }
    return {}
  } catch (error) {
    return { whyNotOpened: (error as Error).message }
  }
}

function semaphoreValue(name: string): number {
  const semaphore = PosixSemaphore.open(name)
  try {
    return semaphore.value
  } finally {
    semaphore.close()
  }
}

function lines(object: ObjectFacts & More): string[] {
  const memory = object.kind.endsWith('semaphore')
    ? []
    : [row('in RAM', size(object.residentBytes)), row('swapped', size(object.swappedBytes)), row('huge pages', size(object.hugeBytes)), row('locked', size(object.lockedBytes))]
  return [
    colored('bold', objectWords(object)),
    ...given('path', object.path, escaped),
    ...(object.kind === 'sysv-semaphore' ? [] : [row('size', `${size(object.sizeBytes)} (${object.sizeBytes} bytes)`)]),
    row('owner', `${escaped(object.owner)} (uid ${object.uid}, gid ${object.gid}), mode ${mode(object.mode)}`),
    ...memory,
    ...given('created', object.createdMs, time),
    ...given('changed', object.changedMs, time),
    ...given('created by', object.creatorPid, pid => `process ${pid}`),
    ...given('last used by', object.lastPid, pid => (pid === 0 ? '-' : `process ${pid}`)),
    ...given('attached', object.attached, times => `${times} ${times === 1 ? 'time' : 'times'}`),
    ...given('values', object.values, values => values.join(' ')),
    row('origin', object.managed === true ? 'a managed segment of shmem' : object.origin === 'ours' ? 'made by shmem' : 'other software, or nobody knows'),
    ...userLines(object),
    ...given('not opened', object.whyNotOpened, escaped),
    ...(object.inside === undefined ? [] : ['', ...memberLines(object.inside.members), '', ...objectLines(object.inside.objects)])
  ]
}

function userLines({ users, usersComplete }: ObjectFacts): string[] {
  const words = users.map(({ pid, name, how }) => `process ${pid} ${escaped(name)}${how === 'open' ? ' (open, not mapped)' : ''}`)
  if (!usersComplete) words.push('processes that I may not look at, perhaps')
  return words.length === 0 ? [row('users', 'none')] : words.map((text, index) => row(index === 0 ? 'users' : '', text))
}

function given<T>(title: string, value: T | undefined, words: (value: T) => string): string[] {
  return value === undefined ? [] : [row(title, words(value))]
}

function row(title: string, text: string): string {
  return `  ${title.padEnd(13)}${text}`
}
