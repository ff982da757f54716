/**
 * Managed segments: shared memory in which names lead to locks and other things, and whose members are told dead from alive.
 *
 * @module
 */

import { isMainThread, threadId } from 'node:worker_threads'
import * as check from './arguments.js'
import { ShmError, closedError, outOfRange, wrongType } from './errors.js'
import { FileSegment } from './file-segment.js'
import { endObject, heldOf, type ManagedObject, type Opened } from './managed-object.js'
import { layout } from './managed-layout.js'
import { MemfdSegment } from './memfd-segment.js'
import { Mutex } from './mutex.js'
import { native, type Binding } from './native.js'
import type { CreateOptions } from './options.js'
import { PosixSegment } from './posix-segment.js'
import { keepOpen, nativeOf } from './segment.js'

/** A segment that can be managed: its object has a descriptor, in which members hold their byte locks. */
export type ManageableSegment = PosixSegment | MemfdSegment | FileSegment

/** What a managed segment is made with, once. */
export interface ManagedGeometry {
  /** Members at once, 1 to 4,096: environments (main threads, workers) and Rust threads. Each takes a page. @default 64 */
  members?: number
  /** Named objects, 1 to 65,536, of 128 bytes each. @default 256 */
  objects?: number
}

/** How this environment presents itself to others. */
export interface JoinOptions {
  /** Shown by {@link ManagedSegment.members} and `owner`; cut at 64 bytes. @default the process title, and the number of a worker */
  memberName?: string
}

/** How a managed POSIX object is made: {@link CreateOptions} and the geometry. */
export type ManagedCreateOptions = Pick<CreateOptions, 'size' | 'mode' | 'reserve' | 'prefault' | 'lockMemory'> & ManagedGeometry & JoinOptions

/** How an existing managed segment is opened. */
export interface ManagedOpenOptions extends JoinOptions {
  /** `'observe'` opens it for reading, without becoming a member. @default 'write' */
  access?: 'write' | 'observe'
}

/** A member, as its slot describes it. */
export interface Member {
  /** As its own PID namespace numbers it. */
  pid: number
  /** The thread that is the member. */
  tid: number
  name: string
  /** `false`: it died, and nobody took its place since. */
  alive: boolean
  joinedAt: Date
  /** Whether it is this environment. */
  isSelf: boolean
}

/** An object that the segment's directory lists. */
export interface ObjectEntry {
  name: string
  kind: string
  /** Kind and geometry, as in an error about them. */
  words: string
  /** First byte in the segment. */
  offset: number
  bytes: number
}

const GEOMETRY_WORDS = ['members', 'objects', 'memberName'] as const
const CREATE_MANAGED = ['size', 'mode', 'reserve', 'prefault', 'lockMemory', ...GEOMETRY_WORDS] as const

/**
 * A managed segment, open in this environment, which is a member of it until `close()`.
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
  #token = 0
  #isOpen = true

  private constructor(segment: ManageableSegment, ownsSegment: boolean, geometry: Required<ManagedGeometry> | undefined, observes: boolean, memberName: string) {
    this.segment = segment
    this.#ownsSegment = ownsSegment
    this.#native = native.manage(nativeOf(segment), geometry !== undefined, geometry?.members ?? 0, geometry?.objects ?? 0)
    if (!observes) this.#token = this.#native.join(memberName) | 0
    this.#release = keepOpen(segment, 'a managed segment')
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
   * `ERR_SHM_VERSION`; `ERR_SHM_MEMBERS_FULL`; `ERR_SHM_POSSIBLY_CORRUPT`; `ERR_SHM_UNSUPPORTED`.
   */
  static open(source: string | ManageableSegment, options?: ManagedOpenOptions): ManagedSegment {
    const { access, memberName } = check.options<ManagedOpenOptions>('options', options, ['access', 'memberName'])
    const observes = access !== undefined && check.oneOf('options.access', access, ['write', 'observe']) === 'observe'
    const name = presentation(memberName)
    if (typeof source !== 'string') return new ManagedSegment(manageable(source), false, undefined, observes, name)
    const segment = PosixSegment.open(objectName(source), observes ? { access: 'read' } : {})
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
    const given = check.options<ManagedGeometry & JoinOptions>('options', options, GEOMETRY_WORDS)
    return new ManagedSegment(manageable(source), false, geometry(given), false, presentation(given.memberName))
  }

  /** A mutex. `ERR_SHM_TYPE_MISMATCH` where the name is taken by something else; `ERR_SHM_DIRECTORY_FULL`; `ERR_SHM_NO_SPACE`. */
  mutex(name: string): Mutex {
    return this.#object(name, layout.mutex, 0, Mutex)
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
    return this.#native.members().map(member => ({
      pid: member.pid,
      tid: member.tid,
      name: member.name,
      alive: member.alive,
      joinedAt: new Date(member.joinedAtMs),
      isSelf: (member.token | 0) === this.#token
    }))
  }

  /** What the directory lists. */
  get objects(): ObjectEntry[] {
    return this.#native.objects()
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
    for (const object of this.#objects.values()) endObject(object)
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

  /** One object a name: its private state is this environment's. */
  #object<Type extends ManagedObject>(name: string, kind: number, number: number, Class: new (opened: Opened) => Type): Type {
    if (!this.#isOpen) throw closedError('managed segment')
    const plain = check.text('name', name)
    if (Buffer.byteLength(plain) > layout.nameBytesMax) throw outOfRange('name', `a name of at most ${layout.nameBytesMax} bytes`, name)
    const object = this.#native.object(plain, kind, number)
    const known = this.#objects.get(plain)
    if (known instanceof Class) return known
    const made = new Class({ name: plain, object, buffer: this.segment.buffer, token: this.#token, slot: this.#native.slot() })
    this.#objects.set(plain, made)
    return made
  }

  static #made(name: string, options: ManagedCreateOptions, make: (name: string, options: CreateOptions & { hugePages?: false }) => PosixSegment): ManagedSegment {
    const { members, objects, memberName, ...segment } = check.options<ManagedCreateOptions>('options', options, CREATE_MANAGED)
    const plan = geometry({ members, objects } as ManagedGeometry)
    const presented = presentation(memberName)
    const plain = objectName(name)
    return ManagedSegment.#over(make(plain, segment), plan, false, presented)
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

function presentation(memberName: string | undefined): string {
  if (memberName !== undefined) return check.text('options.memberName', memberName)
  return isMainThread ? process.title : `${process.title} worker ${threadId}`
}
