/**
 * C's constants by their names, as this machine's headers have them.
 *
 * @module
 * @internal
 */

import { native } from './native.js'

const constants = { ...native.posixConstants(), ...native.sysvConstants() }

/** The number behind a name of `sys/mman.h`, `fcntl.h`, `linux/mempolicy.h`, `sys/ipc.h`, `sys/shm.h` or `sys/sem.h`. */
export function constant(name: string): number {
  const value = constants[name]
  if (value === undefined) throw new Error(`the native image knows no constant ${name}`)
  return value
}
