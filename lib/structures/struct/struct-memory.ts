/**
 * The memory that a view of a struct lies in: from what users pass, and after its end.
 *
 * @module
 * @internal
 */

import { types } from 'node:util'
import { ShmError, closedError, wrongType } from '../../errors.js'
import { Segment } from '../../memory/segment.js'

/** Where a struct can lie: any segment, or a buffer. */
export type StructMemory =
  | Segment
  | {
      /** The bytes. */
      readonly buffer: ArrayBuffer
      /** Whether they are gone. */
      readonly closed: boolean
    }
  | ArrayBuffer
  | SharedArrayBuffer

/** The buffer of what was passed, and whether its beginning is the user's own. */
export function bufferOf(memory: StructMemory): ArrayBufferLike {
  if (memory instanceof ArrayBuffer || types.isAnyArrayBuffer(memory)) return memory
  const { buffer, closed } = (typeof memory === 'object' && memory !== null ? memory : {}) as { buffer?: unknown; closed?: unknown }
  if (typeof closed !== 'boolean' || !types.isAnyArrayBuffer(buffer)) throw wrongType('memory', 'a segment, an ArrayBuffer or a SharedArrayBuffer', memory)
  if (closed) throw closedError('segment')
  return buffer
}

/** Whether byte 0 is not the user's: of a managed segment it is the header's. */
export function isManaged(memory: StructMemory): boolean {
  return !(memory instanceof Segment) && !types.isAnyArrayBuffer(memory)
}

/** The error of every look into memory that was unmapped. */
export function memoryGone(): ShmError {
  return new ShmError({ code: 'ERR_SHM_CLOSED', message: 'the memory of this struct is gone: its segment was closed, or mapped anew by resize() or refresh()' })
}
