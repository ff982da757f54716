/**
 * Another Node process with segments of its own, for 12 to 16: opens them by any of the public ways and calls what it is told.
 * Bytes travel as latin1 text.
 */
import { readdirSync } from 'node:fs'
import * as shmem from 'shmem'
import { answer } from '../support/replies.js'

type Call = (...values: unknown[]) => unknown
type Classes = Record<string, Record<string, Call>>

const segments: shmem.Segment[] = []

answer({
  /** `{ by: 'PosixSegment.open', args }` answers a number for the segment. */
  open({ by, args }: { by: string; args: unknown[] }): number {
    const [name = '', method = ''] = by.split('.')
    const opened = method === '' ? (shmem as unknown as Record<string, Call>)[name]?.(...args) : (shmem as unknown as Classes)[name]?.[method]?.(...args)
    return segments.push(opened as shmem.Segment) - 1
  },
  /** `{ segment, method, args }` calls a method. */
  call: ({ segment, method, args = [] }: { segment: number; method: string; args?: unknown[] }) =>
    plain((segments[segment] as unknown as Record<string, Call>)[method]?.(...args)),
  get: ({ segment, property }: { segment: number; property: string }) => (segments[segment] as unknown as Record<string, unknown>)[property],
  /** A byte through a view. */
  touch: ({ segment, offset }: { segment: number; offset: number }) => new Uint8Array(segments[segment]?.buffer as ArrayBuffer)[offset],
  poke({ segment, offset, value }: { segment: number; offset: number; value: number }): void {
    new Uint8Array(segments[segment]?.buffer as ArrayBuffer)[offset] = value
  },
  /** All bytes through a view. */
  fill({ segment, value }: { segment: number; value: number }): void {
    new Uint8Array(segments[segment]?.buffer as ArrayBuffer).fill(value)
  },
  umask: (mask: number) => process.umask(mask),
  fds: () => readdirSync('/proc/self/fd').length,
  /** Resizes to and fro until it was done `times` times. */
  seesaw({ segment, small, large, times }: { segment: number; small: number; large: number; times: number }): void {
    for (let time = 0; time < times; time += 1) segments[segment]?.resize(time % 2 === 0 ? small : large)
  },
  receiveFd: ({ path, timeoutMs }: { path: string; timeoutMs: number }) => shmem.receiveFd(path, { timeoutMs }),
  sendFd: ({ path, fd }: { path: string; fd: number }) => shmem.sendFd(path, fd)
})

function plain(value: unknown): unknown {
  return Buffer.isBuffer(value) ? value.toString('latin1') : value
}
