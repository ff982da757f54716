/**
 * The role `map` of the storms as a Node member plays it: what crate/core/src/bin/member/map.rs does, on the same keys.
 */
import { setTimeout } from 'node:timers/promises'
import type { ManagedSegment, SharedMap, ShmError } from 'shmem'
import { KEYS, POSITIONS, type Book } from './kill-book.js'

const DELETED = 5

/** Plays until the book says stop. */
export async function playMap(memory: ManagedSegment, book: Book, position: number): Promise<void> {
  const shape = { entries: 64, chunkBytes: 64 }
  const map = memory.map('map', { ...shape, memory: '40KiB', shards: 2, eviction: 'none' })
  const cache = memory.map('cache', { ...shape, memory: '16KiB', shards: 1 })
  const player = new Player(map, cache, book, position)
  for (let key = 0; key < KEYS; key += 1) player.takeOver(key)
  book.write(position, 'ready', 1)
  while (!book.isStopped) {
    player.turn()
    book.count(position, 'got')
    if (random(64) === 0) await setTimeout(1)
  }
}

class Player {
  constructor(readonly map: SharedMap, readonly cache: SharedMap, readonly book: Book, readonly position: number) {}

  turn(): void {
    const dice = random(64)
    if (dice < 32) this.change(random(KEYS))
    else if (dice < 42) this.look(random(POSITIONS), random(KEYS))
    else if (dice < 48) this.count(random(2))
    else if (dice < 52) this.throw(this.map, random(8), 1 + random(4))
    else if (dice < 63) this.throw(this.cache, random(200))
    else if (random(8) === 0) this.cache.clear()
  }

  takeOver(key: number): void {
    const { intended, told } = this.book.entry(this.position, key)
    const state = this.stateOf(this.map, this.position, key)
    if (state === expected(intended)) this.book.setEntry(this.position, key, 'told', intended)
    else if (state !== expected(told)) this.book.violation(this.position, 'entry lost')
  }

  change(key: number): void {
    const number = this.book.entry(this.position, key).intended + 1
    this.book.setEntry(this.position, key, 'intended', number)
    if (expected(number) === 0) this.map.delete(name(this.position, key))
    else if (!hasRoom(() => this.map.set(name(this.position, key), payload(this.position, key, number)))) return
    this.book.setEntry(this.position, key, 'told', number)
    if (this.stateOf(this.map, this.position, key) !== expected(number)) this.book.violation(this.position, 'entry lost')
  }

  look(position: number, key: number): void {
    const first = this.book.entry(position, key).told
    const state = this.stateOf(this.map, position, key)
    const last = this.book.entry(position, key).intended
    for (let number = first; number <= last; number += 1) if (state === expected(number)) return
    this.book.violation(this.position, 'entry lost')
  }

  count(counter: number): void {
    const changed = hasRoom(() => {
      this.map.update(`counter ${counter}`, old => {
        const next = Buffer.alloc(4)
        next.writeUInt32LE((old?.readUInt32LE(0) ?? 0) + 1)
        return next
      })
      return true
    })
    if (changed) this.book.count(this.position, 'given')
  }

  throw(map: SharedMap, key: number, ttlMs = Infinity): void {
    hasRoom(() => map.set(name(POSITIONS, key), payload(POSITIONS, key, 1 + random(1000)), { ttlMs }))
    this.stateOf(map, POSITIONS, random(map === this.cache ? 200 : 8))
  }

  /** The number of the state that a key has, 0 where there is none; what it is, is whole. */
  stateOf(map: SharedMap, position: number, key: number): number {
    const value = map.get(name(position, key))
    if (value === undefined) return 0
    const number = value.length < 4 ? 0 : value.readUInt32LE(0)
    if (!value.equals(payload(position, key, number))) this.book.violation(this.position, 'torn')
    return number
  }
}

/** A state, as a get shows it. */
function expected(number: number): number {
  return number % DELETED === 0 ? 0 : number
}

function name(position: number, key: number): string {
  return `p${position}k${key}`
}

function payload(position: number, key: number, number: number): Buffer {
  const value = Buffer.alloc(12 + ((Math.imul(number, 37) >>> 0) % 190))
  value.writeUInt32LE(number, 0)
  value.writeUInt32LE(position, 4)
  value.writeUInt32LE(key, 8)
  for (let index = 0; index + 12 < value.length; index += 1) value[12 + index] = (Math.imul(number, 31) + index * 7) & 0xff
  return value
}

/** Whether it was done, or there was no room. */
function hasRoom(act: () => boolean): boolean {
  try {
    return act()
  } catch (error) {
    if ((error as ShmError).code !== 'ERR_SHM_NO_SPACE') throw error
    return false
  }
}

function random(limit: number): number {
  return Math.floor(Math.random() * limit)
}
