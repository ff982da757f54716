/**
 * The role `list` of the kill tests, as `crate/core/src/bin/member/list.rs` plays it: values that say whether they are whole, and handles that lead to
 * one's own value or to none.
 */
import { setTimeout } from 'node:timers/promises'
import type { List, ListNode, ManagedSegment, ShmError } from 'shmem'
import type { Book } from './kill-book.js'

const WORDS = 10
const KEPT = 8

/** Plays until the book says stop. */
export async function playList(memory: ManagedSegment, book: Book, position: number): Promise<void> {
  const player = new Player(memory.list('list', { valueBytes: 4 * WORDS, capacity: 64 }), book, position)
  book.write(position, 'ready', 1)
  for (let turn = 1; !book.isStopped; turn += 1) {
    player.turn()
    if (turn % 64 === 0) await setTimeout(1)
  }
}

class Player {
  /** One's own nodes, with what is in them. */
  readonly #kept = new Map<ListNode, Uint8Array>()

  constructor(readonly list: List, readonly book: Book, readonly position: number) {}

  turn(): void {
    const dice = random(10)
    if (dice < 4) this.#put()
    else if (dice < 6) this.#take()
    else if (dice < 9) this.#change(dice)
    else this.#look()
  }

  #put(): void {
    const value = newValue()
    const beside = this.#someKept()
    const node = this.#unlessStale(beside, () => {
      if (beside !== undefined && random(2) === 0) return random(2) === 0 ? this.list.insertBefore(beside, value) : this.list.insertAfter(beside, value)
      return random(2) === 0 ? this.list.push(value) : this.list.unshift(value)
    })
    if (node === undefined || node === 'full') return
    this.book.count(this.position, 'given')
    this.#kept.set(node, value)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest)
  }

  #take(): void {
    const value = random(2) === 0 ? this.list.pop() : this.list.shift()
    if (value === undefined) return
    this.book.count(this.position, 'taken')
    this.book.count(this.position, 'got')
    this.#check(value)
  }

  #change(dice: number): void {
    const node = this.#someKept()
    const value = node === undefined ? undefined : this.#kept.get(node)
    if (node === undefined || value === undefined) return
    this.#unlessStale(node, () => {
      if (dice === 6) {
        this.#kept.delete(node)
        this.list.remove(node)
        this.book.count(this.position, 'taken')
        this.book.count(this.position, 'got')
      } else if (dice === 7) {
        if (!this.list.read(node).equals(value)) this.book.violation(this.position, 'torn')
      } else {
        const next = newValue()
        this.list.write(node, next)
        this.#kept.set(node, next)
      }
    })
  }

  #look(): void {
    const nodes = this.list.nodes()
    if (new Set(nodes).size !== nodes.length || nodes.length > this.list.capacity) this.book.violation(this.position, 'ticket lost')
    for (const node of nodes) {
      const value = this.#unlessStale(node, () => this.list.read(node))
      if (value !== undefined) this.#check(value)
    }
  }

  #check(value: Uint8Array): void {
    const words = new Uint32Array(value.buffer, value.byteOffset, WORDS)
    if (!Buffer.from(valueOf(words[0] ?? 0, words[1] ?? 0)).equals(value)) this.book.violation(this.position, 'torn')
  }

  #unlessStale<T>(node: ListNode | undefined, act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      if ((error as ShmError).code !== 'ERR_SHM_STALE_HANDLE' || node === undefined) throw error
      this.#kept.delete(node)
      return undefined
    }
  }

  #someKept(): ListNode | undefined {
    return [...this.#kept.keys()][random(this.#kept.size)]
  }
}

function newValue(): Uint8Array {
  return valueOf(random(2 ** 32), random(2 ** 32))
}

/** Words 0 and 1 are the id; the others follow from it. */
function valueOf(low: number, high: number): Uint8Array {
  const words = new Uint32Array(WORDS)
  for (let index = 2; index < WORDS; index += 1) {
    const rotated = (high << index) | (high >>> (32 - index))
    words[index] = Math.imul((low ^ rotated) + index, 0x9e37_79b1)
  }
  words[0] = low
  words[1] = high
  return new Uint8Array(words.buffer)
}

function random(limit: number): number {
  return Math.floor(Math.random() * limit)
}
