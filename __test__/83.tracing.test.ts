/**
 * The channels of node:diagnostics_channel: each event with its whole message, none where nothing happened, and nothing built where nobody listens.
 */
import test, { type ExecutionContext } from 'ava'
import { execFile } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, PosixSemaphore, PthreadCondition, PthreadMutex, PthreadRwLock, SysvSegment,
  SysvSemaphoreSet, clean, list, remove, type ObjectFacts, type Segment, type TraceMessages
} from 'shmem'
import { ftruncate } from 'shmem/posix'
import { newManaged, newUser, untilArmed } from './support/managed-peer.js'
import { objectName, temporaryFolder } from './support/peer.js'
import { semaphoreName } from './support/posix-semaphore-names.js'
import { newSegment, newSet } from './support/sysv-objects.js'
import { until } from './support/until.js'

const run = promisify(execFile)

/** What a channel tells until the test's end. */
function heard<Name extends keyof TraceMessages>(t: ExecutionContext<unknown>, ...names: Name[]): [Name, TraceMessages[Name]][] {
  const told: [Name, TraceMessages[Name]][] = []
  for (const name of names) {
    const listen = (message: unknown): void => void told.push([name, message as TraceMessages[Name]])
    subscribe(name, listen)
    t.teardown(() => unsubscribe(name, listen))
  }
  return told
}

const LIVES = ['shmem:create', 'shmem:open', 'shmem:close', 'shmem:remove'] as const

test.serial('a POSIX object is told when it is created, opened, closed and removed', t => {
  const name = objectName(t)
  const told = heard(t, ...LIVES)
  const made = PosixSegment.create(name, { size: 5000 })
  const part = PosixSegment.open(name, { access: 'read', offset: 4096, length: 100 })
  part.close()
  part.close()
  made.remove()
  made.close()
  PosixSegment.openOrCreate(name, { size: 1 }).close()
  PosixSegment.remove(name)
  t.throws(() => PosixSegment.remove(name), { code: 'ENOENT' })
  t.throws(() => PosixSegment.open(name), { code: 'ENOENT' })
  const about = { kind: 'posix', segment: `segment '${name}'`, objectName: name } as const
  const whole = { ...about, size: 5000, access: 'write' } as const
  const read = { ...about, size: 100, access: 'read' } as const
  const small = { ...whole, size: 1 }
  t.deepEqual(told, [
    ['shmem:create', whole], ['shmem:open', read], ['shmem:close', read], ['shmem:remove', about], ['shmem:close', whole],
    ['shmem:create', small], ['shmem:close', small], ['shmem:remove', about]
  ])
})

test.serial('so are the other kinds, by what they are known by', t => {
  const path = join(temporaryFolder(t), 'state')
  const told = heard(t, ...LIVES)
  const sysv = SysvSegment.create(IPC_PRIVATE, { size: 100 })
  sysv.remove()
  sysv.close()
  const memfd = MemfdSegment.create('traced', { size: 100 })
  MemfdSegment.fromFd(memfd.fd, { access: 'copy-on-write' }).close()
  memfd.remove()
  memfd.close()
  const file = FileSegment.create(path, { size: 100 })
  FileSegment.remove(path)
  file.close()
  const words = `System V segment ${sysv.id}`
  const sizes = { size: 100, access: 'write' } as const
  t.deepEqual(told.slice(0, 3), [
    ['shmem:create', { kind: 'sysv', segment: words, ...sizes, id: sysv.id }], ['shmem:remove', { kind: 'sysv', segment: words, id: sysv.id }],
    ['shmem:close', { kind: 'sysv', segment: words, ...sizes, id: sysv.id }]
  ])
  // A memfd has no name to remove.
  t.deepEqual(told.slice(3, 7), [
    ['shmem:create', { kind: 'memfd', segment: "memfd 'traced'", ...sizes, objectName: 'traced' }],
    ['shmem:open', { kind: 'memfd', segment: 'the memfd segment', size: 100, access: 'copy-on-write' }],
    ['shmem:close', { kind: 'memfd', segment: 'the memfd segment', size: 100, access: 'copy-on-write' }],
    ['shmem:close', { kind: 'memfd', segment: "memfd 'traced'", ...sizes, objectName: 'traced' }]
  ])
  t.deepEqual(told.slice(7), [
    ['shmem:create', { kind: 'file', segment: `file '${path}'`, ...sizes, path }], ['shmem:remove', { kind: 'file', segment: `file '${path}'`, path }],
    ['shmem:close', { kind: 'file', segment: `file '${path}'`, ...sizes, path }]
  ])
})

