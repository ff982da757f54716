/**
 * Managed segments: shared memory in which names lead to locks and other things, and whose members are told dead from alive.
 *
 * @module
 */

import { isMainThread, threadId } from 'node:worker_threads'
import { Allocator } from '../structures/allocator.js'
import * as check from '../arguments.js'
import { AtomicCounter } from '../locks/atomic-counter.js'
import { AtomicWord } from '../locks/atomic-word.js'
import { Barrier } from '../locks/barrier.js'
import { Broadcast, broadcastNumbers, type BroadcastOptions } from '../structures/feeds/broadcast.js'
import { Condition } from '../locks/condition.js'
import { ShmError, closedError, outOfRange, wrongType, wrongValue } from '../errors.js'
import { Event, eventNumber, type EventOptions } from '../locks/event.js'
import { FileSegment } from '../memory/file-segment.js'
import { endObject, heldOf, type ManagedObject, type Opened } from '../membership/managed-object.js'
import { layout } from '../managed-layout.js'
import { LockManager } from '../locks/lock-manager.js'
import { Latest, latestNumbers, type LatestOptions } from '../structures/feeds/latest.js'
import { feedLayout } from '../structures/feeds/feed-layout.js'
import { List, listNumbers, type ListOptions } from '../structures/list/list.js'
import { listLayout } from '../structures/list/list-layout.js'
import { MEMBER_EVENTS, MemberEvents, memberOf, type Member, type MemberEvent } from '../membership/members.js'
import { SharedMap, lifetime, mapNumbers, type MapValues, type SharedMapOptions } from '../structures/map/map.js'
import { mapLayout } from '../structures/map/map-layout.js'
import { MemfdSegment } from '../memory/memfd-segment.js'
import { Mutex } from '../locks/mutex.js'
import { native, type Binding } from '../native.js'
import { statsOf, type ObjectEntry, type ObjectStats } from './object-stats.js'
import { Once } from '../locks/once.js'
import { ownerWord } from '../memory/options.js'
import { PosixSegment, type PosixCreateOptions } from '../memory/posix-segment.js'
import { RwLock } from '../locks/rwlock.js'
import { Ring, ringPlan, setWhenFull, type RingOptions } from '../structures/ring/ring.js'
import { ring as ringLayout } from '../structures/ring/ring-layout.js'
import { keepOpen, nativeOf, wordsOf } from '../memory/segment.js'
import { Semaphore, semaphoreNumber, type SemaphoreOptions } from '../locks/semaphore.js'
import { SeqLock } from '../locks/seqlock.js'
import { StructObject, bytesOf } from '../structures/struct/struct-object.js'
import type { Struct, StructDefinition, StructView } from '../structures/struct/struct.js'

/** A segment that can be managed: its object has a descriptor, in which members hold their byte locks. */
export type ManageableSegment = PosixSegment | MemfdSegment | FileSegment

/** What a managed segment is made with, once. */
export interface ManagedGeometry {
  /** Members at once, 1 to 4,096: environments (main threads, workers) and Rust threads. Each takes a page. @default 64 */
  members?: number | undefined
  /** Named objects, 1 to 65,536, of 128 bytes each. @default 256 */
  objects?: number | undefined
}

/** How this environment presents itself to others. */
export interface JoinOptions {
  /** Shown by {@link ManagedSegment.members} and `owner`; cut at 64 bytes. @default the process title, and the number of a worker */
  memberName?: string | undefined
}

/** How a managed POSIX object is made: {@link PosixCreateOptions} and the geometry. */
export type ManagedCreateOptions = Pick<PosixCreateOptions, 'size' | 'mode' | 'reserve' | 'prefault' | 'lockMemory' | 'hugePages' | 'placement' | 'owner'> & ManagedGeometry & JoinOptions

/** How an existing managed segment is opened. */
export interface ManagedOpenOptions extends JoinOptions {
  /** `'observe'` opens it for reading, without becoming a member. @default 'write' */
  access?: 'write' | 'observe' | undefined
  /** `'me'`: another user's object is `ERR_SHM_FOREIGN_OWNER`, as in {@link MapOptions}. With a name only: a segment is opened with its own. @default 'anybody' */
  owner?: 'me' | 'anybody' | undefined
}

/** A part of a managed segment's memory: who reads a dump wants to know what is where. */
export interface SegmentPart {
  /** `'members'`: their table, a page a member; `'directory'`: the names, 128 bytes each; `'heap'`: the objects' bytes. */
  part: 'header' | 'members' | 'directory' | 'heap'
  /** First byte in the segment. */
  offset: number
  /** How long it is. */
  bytes: number
  /** Of how many bytes each place in it is; of header and heap all of it. */
  stride: number
}

