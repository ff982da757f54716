/** Reads one byte of every cache line, so that "received" means that the bytes really reached this processor. */

const cacheLineBytes = 64

/** Returns the sum of the bytes read; the caller passes it on, so that no compiler can drop the loop. */
export function touchEveryCacheLine(bytes: Uint8Array): number {
  let sum = 0
  for (let offset = 0; offset < bytes.length; offset += cacheLineBytes) sum = (sum + (bytes[offset] ?? 0)) | 0
  return sum
}
