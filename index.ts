/**
 * Shared memory for Node.js: the memory itself, zero-copy, with System V and POSIX shared memory, memfd and files.
 *
 * This is the front door; each noun has a file of its own under `lib/`. The raw calls under their man-page names are in
 * `shmem/sysv` and `shmem/posix`.
 *
 * @module
 */

export { SysvSegment, IPC_PRIVATE, type SysvCreateOptions, type SysvMapOptions, type SysvStat } from './lib/sysv-segment.js'
export { PosixSegment, type PosixCreateOptions } from './lib/posix-segment.js'
export { MemfdSegment, type MemfdCreateOptions, type MemfdMapOptions, type Seal } from './lib/memfd-segment.js'
export { FileSegment, type FileCreateOptions } from './lib/file-segment.js'
export { Segment } from './lib/segment.js'
export type { HugePages, LockMemoryOptions, PageFacts, Residency, SegmentStat, StatOptions } from './lib/segment-stat.js'
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
} from './lib/placement.js'
export type { PrefaultOptions, PrefaultProgress, Prefaulted } from './lib/prefault.js'
export type { ObjectStat, OwnerChange } from './lib/backing-object.js'
export type { Access, CreateOptions, MapOptions, Range } from './lib/options.js'
export { pageSizeBytes, type Advice } from './lib/page-words.js'
export type { Size } from './lib/arguments.js'
export type { FaultCounts } from './lib/faults.js'

export {
  ManagedSegment,
  type JoinOptions,
  type ManageableSegment,
  type ManagedCreateOptions,
  type ManagedGeometry,
  type ManagedOpenOptions,
  type SegmentPart
} from './lib/managed-segment.js'
export type { ObjectEntry, ObjectStats } from './lib/object-stats.js'
export type { Member, MemberEvent } from './lib/members.js'
export { LockManager, type GrantedLock, type LockMode, type LockRequestOptions } from './lib/lock-manager.js'
export type { ManagedObject, ObjectCounters } from './lib/managed-object.js'
export { Mutex, type Owner } from './lib/mutex.js'
export type { LockOptions, LockSyncOptions, Locked, RepairOption, StrictOption } from './lib/lock-terms.js'
export { RwLock } from './lib/rwlock.js'
export { Semaphore, type PermitOptions, type PermitSyncOptions, type SemaphoreOptions } from './lib/semaphore.js'
export { Event, type EventOptions, type EventSyncOptions, type EventWaitOptions } from './lib/event.js'
export { Condition, type Notified } from './lib/condition.js'
export { Barrier, type Arrived } from './lib/barrier.js'
export { Once, type Done } from './lib/once.js'
export { SeqLock } from './lib/seqlock.js'
export { Ring, type RingCounters, type RingOptions } from './lib/ring.js'
export type { Payload } from './lib/payload.js'
export type { Producer, SendOptions, SendSyncOptions, Sent, TrySent } from './lib/ring-producer.js'
export type { Consumer, MessagesOptions, ReceiveOptions, ReceiveSyncOptions, Received, TryReceived } from './lib/ring-consumer.js'
export type { Ready, RingEnd, WhenFull } from './lib/ring-parts.js'
export type { Slot, SlotMemory, Views } from './lib/ring-slots.js'
export type { RingReadableOptions, RingWritableOptions } from './lib/ring-streams.js'
export { Broadcast, type BroadcastCounters, type BroadcastOptions, type BroadcastReaderOptions } from './lib/broadcast.js'
export { BroadcastReader } from './lib/broadcast-reader.js'
export { BroadcastWriter } from './lib/broadcast-writer.js'
export { Latest, type LatestCounters, type LatestOptions } from './lib/latest.js'
export { LatestReader } from './lib/latest-reader.js'
export { LatestWriter } from './lib/latest-writer.js'
export type { NewsOptions, NewsSyncOptions } from './lib/news.js'
export { SharedMap, type MapEntry, type MapKey, type MapSetOptions, type MapStats, type MapValues, type SharedMapOptions } from './lib/map.js'
export type { MapKeyLike } from './lib/map-key.js'
export { AtomicWord } from './lib/atomic-word.js'
export { AtomicCounter } from './lib/atomic-counter.js'
export { notify, wait, waitAsync, type WordOutcome, type WordWaitAsyncOptions, type WordWaitOptions } from './lib/word-waits.js'
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
} from './lib/struct-fields.js'
export { Struct, struct, type PlacedField, type StructDefinition, type StructView } from './lib/struct.js'
export type { StructMemory } from './lib/struct-memory.js'
export { OffsetPointer } from './lib/offset-pointer.js'
export { Atomic32, Atomic64 } from './lib/atomic-cell.js'
export { Allocator, type AllocateOptions, type Block, type HeapStats, type Repaired } from './lib/allocator.js'
export { List, type ListNode, type ListOptions, type ListStats } from './lib/list.js'
export { HeldLock } from './lib/held-lock.js'
export type { SpinOptions } from './lib/spinning.js'

export { openDescriptor } from './lib/open-descriptor.js'
export type { Descriptor, FileDescriptor, MemfdDescriptor, PosixDescriptor, SysvDescriptor } from './lib/descriptor.js'
export { sendFd, receiveFd, type PassOptions } from './lib/pass-fd.js'
export { ftok } from './lib/ftok.js'

export {
  SysvSemaphoreSet,
  type AcquireOptions,
  type SemaphoreOperation,
  type SemaphoreSetCreateOptions,
  type SemaphoreSetStat
} from './lib/sysv-semaphore-set.js'
export type { WaitOptions } from './lib/waiting.js'
export type { AsyncWaitOptions } from './lib/pending.js'
export { PosixSemaphore, type PosixSemaphoreCreateOptions } from './lib/posix-semaphore.js'

export { PthreadMutex, type PthreadMutexOptions } from './lib/pthread-mutex.js'
export { PthreadCondition, type PthreadConditionOptions, type PthreadConditionWaitOptions } from './lib/pthread-condition.js'
export { PthreadRwLock } from './lib/pthread-rwlock.js'
export { PthreadBarrier, type PthreadBarrierOptions } from './lib/pthread-barrier.js'
export type { PthreadAbi, PthreadOptions } from './lib/pthread-place.js'

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