const ENTRY_BYTES = layout.entryBytes
const GEOMETRY_WORDS = ['members', 'objects', 'memberName'] as const
const CREATE_MANAGED = ['size', 'mode', 'reserve', 'prefault', 'lockMemory', 'hugePages', 'placement', 'owner', ...GEOMETRY_WORDS] as const

/**
 * Kept from the garbage collector until `close()`: a member that goes is a dead one, and what it holds is given to the next, while code that
 * has only a view of the memory may still be at work.
 */
const MEMBERSHIPS = new Set<ManagedSegment>()

/**
 * A managed segment, open in this environment, which is a member of it until `close()`, also when nothing refers to it any more.
 *
 * Over a POSIX object by name (`'orders'` is `/orders`), or over a {@link PosixSegment}, {@link MemfdSegment} or {@link FileSegment} that you opened:
 * then whoever opens first makes it a managed one, and you close the segment yourself, after this.
 *
 * @throws {@link ShmError} on every call after `close()`: `ERR_SHM_CLOSED`.
 */
export class ManagedSegment {
  /** The memory underneath. */
  readonly segment: ManageableSegment
  readonly #native: Binding.NativeManaged
  readonly #objects = new Map<string, ManagedObject>()
  readonly #ownsSegment: boolean
  readonly #release: () => void
  readonly #events: MemberEvents
  /** The Web Locks face of its locks. */
  readonly locks: LockManager
  /** Bytes of its memory without a name, by offset. */
  readonly allocator: Allocator
  #token = 0
  #isOpen = true

