/**
 * Shared memory for Node.js: the memory itself, zero-copy, with System V and POSIX shared memory, memfd and files.
 *
 * This is the front door; each noun has a file of its own under `lib/`. The raw calls under their man-page names are in
 * `shmem/sysv` and `shmem/posix`.
 *
 * @module shmem
 */

export { SysvSegment, IPC_PRIVATE, type SysvCreateOptions, type SysvMapOptions, type SysvStat } from './lib/memory/sysv-segment.js'
export { PosixSegment, type PosixCreateOptions } from './lib/memory/posix-segment.js'
export { MemfdSegment, type MemfdCreateOptions, type MemfdMapOptions, type Seal } from './lib/memory/memfd-segment.js'
export { FileSegment, type FileCreateOptions } from './lib/memory/file-segment.js'
export { Segment } from './lib/memory/segment.js'
export type { HugePages, LockMemoryOptions, PageFacts, Residency, SegmentStat, StatOptions } from './lib/memory/segment-stat.js'
export {
  numaNodes,
  threadPlacement,
  type NumaNode,
  type PagesReport,
  type PagesUnknown,
  type PlacementOptions,
  type PlacementPolicy,
  type PlacementReport,
  type PolicyReport,
  type ThreadPlacement,
  type ThreadPlacementOptions
} from './lib/memory/placement.js'
export type { PrefaultOptions, PrefaultProgress, Prefaulted } from './lib/memory/prefault.js'
export type { ObjectStat, OwnerChange } from './lib/memory/backing-object.js'
export type { Access, CreateOptions, MapOptions, Range } from './lib/memory/options.js'
export { pageSizeBytes, type Advice } from './lib/memory/page-words.js'
export type { Size } from './lib/arguments.js'
export type { FaultCounts } from './lib/memory/faults.js'

export {
  ManagedSegment,
  type JoinOptions,
  type ManageableSegment,
  type ManagedCreateOptions,
  type ManagedGeometry,
  type ManagedOpenOptions,
  type SegmentPart
} from './lib/managed/managed-segment.js'
export type { ObjectEntry, ObjectStats } from './lib/managed/object-stats.js'
export type { Member, MemberEvent } from './lib/membership/members.js'
export { LockManager, type GrantedLock, type LockMode, type LockRequestOptions } from './lib/locks/lock-manager.js'
export type { ManagedObject, ObjectCounters } from './lib/membership/managed-object.js'
export { Mutex, type Owner } from './lib/locks/mutex.js'
export type { LockOptions, LockSyncOptions, Locked, RepairOption, StrictOption } from './lib/locks/lock-terms.js'
export { RwLock } from './lib/locks/rwlock.js'
export { Semaphore, type PermitOptions, type PermitSyncOptions, type SemaphoreOptions } from './lib/locks/semaphore.js'
export { Event, type EventOptions, type EventSyncOptions, type EventWaitOptions } from './lib/locks/event.js'
export { Condition, type Notified } from './lib/locks/condition.js'
export { Barrier, type Arrived } from './lib/locks/barrier.js'
export { Once, type Done } from './lib/locks/once.js'
export { SeqLock } from './lib/locks/seqlock.js'
export { Ring, type RingCounters, type RingOptions } from './lib/structures/ring/ring.js'
export type { Payload } from './lib/structures/payload.js'
export type { Producer, SendOptions, SendSyncOptions, Sent, TrySent } from './lib/structures/ring/ring-producer.js'
export type { Consumer, MessagesOptions, ReceiveOptions, ReceiveSyncOptions, Received, TryReceived } from './lib/structures/ring/ring-consumer.js'
export type { Ready, RingEnd, WhenFull } from './lib/structures/ring/ring-parts.js'
export type { Slot, SlotMemory, Views } from './lib/structures/ring/ring-slots.js'
export type { RingReadableOptions, RingWritableOptions } from './lib/structures/ring/ring-streams.js'
export { Broadcast, type BroadcastCounters, type BroadcastOptions, type BroadcastReaderOptions } from './lib/structures/feeds/broadcast.js'
export { BroadcastReader } from './lib/structures/feeds/broadcast-reader.js'
export { BroadcastWriter } from './lib/structures/feeds/broadcast-writer.js'
export { Latest, type LatestCounters, type LatestOptions } from './lib/structures/feeds/latest.js'
export { LatestReader } from './lib/structures/feeds/latest-reader.js'
export { LatestWriter } from './lib/structures/feeds/latest-writer.js'
export type { NewsOptions, NewsSyncOptions } from './lib/structures/feeds/news.js'
export { SharedMap, type MapEntry, type MapKey, type MapSetOptions, type MapStats, type MapValues, type SharedMapOptions } from './lib/structures/map/map.js'
export type { MapKeyLike } from './lib/structures/map/map-key.js'
export { AtomicWord } from './lib/locks/atomic-word.js'
export { AtomicCounter } from './lib/locks/atomic-counter.js'
export { notify, wait, waitAsync, type WordOutcome, type WordWaitAsyncOptions, type WordWaitOptions } from './lib/waits/word-waits.js'
export {
  array,
  atomicI32,
  atomicI64,
  atomicU32,
  atomicU64,
  bool,
  bytes,
  cacheLine,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  offset,
  pad,
  text,
  u16,
  u32,
  u64,
  u8,
  type FieldForm,
  type StructField
} from './lib/structures/struct/struct-fields.js'
export { Struct, struct, type PlacedField, type StructDefinition, type StructView } from './lib/structures/struct/struct.js'
export type { StructMemory } from './lib/structures/struct/struct-memory.js'
export { OffsetPointer } from './lib/structures/struct/offset-pointer.js'
export { Atomic32, Atomic64 } from './lib/structures/struct/atomic-cell.js'
export { Allocator, type AllocateOptions, type Block, type HeapStats, type Repaired } from './lib/structures/allocator.js'
export { List, type ListNode, type ListOptions, type ListStats } from './lib/structures/list/list.js'
export { HeldLock } from './lib/locks/held-lock.js'
export type { SpinOptions } from './lib/waits/spinning.js'

