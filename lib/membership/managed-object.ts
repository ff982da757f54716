/**
 * What all named objects of a managed segment have in common: a name, their words in memory, and their end with the segment's.
 *
 * @module
 */

import { markCopy } from '../copies.js'
import { ShmError, closedError, wrongType } from '../errors.js'
import { layout, OWNER_DEATHS, TIMEOUTS, WAITS } from '../managed-layout.js'
import { native, type Binding } from '../native.js'
import { wordsOf, type Segment } from '../memory/segment.js'
import { traceAs } from '../tracing.js'

/** What an object is made from. @internal */
export interface Opened {
  name: string
  object: Binding.NativeObject
  segment: Segment
  /** Over the whole segment. */
  buffer: ArrayBuffer
  /** This environment's, as a signed word. */
  token: number
  /** Index of this environment's slot. */
  slot: number
  /** The numbers of its type, of which locks have one: permits, parties, bytes, reset mode. */
  numbers: readonly number[]
}

/** What slow paths counted, by all members together; the numbers wrap at 2^32. Fast paths count nothing. */
export interface ObjectCounters {
  /** Waits that slept. */
  waits: number
  /** Owners or parties found dead. */
  ownerDeaths: number
  /** Waits that ended by time or abort after they slept. */
  timeouts: number
}

/** No fast path succeeds on these: every word says "not recoverable". */
const CLOSED = new Int32Array(64).fill(layout.notRecoverable)

/** Ends an object with its segment. For this library's own modules. @internal */
export let endObject: (object: ManagedObject) => void
/** What of an object this environment holds, in words. For this library's own modules. @internal */
export let heldOf: (object: ManagedObject) => string | undefined

/** A named object of a managed segment. Made by the segment's methods; after the segment's `close()` its calls throw `ERR_SHM_CLOSED`. */
export abstract class ManagedObject {
  /** Which kind of object it is. */
  abstract readonly kind: string
  /** Its name in the segment. */
  readonly name: string
  /** Whether this opening made it. */
  readonly created: boolean

  static {
    endObject = object => {
      object.words = CLOSED
      object.ended(() => closedError(object.describe()))
    }
    heldOf = object => object.held()
    markCopy(this.prototype)
  }

  /** @internal */
  protected readonly object: Binding.NativeObject
  /** The object's bytes as words; without a word to lock after the segment's end. @internal */
  protected words: Int32Array
  /** @internal */
  protected readonly token: number

  /** @internal */
  protected constructor(opened: Opened) {
    if (!((opened as Partial<Opened> | null | undefined)?.object instanceof native.NativeObject)) throw wrongType('opened', 'what a managed segment opened', opened)
    const { name, object, segment, buffer, token } = opened
    this.name = name
    this.object = object
    this.created = object.created
    this.token = token
    this.words = new Int32Array(buffer, object.offset, object.bytes / 4)
    traceAs(object, () => ({ kind: this.kind, object: this.describe(), segment: wordsOf(segment), objectName: name }))
  }

  /** What slow paths counted so far. */
  stats(): ObjectCounters {
    return {
      waits: (this.words[WAITS] ?? 0) >>> 0,
      ownerDeaths: (this.words[OWNER_DEATHS] ?? 0) >>> 0,
      timeouts: (this.words[TIMEOUTS] ?? 0) >>> 0
    }
  }

  /** Throws once the segment is closed. @internal */
  protected live(): void {
    if (this.words === CLOSED) throw closedError(this.describe())
  }

  /** What error messages call it. @internal */
  protected describe(): string {
    return `${this.kind} '${this.name}'`
  }

  /** An error about this object. @internal */
  protected error(code: string, message: string): ShmError {
    return new ShmError({ code, message: `${this.describe()}: ${message}`, objectName: this.name })
  }

  /** What this environment holds of it, in words; nothing by default. @internal */
  protected held(): string | undefined {
    return undefined
  }

  /** The segment is closed: pending promises reject. @internal */
  protected abstract ended(reason: () => unknown): void
}