test.serial('semaphores are told when they are created, opened, closed and removed; one inside a segment is not', t => {
  const name = semaphoreName(t)
  const told = heard(t, ...LIVES)
  const made = PosixSemaphore.create(name)
  PosixSemaphore.openOrCreate(name).close()
  made.close()
  made.close()
  made.remove()
  PosixSemaphore.create(name).close()
  PosixSemaphore.remove(name)
  t.throws(() => PosixSemaphore.remove(name), { code: 'ENOENT' })
  const posix = { kind: 'posix-semaphore', object: `semaphore '${name}'`, objectName: name } as const
  const lives = told.splice(0)
  t.deepEqual(lives, ['create', 'open', 'close', 'close', 'remove', 'create', 'close', 'remove'].map(event => [`shmem:${event}`, posix]) as never)

  const set = newSet(t, IPC_PRIVATE, { count: 1 })
  SysvSemaphoreSet.attach(set.id)
  set.remove()
  set.remove()
  const other = newSet(t, IPC_PRIVATE, { count: 1 })
  SysvSemaphoreSet.remove(other.id)
  const [first, second] = [set, other].map(({ id }) => ({ kind: 'sysv-semaphore', object: `semaphore set ${id}`, id }) as const)
  t.deepEqual(told.splice(0), [
    ['shmem:create', first], ['shmem:open', first], ['shmem:remove', first], ['shmem:create', second], ['shmem:remove', second]
  ] as never)

  using raw = MemfdSegment.create('traced', { size: 4096 })
  PosixSemaphore.init(raw, 0).close()
  PosixSemaphore.at(raw, 0).close()
  t.deepEqual(told.map(([channel, { kind }]) => `${channel} ${kind}`), ['shmem:create memfd'])
})

test.serial('what clean() and remove() of the package remove is told', t => {
  const [name, semaphore] = [objectName(t), semaphoreName(t)]
  const make = (): ObjectFacts[] => {
    PosixSegment.create(name, { size: 4096 }).close()
    PosixSemaphore.create(semaphore).close()
    const sysv = newSegment(t, IPC_PRIVATE, { size: 4096 })
    sysv.close()
    const set = newSet(t, IPC_PRIVATE, { count: 1 })
    const mine = (facts: ObjectFacts): boolean =>
      facts.name === name || facts.name === semaphore || (facts.kind === 'sysv' && facts.id === sysv.id) || (facts.kind === 'sysv-semaphore' && facts.id === set.id)
    return list({ kinds: ['posix', 'posix-semaphore', 'sysv', 'sysv-semaphore'], users: false }).filter(mine)
  }
  for (const removing of ['clean', 'remove'] as const) {
    const objects = make().filter(({ kind }) => removing === 'remove' || kind !== 'sysv-semaphore')
    t.is(objects.length, removing === 'clean' ? 3 : 4)
    const told = heard(t, 'shmem:remove')
    for (const facts of objects) {
      if (removing === 'remove') remove(facts)
      else t.is(clean(facts), 'removed', facts.kind)
    }
    const wanted = objects.map(({ kind, id, name: called }) => {
      const words = { sysv: `System V segment ${id}`, posix: `segment '${called}'`, 'sysv-semaphore': `semaphore set ${id}`, 'posix-semaphore': `semaphore '${called}'` }[kind as 'sysv']
      return ['shmem:remove', { kind, [kind.endsWith('semaphore') ? 'object' : 'segment']: words, ...(id === undefined ? { objectName: called } : { id }) }]
    })
    t.deepEqual(told, wanted as never)
    t.is(clean(objects[0] as ObjectFacts), 'gone')
    t.is(told.length, objects.length, 'what is gone already is not told')
  }
})