export { openDescriptor } from './lib/memory/open-descriptor.js'
export type { Descriptor, FileDescriptor, MemfdDescriptor, PosixDescriptor, SysvDescriptor } from './lib/memory/descriptor.js'
export { sendFd, receiveFd, type PassOptions } from './lib/memory/pass-fd.js'
export { ftok } from './lib/memory/ftok.js'

export {
  SysvSemaphoreSet,
  type AcquireOptions,
  type SemaphoreOperation,
  type SemaphoreSetCreateOptions,
  type SemaphoreSetStat
} from './lib/semaphores/sysv-semaphore-set.js'
export type { WaitOptions } from './lib/waits/waiting.js'
export type { AsyncWaitOptions } from './lib/waits/pending.js'
export { PosixSemaphore, type PosixSemaphoreCreateOptions } from './lib/semaphores/posix-semaphore.js'

export { PthreadMutex, type PthreadMutexOptions } from './lib/pthread/pthread-mutex.js'
export { PthreadCondition, type PthreadConditionOptions, type PthreadConditionWaitOptions } from './lib/pthread/pthread-condition.js'
export { PthreadRwLock } from './lib/pthread/pthread-rwlock.js'
export { PthreadBarrier, type PthreadBarrierOptions } from './lib/pthread/pthread-barrier.js'
export type { PthreadAbi, PthreadOptions } from './lib/pthread/pthread-place.js'

export { list } from './lib/system/list.js'
export { orphans } from './lib/system/orphans.js'
export { clean, remove } from './lib/system/cleaning.js'
export { limits } from './lib/system/limits.js'
export { doctor } from './lib/system/doctor.js'
export type {
  Cleaned,
  Finding,
  Limit,
  ObjectFacts,
  ObjectKind,
  ObjectListOptions,
  Orphan,
  OrphanOptions,
  User
} from './lib/system/facts.js'

export { ShmError } from './lib/errors.js'
export type {
  FaultMessage,
  LostWaitMessage,
  MemberDeathMessage,
  OwnerDeathMessage,
  RemoveMessage,
  SegmentMessage,
  SemaphoreMessage,
  TraceMessages,
  TracedObject,
  WaitedObject
} from './lib/tracing.js'
