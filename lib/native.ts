/**
 * Loads the native image, once, and hands it our error class.
 *
 * @module
 * @internal
 */

import type * as Binding from '#native'
import { ShmError } from './errors.js'
import { loadImage } from './image.js'
import type { ErrorFacts } from './error-facts.js'

export type { Binding }

/** The native image's exports. */
export const native: typeof Binding = load()

function load(): typeof Binding {
  const binding = loadImage()
  binding.registerErrorFactory(makeError)
  return binding
}

/** The stack begins where the user's call left JavaScript, not here. */
function makeError(facts: ErrorFacts): Error {
  const error = errorOf(facts)
  Error.captureStackTrace?.(error, makeError)
  return error
}

/** The error of these facts. An argument that only the native side could judge is an argument error like any other. */
export function errorOf(facts: ErrorFacts): Error {
  const { code } = facts
  if (code === 'ERR_OUT_OF_RANGE') return Object.assign(new RangeError(facts.message), { code })
  if (code === 'ERR_INVALID_ARG_VALUE') return Object.assign(new TypeError(facts.message), { code })
  return new ShmError(facts)
}
