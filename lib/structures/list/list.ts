/**
 * A doubly linked list of values of one size, which members of a segment change and walk together.
 *
 * @module
 */

import { types } from 'node:util'
import * as check from '../../arguments.js'
import { wrongSize, wrongType } from '../../errors.js'
import { CHANGES, FIRST_NODE, GENERATION, HEAD, INDICES, LENGTH, NEXT, POSITION, PREVIOUS, TAIL, VALUE_OFFSET, listLayout, nodeStride } from './list-layout.js'
import { ManagedObject, type ObjectCounters, type Opened } from '../../membership/managed-object.js'
import { LOADS_IN_ORDER } from '../../memory-order.js'

/** How a list is made. Whoever opens it says the same. */
export interface ListOptions {
  /** Bytes of each value, 1 to 2^20. */
  valueBytes: number
  /** Values that it can hold at once, 1 to 2,097,151; all together below 4 GiB. The memory is taken at once. @default 1024 */
  capacity?: number | undefined
}

/**
 * Names a node of a list, for any process: keep it, send it, write it into shared memory (as a number of 64 bits). When the node is removed the handle is
 * stale for good, also when another node comes to lie there. Not to be computed with. Never 0.
 */
export type ListNode = number

/** What slow paths counted, and how full the list is. */
export interface ListStats extends ObjectCounters {
  /** Nodes in it. */
  length: number
  /** Nodes it has room for. */
  capacity: number
}

const CAPACITY = 1024
/** Up to so many bytes a loop is faster than a view and its copy. */
const LOOP_BYTES = 64

/** The numbers of a list's type. @internal */
export function listNumbers(given: ListOptions): [valueBytes: number, capacity: number] {
  const { valueBytes, capacity } = check.options<ListOptions>('options', given, ['valueBytes', 'capacity'])
  return [
    check.integer('options.valueBytes', valueBytes, 1, listLayout.valueBytesMax),
    capacity === undefined ? CAPACITY : check.integer('options.capacity', capacity, 1, listLayout.capacityMax)
  ]
}

/**
 * A list of a managed segment. Each call is one step for all members, under the list's lock: what a killed member began is completed or undone by the next
 * call of anybody, whole.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`; `ERR_SHM_POSSIBLY_CORRUPT` where something wrote over the list, until `clear()`;
 * `ERR_SHM_TIMED_OUT` where a member is stopped in the middle of a call for 10 seconds already.
 */
