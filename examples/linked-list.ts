/**
 * A linked list in System V shared memory, walked by a second process that has the segment at another address.
 *
 * An address of one process means nothing in another, so a link is the offset of the next node in the segment, and 0, where the list's own words
 * are, ends it. Words are put in their alphabetical place: the order of the list is not the order in memory.
 *
 *     npm run build && node dist/examples/linked-list.js
 *
 * All of it is plain typed arrays. `mem.list` does the same with locks, and survives a process that is killed in the middle (examples/list.ts).
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { IPC_PRIVATE, SysvSegment } from 'shmem'
import { shmat, shmdt, type RawMapping } from 'shmem/sysv'

/**
 * ```text
 *  0 head     offset of the first node         16 nodes, 32 bytes each:  0 next   offset of the node behind, 0 for none
 *  4 top      first byte that no node has                                4 length bytes of the word
 *                                                                        8 word   at most 24 bytes
 * ```
 */
const HEAD = 0
const TOP = 4
const NODES = 16
const NODE_BYTES = 32
const NEXT = 0
const LENGTH = 4
const WORD = 8

/** The list in a mapping, wherever that is. */
class WordList {
  readonly #words: Uint32Array
  readonly #bytes: Buffer

  constructor(mapping: RawMapping) {
    this.#words = new Uint32Array(mapping.buffer, 0, mapping.buffer.byteLength >> 2)
    this.#bytes = Buffer.from(mapping.buffer)
  }

  /** Puts a word where it belongs. Only one process may do so at a time. */
  insert(word: string): void {
    const node = Math.max(this.#get(TOP), NODES)
    if (node + NODE_BYTES > this.#bytes.length || Buffer.byteLength(word) > NODE_BYTES - WORD) throw new RangeError('there is no room for it')
    this.#set(TOP, node + NODE_BYTES)
    this.#set(node + LENGTH, this.#bytes.write(word, node + WORD))
    let link = HEAD
    for (const other of this.nodes()) {
      if (this.wordAt(other) > word) break
      link = other + NEXT
    }
    this.#set(node + NEXT, this.#get(link))
    this.#set(link, node)
  }

  /** Offsets of the nodes, in the list's order. What others wrote is looked at before it is followed, and no list is longer than its memory. */
  *nodes(): Generator<number> {
    let steps = 0
    for (let node = this.#get(HEAD); node !== 0; node = this.#get(node + NEXT)) {
      const isNode = node >= NODES && node + NODE_BYTES <= this.#bytes.length && (node - NODES) % NODE_BYTES === 0
      if (!isNode || (steps += 1) * NODE_BYTES > this.#bytes.length) throw new Error(`no node is at offset ${node}`)
      yield node
    }
  }

  wordAt(node: number): string {
    const length = Math.min(this.#get(node + LENGTH), NODE_BYTES - WORD)
    return this.#bytes.toString('latin1', node + WORD, node + WORD + length)
  }

  get text(): string {
    return [...this.nodes()].map(node => `${this.wordAt(node)} (${node})`).join(' -> ')
  }

  #get(offset: number): number {
    return this.#words[offset / 4] ?? 0
  }

  #set(offset: number, value: number): void {
    this.#words[offset / 4] = value
  }
}

async function first(): Promise<void> {
  // The kernel removes it with its last attachment: nothing is left, even if this program is killed.
  const segment = SysvSegment.create(IPC_PRIVATE, { size: 4096, removeOnLastDetach: true })
  const mapping = shmat(segment.id)
  try {
    const list = new WordList(mapping)
    for (const word of ['no', 'pointers', 'in', 'shared', 'memory']) list.insert(word)
    console.log(`first: ${list.text}`)
    const [code] = await once(fork(import.meta.filename, [String(segment.id), String(mapping.address)]), 'exit')
    if (code !== 0) throw new Error(`the second process ended with ${code}`)
    console.log(`first: ${list.text}`)
  } finally {
    shmdt(mapping)
    segment.close()
  }
}

/** The second process: the same file, run with arguments. */
function second(id: number, addressThere: bigint): void {
  const mappings = [shmat(id)]
  // Two attachments have two addresses: one of them is another than there.
  if (mappings[0]?.address === addressThere) mappings.push(shmat(id))
  const mapping = mappings.at(-1) as RawMapping
  try {
    console.log(`second: the segment is at ${mapping.address === addressThere ? 'the same' : 'another'} address here`)
    const list = new WordList(mapping)
    console.log(`second: ${list.text}`)
    list.insert('offsets')
  } finally {
    mappings.forEach(one => shmdt(one))
  }
}

const [id, address] = process.argv.slice(2)
if (id === undefined || address === undefined) await first()
else second(Number(id), BigInt(address))