test.serial('what fails behind its creation is told as created, removed and closed', t => {
  const name = objectName(t)
  const told = heard(t, ...LIVES)
  // Stands for a limit of locked memory, which root has not.
  const refuse = PosixSegment.prototype.lockMemory
  PosixSegment.prototype.lockMemory = () => {
    throw new Error('refused')
  }
  t.teardown(() => (PosixSegment.prototype.lockMemory = refuse))
  t.throws(() => PosixSegment.create(name, { size: 1, lockMemory: true }), { message: 'refused' })
  t.deepEqual(told.map(([channel]) => channel), ['shmem:create', 'shmem:remove', 'shmem:close'])
})

test.serial('a dead owner is told by who finds it, once: of a mutex, a reader-writer lock and a pthread mutex', async t => {
  const mem = newManaged(t)
  const { name } = mem.segment as PosixSegment
  const other = await newUser(t, mem)
  using raw = PosixSegment.create(objectName(t), { size: 4096 })
  const pthread = PthreadMutex.initialise(raw, 0)
  await other.has('mutex', 'book')
  await other.has('rwlock', 'table')
  await other.child.ask('call', ['PosixSegment.open', [raw.name], 'raw'])
  await other.child.ask('call', ['PthreadMutex.at', ['$raw', 0], 'pthread'])
  for (const call of ['book.lockSync', 'table.writeLockSync', 'pthread.lockSync']) t.is(await other.call(call), 'locked')
  const told = heard(t, 'shmem:owner-death', 'shmem:lost-wait')
  await other.child.kill()
  const [book, table] = [mem.mutex('book'), mem.rwlock('table')]
  t.is(await book.lock(), 'ownerDied')
  t.is(table.writeLockSync(), 'ownerDied')
  t.is(pthread.tryLock(), 'ownerDied')
  for (const lock of [book, pthread]) lock.markConsistent()
  table.markConsistent()
  table.writeUnlock()
  for (const lock of [book, pthread]) lock.unlock()
  t.is(book.lockSync(), 'locked')
  book.unlock()
  const outcome = 'ownerDied'
  t.deepEqual(told, [
    ['shmem:owner-death', { kind: 'mutex', object: "mutex 'book'", segment: `segment '${name}'`, objectName: 'book', outcome }],
    ['shmem:owner-death', { kind: 'rwlock', object: "rwlock 'table'", segment: `segment '${name}'`, objectName: 'table', outcome }],
    ['shmem:owner-death', { kind: 'pthread-mutex', object: 'a pthread mutex', segment: `segment '${raw.name}'`, outcome }]
  ])
})

test.serial('a wait whose other side died is told as a death and as a lost wait: at a ring, a broadcast and a barrier', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  const ringOptions = { slots: 4, slotBytes: 8, producers: 'one', consumers: 'one' } as const
  const newsOptions = { slots: 4, slotBytes: 8 }
  await other.has('ring', 'ticks', ringOptions)
  await other.has('broadcast', 'news', newsOptions)
  await other.has('barrier', 'start', { parties: 2 })
  await other.child.ask('call', ['ticks.producer', [], 'out'])
  await other.child.ask('call', ['news.writer', [], 'writer'])
  const input = mem.ring('ticks', ringOptions).consumer()
  const reader = mem.broadcast('news', newsOptions).reader()
  const barrier = mem.barrier('start', { parties: 2 })
  // A party is who took a seat once.
  const arrived = barrier.wait()
  t.is(await other.call('start.waitSync'), 'released')
  t.is(await arrived, 'released')
  const told = heard(t, 'shmem:owner-death', 'shmem:lost-wait')
  const waits = [input.receive(), reader.receive(), barrier.wait()]
  await other.child.kill()
  t.deepEqual(await Promise.all(waits), ['peerDied', 'writerDied', 'partyDied'])
  const lines = told.map(([channel, message]) => `${channel} ${message.object} ${'outcome' in message ? message.outcome : message.reason}`)
  t.deepEqual(lines.toSorted(), [
    "shmem:lost-wait barrier 'start' partyDied", "shmem:lost-wait broadcast 'news' writerDied", "shmem:lost-wait ring 'ticks' peerDied",
    "shmem:owner-death barrier 'start' partyDied", "shmem:owner-death broadcast 'news' writerDied", "shmem:owner-death ring 'ticks' peerDied"
  ])
})