  private constructor(segment: ManageableSegment, ownsSegment: boolean, plan: Required<ManagedGeometry> | undefined, observes: boolean, memberName: string) {
    this.segment = manageable(segment)
    this.#ownsSegment = ownsSegment
    // Everything in it is used through the buffer: where a runtime forbids it, nobody becomes a member.
    void segment.buffer
    this.#native = native.manage(nativeOf(segment), plan !== undefined, plan?.members ?? 0, plan?.objects ?? 0)
    try {
      if (!observes) this.#token = this.#native.join(memberName) | 0
    } catch (error) {
      // It keeps the memory mapped until it is closed.
      this.#native.close()
      throw error
    }
    this.#release = keepOpen(segment, 'a managed segment')
    this.#events = new MemberEvents(this.#native, this.#token, () => wordsOf(segment))
    this.locks = new LockManager(this)
    this.allocator = new Allocator({ native: this.#native, buffer: () => this.segment.buffer })
    if (!observes) MEMBERSHIPS.add(this)
  }

  /**
   * Makes a managed segment.
   *
   * @throws {@link ShmError} EEXIST, and as {@link PosixSegment.create}; `ERR_SHM_NOT_MANAGED` where a segment of yours holds something else;
   * RangeError where the size has no room for so many members.
   */
  static create(name: string, options: ManagedCreateOptions): ManagedSegment {
    return ManagedSegment.#made(name, options, PosixSegment.create)
  }

  /**
   * Opens a managed segment.
   *
   * @throws {@link ShmError} ENOENT, and as {@link PosixSegment.open}; `ERR_SHM_NOT_MANAGED`; `ERR_SHM_NOT_READY` where its maker died at it;
   * `ERR_SHM_VERSION`; `ERR_SHM_MEMBERS_FULL`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_UNSUPPORTED`; `ERR_SHM_NO_EXTERNAL_BUFFERS`.
   */
  static open(source: string | ManageableSegment, options?: ManagedOpenOptions): ManagedSegment {
    const { access, memberName, owner } = check.options<ManagedOpenOptions>('options', options, ['access', 'memberName', 'owner'])
    const observes = access !== undefined && check.oneOf('options.access', access, ['write', 'observe']) === 'observe'
    const name = presentation(memberName)
    const whose = ownerWord('options.owner', owner)
    if (typeof source !== 'string') {
      if (whose === 'me') throw wrongValue('options.owner', 'given where the segment is opened', owner)
      return new ManagedSegment(manageable(source), false, undefined, observes, name)
    }
    const segment = PosixSegment.open(objectName(source), { access: observes ? 'read' : 'write', dump: false, owner: whose })
    return ManagedSegment.#over(segment, undefined, observes, name)
  }

  /**
   * Opens a managed segment or makes it; of many who do so at once, one makes it. A segment of yours that is blank becomes one.
   *
   * @throws {@link ShmError} as {@link ManagedSegment.create} and {@link ManagedSegment.open}.
   */
  static openOrCreate(name: string, options: ManagedCreateOptions): ManagedSegment
  static openOrCreate(segment: ManageableSegment, options?: ManagedGeometry & JoinOptions): ManagedSegment
  static openOrCreate(source: string | ManageableSegment, options?: ManagedCreateOptions | (ManagedGeometry & JoinOptions)): ManagedSegment {
    if (typeof source === 'string') return ManagedSegment.#made(source, options as ManagedCreateOptions, PosixSegment.openOrCreate)
    const segment = manageable(source)
    const given = check.options<ManagedGeometry & JoinOptions>('options', options, GEOMETRY_WORDS)
    return new ManagedSegment(segment, false, geometry(given), false, presentation(given.memberName))
  }

  /** A mutex. `ERR_SHM_TYPE_MISMATCH` where the name is taken by something else; `ERR_SHM_DIRECTORY_FULL`; `ERR_SHM_NO_SPACE`. */
  mutex(name: string): Mutex {
    return this.#object(name, layout.mutex, 0, Mutex)
  }

  /** A reader-writer lock. Errors as of {@link ManagedSegment.mutex}. It takes 128 bytes for each member that the segment has room for. */
  rwlock(name: string): RwLock {
    return this.#object(name, layout.rwlock, 0, RwLock)
  }

  /** A semaphore with so many permits. Errors as of {@link ManagedSegment.mutex}; other `permits` than its maker's are `ERR_SHM_TYPE_MISMATCH`. */
  semaphore(name: string, options: SemaphoreOptions): Semaphore {
    return this.#object(name, layout.semaphore, semaphoreNumber(options), Semaphore)
  }

  /** An event. Errors as of {@link ManagedSegment.mutex}; another `reset` than its maker's is `ERR_SHM_TYPE_MISMATCH`. */
  event(name: string, options?: EventOptions): Event {
    return this.#object(name, layout.event, eventNumber(options), Event)
  }

  /** A condition variable. Errors as {@link ManagedSegment.mutex}. */
  condition(name: string): Condition {
    return this.#object(name, layout.condition, 0, Condition)
  }

  /** A barrier for so many parties, 1 to 4,096. Errors as {@link ManagedSegment.mutex}; another number of parties is another type. */
  barrier(name: string, options: { parties: number }): Barrier {
    const { parties } = check.options<{ parties: number }>('options', options, ['parties'])
    return this.#object(name, layout.barrier, check.integer('options.parties', parties, 1, layout.partiesMax), Barrier)
  }

  /** Something that is done once, by one member. Errors as {@link ManagedSegment.mutex}. */
  once(name: string): Once {
    return this.#object(name, layout.once, 0, Once)
  }

  /** A record of so many bytes, 1 to 2^20, that is read without a lock. Errors as {@link ManagedSegment.mutex}; another size is another type. */
  seqlock(name: string, options: { bytes: number }): SeqLock {
    const { bytes } = check.options<{ bytes: number }>('options', options, ['bytes'])
    return this.#object(name, layout.seqlock, check.integer('options.bytes', bytes, 1, layout.recordBytesMax), SeqLock)
  }

  /** What one sends and many see. Errors as {@link ManagedSegment.mutex}; other `slots` or `slotBytes` are another type. */
  broadcast(name: string, options: BroadcastOptions): Broadcast {
    return this.#object(name, feedLayout.broadcast, broadcastNumbers(options), Broadcast)
  }

  /** The newest value of one writer, of up to `bytes` bytes. Errors as {@link ManagedSegment.mutex}; other `bytes` or `readers` are another type. */
  latest(name: string, options: LatestOptions): Latest {
    return this.#object(name, feedLayout.latest, latestNumbers(options), Latest)
  }

  /**
   * A view of a struct, all zeroes at first; the same one each time. It lasts as long as {@link ManagedSegment.buffer}. Errors as
   * {@link ManagedSegment.mutex}; a layout with another {@link Struct.hash} is another type.
   */
  struct<Definition extends StructDefinition>(name: string, type: Struct<Definition>): StructView<Struct<Definition>> {
    return this.#object(name, layout.struct, bytesOf(type), StructObject, type.hash).viewAs(type)
  }

  /** An atomic word of 32 bits, 0 at first. Errors as {@link ManagedSegment.mutex}. */
  word(name: string): AtomicWord {
    return this.#object(name, layout.word, 0, AtomicWord)
  }

  /** An atomic counter of 64 bits, 0 at first. Errors as {@link ManagedSegment.mutex}. */
  counter(name: string): AtomicCounter {
    return this.#object(name, layout.counter, 0, AtomicCounter)
  }

  /**
   * A ring of messages. Errors as {@link ManagedSegment.mutex}; other options than its maker's are another type, but for `whenFull` `'wait'` or `'fail'`.
   */
  ring(name: string, options: RingOptions): Ring {
    const { numbers, whenFull } = ringPlan(options)
    const ring = this.#object(name, ringLayout.kind, numbers, Ring)
    setWhenFull(ring, whenFull)
    return ring
  }

  /**
   * A map of keys to values: a cache between processes. Errors as {@link ManagedSegment.mutex}; other options than its maker's are `ERR_SHM_TYPE_MISMATCH`, but for
   * `ttlMs`, which is of this environment alone. RangeError where the memory has no room for what the options ask.
   *
   * The type of structured values is yours to name, `mem.map<Page>(…)`, and nobody checks what another process has set.
   */
  map<Value = unknown>(name: string, options: SharedMapOptions & { values: 'structured' }): SharedMap<Value, Value>
  map<Kind extends keyof MapValues = 'bytes'>(name: string, options: SharedMapOptions & { values?: Kind | undefined }): SharedMap<MapValues[Kind][0], MapValues[Kind][1]>
  map<Kind extends keyof MapValues>(name: string, options: SharedMapOptions & { values?: Kind | undefined }): SharedMap<MapValues[Kind][0], MapValues[Kind][1]> {
    const numbers = mapNumbers(options)
    const ttlMs = options.ttlMs === undefined ? undefined : lifetime('options.ttlMs', options.ttlMs)
    const map = this.#object(name, mapLayout.kind, numbers, SharedMap<MapValues[Kind][0], MapValues[Kind][1]>)
    if (ttlMs !== undefined) map.ttlMs = ttlMs
    return map
  }

  /** A linked list of values of so many bytes each. Errors as {@link ManagedSegment.mutex}; another size or capacity is another type. */
  list(name: string, options: ListOptions): List {
    return this.#object(name, listLayout.kind, listNumbers(options), List)
  }

  /** The memory, as {@link Segment.buffer}. Its first bytes are the segment's own. */
  get buffer(): ArrayBuffer {
    return this.segment.buffer
  }

  /** Bytes of the whole segment. */
  get size(): number {
    return this.segment.size
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return !this.#isOpen
  }

  /** Everybody who is a member now, and the dead whose places nobody took yet. Stale the moment it returns. */
  get members(): Member[] {
    return this.#native.members().map(member => memberOf(member, this.#token))
  }

  /** Whether this environment is a member: not with `access: 'observe'`, and not after `close()`. */
  get isMember(): boolean {
    return this.#isOpen && this.#token !== 0
  }

  /** This environment as a member; nothing for an observer. */
  get self(): Member | undefined {
    return this.members.find(member => member.isSelf)
  }

  /**
   * Calls `listener` when somebody joins, leaves or dies, soon after it happened (milliseconds; a second at most where the kernel could not tell). Listeners do not
   * keep the process alive, and end with `close()`, or, with `once`, after the first call. Who joined and was gone again before the next look is not told.
   */
  on(event: MemberEvent, listener: (member: Member) => void, options?: { once?: boolean }): this {
    const { once } = check.options<{ once?: boolean }>('options', options, ['once'])
    return this.#listen(event, listener, check.flag('options.once', once, false))
  }

  /** Ends what {@link ManagedSegment.on} began. */
  off(event: MemberEvent, listener: (member: Member) => void): this {
    this.#events.off(check.oneOf('event', event, MEMBER_EVENTS), listenerOf(listener))
    return this
  }

  /** What the directory lists. */
  get objects(): ObjectEntry[] {
    return this.#native.objects()
  }

  /** What each object that the directory lists counted, whoever it was; an observer sees it too. Stale the moment it returns. */
  stats(): ObjectStats[] {
    const entries = this.#native.objects()
    const members = this.#native.members()
    return entries.map(entry => statsOf(entry, this.segment.buffer, members))
  }

  /** Where its parts are, in the order of their offsets. */
  get parts(): SegmentPart[] {
    const { pageSizeBytes, slots, objects, membersOffset, directoryOffset, heapOffset, heapEnd } = this.#native.geometry()
    return [
      { part: 'header', offset: 0, bytes: membersOffset, stride: membersOffset },
      { part: 'members', offset: membersOffset, bytes: slots * pageSizeBytes, stride: pageSizeBytes },
      { part: 'directory', offset: directoryOffset, bytes: objects * ENTRY_BYTES, stride: ENTRY_BYTES },
      { part: 'heap', offset: heapOffset, bytes: heapEnd - heapOffset, stride: heapEnd - heapOffset }
    ]
  }

  /**
   * Leaves, and closes it in this environment; pending promises reject with `ERR_SHM_CLOSED`. Idempotent.
   *
   * @throws {@link ShmError} `ERR_SHM_HELD` while this environment holds one of its locks: the error names it.
   */
  close(): void {
    if (!this.#isOpen) return
    for (const object of this.#objects.values()) {
      const held = heldOf(object)
      if (held !== undefined) throw new ShmError({ code: 'ERR_SHM_HELD', message: `${held} is held by this environment: give it back first`, objectName: object.name })
    }
    this.#isOpen = false
    MEMBERSHIPS.delete(this)
    for (const object of this.#objects.values()) endObject(object)
    this.#events.end()
    this.#native.close()
    this.#release()
    if (this.#ownsSegment) this.segment.close()
  }

  /** Removes the object's name: nobody can open it again, who has it open goes on. */
  remove(): void {
    this.segment.remove()
  }

  /** `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }

  #listen(event: MemberEvent, listener: (member: Member) => void, once: boolean): this {
    if (!this.#isOpen) throw closedError('managed segment')
    this.#events.on(check.oneOf('event', event, MEMBER_EVENTS), listenerOf(listener), once)
    return this
  }

  /** One object a name: its private state is this environment's. */
  #object<Type extends ManagedObject>(name: string, kind: number, numbers: number | readonly number[], Class: new (opened: Opened) => Type, typeHash?: bigint): Type {
    if (!this.#isOpen) throw closedError('managed segment')
    const plain = check.text('name', name)
    if (Buffer.from(plain).toString() !== plain) throw wrongValue('name', 'text without lone surrogates, which UTF-8 cannot tell apart', name)
    if (Buffer.byteLength(plain) > layout.nameBytesMax) throw outOfRange('name', `a name of at most ${layout.nameBytesMax} bytes`, name)
    if (!this.isMember) throw new ShmError({ code: 'ERR_SHM_READ_ONLY', message: 'who opened it to observe is no member: it may list members and objects, and use none', objectName: plain })
    const given = typeof numbers === 'number' ? [numbers] : [...numbers]
    const object = this.#native.object(plain, kind, given, typeHash)
    const known = this.#objects.get(plain)
    if (known instanceof Class) return known
    const made = new Class({ name: plain, object, segment: this.segment, buffer: this.segment.buffer, token: this.#token, slot: this.#native.slot(), numbers: given })
    this.#objects.set(plain, made)
    return made
  }

  static #made(name: string, options: ManagedCreateOptions, make: (name: string, options: PosixCreateOptions) => PosixSegment): ManagedSegment {
    const { members, objects, memberName, ...segment } = check.options<ManagedCreateOptions>('options', options, CREATE_MANAGED)
    const plan = geometry({ members, objects } as ManagedGeometry)
    const presented = presentation(memberName)
    const plain = objectName(name)
    return ManagedSegment.#over(make(plain, { ...segment, dump: false }), plan, false, presented)
  }

  /** A failure leaves nothing open, and nothing that this opening made. */
  static #over(segment: PosixSegment, plan: Required<ManagedGeometry> | undefined, observes: boolean, name: string): ManagedSegment {
    try {
      return new ManagedSegment(segment, true, plan, observes, name)
    } catch (error) {
      try {
        if (segment.created) segment.remove()
      } catch {
        // Removed already: the first error is the one that counts.
      }
      segment.close()
      throw error
    }
  }
}

function geometry({ members, objects }: ManagedGeometry): Required<ManagedGeometry> {
  return {
    members: members === undefined ? layout.slotsDefault : check.integer('options.members', members, 1, layout.slotsMax),
    objects: objects === undefined ? layout.objectsDefault : check.integer('options.objects', objects, 1, layout.objectsMax)
  }
}

/** `'orders'` is the object `/orders`. */
function objectName(name: string): string {
  const plain = check.text('name', name)
  return check.objectName('name', plain.startsWith('/') ? plain : `/${plain}`)
}

function manageable(value: unknown): ManageableSegment {
  if (value instanceof PosixSegment || value instanceof MemfdSegment || value instanceof FileSegment) return value
  throw wrongType('segment', 'a name, or a PosixSegment, MemfdSegment or FileSegment', value)
}

function listenerOf(listener: (member: Member) => void): (member: Member) => void {
  if (typeof listener !== 'function') throw wrongType('listener', 'a function', listener)
  return listener
}

function presentation(memberName: string | undefined): string {
  if (memberName !== undefined) return check.text('options.memberName', memberName)
  return isMainThread ? process.title : `${process.title} worker ${threadId}`
}
