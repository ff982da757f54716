/**
 * `mem.list`: order, handles, values, between processes and between Rust and Node, and what a killed member leaves. The storm is in
 * 60.kill-allocator.test.ts.
 */
import test, { type ExecutionContext } from 'ava'
import { ManagedSegment, PosixSegment, type List, type ListNode } from 'shmem'
import { Book } from './support/kill-book.js'
import { Member, memberProgram } from './support/kill-member.js'
import { newManaged, newUser, wordsOf } from './support/managed-peer.js'
import { objectName } from './support/peer.js'
import { survives } from './support/scenario.js'

const value = (text: string): Buffer => Buffer.from(text.padEnd(8, '.'))
const texts = (list: List): string[] => [...list].map(node => list.read(node).toString().replaceAll('.', ''))
const nodeOf = (node: ListNode | 'full'): ListNode => {
  if (node === 'full') throw new Error('the list is full')
  return node
}

function newList(t: ExecutionContext, capacity = 16): List {
  return newManaged(t).list('list', { valueBytes: 8, capacity })
}

test('values stand where they were put', t => {
  const list = newList(t)
  const b = nodeOf(list.push(value('b')))
  const d = nodeOf(list.push(value('d')))
  list.unshift(value('a'))
  list.insertBefore(d, value('c'))
  list.insertAfter(d, value('e'))
  t.deepEqual(texts(list), ['a', 'b', 'c', 'd', 'e'])
  t.is(list.length, 5)
  t.is(list.next(list.next(b) ?? 0), d)
  t.is(list.previous(list.previous(d) ?? 0), b)
  t.is(list.previous(list.first() ?? 0), undefined)
  t.is(list.next(list.last() ?? 0), undefined)
  list.remove(d)
  t.is(list.pop()?.toString(), 'e.......')
  t.is(list.shift()?.toString(), 'a.......')
  t.deepEqual(texts(list), ['b', 'c'])
})

test('an empty list has no ends and gives nothing', t => {
  const list = newList(t)
  t.deepEqual([list.first(), list.last(), list.pop(), list.shift(), list.length], [undefined, undefined, undefined, undefined, 0])
  t.deepEqual(list.nodes(), [])
})

test('a handle of a removed node is stale for good, also when another node lies there', t => {
  const list = newList(t, 1)
  const old = nodeOf(list.push(value('old')))
  list.remove(old)
  const young = nodeOf(list.push(value('young')))
  t.not(young, old)
  t.true(list.has(young))
  t.false(list.has(old))
  const calls = [() => list.read(old), () => list.write(old, value('no')), () => list.remove(old), () => list.next(old), () => list.previous(old), () => list.bytes(old), () => list.offset(old), () => list.insertBefore(old, value('no')), () => list.insertAfter(old, value('no'))]
  for (const call of calls) t.throws(call, { code: 'ERR_SHM_STALE_HANDLE' })
  for (const never of [1, 2, 5, 2 ** 21, 2 ** 21 + 7, 2 ** 22, Number.MAX_SAFE_INTEGER]) {
    t.false(list.has(never === young ? 1 : never))
    if (never !== young) t.throws(() => list.read(never), { code: 'ERR_SHM_STALE_HANDLE' }, String(never))
  }
  t.deepEqual(texts(list), ['young'])
})

test('a full list says so, and its values can still be written', t => {
  const list = newList(t, 3)
  const nodes = ['a', 'b', 'c'].map(text => nodeOf(list.push(value(text))))
  for (const put of [() => list.push(value('d')), () => list.unshift(value('d')), () => list.insertAfter(nodes[0] ?? 0, value('d'))]) t.is(put(), 'full')
  list.write(nodes[1] ?? 0, value('B'))
  t.deepEqual(texts(list), ['a', 'B', 'c'])
  list.shift()
  t.not(list.push(value('d')), 'full')
  t.deepEqual(texts(list), ['B', 'c', 'd'])
})

test('a walk leaves out what is removed before its turn comes', t => {
  const list = newList(t)
  const nodes = ['a', 'b', 'c'].map(text => nodeOf(list.push(value(text))))
  const seen: ListNode[] = []
  for (const node of list) {
    seen.push(node)
    if (node === nodes[0]) list.remove(nodes[1] ?? 0)
    list.push(value('late'))
  }
  t.deepEqual(seen, [nodes[0], nodes[2]])
  list.clear()
  t.is(list.length, 0)
  t.false(list.has(nodes[0] ?? 0))
})

