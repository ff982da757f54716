/**
 * Whether shmem works here, asked without an exception: `import … from 'shmem/support'`. `import 'shmem'` throws where it does not.
 *
 * @module
 */

import { loadImage } from './image.js'
import type { ShmError } from './errors.js'

export type { ShmError }

/** Whether `import 'shmem'` works in this process: on this machine, with this C library, and with what it is allowed. */
export function isSupported(): boolean {
  return whyUnsupported() === undefined
}

/** The error that `import 'shmem'` throws here, with its hint; undefined where it does not throw. */
export function whyUnsupported(): ShmError | undefined {
  try {
    loadImage()
    return undefined
  } catch (error) {
    return error as ShmError
  }
}
