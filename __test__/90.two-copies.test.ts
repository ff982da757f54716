/**
 * Two copies of the package in one process and in two: they work together, or refuse by name and version. What depends on the
 * handlers and threads of each runs with both orders of loading: the copy that comes second stands before the other's handlers.
 */
import { rmSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { ManagedSegment, list } from 'shmem'
import { startChild, type Child } from './support/child.js'
import { managed } from './support/managed.js'
import { copyOfPackage } from './support/package-copy.js'
import { objectName } from './support/peer.js'

type Test = ExecutionContext<unknown>

const { entrance: copy, temporary } = copyOfPackage()
test.after.always(() => rmSync(temporary, { recursive: true, force: true }))

type Prove = (t: Test, child: Child) => Promise<void>

/** A process that has both. */
async function inProcess(t: Test, args: string[], prove: Prove): Promise<void> {
  const child = startChild(t, 'two-copies', { args })
  await prove(t, child)
  child.endInput()
  // Not killed by a signal, unless the test did it.
  t.regex(JSON.stringify(await child.ended), /"code":0|SIGKILL/u, child.stderr)
}

function both(title: string, prove: Prove): void {
  test.serial(title, t => inProcess(t, ['shmem', copy], prove))
}

/** In a process for each order. */
function eachOrder(title: string, prove: Prove): void {
  test.serial(title, async t => {
    await Promise.all([['shmem', copy], [copy, 'shmem']].map(args => inProcess(t, args, prove)))
  })
}

eachOrder('each copy guards its own mappings, whichever was loaded first', async (t, child) => {
  t.is(await child.ask('faults'), undefined)
})

both('they share memory by name and by descriptor, and one closes without the other', async (t, child) => {
  t.is(await child.ask('memory', objectName(t)), undefined)
})

both('what one copy made the other refuses by its version, and knows its errors', async (t, child) => {
  const messages = [...(await child.ask<string[]>('misuse')), ...(await child.ask<string[]>('raw'))]
  t.is(messages.length, 7)
  for (const message of messages) t.regex(message, /made by another copy of shmem \((?:0\.0\.9; this is \d+\.\d+\.\d+|\d+\.\d+\.\d+; this is 0\.0\.9)\)/u)
})

eachOrder('two members of one thread exclude each other, and a wait for oneself is a deadlock', async (t, child) => {
  t.is(await child.ask('locks', objectName(t)), undefined)
})

both('allocator, ring and map are one to both', async (t, child) => {
  t.is(await child.ask('structures', objectName(t)), undefined)
})

eachOrder('a thread that ends as a member of both is dead to both', async (t, child) => {
  t.is(await child.ask('workers', objectName(t)), undefined)
})

both('a copy that only a worker loaded leaves the others their guard', async (t, child) => {
  const { entrance, temporary: folder } = copyOfPackage()
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  t.is(await child.ask('passing', entrance), undefined)
})

test.serial('two copies that have one image between them, by a hard link, work together', async t => {
  const linked = copyOfPackage(temporary)
  t.teardown(() => rmSync(linked.temporary, { recursive: true, force: true }))
  await inProcess(t, [copy, linked.entrance], async (_, child) => {
    t.is(await child.ask('memory', objectName(t)), undefined)
    t.is(await child.ask('locks', objectName(t)), undefined)
  })
})

both('a process that is killed as a member of both gives back what each held', async (t, child) => {
  const { mem, name } = managed(t)
  t.deepEqual(await child.ask('holdBoth', name), [3, 3])
  await child.kill()
  for (const lock of ['a', 'b']) {
    t.is(mem.mutex(lock).lockSync({ timeoutMs: 20_000 }), 'ownerDied')
    mem.mutex(lock).markConsistent()
    mem.mutex(lock).unlock()
  }
})

both('a segment of another layout version is refused by both versions, and left as it was', async (t, child) => {
  const { mem, name } = managed(t)
  const header = new DataView(mem.buffer)
  const version = header.getUint32(8, true)
  header.setUint32(8, version + 1, true)
  // Another version may write this word in another way.
  for (const ready of [2, 7]) {
    header.setUint32(16, ready, true)
    const before = Buffer.from(mem.buffer.slice(0, 4096))
    for (const { code, message } of await child.ask<{ code: string; message: string }[]>('openWith', name)) {
      t.is(code, 'ERR_SHM_VERSION', `ready ${ready}: ${message}`)
      t.regex(message, new RegExp(`version ${version + 1} .* version ${version} `, 'u'))
    }
    t.deepEqual(Buffer.from(mem.buffer.slice(0, 4096)), before)
    t.true(list().some(object => JSON.stringify(object).includes(name)))
  }
  header.setUint32(8, version, true)
  header.setUint32(16, 2, true)
  t.notThrows(() => ManagedSegment.open(name).close())
})