test.serial('a member that dies is told to who listened when the segment was opened, and no process stays alive for it', async t => {
  const told = heard(t, 'shmem:member-death')
  const mem = newManaged(t)
  const { name } = mem.segment as PosixSegment
  const leaver = await newUser(t, mem)
  const killed = await newUser(t, mem)
  await leaver.call('mem.close')
  await killed.child.kill()
  await until('the death is told', () => told.length > 0)
  t.is(told[0]?.[1].segment, `segment '${name}'`)
  t.like(told[0]?.[1].member, { pid: killed.child.pid, alive: false, isSelf: false })
  t.is(told.length, 1)
  const program = `import { subscribe } from 'node:diagnostics_channel'; import { ManagedSegment } from 'shmem'; subscribe('shmem:member-death', () => {}); ManagedSegment.open('${name}'); console.log('listens')`
  t.is((await run(process.execPath, ['--input-type=module', '-e', program])).stdout, 'listens\n')
})

test.serial('a wait that timed out is told, with a blocked thread and as a promise; a try and a wait that got it are not', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  await other.has('mutex', 'book')
  await other.has('rwlock', 'table')
  for (const call of ['book.lockSync', 'table.writeLockSync']) await other.call(call)
  const mine = mem.mutex('mine')
  const semaphore = mem.semaphore('seats', { permits: 1 })
  await other.has('semaphore', 'seats', { permits: 1 })
  await other.call('seats.acquireSync')
  const ring = mem.ring('ticks', { slots: 4, slotBytes: 8, producers: 'one', consumers: 'one' })
  const input = ring.consumer()
  const reader = mem.latest('pose', { bytes: 8, readers: 2 }).reader()
  const [book, table, event, condition, barrier, word] = [
    mem.mutex('book'), mem.rwlock('table'), mem.event('ready'), mem.condition('filled'), mem.barrier('start', { parties: 2 }), mem.word('word')
  ]
  const set = SysvSemaphoreSet.create(IPC_PRIVATE, { initial: [0] })
  t.teardown(() => set.remove())
  using raw = MemfdSegment.create('traced', { size: 4096 })
  using semaphoreOfC = PosixSemaphore.init(raw, 0)
  const [mutexOfC, lockOfC, conditionOfC] = [PthreadMutex.initialise(raw, 64), PthreadRwLock.initialise(raw, 128), PthreadCondition.initialise(raw, 256)]
  const timeoutMs = 2
  const short = { timeoutMs }
  const told = heard(t, 'shmem:lost-wait')
  const tries = { timeoutMs: 0 }
  book.lockSync(tries)
  await book.lock(tries)
  event.waitSync(tries)
  set.acquireSync(0, tries)
  barrier.waitSync(tries)
  mine.lockSync(short)
  t.deepEqual(told, [])

  const kinds: [string, () => unknown, (() => Promise<unknown>)?][] = [
    ['mutex', () => book.lockSync(short), () => book.lock(short)],
    ['rwlock', () => table.readLockSync(short), () => table.writeLock(short)],
    ['semaphore', () => semaphore.acquireSync(short), () => semaphore.acquire(short)],
    ['event', () => event.waitSync(short), () => event.wait(short)],
    ['condition', () => condition.waitSync(mine, short), () => condition.wait(mine, short)],
    ['barrier', () => barrier.waitSync(short), () => barrier.wait(short)],
    ['word', () => word.waitSync(0, short), () => word.wait(0, short)],
    ['ring', () => input.receiveSync(short), () => input.receive(short)],
    ['latest', () => reader.nextSync(short), () => reader.next(short)],
    ['sysv-semaphore', () => set.acquireSync(0, short), () => set.acquire(0, short)],
    ['posix-semaphore', () => semaphoreOfC.waitSync(short), () => semaphoreOfC.wait(short)]
  ]
  for (const [kind, sync, promise] of kinds) {
    for (const wait of [sync, promise]) {
      if (wait === undefined) continue
      t.regex(String(await wait()), /^timed-?out$/iu)
      t.is(told.length, 1, kind)
      t.like(told.pop()?.[1], { kind, reason: 'timedOut', timeoutMs })
    }
  }
  // Those of pthread belong to a thread: another one has them.
  const holder = await newUser(t, mem)
  await holder.child.ask('call', ['MemfdSegment.fromProcess', [process.pid, raw.fd], 'raw'])
  await holder.child.ask('call', ['PthreadMutex.at', ['$raw', 64], 'mutex'])
  await holder.child.ask('call', ['PthreadRwLock.at', ['$raw', 128], 'lock'])
  for (const call of ['mutex.lockSync', 'lock.writeLockSync']) await holder.call(call)
  t.deepEqual([mutexOfC.lockSync(short), lockOfC.readLockSync(short)], ['timedOut', 'timedOut'])
  await holder.call('mutex.unlock')
  mutexOfC.lockSync()
  t.is(conditionOfC.waitSync(mutexOfC, { ...short, until: () => false }), 'timedOut')
  mutexOfC.unlock()
  await holder.call('lock.unlock')
  t.deepEqual(told.map(([, { kind, segment, reason }]) => [kind, segment, reason]), ['mutex', 'lock', 'condition'].map(kind => [`pthread-${kind}`, "memfd 'traced'", 'timedOut']))
  mine.unlock()
})