test('values lie at multiples of 16, and can be worked on in place', t => {
  const mem = newManaged(t)
  const list = mem.list('odd', { valueBytes: 5, capacity: 4 })
  for (let count = 0; count < 4; count += 1) {
    const node = nodeOf(list.push(Buffer.alloc(5, count)))
    t.is(list.offset(node) % 16, 0)
    t.is(list.bytes(node).length, 5)
    list.bytes(node)[0] = 200
    t.deepEqual([...list.read(node)], [200, count, count, count, count])
    t.is(new Uint8Array(mem.buffer)[list.offset(node)], 200)
  }
  const target = new Uint8Array(5)
  t.is(list.read(list.last() ?? 0, target), target)
  t.deepEqual([...target], [200, 3, 3, 3, 3])
})

test('a handle names the same node in another process', async t => {
  const mem = newManaged(t)
  const list = mem.list('list', { valueBytes: 8 })
  const user = await newUser(t, mem)
  await user.has('list', 'list', { valueBytes: 8 })
  const nodes = ['a', 'b', 'c'].map(text => nodeOf(list.push(value(text))))
  t.deepEqual(await user.call('list.nodes'), nodes)
  await user.call('list.remove', nodes[1])
  t.deepEqual(texts(list), ['a', 'c'])
  const node = nodes[2] ?? 0
  t.is(await user.call('list.offset', node), list.offset(node))
  t.is(await user.call('list.previous', node), nodes[0])
  await t.throwsAsync(user.call('list.read', nodes[1]), { code: 'ERR_SHM_STALE_HANDLE' })
})

test('another size or capacity is another type, and neither may be too large', t => {
  const mem = newManaged(t)
  mem.list('list', { valueBytes: 8, capacity: 10 })
  for (const options of [{ valueBytes: 9, capacity: 10 }, { valueBytes: 8, capacity: 11 }, { valueBytes: 8 }]) {
    const error = t.throws(() => mem.list('list', options), { code: 'ERR_SHM_TYPE_MISMATCH' })
    t.true(error.message.includes('list { valueBytes: 8, capacity: 10 }'), error.message)
  }
  t.throws(() => mem.mutex('list'), { code: 'ERR_SHM_TYPE_MISMATCH' })
  t.throws(() => mem.list('large', { valueBytes: 2 ** 20, capacity: 2 ** 21 - 1 }), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => mem.list('large', { valueBytes: 2 ** 20, capacity: 100 }), { code: 'ERR_SHM_NO_SPACE' })
  t.deepEqual(mem.objects.map(({ name }) => name), ['list'])
})

test('after close() every call says so', t => {
  const mem = newManaged(t)
  const list = mem.list('list', { valueBytes: 8 })
  const node = nodeOf(list.push(value('a')))
  const view = list.bytes(node)
  mem.close()
  t.is(view.length, 0)
  const calls = [() => list.length, () => list.push(value('b')), () => list.pop(), () => list.first(), () => list.has(node), () => list.bytes(node), () => list.nodes(), () => list.read(node), () => list.clear(), () => list.stats()]
  for (const call of calls) t.throws(call, { code: 'ERR_SHM_CLOSED' })
})

