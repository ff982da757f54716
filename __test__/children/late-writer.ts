/**
 * A writer of 73 that hands what it claimed to a read of Node's pool, and says so once the kernel copies. Usage: late-writer.js <segment> <path to read> <kind>
 */
import { openSync, read } from 'node:fs'
import { ManagedSegment } from 'shmem'
import { answer } from '../support/replies.js'
import { opened, type Kind } from '../support/late-writes.js'

const [name = '', path = '', kind = 'one'] = process.argv.slice(2)
const mem = ManagedSegment.open(name)

answer({
  read(): string {
    const bytes = claimed(kind as Kind)
    bytes[0] = 1
    read(openSync(path, 'r'), bytes, 0, bytes.length, 0, () => {})
    // The file is all zeros.
    while (Atomics.load(bytes, 0) !== 0);
    return 'reading'
  }
})

function claimed(of: Kind): Uint8Array {
  const object = opened(mem, of)
  const writer = 'writer' in object ? object.writer() : object.producer()
  if ('begin' in writer) return writer.begin()
  const slot = writer.claim()
  if (slot === undefined) throw new Error('the ring is full')
  return 'bytes' in slot ? slot.bytes : slot
}
