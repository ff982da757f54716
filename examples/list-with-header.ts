/**
 * A list that introduces itself: a POSIX object with a header (magic, version, size), an allocator that takes new nodes from the top and
 * old ones from a list of free nodes, and the list itself. A second process validates the header, prints the list and appends to it.
 *
 * This is how such things are built by hand; it needs a lock around it as soon as two change it at once, and somebody who repairs it when one
 * of them is killed. `ManagedSegment` with `mem.list` and `mem.allocator` has all that (examples/list.ts).
 *
 *     npm run build && node dist/examples/list-with-header.js
 *
 * A run that was killed leaves /dev/shm/shmem-list-with-header-<its pid> behind.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment } from 'shmem'

const MAGIC = 0x4c49_5354 // LIST
const VERSION = 2
const SIZE = 4096

/** The header's words, by their index, and then the nodes. An offset of 0 is none. */
const HEADER = { magic: 0, version: 1, size: 2, head: 3, tail: 4, top: 5, free: 6, count: 7 } as const
const NODES = 32
const NODE_BYTES = 16
/** A node's words. */
const NODE = { next: 0, id: 1, value: 2 } as const

type Field = keyof typeof HEADER

/** The list in an object whose header was found to be right. */
class OwnList {
  readonly #words: Uint32Array

  private constructor(words: Uint32Array) {
    this.#words = words
  }

  /** The magic comes last: who opens a list that is not ready yet finds none. */
  static create(segment: PosixSegment): OwnList {
    const list = new OwnList(new Uint32Array(segment.buffer))
    list.#put('version', VERSION)
    list.#put('size', segment.size)
    list.#put('top', NODES)
    Atomics.store(list.#words, HEADER.magic, MAGIC)
    return list
  }

  static open(segment: PosixSegment): OwnList {
    const list = new OwnList(new Uint32Array(segment.buffer))
    if (Atomics.load(list.#words, HEADER.magic) !== MAGIC) throw new Error('it is no list')
    if (list.#get('version') !== VERSION) throw new Error(`it is a list of version ${list.#get('version')}, and this program knows version ${VERSION}`)
    if (list.#get('size') !== segment.size) throw new Error(`it was made with ${list.#get('size')} bytes, and has ${segment.size}`)
    return list
  }

  append(id: number, value: number): void {
    const node = this.#allocate()
    this.#words.set([0, id, value], node / 4)
    const tail = this.#get('tail')
    // The node is whole before anything leads to it.
    if (tail === 0) this.#put('head', node)
    else this.#words[this.#checked(tail) / 4 + NODE.next] = node
    this.#put('tail', node)
    this.#put('count', this.#get('count') + 1)
  }

  remove(id: number): void {
    let before = 0
    for (const node of this.nodes()) {
      if (this.#words[node / 4 + NODE.id] === id) return this.#unlink(before, node)
      before = node
    }
    throw new Error(`there is no ${id}`)
  }

  /** Offsets of the nodes; ends, whatever somebody may have written there. */
  *nodes(): Generator<number> {
    let left = (SIZE - NODES) / NODE_BYTES
    for (let node = this.#get('head'); node !== 0; node = this.#words[node / 4 + NODE.next] ?? 0) {
      if (left === 0) throw new Error('the list goes round')
      left -= 1
      yield this.#checked(node)
    }
  }

  get text(): string {
    const nodes = [...this.nodes()].map(node => `${this.#words[node / 4 + NODE.id]}=${this.#words[node / 4 + NODE.value]} (${node})`)
    return `${this.#get('count')} nodes: ${nodes.join(' -> ')}`
  }

  get bytesUsed(): number {
    return this.#get('top')
  }

  #unlink(before: number, node: number): void {
    const next = this.#words[node / 4 + NODE.next] ?? 0
    if (before === 0) this.#put('head', next)
    else this.#words[before / 4 + NODE.next] = next
    if (next === 0) this.#put('tail', before)
    this.#put('count', this.#get('count') - 1)
    // In front of the free ones, linked by the same word.
    this.#words[node / 4 + NODE.next] = this.#get('free')
    this.#put('free', node)
  }

  #allocate(): number {
    const free = this.#get('free')
    if (free !== 0) {
      this.#put('free', this.#words[this.#checked(free) / 4 + NODE.next] ?? 0)
      return free
    }
    const top = this.#checked(this.#get('top'))
    this.#put('top', top + NODE_BYTES)
    return top
  }

  /** An offset of somebody else's making, once it is found to be a node's. */
  #checked(node: number): number {
    if (node >= NODES && node + NODE_BYTES <= SIZE && (node - NODES) % NODE_BYTES === 0) return node
    throw new Error(`no node is at offset ${node}`)
  }

  #get(field: Field): number {
    return this.#words[HEADER[field]] ?? 0
  }

  #put(field: Field, value: number): void {
    this.#words[HEADER[field]] = value
  }
}

async function first(name: string): Promise<void> {
  const segment = PosixSegment.create(name, { size: SIZE })
  try {
    console.log(`first: an empty object: ${problem(segment)}`)
    const list = OwnList.create(segment)
    for (const id of [1, 2, 3, 4]) list.append(id, id * id)
    console.log(`first: ${list.text}`)
    list.remove(2)
    list.remove(3)
    console.log(`first: 2 and 3 removed: ${list.text}`)
    await runSecond(name)
    console.log(`first: ${list.text}, in ${list.bytesUsed} bytes`)
    new Uint32Array(segment.buffer)[HEADER.version] = 1
    console.log(`first: with another version: ${problem(segment)}`)
  } finally {
    segment.close()
    segment.remove()
  }
}

/** The second process: validates, prints, appends. */
function second(name: string): void {
  const segment = PosixSegment.open(name)
  try {
    const list = OwnList.open(segment)
    console.log(`second: ${list.text}`)
    for (const id of [5, 6, 7]) list.append(id, id * id)
    console.log('second: appended 5, 6 and 7; the first two in the places of 3 and 2')
  } finally {
    segment.close()
  }
}

function problem(segment: PosixSegment): string {
  try {
    OwnList.open(segment)
    return 'none'
  } catch (error) {
    return (error as Error).message
  }
}

async function runSecond(name: string): Promise<void> {
  const [code] = await once(fork(import.meta.filename, [name]), 'exit')
  if (code !== 0) throw new Error(`the second process ended with ${code}`)
}

const name = process.argv[2]
if (name === undefined) await first(`/shmem-list-with-header-${process.pid}`)
else second(name)