test.serial('a wait that is aborted or closed is told so', async t => {
  const mem = newManaged(t)
  using raw = MemfdSegment.create('traced', { size: 4096 })
  const semaphore = PosixSemaphore.init(raw, 0)
  const [event, barrier] = [mem.event('ready'), mem.barrier('start', { parties: 2 })]
  const told = heard(t, 'shmem:lost-wait')
  const ways = (signal?: AbortSignal): Promise<unknown>[] => [event, barrier, semaphore].map(one => one.wait(signal === undefined ? {} : { signal }))
  const controller = new AbortController()
  const aborted = ways(controller.signal)
  await untilArmed(mem, event)
  controller.abort(new Error('enough'))
  for (const one of aborted) await t.throwsAsync(one, { message: 'enough' })
  const closed = ways()
  await untilArmed(mem, event)
  mem.close()
  semaphore.close()
  for (const one of closed) await t.throwsAsync(one, { code: 'ERR_SHM_CLOSED' })
  await until('all is told', () => told.length === 6)
  const lines = told.map(([, { kind, reason, ...rest }]) => `${kind} ${reason} ${'timeoutMs' in rest}`)
  const kinds = ['barrier', 'event', 'posix-semaphore']
  t.deepEqual(lines.toSorted(), kinds.flatMap(kind => [`${kind} aborted false`, `${kind} closed false`]))
})

