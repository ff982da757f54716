/**
 * What can go wrong, as data: {@link ShmError} for the system and for us, `TypeError` and `RangeError` with Node's codes for
 * arguments. Branch on `code`, never on the message.
 *
 * @module
 */

import { inspect } from 'node:util'
import { strangerOf } from './copies.js'
import { hintFor } from './hints.js'
import type { ErrorFacts } from './error-facts.js'

/** The same in every copy of this package. */
const SHM_ERROR = Symbol.for('shmem.ShmError')

/**
 * A failed operation, in the shape of Node's own system errors.
 *
 * `code` is the errno's name (`ENOSPC`, `EEXIST`, …) when the kernel or libc refused, and begins with `ERR_SHM_` when shmem
 * did. Every code is described in `docs/errors.md`. `instanceof` also knows the errors of another copy of this package.
 */
export class ShmError extends Error {
  /** `ENOSPC`, `ERR_SHM_CLOSED`, … */
  readonly code: string
  /** The errno, negative as in Node's own errors; absent for `ERR_SHM_…` codes. */
  declare readonly errno?: number
  /** The call that failed, under its man-page name. */
  declare readonly syscall?: string
  /** The System V key it was about. */
  declare readonly key?: number
  /** The System V identifier it was about. */
  declare readonly id?: number
  /** The POSIX name or memfd label it was about. */
  declare readonly objectName?: string
  /** The path it was about. */
  declare readonly path?: string
  /** What to do about it, where we know: a sysctl, a limit, a flag. */
  declare readonly hint?: string

  /** @internal */
  constructor(facts: ErrorFacts) {
    const hint = facts.hint ?? hintFor(facts)
    super(hint === undefined ? facts.message : `${facts.message}. ${hint}`)
    this.name = 'ShmError'
    this.code = facts.code
    if (facts.errno !== undefined) this.errno = facts.errno
    if (facts.syscall !== undefined) this.syscall = facts.syscall
    if (facts.key !== undefined) this.key = facts.key
    if (facts.id !== undefined) this.id = facts.id
    if (facts.objectName !== undefined) this.objectName = facts.objectName
    if (facts.path !== undefined) this.path = facts.path
    if (hint !== undefined) this.hint = hint
  }

  static {
    Object.defineProperty(this.prototype, SHM_ERROR, { value: true })
  }

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): value is ShmError {
    if (this !== ShmError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && SHM_ERROR in value
  }
}

/** An argument of the wrong type. @internal */
export function wrongType(name: string, expected: string, received: unknown): TypeError {
  const error = new TypeError(`The "${name}" argument must be ${expected}. Received ${describe(received)}${strangerOf(received)}`)
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' })
}

/** An argument of the right type with a meaningless value. @internal */
export function wrongValue(name: string, expected: string, received: unknown): TypeError {
  const error = new TypeError(`The "${name}" argument must be ${expected}. Received ${describe(received)}`)
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' })
}

/** A number outside its range. @internal */
export function outOfRange(name: string, expected: string, received: unknown): RangeError {
  const error = new RangeError(`The value of "${name}" is out of range. It must be ${expected}. Received ${describe(received)}`)
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' })
}

/** As {@link outOfRange}, where what was received is told in words of our own: how long it is. @internal */
export function wrongSize(name: string, expected: string, received: string): RangeError {
  const error = new RangeError(`The value of "${name}" is out of range. It must be ${expected}. Received ${received}`)
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' })
}

/** The error of every use after `close()`. @internal */
export function closedError(what: string): ShmError {
  return new ShmError({ code: 'ERR_SHM_CLOSED', message: `the ${what} is closed` })
}

function describe(value: unknown): string {
  const text = inspect(value, { depth: 0, breakLength: Infinity })
  const short = text.length > 64 ? `${text.slice(0, 61)}…` : text
  return value === null || value === undefined ? short : `${short} (${typeof value})`
}
