/**
 * Users that are hard to see, from inside namespaces of their own: whoever cannot be seen must not lose the object. Played by 81.system-unseen.test.ts, with
 * the program `object-holder` as the first argument.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, existsSync, linkSync, openSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clean, list, orphans, remove, SysvSegment, type ObjectFacts } from 'shmem'
import { asOther, OTHER_UID } from '../support/namespace.js'
import { codeOf, play } from '../support/scenarios.js'

const [holder = ''] = process.argv.slice(3)
/** Facts that somebody made up. */
const MADE_UP: ObjectFacts = { kind: 'posix', name: '', sizeBytes: 0, mode: 0, uid: 0, gid: 0, owner: '', users: [], usersComplete: false, origin: 'foreign' }

await play({ 'other-names': otherNames, leaderless, exhausted, 'other-facts': otherFacts, powerless, hidden, 'ask-hidden': askHidden })

/** Somebody who holds an object in a way of `object-holder`. */
async function held(name: string, how: 'mapped' | 'open' | 'leaderless', prefix: string[] = [], mode = '600', folder = '/dev/shm'): Promise<ChildProcess> {
  const [command = '', ...words] = [...prefix, holder, `${folder}/${name}`, mode, how]
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  assert.equal(child.exitCode, null, `${name} is held`)
  // It ends with this PID namespace.
  child.stdout.destroy()
  child.unref()
  return child
}

function named(name: string): ObjectFacts {
  const facts = list({ kinds: ['posix'] }).find(one => one.name === `/${name}`)
  assert.ok(facts, name)
  return facts
}

/** It is no orphan, or none that may be removed, and is not removed. */
function isSpared(name: string): void {
  assert.deepEqual(orphans({ foreign: true, name: `/${name}` }).filter(({ removable }) => removable), [], name)
  assert.equal(clean(named(name)), 'inUse', name)
  assert.ok(existsSync(`/dev/shm/${name}`), name)
}

/** Opened under a name that is gone since, as programs do that publish what is finished, or under another name. */
async function otherNames(): Promise<void> {
  const { pid } = await held('unfinished', 'open')
  linkSync('/dev/shm/unfinished', '/dev/shm/published')
  linkSync('/dev/shm/unfinished', '/dev/shm/second')
  for (const name of ['published', 'second', 'unfinished']) {
    assert.deepEqual(named(name).users.map(user => user.pid), [pid], name)
    isSpared(name)
  }
  unlinkSync('/dev/shm/unfinished')
  for (const name of ['published', 'second']) isSpared(name)

  // In another mount namespace its folder has another name, too.
  const elsewhere = ['unshare', '--mount', 'sh', '-c', 'mount --bind /dev/shm /mnt && exec "$@"', 'sh']
  const other = await held('abroad', 'open', elsewhere, '600', '/mnt')
  renameSync('/dev/shm/abroad', '/dev/shm/home')
  linkSync('/dev/shm/home', '/dev/shm/left')
  unlinkSync('/dev/shm/home')
  assert.deepEqual(named('left').users.map(user => user.pid), [other.pid])
  isSpared('left')
}

async function leaderless(): Promise<void> {
  const { pid } = await held('threaded', 'leaderless')
  assert.deepEqual(named('threaded').users.map(user => user.pid), [pid])
  isSpared('threaded')
}

/** Who has no descriptor left to look with sees nobody. */
async function exhausted(): Promise<void> {
  await held('exhausted', 'mapped')
  const facts = named('exhausted')
  execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=100:100'])
  const outcomes = new Set<string | undefined>()
  for (let spare = 0; spare < 5; spare++) {
    const taken: number[] = []
    assert.equal(codeOf(() => fill(taken)), 'EMFILE')
    for (const fd of taken.splice(0, spare)) closeSync(fd)
    outcomes.add(codeOf(() => outcomes.add(clean(facts))))
    if (spare === 0) assert.equal(codeOf(() => orphans({ foreign: true })), 'EMFILE')
    for (const fd of taken) closeSync(fd)
  }
  assert.deepEqual([...outcomes].toSorted(), ['EMFILE', 'inUse', undefined])
  isSpared('exhausted')
}

function fill(taken: number[]): void {
  for (;;) taken.push(openSync('/dev/null', 'r'))
}

/** What `clean` and `remove` are given leads nowhere but to what is meant, and what they need in /dev/shm is nobody else's. */
function otherFacts(): void {
  otherSegment()
  const outside = join(tmpdir(), `shmem-test-\ufffd-${process.pid}`)
  writeFileSync(outside, '')
  try {
    for (const act of [clean, remove]) {
      for (const kind of ['posix', 'posix-semaphore'] as const) {
        assert.equal(codeOf(() => act({ ...MADE_UP, kind, name: `/../..${outside}` })), 'ERR_INVALID_ARG_VALUE')
      }
    }
    assert.ok(existsSync(outside))
  } finally {
    unlinkSync(outside)
  }
  // A cleaner that was killed, or whoever wants to harm, left these.
  const left = Array.from({ length: 8 }, (_, index) => `.shmem-removed-${process.pid}-${index}`)
  for (const name of [...left, 'sem.']) writeFileSync(`/dev/shm/${name}`, '')
  writeFileSync(Buffer.from('/dev/shm/\xff\xfe', 'latin1'), '')
  const found = orphans({ foreign: true })
  assert.deepEqual(found.filter(({ removable }) => !removable), [])
  assert.deepEqual(found.filter(({ name }) => ['/sem.', '/\ufffd\ufffd'].includes(name)).map(one => [one.kind, clean(one)]), [['posix', 'removed'], ['posix', 'removed']])
  assert.deepEqual(readdirSync('/dev/shm').toSorted(), left)
}

/** An identifier that came around. */
function otherSegment(): void {
  using segment = SysvSegment.create(0x5aa5_0082, { size: 4096 })
  segment.close()
  const facts = list({ kinds: ['sysv'] })[0]
  assert.ok(facts)
  for (const other of [{ ...facts, key: 1 }, { ...facts, creatorPid: process.pid + 1 }]) {
    assert.equal(clean(other), 'gone')
    assert.equal(codeOf(() => remove(other)), 'ENOENT')
  }
  assert.equal(clean(facts), 'removed')
}

/** Root of a container has no CAP_SYS_PTRACE, and sees the processes of no other user. */
async function powerless(): Promise<void> {
  await held('of-others', 'mapped', asOther(), '600')
  await held('of-others-open', 'open', asOther(), '600')
  for (const name of ['of-others', 'of-others-open']) {
    const [orphan] = orphans({ foreign: true, name: `/${name}` })
    assert.match(orphan?.whyNot ?? '', /cannot be looked at \(\d+\): root needs CAP_SYS_PTRACE/)
    isSpared(name)
  }
}

/** A third user's process has it, and /proc does not show that process to the second. */
async function hidden(): Promise<void> {
  await held('hidden', 'mapped', asOther(OTHER_UID - 1), '666')
  chownSync('/dev/shm/hidden', OTHER_UID, OTHER_UID)
  execFileSync('mount', ['-o', 'remount,hidepid=2', '/proc'])
  const [command = '', ...words] = [...asOther(), process.execPath, process.argv[1] ?? '', 'ask-hidden']
  assert.match(execFileSync(command, words, { encoding: 'utf8' }), /survived ask-hidden/)
}

function askHidden(): void {
  const [orphan] = orphans({ foreign: true, name: '/hidden' })
  assert.match(orphan?.whyNot ?? '', /\/proc does not show/)
  assert.equal(named('hidden').usersComplete, false)
  isSpared('hidden')
}
