/**
 * What the functions over the machine's shared memory say, in types: objects, their users, orphans, limits, findings.
 * All sizes are bytes unless the name says otherwise; all times are milliseconds since 1970.
 */

/** What an object is: memory of System V, POSIX or an anonymous memfd, or semaphores. */
export type ObjectKind = 'sysv' | 'posix' | 'memfd' | 'sysv-semaphore' | 'posix-semaphore'

/** A process that uses an object. */
export interface User {
  /** As our own PID namespace numbers it. */
  pid: number
  /** The process's command name, as `ps` shows it; that of its program where it is only that of Node's main thread. */
  name: string
  /** `'mapped'`: the object is in its address space; `'open'`: it holds a descriptor only. */
  how: 'mapped' | 'open'
}

/** One object as the machine shows it at the moment of asking; any number of it may be stale at once. */
export interface ObjectFacts {
  /** What it is. */
  kind: ObjectKind
  /** System V: the key as in messages (`0x0000002a`); POSIX: `/name`; memfd: `memfd:name`. */
  name: string
  /** System V only: the key, int32 as in C. */
  key?: number
  /** System V only: the identifier. */
  id?: number
  /** POSIX only: absolute path. */
  path?: string
  /** Of what has an inode: the device. */
  device?: number
  /** Of what has an inode: with `device` tells it from an object that takes its name later. */
  inode?: number
  /** Size in bytes; of a System V semaphore set, 0. */
  sizeBytes: number
  /** Permission bits; 0 where the owner cannot be known. */
  mode: number
  /** The owner; -1: cannot be known, of a memfd that is only mapped, by a process that may not be looked at or just unmapped it. */
  uid: number
  /** The owner's group; -1: cannot be known. */
  gid: number
  /** The user's name, or the number where it has none. */
  owner: string
  /** When it was made, where that is known. */
  createdMs?: number
  /** When owner, mode or content changed last, where that is known. */
  changedMs?: number
  /** System V only: who made it. */
  creatorPid?: number
  /** System V only: who attached, detached or operated last. */
  lastPid?: number
  /** System V only: the attach count as the kernel has it. */
  attached?: number
  /** In RAM; undefined: cannot be known. */
  residentBytes?: number
  /** In swap; undefined: cannot be known. */
  swappedBytes?: number
  /** In huge pages; undefined: cannot be known. */
  hugeBytes?: number
  /** Locked in RAM; undefined: cannot be known. */
  lockedBytes?: number
  /** Who uses it, as far as /proc lets one look. */
  users: User[]
  /** False where some processes could not be looked at (another user's), or `users: false` was asked. */
  usersComplete: boolean
  /** `'ours'`: bears our sign (a managed header, a liveness byte that somebody holds, or the attribute of who made it); `'foreign'`: other software's, or nobody knows. */
  origin: 'ours' | 'foreign'
  /** It has the header of a managed segment. */
  managed?: boolean
}

/** An object that nobody uses any more. */
export interface Orphan extends ObjectFacts {
  /** Why it is thought an orphan, in words. */
  reason: string
  /** Whether this process may remove it. */
  removable: boolean
  /** Why not. */
  whyNot?: string
}

/** What {@link list} shall show. */
export interface ObjectListOptions {
  /** Only these kinds. Default: all. */
  kinds?: readonly ObjectKind[] | undefined
  /** Whether to look who uses each object; reads every process's maps and descriptors once. Default: true. */
  users?: boolean | undefined
  /** Only objects of the caller's own uid. Default: false. */
  mine?: boolean | undefined
}

/** What {@link orphans} shall look for. */
export interface OrphanOptions {
  /** Also objects of other software and of other users. Default: false. */
  foreign?: boolean | undefined
  /** Only the object of this name: `/name`, `0x0000002a`. Default: all. */
  name?: string | undefined
}

/** One limit of the machine that shared memory meets. */
export interface Limit {
  /** As the administrator knows it: `kernel.shmmax`, `RLIMIT_MEMLOCK`. */
  name: string
  /** Undefined: this machine does not tell. Text where there is no number: `unlimited`, `always`. */
  value: number | string | undefined
  /** What the number counts; absent where there is none. */
  unit?: 'bytes' | 'pages' | 'count'
  /** Where it was read: a path, or a call. */
  source: string
  /** What it limits, in a sentence. */
  meaning: string
}

/** One thing the doctor looked at. */
export interface Finding {
  /** `'ok'`; `'note'`: good to know; `'warning'`: will hurt some programs; `'problem'`: will hurt. */
  level: 'ok' | 'note' | 'warning' | 'problem'
  /** What was looked at, in a few words. */
  subject: string
  /** What was found. */
  what: string
  /** How to mend it. */
  remedy?: string
}

/** What became of an object that should be cleaned: removed, used after all, or gone before. */
export type Cleaned = 'removed' | 'inUse' | 'gone'
