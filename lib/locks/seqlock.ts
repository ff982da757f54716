/**
 * A record that is read without a lock, never torn, and whole even when its writer is killed in the middle: two copies, of which the version's
 * lowest bit names the valid one (crate/core/src/sync/seqlock.rs).
 *
 * @module
 */

import { types } from 'node:util'
import * as check from '../arguments.js'
import { closedError, wrongSize, wrongType } from '../errors.js'
import { PARTS, VERSION, layout } from '../managed-layout.js'
import { ManagedObject, endObject, type Opened } from '../membership/managed-object.js'
import type { LockSyncOptions } from './lock-terms.js'
import { LOADS_IN_ORDER } from '../memory-order.js'
import { Mutex } from './mutex.js'
import { spinLoads, type SpinOptions } from '../waits/spinning.js'
import type { WaitOptions } from '../waits/waiting.js'

/** As often as a read begins anew. */
const READS_MAX = 1_000_000

/**
 * A record of a managed segment, with many readers and few writers. Readers never wait and hold nobody up; writers exclude each other. A record of
 * zeroes is there from the beginning.
 *
 * @throws {@link ShmError} on every call: `ERR_SHM_CLOSED`.
 */
export class SeqLock extends ManagedObject {
  override readonly kind = 'seqlock'
  /** Bytes of the record. */
  readonly bytes: number
  readonly #lock: Mutex
  #first: Half | undefined
  #second: Half | undefined

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.bytes = opened.numbers[0] ?? 0
    this.#lock = new WriterLock(opened)
    const first = opened.object.offset + PARTS * 4
    const stride = Math.ceil(this.bytes / layout.copyAlign) * layout.copyAlign
    this.#first = new Half(opened.buffer, first, this.bytes)
    this.#second = new Half(opened.buffer, first + stride, this.bytes)
  }

  /**
   * Copies the record out, as one writer left it: into a new `Buffer`, or to the beginning of `target`, without an allocation.
   *
   * @throws {@link ShmError} `ERR_SHM_BUSY` where writers overtook it a million times. RangeError where `target` is too small.
   */
  read(): Buffer
  read<Target extends Uint8Array>(target: Target): Target
  read(target: Uint8Array = Buffer.allocUnsafeSlow(this.bytes)): Uint8Array {
    const { words } = this
    const first = this.#first
    const second = this.#second
    if (first === undefined || second === undefined) throw closedError(this.describe())
    if (!(target instanceof Uint8Array) || target.byteLength < this.bytes) this.#check('target', target, Infinity)
    for (let reads = 0; reads < READS_MAX; reads += 1) {
      const version = Atomics.load(words, VERSION)
      const half = (version & 1) === 0 ? first : second
      // Where loads may sink below the look at the version, words are loaded one by one.
      if (LOADS_IN_ORDER) target.set(half.bytes)
      else half.copyWordwise(target)
      // A writer fills the other half, and counts before it comes back to this one.
      if (Atomics.load(words, VERSION) === version) return target
    }
    throw this.error('ERR_SHM_BUSY', 'writers overtook the read a million times')
  }

  /**
   * Writes the record, all of it, and waits for another writer meanwhile. One that died left the record as it was before its write.
   *
   * @throws RangeError where `source` has not as many bytes as the record.
   */
  write(source: Uint8Array, options?: WaitOptions & SpinOptions): 'written' | 'timedOut' {
    const first = this.#first
    const second = this.#second
    if (first === undefined || second === undefined) throw closedError(this.describe())
    this.#check('source', source, this.bytes)
    if (options !== undefined) checkOptions(options)
    const got = this.#lock.lockSync(options)
    if (got === 'timedOut') return got
    try {
      if (got === 'ownerDied') this.#lock.markConsistent()
      const next = (Atomics.load(this.words, VERSION) + 1) | 0
      const half = (next & 1) === 0 ? first : second
      half.bytes.set(source)
      Atomics.store(this.words, VERSION, next)
    } finally {
      this.#lock.unlock()
    }
    return 'written'
  }

  /** How often it was written, modulo 2^32; stale the moment it returns. */
  get version(): number {
    if (this.#first === undefined) throw closedError(this.describe())
    return Atomics.load(this.words, VERSION) >>> 0
  }

  /** @internal */
  protected override ended(): void {
    this.#first = undefined
    this.#second = undefined
    endObject(this.#lock)
  }

  #check(name: string, value: unknown, most: number): void {
    if (!(value instanceof Uint8Array) && !types.isUint8Array(value)) throw wrongType(name, 'a Uint8Array', value)
    if (value.byteLength < this.bytes || value.byteLength > most) {
      throw wrongSize(name, `${most === Infinity ? 'at least ' : ''}${this.bytes} bytes`, `${value.byteLength} bytes`)
    }
  }
}

/** One copy of the record. */
class Half {
  readonly bytes: Uint8Array
  readonly #words: Int32Array
  readonly #copy: Int32Array
  readonly #copied: Uint8Array

  constructor(buffer: ArrayBuffer, offset: number, bytes: number) {
    this.bytes = new Uint8Array(buffer, offset, bytes)
    // A half is rounded up to 64 bytes, so its last word is its own.
    this.#words = new Int32Array(buffer, offset, Math.ceil(bytes / 4))
    this.#copy = new Int32Array(LOADS_IN_ORDER ? 0 : this.#words.length)
    this.#copied = new Uint8Array(this.#copy.buffer, 0, LOADS_IN_ORDER ? 0 : bytes)
  }

  copyWordwise(target: Uint8Array): void {
    const copy = this.#copy
    for (let index = 0; index < copy.length; index += 1) copy[index] = Atomics.load(this.#words, index)
    target.set(this.#copied)
  }
}

/** The lock of who writes. */
class WriterLock extends Mutex {
  override readonly kind = 'seqlock'
}

function checkOptions(options: unknown): void {
  const { timeoutMs, spinMicros } = check.options<LockSyncOptions>('options', options, ['timeoutMs', 'spinMicros'])
  check.timeout('options.timeoutMs', timeoutMs)
  spinLoads(spinMicros)
}