test.serial('the guard is seen in the channel and in stat(): writes to read-only memory, and truncations', async t => {
  const told = heard(t, 'shmem:fault')
  using writable = MemfdSegment.create('guarded', { size: 8192 })
  using readable = MemfdSegment.fromFd(writable.fd, { access: 'read' })
  const { bytes } = readable
  bytes[0] = 1
  await until('the write is told', () => told.length === 1)
  ftruncate(writable.fd, 4096)
  t.is(bytes[5000], 0)
  await until('the truncation is told', () => told.length === 2)
  t.deepEqual(told.map(([, message]) => message), [
    { segment: 'the memfd segment', code: 'ERR_SHM_READ_ONLY', counts: { readOnly: 1, truncated: 0, hole: 0 } },
    { segment: 'the memfd segment', code: 'ERR_SHM_TRUNCATED', counts: { readOnly: 1, truncated: 1, hole: 0 } }
  ])
  t.throws(() => readable.stat(), { code: 'ERR_SHM_TRUNCATED' })
  t.deepEqual(readable.stat().faults, { readOnly: 1, truncated: 1, hole: 0 })
  t.deepEqual(writable.stat().faults, { readOnly: 0, truncated: 0, hole: 0 })
})

test.serial('where nobody listens no message is built: no object is asked for its words', t => {
  const mem = newManaged(t)
  const event = mem.event('ready')
  let asked = 0
  const spy = (prototype: object): void => {
    const { describe } = prototype as { describe: () => unknown }
    Object.assign(prototype, {
      describe(this: unknown) {
        asked += 1
        return describe.call(this)
      }
    })
    t.teardown(() => void Object.assign(prototype, { describe }))
  }
  for (const prototype of [MemfdSegment.prototype, Object.getPrototypeOf(Object.getPrototypeOf(event))] as object[]) spy(prototype)
  const live = (): void => {
    const segment: Segment = MemfdSegment.create('untraced', { size: 1 })
    segment.close()
    event.waitSync({ timeoutMs: 1 })
  }
  live()
  t.is(asked, 0)
  heard(t, 'shmem:create', 'shmem:lost-wait')
  live()
  t.is(asked, 2)
})

test.serial('a subscriber that throws harms nobody: the call goes on, and the process hears of it', async t => {
  const program = `
    import { subscribe } from 'node:diagnostics_channel'
    import { ManagedSegment, MemfdSegment } from 'shmem'
    const thrown = []
    process.on('uncaughtException', error => thrown.push(error.message))
    for (const name of ['create', 'close', 'lost-wait']) subscribe('shmem:' + name, () => { throw new Error(name) })
    const memory = MemfdSegment.create('thrown at', { size: '1MiB' })
    const mem = ManagedSegment.openOrCreate(memory)
    const event = mem.event('ready')
    const late = [event.waitSync({ timeoutMs: 1 }), await event.wait({ timeoutMs: 1 })]
    event.set()
    const set = event.waitSync()
    const pending = mem.condition('filled').wait(await lock(mem.mutex('book')))
    mem.mutex('other').lockSync()
    mem.mutex('other').unlock()
    event.reset()
    const closed = event.wait().catch(error => error.code)
    await new Promise(resolve => setTimeout(resolve, 20))
    mem.condition('filled').notifyAll()
    await pending
    mem.mutex('book').unlock()
    mem.close()
    memory.close()
    console.log(late, set, await closed, memory.closed)
    await new Promise(resolve => setTimeout(resolve, 20))
    console.log(thrown)
    async function lock(mutex) { await mutex.lock(); return mutex }
  `
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', program])
  t.is(stderr, '')
  t.is(stdout, "[ 'timedOut', 'timedOut' ] set ERR_SHM_CLOSED true\n[ 'create', 'lost-wait', 'lost-wait', 'close', 'lost-wait' ]\n")
})

test.serial('a subscriber that closes what it is told of finds nothing half-done', async t => {
  const mem = newManaged(t)
  const event = mem.event('ready')
  const listen = (): void => mem.close()
  subscribe('shmem:lost-wait', listen)
  t.teardown(() => unsubscribe('shmem:lost-wait', listen))
  const other = event.wait()
  t.is(event.waitSync({ timeoutMs: 1 }), 'timedOut')
  t.true(mem.closed)
  await t.throwsAsync(other, { code: 'ERR_SHM_CLOSED' })
  t.throws(() => event.set(), { code: 'ERR_SHM_CLOSED' })
})