test('links that go round are reported, and clear() makes the list usable again', t => {
  const mem = newManaged(t)
  const list = mem.list('list', { valueBytes: 8, capacity: 8 })
  const nodes = ['a', 'b', 'c'].map(text => nodeOf(list.push(value(text))))
  const words = wordsOf(mem, list)
  const at = (node: ListNode): number => list.offset(node) - 16 - (mem.objects[0]?.offset ?? 0)
  words[(at(nodes[2] ?? 0) + 4) / 4] = at(nodes[0] ?? 0)
  t.throws(() => list.nodes(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  t.throws(() => [...list], { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  t.throws(() => list.remove(nodes[2] ?? 0), { code: 'ERR_SHM_POSSIBLY_CORRUPT' })
  list.clear()
  t.not(list.push(value('new')), 'full')
  t.deepEqual(texts(list), ['new'])
})

test('a list and a heap that somebody scribbles over throw or answer nonsense, and never crash or hang', async t => {
  const { stdout } = await survives(t, 'hostile-list', 'scribbled')
  t.log(/^did .*$/m.exec(stdout)?.[0] ?? '')
})

/** What the role `list` keeps. */
const ROLE = { valueBytes: 40, capacity: 64 }

test.serial('Rust and Node work on one list, and who reads without the lock sees whole values only', async t => {
  const { mem, start, book } = stage(t)
  const list = mem.list('list', ROLE)
  list.push(ruledValue(7, 9))
  const members = [start(['position=0']), start(['position=1'])]
  const target = new Uint8Array(ROLE.valueBytes)
  let [steps, torn] = [0, 0]
  for (const deadline = performance.now() + 1500; performance.now() < deadline; ) {
    for (let node = list.first(); node !== undefined; steps += 1) {
      const at = node
      if (unlessStale(() => list.read(at, target)) !== undefined && !isRuled(target)) torn += 1
      node = unlessStale(() => list.next(at))
    }
  }
  book.stop()
  for (const member of members) t.is(await member.ended, 0, member.stderr)
  t.is(torn, 0)
  t.is(book.sum('violations'), 0)
  const nodes = list.nodes()
  t.is(list.length, nodes.length)
  t.is(1 + book.sum('given') - book.sum('taken'), nodes.length)
  t.true(nodes.every(node => isRuled(list.read(node))))
  t.log(`${steps} steps beside ${book.sum('given')} insertions and ${book.sum('taken')} removals`)
})

for (const point of ['list.filled', 'list.prepared', 'list.linked', 'list.unlinked', 'list.retired', 'list.promised', 'list.copied']) {
  test.serial(`a member killed at ${point} leaves a list that the next call makes whole`, async t => {
    const { mem, start, book } = stage(t)
    const member = start(['position=0'], { SHMEM_FAIL_POINT: `${point}@3` })
    await member.stopped
    t.true(member.isStopped, `it never came to ${point}: ${member.stderr}`)
    await member.kill()
    const list = mem.list('list', ROLE)
    const nodes = list.nodes()
    const scratch = mem.list('scratch', ROLE)
    scratch.clear()
    t.is(list.stats().ownerDeaths + scratch.stats().ownerDeaths, 1, 'it died with the lock of one of its lists')
    t.is(list.length, nodes.length)
    const known = book.sum('given') - book.sum('taken')
    t.true(Math.abs(known - nodes.length) <= 1, `${nodes.length} nodes, ${known} known of`)
    const backwards: ListNode[] = []
    for (let node = list.last(); node !== undefined; node = list.previous(node)) backwards.unshift(node)
    t.deepEqual(backwards, nodes)
    let free = 0
    while (list.push(ruledValue(free, 1)) !== 'full') free += 1
    t.is(free + nodes.length, list.capacity, 'no node is lost')
  })
}

/** As the members of the role write them: words 0 and 1 say what the others are. */
function ruledValue(low: number, high: number): Uint8Array {
  const words = Uint32Array.from({ length: 10 }, (_, index) => Math.imul((low ^ ((high << index) | (high >>> (32 - index)))) + index, 0x9e37_79b1))
  words[0] = low
  words[1] = high
  return new Uint8Array(words.buffer)
}

function isRuled(bytes: Uint8Array): boolean {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, 2)
  return Buffer.from(ruledValue(words[0] ?? 0, words[1] ?? 0)).equals(bytes)
}

/** Somebody may remove a node meanwhile. */
function unlessStale<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_SHM_STALE_HANDLE') throw error
    return undefined
  }
}

/** A segment, and Rust members that play the role `list` in it. */
function stage(t: ExecutionContext): { mem: ManagedSegment; book: Book; start: (options: readonly string[], env?: Record<string, string>) => Member } {
  const names = [objectName(t), objectName(t)] as const
  PosixSegment.create(names[0], { size: 8 << 20 }).close()
  const book = Book.create(names[1])
  const mem = ManagedSegment.openOrCreate(PosixSegment.open(names[0]), { members: 64, objects: 32 })
  t.teardown(() => {
    mem.close()
    mem.segment.close()
    book.close()
  })
  const start = (options: readonly string[], env: Record<string, string> = {}): Member => {
    const member = new Member(memberProgram(), ['list', ...names, `seed=${Math.floor(Math.random() * 2 ** 48)}`, ...options], { env })
    t.teardown(() => member.kill())
    return member
  }
  return { mem, book, start }
}
