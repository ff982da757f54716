/**
 * What most scenarios need (`play.ts` plays them): segments of every kind that leave nothing behind however their process ends, and
 * ways to look at them, and to spoil them, from outside.
 */
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, SysvSegment, type Segment } from 'shmem'

export * from './play.js'

export const KINDS = ['sysv', 'posix', 'memfd', 'file'] as const
export type Kind = (typeof KINDS)[number]

let serial = 0

/** A name of this thread's own: workers count each for themselves, and share the pid. */
export function uniqueName(): string {
  serial += 1
  return `shmem-test-${process.pid}-${threadId}-${serial}`
}

/** A segment without a name any more, so that a crash leaves nothing behind. */
export function make(kind: Kind, size: number, options: { access?: 'read' | 'write'; guard?: boolean; reserve?: boolean } = {}): Segment {
  if (kind === 'sysv') return SysvSegment.create(IPC_PRIVATE, { size, removeOnLastDetach: true, ...options })
  if (kind === 'memfd') return MemfdSegment.create('shmem-test', { size, ...options })
  const segment =
    kind === 'posix'
      ? PosixSegment.create(`/${uniqueName()}`, { size, keepFd: true, ...options })
      : FileSegment.create(join(tmpdir(), uniqueName()), { size, keepFd: true, ...options })
  segment.remove()
  return segment
}

/** A memfd and a second mapping of it with its own access, as another process would have it. */
export function readOnlyPair(size: number): { writer: MemfdSegment; reader: MemfdSegment } {
  const writer = MemfdSegment.create('shmem-test', { size })
  return { writer, reader: MemfdSegment.fromFd(writer.fd, { access: 'read' }) }
}

/** Bytes of a descriptor of ours as another process reads them. */
export function seenByAnother(fd: number, offset: number, length: number): Buffer {
  const words = ['-c', `tail -c +${offset + 1} /proc/${process.pid}/fd/${fd} | head -c ${length}`]
  return execFileSync('sh', words, { maxBuffer: 2 ** 30 })
}

/** Another process makes the object shorter (or longer). */
export function truncatedByAnother(fd: number, size: number): void {
  execFileSync('truncate', ['-s', String(size), `/proc/${process.pid}/fd/${fd}`])
}

/**
 * Takes a segment's memory out of its buffer, into another one: by `ArrayBuffer.prototype.transfer` where the runtime has it, by
 * a byte stream, which transfers what it is given to fill, elsewhere.
 */
export async function steal(segment: Segment): Promise<Uint8Array> {
  const buffer = segment.buffer as ArrayBuffer & { transfer?: () => ArrayBuffer }
  if (buffer.transfer !== undefined) return new Uint8Array(buffer.transfer())
  const source: UnderlyingByteSource = {
    type: 'bytes',
    pull(controller) {
      controller.byobRequest?.respond(buffer.byteLength || 1)
    }
  }
  const size = buffer.byteLength
  const { value } = await new ReadableStream(source).getReader({ mode: 'byob' }).read(new Uint8Array(buffer))
  if (value === undefined) throw new Error('the stream took the buffer and gave nothing back')
  return new Uint8Array(value.buffer, 0, size)
}

/** What a call throws. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name
  }
}

type UnderlyingByteSource = { type: 'bytes'; pull(controller: { byobRequest: { respond(bytes: number): void } | null }): void }