export class List extends ManagedObject {
  override readonly kind = 'list'
  /** Bytes of each value. */
  readonly valueBytes: number
  /** Values that it can hold at once. */
  readonly capacity: number
  readonly #offset: number
  readonly #stride: number
  /** The list's bytes, until the segment is closed. */
  #bytes: Uint8Array | undefined

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    const [valueBytes = 0, capacity = 0] = opened.numbers
    this.valueBytes = valueBytes
    this.capacity = capacity
    this.#offset = opened.object.offset
    this.#stride = nodeStride(valueBytes)
    this.#bytes = new Uint8Array(opened.buffer, opened.object.offset, opened.object.bytes)
  }

  /** How many values are in it; stale the moment it returns. */
  get length(): number {
    this.live()
    return Math.min(Atomics.load(this.words, LENGTH) >>> 0, this.capacity)
  }

  /** Puts a value at the end. Answers its node, or `'full'`. RangeError where it has not as many bytes as a value, as of all that follow. */
  push(value: Uint8Array): ListNode | 'full' {
    return this.#insert(POSITION.last, 0, value)
  }

  /** Puts a value at the beginning. */
  unshift(value: Uint8Array): ListNode | 'full' {
    return this.#insert(POSITION.first, 0, value)
  }

  /** Puts a value in front of a node. @throws {@link ShmError} `ERR_SHM_STALE_HANDLE`, as all that take a node. */
  insertBefore(node: ListNode, value: Uint8Array): ListNode | 'full' {
    return this.#insert(POSITION.before, handle(node), value)
  }

  /** Puts a value behind a node. */
  insertAfter(node: ListNode, value: Uint8Array): ListNode | 'full' {
    return this.#insert(POSITION.after, handle(node), value)
  }

  /** Takes the last value out, into a new `Buffer` or into `target`, of as many bytes. Nothing where there is none. */
  pop(): Buffer | undefined
  pop<Target extends Uint8Array>(target: Target): Target | undefined
  pop(target?: Uint8Array): Uint8Array | undefined {
    return this.#take(true, target)
  }

  /** Takes the first value out, likewise. */
  shift(): Buffer | undefined
  shift<Target extends Uint8Array>(target: Target): Target | undefined
  shift(target?: Uint8Array): Uint8Array | undefined {
    return this.#take(false, target)
  }

  /** Takes a node out. */
  remove(node: ListNode): void {
    this.live()
    this.object.listRemove(handle(node))
  }

  /** Takes all nodes out. Makes a list usable again, too, that something wrote over. */
  clear(): void {
    this.live()
    this.object.listClear()
  }

  /** The first node, or nothing. */
  first(): ListNode | undefined {
    return (this.#linked(0, HEAD) ?? this.object.listEnd(false)) || undefined
  }

  /** The last node, or nothing. */
  last(): ListNode | undefined {
    return (this.#linked(0, TAIL) ?? this.object.listEnd(true)) || undefined
  }

  /** The node behind this one, or nothing. */
  next(node: ListNode): ListNode | undefined {
    const given = handle(node)
    return (this.#linked(given, NEXT) ?? this.object.listStep(given, false)) || undefined
  }

  /** The node in front of this one, or nothing. */
  previous(node: ListNode): ListNode | undefined {
    const given = handle(node)
    return (this.#linked(given, PREVIOUS) ?? this.object.listStep(given, true)) || undefined
  }

  /** Whether the node is in the list; stale the moment it returns. */
  has(node: ListNode): boolean {
    this.live()
    return this.#find(handle(node)) !== undefined
  }

  /** All nodes in their order, as they were in one moment. */
  nodes(): ListNode[] {
    this.live()
    const numbers = this.object.listNodes()
    const nodes: ListNode[] = []
    // NB: a tenth of what spreading a typed array takes.
    for (let index = 0; index < numbers.length; index += 1) nodes.push(numbers[index] as number)
    return nodes
  }

  /** Goes through the nodes as they were when it began; those that were removed since are left out. */
  *[Symbol.iterator](): Generator<ListNode, void, undefined> {
    for (const node of this.nodes()) if (this.has(node)) yield node
  }

  /** Copies a value: into a new `Buffer`, or into `target`, of as many bytes. Never a half of what somebody writes with {@link List.write}. */
  read(node: ListNode): Buffer
  read<Target extends Uint8Array>(node: ListNode, target: Target): Target
  read(node: ListNode, target: Uint8Array = Buffer.allocUnsafeSlow(this.valueBytes)): Uint8Array {
    this.live()
    const given = handle(node)
    this.#sized('target', target)
    // Where loads may sink below the look at the version, values are read under the lock.
    if (!LOADS_IN_ORDER || !this.#copied(given, target)) this.object.listRead(given, target)
    return target
  }

  /** Gives a node another value: whole, or, where this process is killed in the middle, perhaps not at all. */
  write(node: ListNode, value: Uint8Array): void {
    this.live()
    this.object.listWrite(handle(node), this.#sized('value', value))
  }

  /**
   * A view over a value, for work in place, without a lock and without a copy. When the node is removed, the view shows what comes to lie there next.
   */
  bytes(node: ListNode): Uint8Array {
    const offset = this.offset(node)
    return new Uint8Array(this.words.buffer, offset, this.valueBytes)
  }

  /** Where a value begins in the segment's buffer: a multiple of 16, such as for `struct`. */
  offset(node: ListNode): number {
    this.live()
    const given = handle(node)
    const at = this.#find(given)
    if (at === undefined) throw this.error('ERR_SHM_STALE_HANDLE', `node ${given} is not in the list any more, or never was`)
    return this.#offset + at * 4 + VALUE_OFFSET
  }

  /** What slow paths counted so far (an owner's death is one that the next call repaired), and how full it is. */
  override stats(): ListStats {
    return { ...super.stats(), length: this.length, capacity: this.capacity }
  }

  /** @internal */
  protected override ended(): void {
    this.#bytes = undefined
  }

  #insert(position: number, node: number, value: Uint8Array): ListNode | 'full' {
    this.live()
    return this.object.listInsert(position, node, this.#sized('value', value)) || 'full'
  }

  #take(last: boolean, target: Uint8Array = Buffer.allocUnsafeSlow(this.valueBytes)): Uint8Array | undefined {
    this.live()
    return this.object.listTake(last, this.#sized('target', target)) ? target : undefined
  }

  /**
   * The node that a word leads to, of that node or (0) of the list itself; 0 for none. Nothing where it cannot be told without the lock, since somebody
   * changed the list meanwhile. What is not as it should be is for the call under the lock to judge.
   */
  #linked(node: number, word: number): ListNode | 0 | undefined {
    this.live()
    const { words } = this
    const changes = Atomics.load(words, CHANGES)
    if ((changes & 1) !== 0) return undefined
    const at = node === 0 ? 0 : this.#find(node)
    if (at === undefined) return undefined
    const link = Atomics.load(words, at + word) >>> 0
    if (link === 0) return Atomics.load(words, CHANGES) === changes ? 0 : undefined
    const index = (link - FIRST_NODE) / this.#stride
    if (!Number.isInteger(index) || index < 0 || index > this.capacity) return undefined
    const generation = Atomics.load(words, link / 4 + GENERATION) >>> 0
    return (generation & 1) !== 0 && Atomics.load(words, CHANGES) === changes ? generation * INDICES + index : undefined
  }

  /** Copies a value without the lock. `false`: somebody changed the list meanwhile, or the node is not there. */
  #copied(node: number, target: Uint8Array): boolean {
    const { words } = this
    const bytes = this.#bytes
    const changes = Atomics.load(words, CHANGES)
    const at = this.#find(node)
    if ((changes & 1) !== 0 || at === undefined || bytes === undefined) return false
    const from = at * 4 + VALUE_OFFSET
    if (this.valueBytes > LOOP_BYTES) target.set(bytes.subarray(from, from + this.valueBytes))
    else for (let index = 0; index < this.valueBytes; index += 1) target[index] = bytes[from + index] as number
    return Atomics.load(words, CHANGES) === changes
  }

  /** Where the node's words begin, if it is in the list. */
  #find(node: number): number | undefined {
    const index = node % INDICES
    const generation = Math.floor(node / INDICES)
    if (index > this.capacity || (generation & 1) === 0) return undefined
    const at = (FIRST_NODE + index * this.#stride) / 4
    return Atomics.load(this.words, at + GENERATION) >>> 0 === generation ? at : undefined
  }

  #sized(name: string, value: unknown): Uint8Array {
    if (!(value instanceof Uint8Array) && !types.isUint8Array(value)) throw wrongType(name, 'a Uint8Array', value)
    if (value.byteLength !== this.valueBytes) throw wrongSize(name, `${this.valueBytes} bytes`, `${value.byteLength} bytes`)
    return value
  }
}

function handle(node: unknown): number {
  return check.integer('node', node, 1, Number.MAX_SAFE_INTEGER)
}
