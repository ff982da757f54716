/**
 * What this library tells on `node:diagnostics_channel`: the names of its channels, the types of their messages, and what publishes them.
 *
 * Off costs nothing: every site is where a system call or a sleep is anyhow, asks `hasSubscribers` first, and builds nothing without one. A message
 * is published in the call that it is about, whose stack and `AsyncLocalStorage` a subscriber sees; what a subscriber throws is the process's
 * uncaught exception in a later turn (as of all channels of Node), and changes nothing in that call.
 *
 * @module
 */

import { channel } from 'node:diagnostics_channel'
import type { FaultCounts } from './memory/faults.js'
import type { Member } from './membership/members.js'
import type { Access } from './memory/options.js'

/** The fields by which a message's object can be found, as in a {@link ShmError}. */
export interface TracedObject {
  /** System V: the key. */
  key?: number | undefined
  /** System V: the identifier. */
  id?: number | undefined
  /** POSIX, memfd and what lies in a managed segment: the name or label. */
  objectName?: string | undefined
  /** A file: its path. */
  path?: string | undefined
}

/** A segment of the classes; what the raw calls do is not told. */
export interface SegmentMessage extends TracedObject {
  /** What was made, opened or closed. */
  kind: 'sysv' | 'posix' | 'memfd' | 'file'
  /** What error messages call it. */
  segment: string
  /** Bytes of the view. */
  size: number
  /** How it is open. */
  access: Access
}

/** A semaphore that outlives its users: a System V set, or a POSIX one by name. */
export interface SemaphoreMessage extends TracedObject {
  /** Which of the two. */
  kind: 'sysv-semaphore' | 'posix-semaphore'
  /** What error messages call it. */
  object: string
}

/** A name that was removed: by `remove()` of the segment, its class or this package, or by `clean()`. */
export interface RemoveMessage extends TracedObject {
  /** What had the name. */
  kind: 'sysv' | 'posix' | 'file'
  /** What error messages call it. */
  segment: string
}

/** What the fault guard repaired. */
export interface FaultMessage {
  /** What error messages call the segment. */
  segment: string
  /** `ERR_SHM_READ_ONLY`, `ERR_SHM_TRUNCATED` or `ERR_SHM_HOLE`. */
  code: string
  /** All bad touches since the segment was mapped. */
  counts: FaultCounts
}

/** An object that can be waited for: of a managed segment, a semaphore, or a pthread object. */
export interface WaitedObject extends TracedObject {
  /** `'mutex'`, `'ring'`, `'posix-semaphore'`, … */
  kind: string
  /** What error messages call it. */
  object: string
  /** The segment that it is in, likewise. */
  segment?: string
}

/** Somebody was found dead, by the call that was answered so. */
export interface OwnerDeathMessage extends WaitedObject {
  /**
   * The call's answer. `'ownerDied'`: who held a lock; the finder has it. `'partyDied'`: who had a seat at a barrier. `'peerDied'`: who had the other
   * end of a ring. `'writerDied'`: who wrote a broadcast or a latest.
   */
  outcome: 'ownerDied' | 'partyDied' | 'peerDied' | 'writerDied'
}

/** A member of a managed segment died. */
export interface MemberDeathMessage {
  /** What error messages call the segment. */
  segment: string
  /** Who died. */
  member: Member
}

/** A wait of this environment that ended without what it waited for. A call with `timeoutMs: 0` is a try, and no wait. */
export interface LostWaitMessage extends WaitedObject {
  /**
   * `'timedOut'`; `'aborted'` by its signal; `'closed'` with the object or its segment; or who was waited for is dead, as in
   * {@link OwnerDeathMessage}. A lock that was got from the dead is not lost.
   */
  reason: 'timedOut' | 'aborted' | 'closed' | Exclude<OwnerDeathMessage['outcome'], 'ownerDied'>
  /** How long it was to wait at most, where that is the reason. */
  timeoutMs?: number
}

/** The channels, and what they carry: `subscribe('shmem:create', message => …)` of `node:diagnostics_channel`. */
export interface TraceMessages {
  /** An object was made. */
  'shmem:create': SegmentMessage | SemaphoreMessage
  /** An existing one was opened. */
  'shmem:open': SegmentMessage | SemaphoreMessage
  /** A segment or named semaphore was closed. */
  'shmem:close': SegmentMessage | SemaphoreMessage
  /** A name was removed. */
  'shmem:remove': RemoveMessage | SemaphoreMessage
  /** The fault guard repaired a touch. */
  'shmem:fault': FaultMessage
  /** Somebody was found dead with a lock, a seat or an end. */
  'shmem:owner-death': OwnerDeathMessage
  /** A member of a managed segment died. */
  'shmem:member-death': MemberDeathMessage
  /** A wait ended without what it waited for. */
  'shmem:lost-wait': LostWaitMessage
}

/** `created` is told before what the options ask besides (prefault, lock): where that fails, a removal and a close follow. @internal */
export const creations = named('shmem:create')
/** @internal */
export const openings = named('shmem:open')
/** @internal */
export const closings = named('shmem:close')
/** @internal */
export const removals = named('shmem:remove')
/** @internal */
export const faults = named('shmem:fault')
/** @internal */
export const memberDeaths = named('shmem:member-death')
const ownerDeaths = named('shmem:owner-death')
const lostWaits = named('shmem:lost-wait')

/** What a wait's key is called: built only when it is told. */
const descriptions = new WeakMap<object, () => WaitedObject>()

/** Says once what waits with this key are about: a native object, or a class's own where it has none. @internal */
export function traceAs(key: object, describe: () => WaitedObject): void {
  descriptions.set(key, describe)
}

/** @internal */
export function tellSemaphore(told: typeof creations, kind: SemaphoreMessage['kind'], object: string, about: TracedObject): void {
  told.publish({ kind, object, ...about } satisfies SemaphoreMessage)
}

/** @internal */
export function tellRemoval(kind: RemoveMessage['kind'], segment: string, about: TracedObject): void {
  removals.publish({ kind, segment, ...about } satisfies RemoveMessage)
}

/** A wait was answered with a death; but for a lock, which is got, that is a lost wait, too. @internal */
export function tellDeath(key: object, outcome: OwnerDeathMessage['outcome']): void {
  if (ownerDeaths.hasSubscribers) ownerDeaths.publish({ ...descriptionOf(key), outcome } satisfies OwnerDeathMessage)
  if (outcome !== 'ownerDied') tellLoss(key, outcome)
}

/** A wait ended without what it waited for. @internal */
export function tellLoss(key: object, reason: LostWaitMessage['reason'], timeoutMs?: number): void {
  if (!lostWaits.hasSubscribers || timeoutMs === 0) return
  const message: LostWaitMessage = { ...descriptionOf(key), reason, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
  // No subscriber is to find an object that is half closed.
  if (reason === 'closed') process.nextTick(() => lostWaits.publish(message))
  else lostWaits.publish(message)
}

function descriptionOf(key: object): WaitedObject {
  return descriptions.get(key)?.() ?? { kind: 'unknown', object: 'an object' }
}

function named(name: keyof TraceMessages): ReturnType<typeof channel> {
  return channel(name)
}
