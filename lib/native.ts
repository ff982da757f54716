/**
 * Finds and loads the native image for this platform, once, and hands it our error class.
 * Nothing else in the facade knows where the image lies.
 *
 * @module
 * @internal
 */

import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
import type * as Binding from '#native'
import { ShmError } from './errors.js'
import type { ErrorFacts } from './error-facts.js'

export type { Binding }

const require = createRequire(import.meta.url)

/** Linux, x64 or arm64. */
function isSupported(): boolean {
  return process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')
}

/** The native image's exports. */
export const native: typeof Binding = load()

function load(): typeof Binding {
  if (!isSupported()) {
    throw new ShmError({
      code: 'ERR_SHM_UNSUPPORTED_PLATFORM',
      message: `shmem works on Linux on x64 and arm64; this is ${process.platform} on ${process.arch}`
    })
  }
  const target = `linux-${process.arch}-${libc()}`
  const binding = requireFirst([`../../native/shmem.${target}.node`, `shmem-${target}`], target)
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

/** The image beside us (built here), else the platform package (installed). */
function requireFirst(candidates: string[], target: string): typeof Binding {
  const problems: string[] = []
  for (const candidate of candidates) {
    try {
      return require(candidate) as typeof Binding
    } catch (error) {
      problems.push(`${candidate}: ${(error as Error).message.split('\n')[0] ?? ''}`)
    }
  }
  throw new ShmError({
    code: 'ERR_SHM_NO_NATIVE_IMAGE',
    message: `the native image for ${target} cannot be loaded (${problems.join('; ')})`,
    hint: `install the optional dependency shmem-${target}, or build it with npm run build`
  })
}

/** musl has its own loader; a glibc system may have it installed beside its own, so the runtime is asked then. */
function libc(): 'gnu' | 'musl' {
  const loader = `/lib/ld-musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`
  if (!existsSync(loader)) return 'gnu'
  const header = (process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined)?.header
  return header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu'
}
