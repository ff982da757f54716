/**
 * A record that is read without a lock, never torn, and whole even when its writer is killed in the middle: two copies, of which the version's
 * lowest bit names the valid one (crate/core/src/sync/seqlock.rs).
 *
 * @module
 */

import { types } from 'node:util'
import * as check from './arguments.js'
import { closedError, outOfRange, wrongType } from './errors.js'
import { PARTS, VERSION, layout } from './managed-layout.js'
import { ManagedObject, endObject, type Opened } from './managed-object.js'
import { Mutex, type LockSyncOptions } from './mutex.js'
import { spinLoads, type SpinOptions } from './spinning.js'
import type { WaitOptions } from './sysv-semaphore-set.js'

/** As often as a read begins anew. */
const READS_MAX = 1_000_000

/** Copies one half of the record to a target. */
type CopyOut = (target: Uint8Array) => void

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
  #halves: [Half, Half] | undefined

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.bytes = opened.number
    this.#lock = new WriterLock(opened)
    const first = opened.object.offset + PARTS * 4
    const stride = Math.ceil(this.bytes / layout.copyAlign) * layout.copyAlign
    this.#halves = [new Half(opened.buffer, first, this.bytes), new Half(opened.buffer, first + stride, this.bytes)]
  }

  /**
   * Copies the record out, as one writer left it: into a new `Buffer`, or to the beginning of `target`, without an allocation.
   *
   * @throws {@link ShmError} `ERR_SHM_BUSY` where writers overtook it a million times. RangeError where `target` is too small.
   */
  read(): Buffer
  read<Target extends Uint8Array>(target: Target): Target
  read(target?: Uint8Array): Uint8Array {
    const halves = this.#halves
    if (halves === undefined) throw closedError(this.describe())
    const result = target ?? Buffer.allocUnsafeSlow(this.bytes)
    if (target !== undefined) this.#check('target', target, Infinity)
    const { words } = this
    for (let reads = 0; reads < READS_MAX; reads += 1) {
      const version = Atomics.load(words, VERSION)
      halves[version & 1 ? 1 : 0].copyOut(result)
      // A writer fills the other half, and counts before it comes back to this one.
      if (Atomics.load(words, VERSION) === version) return result
    }
    throw this.error('ERR_SHM_BUSY', 'writers overtook the read a million times')
  }

  /**
   * Writes the record, all of it, and waits for another writer meanwhile. One that died left the record as it was before its write.
   *
   * @throws RangeError where `source` has not as many bytes as the record.
   */
  write(source: Uint8Array, options?: WaitOptions & SpinOptions): 'written' | 'timedOut' {
    const halves = this.#halves
    if (halves === undefined) throw closedError(this.describe())
    this.#check('source', source, this.bytes)
    if (options !== undefined) checkOptions(options)
    const got = this.#lock.lockSync(options)
    if (got === 'timedOut') return got
    try {
      if (got === 'ownerDied') this.#lock.markConsistent()
      const next = (Atomics.load(this.words, VERSION) + 1) | 0
      halves[next & 1 ? 1 : 0].view.set(source)
      Atomics.store(this.words, VERSION, next)
    } finally {
      this.#lock.unlock()
    }
    return 'written'
  }

  /** How often it was written, modulo 2^32; stale the moment it returns. */
  get version(): number {
    if (this.#halves === undefined) throw closedError(this.describe())
    return Atomics.load(this.words, VERSION) >>> 0
  }

  /** @internal */
  protected override ended(): void {
    this.#halves = undefined
    endObject(this.#lock)
  }

  #check(name: string, value: unknown, most: number): void {
    if (!(value instanceof Uint8Array) && !types.isUint8Array(value)) throw wrongType(name, 'a Uint8Array', value)
    if (value.byteLength < this.bytes || value.byteLength > most) {
      throw outOfRange(name, `${most === Infinity ? 'at least ' : ''}${this.bytes} bytes`, `${value.byteLength} bytes`)
    }
  }
}

/** One copy of the record. */
class Half {
  readonly view: Uint8Array
  readonly copyOut: CopyOut

  constructor(buffer: ArrayBuffer, offset: number, bytes: number) {
    const view = new Uint8Array(buffer, offset, bytes)
    this.view = view
    this.copyOut = process.arch === 'x64' ? target => target.set(view) : wordwise(buffer, offset, bytes)
  }
}

/** Plain loads may sink below a later atomic one where the processor does not keep their order; atomic ones do not. */
function wordwise(buffer: ArrayBuffer, offset: number, bytes: number): CopyOut {
  // A half is rounded up to 64 bytes, so its last word is its own.
  const words = new Int32Array(buffer, offset, Math.ceil(bytes / 4))
  const copy = new Int32Array(words.length)
  const view = new Uint8Array(copy.buffer, 0, bytes)
  return target => {
    for (let index = 0; index < words.length; index += 1) copy[index] = Atomics.load(words, index)
    target.set(view)
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
