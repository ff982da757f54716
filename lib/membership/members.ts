/**
 * The members of a managed segment, and what happens to them: who joined, who left, who died.
 *
 * @module
 */

import { EventEmitter } from 'node:events'
import type { Binding } from '../native.js'
import { beginMemberWatch, callOffWait } from '../waits/object-waits.js'
import { memberDeaths, type MemberDeathMessage } from '../tracing.js'

/** A member, as its slot describes it. */
export interface Member {
  /** As its own PID namespace numbers it. */
  pid: number
  /** The thread that is the member. */
  tid: number
  /** What it called itself when it joined. */
  name: string
  /** Its place in the member table, from 0. */
  slot: number
  /** `false`: it died, and nobody took its place since. */
  alive: boolean
  /** When it joined. */
  joinedAt: Date
  /** Whether it is this environment. */
  isSelf: boolean
}

/** What can happen to a member. */
export type MemberEvent = 'memberJoined' | 'memberLeft' | 'memberDied'

/** The names of {@link MemberEvent}. @internal */
export const MEMBER_EVENTS = ['memberJoined', 'memberLeft', 'memberDied'] as const

/** Numbers that the binding knows (crate/node/src/managed.rs). */
const DIED = 1
const LEFT = 2

/** A member in the user's words; `token` is this environment's own. @internal */
export function memberOf(member: Binding.NativeMember, token: number): Member {
  const { pid, tid, name, slot, alive, joinedAtMs } = member
  return { pid, tid, name, slot, alive, joinedAt: new Date(joinedAtMs), isSelf: (member.token | 0) === token }
}

/**
 * Tells listeners of members. Between two looks a native wait stands for all of them, which does not keep the process alive; without a
 * listener there is neither look nor wait. Somebody who joined and was gone again before the next look is not told.
 *
 * @internal
 */
export class MemberEvents {
  readonly #native: Binding.NativeManaged
  readonly #token: number
  readonly #emitter = new EventEmitter()
  readonly #segment: () => string
  #known = new Map<number, Binding.NativeMember>()
  #wait: number | undefined

  /** `segment` is what error messages call it. Who listened on the channel of deaths before is told of those here, too. */
  constructor(native: Binding.NativeManaged, token: number, segment: () => string) {
    this.#native = native
    this.#token = token
    this.#segment = segment
    if (memberDeaths.hasSubscribers) this.#begin()
  }

  on(event: MemberEvent, listener: (member: Member) => void, once: boolean): void {
    if (this.#wait === undefined) this.#known = this.#look()
    this.#emitter[once ? 'once' : 'on'](event, listener)
  }

  off(event: MemberEvent, listener: (member: Member) => void): void {
    this.#emitter.off(event, listener)
    if (this.#isUnheard()) this.#pause()
  }

  /** The segment is closed. */
  end(): void {
    this.#emitter.removeAllListeners()
    this.#pause()
  }

  #isUnheard(): boolean {
    return !memberDeaths.hasSubscribers && MEMBER_EVENTS.every(event => this.#emitter.listenerCount(event) === 0)
  }

  #pause(): void {
    if (this.#wait !== undefined) callOffWait(this.#wait)
    this.#wait = undefined
  }

  #begin(): void {
    try {
      this.#known = this.#look()
    } catch {
      // Truncated: the segment's calls say so to whoever makes one.
      this.#pause()
    }
  }

  /** First the wait, then the list: what changes in between is in the list already, and the wait ends for nothing. */
  #look(): Map<number, Binding.NativeMember> {
    this.#wait = beginMemberWatch(this.#native, (_, error) => this.#woken(error))
    return new Map(this.#native.members().map(member => [member.token, member]))
  }

  #woken(error: Error | undefined): void {
    this.#wait = undefined
    // A listener for once may have been the last one. An error is that of the segment's end: its calls throw it.
    if (error !== undefined || this.#isUnheard()) return
    const before = this.#known
    let now: Map<number, Binding.NativeMember>
    try {
      now = this.#look()
    } catch {
      // Truncated or closed: the segment's calls say so to whoever makes one.
      return this.#pause()
    }
    this.#known = now
    for (const [token, member] of before) if (member.alive && now.get(token)?.alive !== true) this.#ended(member)
    for (const [token, member] of now) {
      if (before.has(token)) continue
      this.#tell('memberJoined', { ...member, alive: true })
      if (!member.alive) this.#ended(member)
    }
  }

  #ended(member: Binding.NativeMember): void {
    const fate = this.#fate(member.token)
    if (fate === DIED || fate === LEFT) this.#tell(fate === DIED ? 'memberDied' : 'memberLeft', { ...member, alive: false })
  }

  /** Nothing known where the segment went away meanwhile. */
  #fate(token: number): number | undefined {
    try {
      return this.#native.fate(token)
    } catch {
      return undefined
    }
  }

  /** In a turn of its own, so that a listener that throws is the process's uncaught exception and nobody else's. */
  #tell(event: MemberEvent, member: Binding.NativeMember): void {
    const told = memberOf(member, this.#token)
    process.nextTick(() => {
      if (event === 'memberDied' && memberDeaths.hasSubscribers) memberDeaths.publish({ segment: this.#segment(), member: told } satisfies MemberDeathMessage)
      this.#emitter.emit(event, told)
    })
  }
}
