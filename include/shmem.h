/*
 * shmem.h: a C program as a full member of a managed segment of `shmem`, shared with Node.js, Rust and other C programs.
 *
 * Version 0.1.0, of layout version 2. Licence: MIT (see LICENSE beside the package).
 *
 * One file and no library: include it wherever it is needed, and in exactly one source file write
 *
 *     #define SHMEM_IMPLEMENTATION
 *     #include "shmem.h"
 *
 * before all other includes (it wants _GNU_SOURCE there). C11 or C++17, gcc or clang, 64-bit Linux, glibc or musl. Link with -pthread.
 *
 * What it does: join and leave; find named objects; lock a mutex whose owner may be killed anywhere; send and receive through a ring of one
 * producer and one consumer. What it does not do: make segments or objects, and everything else that Node does. docs/c.md has an example.
 *
 * Every function that can fail answers an int: 0 (SHMEM_OK) or another SHMEM_… above 0 is an outcome; below 0 is a failure, either a negative
 * errno or one of SHMEM_ERR_…; shmem_message() puts either in words.
 *
 * A member belongs to the thread that joined: another thread joins for itself, as often as it likes. Others get SHMEM_ERR_THREAD.
 * A child made by fork(2) is no member: what its parent had answers SHMEM_ERR_THREAD there, and it joins for itself. Nothing here is for signal handlers.
 * Bytes that others write are not trusted: a scribbled segment gives SHMEM_ERR_CORRUPT or nonsense, and never leads out of its bytes. Only one thing is
 * not caught: whoever makes the object shorter while it is mapped kills its C members by SIGBUS.
 */
#ifndef SHMEM_H
#define SHMEM_H

#if defined(SHMEM_IMPLEMENTATION) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHMEM_VERSION "0.1.0"
/* Of the bytes of a segment. One of another version is refused. */
#define SHMEM_LAYOUT_VERSION 2

/* Outcomes. */
enum {
  SHMEM_OK = 0,
  SHMEM_OWNER_DIED = 1, /* The lock is ours; its owner died with it, so what it guards may be half-changed. */
  SHMEM_BUSY = 2,       /* Somebody has the lock. */
  SHMEM_TIMED_OUT = 3,
  SHMEM_FULL = 4,
  SHMEM_EMPTY = 5,
  SHMEM_ENDED = 6,    /* No message follows, or nobody will take another one: for ever. */
  SHMEM_PEER_DIED = 7 /* The other end's owner died, and there is nothing left to do. Told once for each death; wait again for the next owner. */
};

/* Failures, besides negative errnos. */
enum {
  SHMEM_ERR_NOT_MANAGED = -5001,     /* It is no managed segment. */
  SHMEM_ERR_NOT_READY = -5002,       /* Its maker did not finish; or a file outlived a reboot, and a Node or Rust program has to open it first. */
  SHMEM_ERR_VERSION = -5003,         /* Of another layout version, byte order or page size. */
  SHMEM_ERR_CORRUPT = -5004,         /* Bytes that no member wrote. */
  SHMEM_ERR_TRUNCATED = -5005,       /* It is shorter than it was made. */
  SHMEM_ERR_MEMBERS_FULL = -5006,    /* All places for members are taken. */
  SHMEM_ERR_UNSUPPORTED = -5007,     /* No robust futexes (qemu-user), a remote file system, hugetlb; or an object of a kind that C does not know. */
  SHMEM_ERR_TYPE_MISMATCH = -5008,   /* The object is of another kind. */
  SHMEM_ERR_DEADLOCK = -5009,        /* This thread would wait for itself. */
  SHMEM_ERR_NOT_RECOVERABLE = -5010, /* A dead owner's data was not marked consistent: shmem_mutex_reset() makes the lock usable again. */
  SHMEM_ERR_NOT_OWNER = -5011,       /* It is not ours to give back. */
  SHMEM_ERR_TAKEN = -5012,           /* Another member that lives has this end of the ring. */
  SHMEM_ERR_HELD = -5013,            /* A lock or an end is still held. */
  SHMEM_ERR_THREAD = -5014           /* Another thread joined. */
};

/* Timeouts are in nanoseconds. 0 tries, and does not wait. */
#define SHMEM_FOREVER ((int64_t)-1)

/* An outcome or a failure in words. */
const char *shmem_message(int result);

/* ---- Members ---- */

/* This thread's membership, with the mapping. */
typedef struct shmem_member shmem_member;

/* Opens the managed segment of a POSIX name ("/orders" for what Node calls 'orders') and joins it as `as`, a name of up to 64 bytes that others
 * see. ENOENT EACCES EINVAL; NOT_MANAGED NOT_READY VERSION CORRUPT TRUNCATED MEMBERS_FULL UNSUPPORTED. */
int shmem_join(const char *name, const char *as, shmem_member **member);

/* The same for the object of a descriptor that is open for reading and writing: a memfd, a file, what SCM_RIGHTS brought. It may be closed afterwards. */
int shmem_join_fd(int fd, const char *as, shmem_member **member);

/* Leaves and unmaps: `member`, and all that was opened through it, is gone. HELD: locks or ends of rings are still held. */
int shmem_leave(shmem_member *member);

/* Ends as a death does, whatever is held: others find its owner dead. For a thread that gives up while its process goes on: one that ends without this or
 * shmem_leave() is found dead too, but its place cannot be had again before its process ends, and the mapping stays. */
int shmem_abandon(shmem_member *member);

/* Our name for locks: 30 bits, never used twice in a segment. */
uint32_t shmem_token(const shmem_member *member);

/* Whether the member of a token lives: 1 or 0. "No" is for ever. */
int shmem_is_alive(const shmem_member *member, uint32_t token);

/* What a member says of itself. */
typedef struct shmem_facts {
  uint32_t token;
  int alive;
  uint32_t pid; /* As its own PID namespace numbers it. */
  uint32_t tid;
  uint64_t joined_at_ms; /* Unix time. */
  char name[65];
} shmem_facts;

/* The members, slot by slot: 1 where there is one, alive or dead; 0 where there is none; ERANGE behind the last slot. */
int shmem_member_in(const shmem_member *member, uint32_t slot, shmem_facts *facts);

/* ---- Objects ---- */

/* Kinds of objects that C knows. Of a word, a counter or a struct it knows no more than where the bytes are. */
enum { SHMEM_MUTEX = 1, SHMEM_WORD = 8, SHMEM_COUNTER = 9, SHMEM_STRUCT = 11, SHMEM_RING = 12 };

/* A named object in the segment. Its bytes are other members' too: use atomics, or a lock. */
typedef struct shmem_object {
  void *bytes;
  uint64_t size_bytes; /* A struct's own size; else all bytes of the object. */
  uint64_t type_hash;  /* Of a struct's layout. */
  uint32_t numbers[4];
} shmem_object;

/* Finds the object of that name. ENOENT: nobody has made it yet. TYPE_MISMATCH UNSUPPORTED CORRUPT. */
int shmem_find(const shmem_member *member, const char *name, uint32_t kind, shmem_object *object);

/* ---- Mutex ---- */

/* A handle: one for each thread. Its fields are the library's. */
typedef struct shmem_mutex {
  shmem_member *member;
  uint32_t *words;
  int is_held, is_consistent;
} shmem_mutex;

/* As shmem_find(). */
int shmem_mutex_open(shmem_member *member, const char *name, shmem_mutex *mutex);

/* OK or OWNER_DIED: it is ours; after OWNER_DIED repair what it guards, then mark_consistent(). BUSY; NOT_RECOVERABLE DEADLOCK CORRUPT. */
int shmem_mutex_trylock(shmem_mutex *mutex);

/* The same, waiting without limit. */
int shmem_mutex_lock(shmem_mutex *mutex);

/* The same, or TIMED_OUT after so many nanoseconds. SHMEM_FOREVER waits without limit. */
int shmem_mutex_timedlock(shmem_mutex *mutex, int64_t timeout_ns);

/* Says that what the lock guards is whole again. Without it, the unlock after OWNER_DIED makes the lock not recoverable. NOT_OWNER. */
int shmem_mutex_mark_consistent(shmem_mutex *mutex);

/* NOT_OWNER. */
int shmem_mutex_unlock(shmem_mutex *mutex);

/* Makes a lock that is not recoverable, or whose word was scribbled, free again: 1 if it was one, else 0. */
int shmem_mutex_reset(shmem_mutex *mutex);

/* ---- A ring of one producer and one consumer ---- */

/* A handle. `slots` and `slot_bytes` (of the longest message) may be read, the rest is the library's. */
typedef struct shmem_ring {
  shmem_member *member;
  unsigned char *bytes;
  uint64_t payload_offset, stride_bytes;
  uint32_t slots, slot_bytes;
} shmem_ring;

/* As shmem_find(). UNSUPPORTED: a ring of many, or one that drops the oldest. */
int shmem_ring_open(shmem_member *member, const char *name, shmem_ring *ring);

/* The end where messages go in. Its fields are the library's. */
typedef struct shmem_producer {
  shmem_ring ring;
  uint32_t tail, head;
  int is_open, is_loaned;
} shmem_producer;

/* Takes the end, also from a dead owner; then it blocks while a system call of the dead process may still write, 10 s at most (ETIMEDOUT).
 * TAKEN CORRUPT. */
int shmem_producer_open(const shmem_ring *ring, shmem_producer *producer);

/* Lends a slot of `ring.slot_bytes` bytes to write in: OK FULL ENDED. While one is lent, the same again. */
int shmem_producer_loan(shmem_producer *producer, void **bytes);

/* Publishes the slot as a message of so many bytes. EMSGSIZE: more than a slot has. NOT_OWNER: no slot is lent. */
int shmem_producer_commit(shmem_producer *producer, uint32_t length_bytes);

/* Gives the slot back: there is no message. */
void shmem_producer_abort(shmem_producer *producer);

/* Sends a copy: OK FULL (a timeout of 0) TIMED_OUT ENDED PEER_DIED. EMSGSIZE DEADLOCK CORRUPT. */
int shmem_producer_send(shmem_producer *producer, const void *message, uint32_t length_bytes, int64_t timeout_ns);

/* Waits until a look pays: OK TIMED_OUT PEER_DIED. DEADLOCK CORRUPT. */
int shmem_producer_wait(shmem_producer *producer, int64_t timeout_ns);

/* Says that no message follows, from anybody, for ever. */
int shmem_producer_end(shmem_producer *producer);

/* Gives the end back, with what is lent. The other side notices nothing. */
int shmem_producer_close(shmem_producer *producer);

/* The end where messages come out. Its fields are the library's. */
typedef struct shmem_consumer {
  shmem_ring ring;
  uint32_t head, tail, length_bytes;
  int is_open, is_taken;
} shmem_consumer;

/* Takes the end, also from a dead owner. What that one had in its hands is lost, and counted. TAKEN CORRUPT. */
int shmem_consumer_open(const shmem_ring *ring, shmem_consumer *consumer);

/* Takes the oldest message in place: OK EMPTY ENDED. While one is taken, the same again. CORRUPT: a length that no slot has; the message is dropped. */
int shmem_consumer_peek(shmem_consumer *consumer, const void **bytes, uint32_t *length_bytes);

/* Gives the slot of the message taken back to the producer. */
void shmem_consumer_release(shmem_consumer *consumer);

/* Receives a copy: OK EMPTY (a timeout of 0) TIMED_OUT ENDED PEER_DIED. EMSGSIZE: it is longer than the room; `length_bytes` says how long, and it stays
 * the next one. DEADLOCK CORRUPT. */
int shmem_consumer_receive(shmem_consumer *consumer, void *room, uint32_t room_bytes, uint32_t *length_bytes, int64_t timeout_ns);

/* Waits until a look pays: OK TIMED_OUT PEER_DIED. DEADLOCK CORRUPT. */
int shmem_consumer_wait(shmem_consumer *consumer, int64_t timeout_ns);

/* Says that nobody takes another message, for ever. */
int shmem_consumer_end(shmem_consumer *consumer);

/* Gives the end back; a message that is taken has been received. */
int shmem_consumer_close(shmem_consumer *consumer);

#ifdef __cplusplus
}
#endif
#endif /* SHMEM_H */

/* ================================================ Implementation ================================================ */

#if defined(SHMEM_IMPLEMENTATION) && !defined(SHMEM_IMPLEMENTED)
#define SHMEM_IMPLEMENTED

/*
 * A transcription of crate/core: of membership/, sync/mutex.rs, sync/wait.rs, managed/{header,directory}.rs and structures/ring/one.rs. The words and
 * what each may be at any moment are drawn in docs/membership.md; what a SIGKILL leaves after each step, and who mends it, is there too.
 * Names that end in _ are the implementation's own; the other numbers below are those of Rust, and crate/core/src/c_header.rs compares them.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef F_OFD_SETLK
#error "include shmem.h before all others where SHMEM_IMPLEMENTATION is defined, or define _GNU_SOURCE"
#endif

#ifdef __cplusplus
extern "C" {
#define SHMEM_ASSERT_(claim, text) static_assert(claim, text)
#define SHMEM_THREAD_ thread_local
#else
#define SHMEM_ASSERT_(claim, text) _Static_assert(claim, text)
#define SHMEM_THREAD_ _Thread_local
#endif

/* Named places at which the kill tests stop a process. In a program of users they are nothing. */
#ifndef SHMEM_POINT
#define SHMEM_POINT(name) ((void)0)
#endif
/* Whether sleepers look by themselves for deaths that the kernel could not mark. Those tests say no, to prove that no wake is lost. */
#ifndef SHMEM_RECHECKS_
#define SHMEM_RECHECKS_ 1
#endif

/* ---- How a segment lies ---- */

#define SHMEM_MAGIC 0x1a0a0d4d454d4853ull /* "SHMEM\r\n\x1a" */
#define SHMEM_BYTE_ORDER 0x01020304u
#define SHMEM_READY 2u
#define SHMEM_INITIALISER_BYTE 0xffffffffffll
#define SHMEM_FIRST_MEMBER_BYTE 0x10000000000ll
#define SHMEM_LIVENESS_BYTE 0x40000000000ll
#define SHMEM_SLOTS_MAX 4096u
#define SHMEM_OBJECTS_MAX 65536u
#define SHMEM_ENTRY_BYTES 128u
#define SHMEM_HEAP_BYTES_MIN 4096u
#define SHMEM_NAME_BYTES_MAX 64u
#define SHMEM_OBJECT_ALIGN_BYTES 128u

/* Page 0. */
struct shmem_header_ {
  uint64_t magic;
  uint32_t layout_version, byte_order, ready, page_size_bytes;
  uint64_t size_bytes;
  uint32_t boot_id[4];
  uint32_t slots, objects;
  uint64_t members_offset, directory_offset, heap_offset, heap_end;
  uint32_t initialiser_pid, boots;
  uint8_t reserved[32];
  uint32_t epoch; /* Changes with every join and leave. */
};

/* The front of a slot: a page of the member table. */
struct shmem_slot_ {
  uint32_t claim; /* Low two bits: 0 free, 1 joining, 2 active. Above them the generation. */
  uint32_t presence_offset, pid, tid;
  uint64_t pid_namespace, start_ticks, joined_at_ms;
  uint32_t name_bytes, endings;
  uint32_t name[16];
};

/* An entry of the directory. */
struct shmem_entry_ {
  uint32_t state, kind, name_bytes, reserved;
  uint64_t offset, bytes, type_hash;
  uint32_t numbers[4];
  uint8_t reserved_too[8];
  uint32_t name[16];
};

/* A mutex, and the counters that every object has. */
struct shmem_mutex_ {
  uint32_t word;
  uint8_t pad[92];
  uint32_t waits, owner_deaths, timeouts;
};

/* A ring. Its lengths and its slots follow. */
struct shmem_ring_ {
  uint32_t state;
  uint8_t state_pad[92];
  uint32_t waits, owner_deaths, timeouts, recovered, lost;
  uint8_t common_pad[12];
  uint32_t tail, items_gate; /* What a consumer reads, and sleeps on. */
  uint8_t tail_pad[120];
  uint32_t producer, producer_told, producer_laps, full;
  uint8_t producer_pad[112];
  uint32_t head, room_gate; /* What a producer reads, and sleeps on. */
  uint8_t head_pad[120];
  uint32_t consumer, consumer_told, consumer_laps, taken;
  uint8_t consumer_pad[112];
  uint32_t control[1];
};

/* crate/core/src/c_header.rs reads these lines. */
#define SHMEM_LIES(type, field, at) SHMEM_ASSERT_(offsetof(struct type, field) == at, #type "." #field)
SHMEM_LIES(shmem_header_, magic, 0);
SHMEM_LIES(shmem_header_, layout_version, 8);
SHMEM_LIES(shmem_header_, byte_order, 12);
SHMEM_LIES(shmem_header_, ready, 16);
SHMEM_LIES(shmem_header_, page_size_bytes, 20);
SHMEM_LIES(shmem_header_, size_bytes, 24);
SHMEM_LIES(shmem_header_, boot_id, 32);
SHMEM_LIES(shmem_header_, slots, 48);
SHMEM_LIES(shmem_header_, objects, 52);
SHMEM_LIES(shmem_header_, members_offset, 56);
SHMEM_LIES(shmem_header_, directory_offset, 64);
SHMEM_LIES(shmem_header_, heap_offset, 72);
SHMEM_LIES(shmem_header_, heap_end, 80);
SHMEM_LIES(shmem_header_, epoch, 128);
SHMEM_LIES(shmem_slot_, claim, 0);
SHMEM_LIES(shmem_slot_, presence_offset, 4);
SHMEM_LIES(shmem_slot_, pid, 8);
SHMEM_LIES(shmem_slot_, tid, 12);
SHMEM_LIES(shmem_slot_, pid_namespace, 16);
SHMEM_LIES(shmem_slot_, start_ticks, 24);
SHMEM_LIES(shmem_slot_, joined_at_ms, 32);
SHMEM_LIES(shmem_slot_, name_bytes, 40);
SHMEM_LIES(shmem_slot_, endings, 44);
SHMEM_LIES(shmem_slot_, name, 48);
SHMEM_LIES(shmem_entry_, state, 0);
SHMEM_LIES(shmem_entry_, kind, 4);
SHMEM_LIES(shmem_entry_, name_bytes, 8);
SHMEM_LIES(shmem_entry_, offset, 16);
SHMEM_LIES(shmem_entry_, bytes, 24);
SHMEM_LIES(shmem_entry_, type_hash, 32);
SHMEM_LIES(shmem_entry_, numbers, 40);
SHMEM_LIES(shmem_entry_, name, 64);
SHMEM_LIES(shmem_mutex_, word, 0);
SHMEM_LIES(shmem_mutex_, waits, 96);
SHMEM_LIES(shmem_mutex_, owner_deaths, 100);
SHMEM_LIES(shmem_mutex_, timeouts, 104);
SHMEM_LIES(shmem_ring_, state, 0);
SHMEM_LIES(shmem_ring_, waits, 96);
SHMEM_LIES(shmem_ring_, owner_deaths, 100);
SHMEM_LIES(shmem_ring_, timeouts, 104);
SHMEM_LIES(shmem_ring_, recovered, 108);
SHMEM_LIES(shmem_ring_, lost, 112);
SHMEM_LIES(shmem_ring_, tail, 128);
SHMEM_LIES(shmem_ring_, items_gate, 132);
SHMEM_LIES(shmem_ring_, producer, 256);
SHMEM_LIES(shmem_ring_, producer_told, 260);
SHMEM_LIES(shmem_ring_, producer_laps, 264);
SHMEM_LIES(shmem_ring_, full, 268);
SHMEM_LIES(shmem_ring_, head, 384);
SHMEM_LIES(shmem_ring_, room_gate, 388);
SHMEM_LIES(shmem_ring_, consumer, 512);
SHMEM_LIES(shmem_ring_, consumer_told, 516);
SHMEM_LIES(shmem_ring_, consumer_laps, 520);
SHMEM_LIES(shmem_ring_, taken, 524);
SHMEM_LIES(shmem_ring_, control, 640);
SHMEM_ASSERT_(sizeof(struct shmem_entry_) == SHMEM_ENTRY_BYTES, "an entry");
SHMEM_ASSERT_(sizeof(void *) == 8, "64-bit Linux");

/* ---- Words of shared memory, and the kernel's sleep on them ---- */

/* Sequentially consistent, as the algorithms have several pairs of "store mine, look at yours" (Dekker). */
static uint32_t shmem_load_(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static uint64_t shmem_load_long_(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static void shmem_store_(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }
static void shmem_add_(uint32_t *word, uint32_t count) { __atomic_fetch_add(word, count, __ATOMIC_SEQ_CST); }
static uint32_t shmem_set_bits_(uint32_t *word, uint32_t bits) { return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST) | bits; }

static int shmem_change_(uint32_t *word, uint32_t from, uint32_t to) {
  return __atomic_compare_exchange_n(word, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#define SHMEM_ALL_ 0x7fffffffu

/* Wakes up to `count` sleepers, of all processes; answers how many. */
static uint32_t shmem_wake_(uint32_t *word, uint32_t count) {
  long woken = syscall(SYS_futex, word, 1 /* FUTEX_WAKE */, count, NULL, NULL, 0);
  return woken < 0 ? 0 : (uint32_t)woken;
}

#define SHMEM_NS_PER_S_ 1000000000ll
#define SHMEM_RECHECK_FIRST_NS 10000000ll
#define SHMEM_RECHECK_LAST_NS 1000000000ll
#define SHMEM_FALLBACK_SLICE_NS_ 5000000ll
#define SHMEM_NEVER_ INT64_MAX

static int64_t shmem_now_(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * SHMEM_NS_PER_S_ + now.tv_nsec;
}

static struct timespec shmem_timespec_(int64_t ns) {
  struct timespec time;
  time.tv_sec = (time_t)(ns / SHMEM_NS_PER_S_);
  time.tv_nsec = (long)(ns % SHMEM_NS_PER_S_);
  return time;
}

static void shmem_nap_(void) {
  struct timespec nap = shmem_timespec_(1000000);
  nanosleep(&nap, NULL);
}

/* Until when to wait. */
static int64_t shmem_until_(int64_t timeout_ns) {
  int64_t now = shmem_now_();
  return timeout_ns < 0 || timeout_ns > SHMEM_NEVER_ - now ? SHMEM_NEVER_ : now + timeout_ns;
}

/* `struct futex_waitv` of linux/futex.h, which older systems do not have. */
struct shmem_watched_ {
  uint64_t expected, address;
  uint32_t flags, reserved;
};

/* The words that keep a wait from going on, each with the value it had; the one that is a presence word. */
struct shmem_sleep_ {
  struct shmem_watched_ words[6];
  unsigned count;
  uint32_t *presence;
};

static void shmem_watch_(struct shmem_sleep_ *sleep, uint32_t *word, uint32_t expected) {
  struct shmem_watched_ *watched = &sleep->words[sleep->count++];
  watched->expected = expected;
  watched->address = (uint64_t)(uintptr_t)word;
  watched->flags = 2; /* FUTEX2_SIZE_U32, and not FUTEX2_PRIVATE. */
  watched->reserved = 0;
}

/* 1: this process does without futex_waitv(2), which the kernel (before 5.16, gVisor) or a container's profile refused. -1: not asked yet. */
static int shmem_needs_fallback_ = -1;

static int shmem_falls_back_(void) {
  int needs = __atomic_load_n(&shmem_needs_fallback_, __ATOMIC_RELAXED);
  if (needs < 0) {
    const char *wish = getenv("SHMEM_FUTEX_WAITV");
    needs = wish != NULL && strcmp(wish, "off") == 0;
    __atomic_store_n(&shmem_needs_fallback_, needs, __ATOMIC_RELAXED);
  }
  return needs;
}

/* Sleeps on the first word for moments, and looks at all. A release still wakes at once. */
static long shmem_sleep_in_slices_(const struct shmem_sleep_ *sleep, int64_t limit) {
  for (;;) {
    for (unsigned index = 0; index < sleep->count; index++) {
      const struct shmem_watched_ *watched = &sleep->words[index];
      if (shmem_load_((const uint32_t *)(uintptr_t)watched->address) != watched->expected) return -EAGAIN;
    }
    int64_t left = limit - shmem_now_();
    if (left <= 0) return -ETIMEDOUT;
    struct timespec slice = shmem_timespec_(left < SHMEM_FALLBACK_SLICE_NS_ ? left : SHMEM_FALLBACK_SLICE_NS_);
    uint32_t *word = (uint32_t *)(uintptr_t)sleep->words[0].address;
    if (syscall(SYS_futex, word, 0 /* FUTEX_WAIT */, (uint32_t)sleep->words[0].expected, &slice, NULL, 0) == 0) return 0;
    if (errno != ETIMEDOUT) return -errno;
  }
}

/* Sleeps until one of the words changes or is woken: 1. Until it is time to look again: 0. */
static int shmem_sleep_on_(const struct shmem_sleep_ *sleep, int64_t until, int64_t interval) {
  int64_t look = SHMEM_RECHECKS_ ? shmem_now_() + interval : SHMEM_NEVER_;
  int64_t limit = until < look ? until : look;
  long slept;
  if (shmem_falls_back_()) {
    slept = shmem_sleep_in_slices_(sleep, limit);
  } else {
    struct timespec time = shmem_timespec_(limit);
    slept = syscall(449 /* futex_waitv */, sleep->words, sleep->count, 0, &time, CLOCK_MONOTONIC);
    if (slept < 0) slept = -errno;
  }
  if (sleep->presence != NULL && (shmem_load_(sleep->presence) & 0x3fffffffu) == 0) {
    /* Of all who sleep on a death the kernel wakes one, and that one wakes the others, whatever it finds for itself. */
    shmem_wake_(sleep->presence, SHMEM_ALL_);
  }
  if (slept >= 0 || slept == -EAGAIN) return 1;
  if (slept == -ENOSYS || slept == -EPERM) {
    __atomic_store_n(&shmem_needs_fallback_, 1, __ATOMIC_RELAXED);
    return 0;
  }
  return slept == -ETIMEDOUT || slept == -EINTR ? 0 : (int)slept;
}

/* ---- Byte locks: fcntl(2), of open file descriptions. The kernel drops them with the process. ---- */

static struct flock shmem_byte_(short type, int64_t byte) {
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = (off_t)byte;
  lock.l_len = 1;
  return lock;
}

static int shmem_lock_byte_(int fd, short type, int64_t byte) {
  struct flock lock = shmem_byte_(type, byte);
  return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : -errno;
}

/* 1 or 0: whether another description has it. */
static int shmem_is_byte_locked_(int fd, int64_t byte) {
  struct flock lock = shmem_byte_(F_WRLCK, byte);
  return fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* ---- The robust list of this thread (get_robust_list(2)): what the kernel does for a thread that ends ---- */

/* `struct robust_list_head` of linux/futex.h. libc owns it, and links its robust mutexes in by the same rule: an entry is the address of its `next`
 * pointer, and its `prev` pointer lies before that. */
struct shmem_robust_ {
  uintptr_t first;
  intptr_t futex_offset; /* From an entry to its word: −32 with glibc, −28 with musl. */
  uintptr_t pending;
};

/* Plain stores in their order, as the kernel finds them whenever this thread is killed. */
static void shmem_poke_(uintptr_t *place, uintptr_t value) {
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  *(volatile uintptr_t *)place = value;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static struct shmem_robust_ *shmem_robust_list_(void) {
  /* musl registers a thread's list with its first robust lock. */
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  pthread_mutex_destroy(&mutex);
  struct shmem_robust_ *list = NULL;
  size_t length_bytes = 0;
  if (syscall(SYS_get_robust_list, 0, &list, &length_bytes) != 0 || length_bytes != sizeof *list) return NULL;
  return list;
}

static void shmem_link_(struct shmem_robust_ *list, uintptr_t entry) {
  uintptr_t first = *(volatile uintptr_t *)&list->first;
  shmem_poke_((uintptr_t *)entry, first);
  shmem_poke_((uintptr_t *)(entry - 8), (uintptr_t)list);
  if ((first & ~(uintptr_t)1) != (uintptr_t)list) shmem_poke_((uintptr_t *)((first & ~(uintptr_t)1) - 8), entry);
  /* Last, so that the kernel never follows a half-made entry. */
  shmem_poke_(&list->first, entry);
}

static void shmem_unlink_(struct shmem_robust_ *list, uintptr_t entry) {
  uintptr_t next = *(volatile uintptr_t *)entry;
  uintptr_t before = *(volatile uintptr_t *)(entry - 8);
  shmem_poke_((uintptr_t *)(before & ~(uintptr_t)1), next);
  if ((next & ~(uintptr_t)1) != (uintptr_t)list) shmem_poke_((uintptr_t *)((next & ~(uintptr_t)1) - 8), before);
}

/* ---- Members ---- */

#define SHMEM_JOINING 1u
#define SHMEM_ACTIVE 2u
#define SHMEM_TID 0x3fffffffu
#define SHMEM_DIED 0x40000000u
#define SHMEM_WAITERS 0x80000000u
#define SHMEM_TOKEN_MARK 0x20000000u
/* In the private page behind a slot's page. */
#define SHMEM_LIST_ENTRY_OFFSET 16u
#define SHMEM_WITNESS_OFFSET_ 64u
/* Presence words lie so many bytes before the end of the slot's page, at most. */
#define SHMEM_PRESENCE_ROOM 32u
/* `_m_type` of musl's mutex: it is shared between processes. */
#define SHMEM_MUSL_SHARED 128u
/* A maker, a cleaner or a dying process that lets others wait for longer is stuck. */
#define SHMEM_PATIENCE_NS_ (10 * SHMEM_NS_PER_S_)

struct shmem_member {
  unsigned char *base; /* Of the mapping. */
  size_t mapped_bytes;
  /* Bounded copies of what the header says. */
  size_t page_bytes;
  uint32_t slots, objects, slot_bits;
  uint64_t directory_offset, heap_offset, heap_end;
  /* What the object is, wherever it is mapped. */
  dev_t device;
  ino_t inode;
  /* Two descriptions of the object: of the mapping, with the sign of life; and one for the slot's byte alone. */
  int fd, byte_fd;
  uint32_t slot, generation, token;
  /* The slot's page once more, and the private page behind it. */
  unsigned char *alias;
  struct shmem_robust_ *list;
  uint32_t held;       /* Locks and ends in hand. */
  shmem_member *next;  /* Of the same thread. */
};

/* The memberships of this thread: a lock that one of them holds never comes free while another waits for it. */
static SHMEM_THREAD_ shmem_member *shmem_own_ = NULL;

/* A word of the private page: 0 in a child of fork(2), also where no handler of pthread_atfork(3) ran. */
static uint32_t *shmem_witness_(const shmem_member *member) {
  return (uint32_t *)(void *)(member->alias + member->page_bytes + SHMEM_WITNESS_OFFSET_);
}

/* Whether this very thread joined as that. Nothing of the thread's own is compared: another may have its addresses when it has ended. */
static int shmem_is_ours_(const shmem_member *member) {
  for (const shmem_member *own = shmem_own_; own != NULL; own = own->next) {
    if (own == member) return *shmem_witness_(own) != 0;
  }
  return 0;
}

static struct shmem_header_ *shmem_header_of_(const shmem_member *member) { return (struct shmem_header_ *)(void *)member->base; }

/* Says which word this thread is about to lock, unlock or wake. When it dies meanwhile, the kernel wakes one sleeper on a word without an owner. */
static void shmem_set_pending_(const shmem_member *member, uint32_t *word) {
  shmem_poke_(&member->list->pending, word == NULL ? 0 : (uintptr_t)word - (uintptr_t)member->list->futex_offset);
}

static int shmem_is_token_(uint32_t word) { return (word & (7u << 29)) == SHMEM_TOKEN_MARK; }
static uint32_t shmem_slot_of_(const shmem_member *member, uint32_t token) { return token & ((1u << member->slot_bits) - 1); }
static uint32_t shmem_generation_of_(const shmem_member *member, uint32_t token) {
  return (token & (SHMEM_TOKEN_MARK - 1)) >> member->slot_bits;
}
static uint32_t shmem_generation_max_(const shmem_member *member) { return (SHMEM_TOKEN_MARK >> member->slot_bits) - 1; }

static struct shmem_slot_ *shmem_slot_(const shmem_member *member, uint32_t slot) {
  /* The table begins behind the header's page. */
  return (struct shmem_slot_ *)(void *)(member->base + (1 + (size_t)slot) * member->page_bytes);
}

static uint32_t *shmem_presence_(const shmem_member *member, uint32_t slot) {
  struct shmem_slot_ *front = shmem_slot_(member, slot);
  size_t said = shmem_load_(&front->presence_offset);
  size_t last = member->page_bytes - 4;
  /* A scribbled offset leads to a word of this page, which says what it says. */
  if (said % 4 != 0 || said > last || said < last + 4 - SHMEM_PRESENCE_ROOM) said = last - 12;
  return (uint32_t *)(void *)((unsigned char *)front + said);
}

/* Whether a member lives, with the words that said so, to sleep on. */
struct shmem_life_ {
  uint32_t *claim, *presence;
  uint32_t claim_value, presence_value;
  int is_active, is_alive;
};

/* 0: nobody of this table has such a token. */
static int shmem_look_at_(const shmem_member *member, uint32_t token, struct shmem_life_ *life) {
  uint32_t slot = shmem_slot_of_(member, token);
  if (slot >= member->slots) return 0;
  life->claim = &shmem_slot_(member, slot)->claim;
  life->presence = shmem_presence_(member, slot);
  /* The claim first: a joiner changes the claim before the presence, so "dead" is certain. */
  life->claim_value = shmem_load_(life->claim);
  life->presence_value = shmem_load_(life->presence);
  life->is_active = life->claim_value == (shmem_generation_of_(member, token) << 2 | SHMEM_ACTIVE);
  life->is_alive = life->is_active && (life->presence_value & SHMEM_TID) != 0;
  return 1;
}

static int shmem_lives_(const shmem_member *member, uint32_t token) {
  struct shmem_life_ life;
  return shmem_is_token_(token) && shmem_look_at_(member, token, &life) && life.is_alive;
}

static void shmem_watch_life_(struct shmem_sleep_ *sleep, const struct shmem_life_ *life) {
  sleep->presence = life->presence;
  shmem_watch_(sleep, life->presence, life->presence_value);
  shmem_watch_(sleep, life->claim, life->claim_value);
}

/* Does what the kernel does at a death; but wakes all, as everybody is concerned. */
static void shmem_bury_(uint32_t *presence) {
  uint32_t word = shmem_load_(presence);
  while ((word & SHMEM_TID) != 0 && !shmem_change_(presence, word, (word & SHMEM_WAITERS) | SHMEM_DIED)) word = shmem_load_(presence);
  shmem_wake_(presence, SHMEM_ALL_);
}

/* Whether every thread of a member's process has left the kernel: nothing that it began can still write. */
static int shmem_has_left_kernel_(const shmem_member *member, uint32_t token) {
  uint32_t slot = shmem_slot_of_(member, token);
  /* The kernel does not tell a description of its own byte locks. */
  return slot < member->slots && token != member->token && !shmem_is_byte_locked_(member->byte_fd, SHMEM_FIRST_MEMBER_BYTE + slot);
}

/* The PID namespace of this process; 0 where /proc does not tell. */
static uint64_t shmem_pid_namespace_(void) {
  struct stat names;
  return stat("/proc/self/ns/pid", &names) == 0 ? (uint64_t)names.st_ino : 0;
}

/* Whether a member is this very thread: one that joined here, or one that says so itself, having joined through another copy of this code, or by the
 * library in Rust. */
static int shmem_is_own_token_(const shmem_member *member, uint32_t token) {
  for (const shmem_member *own = shmem_own_; own != NULL; own = own->next) {
    if (own->token == token && own->device == member->device && own->inode == member->inode && shmem_is_ours_(own)) return 1;
  }
  struct shmem_life_ life;
  if (!shmem_look_at_(member, token, &life) || !life.is_active || (life.presence_value & SHMEM_TID) != (uint32_t)syscall(SYS_gettid)) return 0;
  const struct shmem_slot_ *front = shmem_slot_(member, shmem_slot_of_(member, token));
  return shmem_load_(&front->pid) == (uint32_t)getpid() && shmem_load_long_(&front->pid_namespace) == shmem_pid_namespace_();
}

/* Looks for a death that the kernel could not mark, and marks it in its place. */
static void shmem_recheck_(const shmem_member *member, uint32_t token) {
  if (shmem_lives_(member, token) && shmem_has_left_kernel_(member, token)) shmem_bury_(shmem_presence_(member, shmem_slot_of_(member, token)));
}

static void shmem_announce_(const shmem_member *member) {
  uint32_t *epoch = &shmem_header_of_(member)->epoch;
  shmem_add_(epoch, 1);
  shmem_wake_(epoch, SHMEM_ALL_);
}

uint32_t shmem_token(const shmem_member *member) { return member->token; }

int shmem_is_alive(const shmem_member *member, uint32_t token) {
  if (shmem_is_token_(token)) shmem_recheck_(member, token);
  return shmem_lives_(member, token);
}

int shmem_member_in(const shmem_member *member, uint32_t slot, shmem_facts *facts) {
  if (slot >= member->slots) return -ERANGE;
  const struct shmem_slot_ *front = shmem_slot_(member, slot);
  uint32_t claim = shmem_load_(&front->claim);
  if ((claim & 3) != SHMEM_ACTIVE || claim >> 2 > shmem_generation_max_(member)) return 0;
  facts->token = SHMEM_TOKEN_MARK | (claim >> 2) << member->slot_bits | slot;
  facts->alive = shmem_is_alive(member, facts->token);
  facts->pid = shmem_load_(&front->pid);
  facts->tid = shmem_load_(&front->tid);
  facts->joined_at_ms = shmem_load_long_(&front->joined_at_ms);
  memset(facts->name, 0, sizeof facts->name);
  for (size_t index = 0; index < SHMEM_NAME_BYTES_MAX / 4; index++) {
    uint32_t word = shmem_load_(&front->name[index]);
    memcpy(facts->name + 4 * index, &word, 4);
  }
  uint32_t name_bytes = shmem_load_(&front->name_bytes);
  if (name_bytes < SHMEM_NAME_BYTES_MAX) facts->name[name_bytes] = 0;
  /* Another may have taken the slot in the middle of this. */
  return shmem_load_(&front->claim) == claim;
}

/* ---- Opening ---- */

static void shmem_read_boot_id_(uint32_t boot_id[4]) {
  unsigned char bytes[16] = {0};
  unsigned digits = 0;
  FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
  for (int c; file != NULL && digits < 32 && (c = fgetc(file)) != EOF;) {
    unsigned digit = c >= '0' && c <= '9' ? (unsigned)c - '0' : c >= 'a' && c <= 'f' ? (unsigned)c - 'a' + 10 : 16;
    if (digit > 15) continue;
    bytes[digits / 2] = (unsigned char)(bytes[digits / 2] << 4 | digit);
    digits++;
  }
  if (file != NULL) fclose(file);
  memcpy(boot_id, bytes, sizeof bytes);
}

/* Another version may say in another way whether it is ready; magic number and version lie where they lie in all versions. */
static int shmem_is_of_another_version_(const struct shmem_header_ *header) {
  if (shmem_load_long_(&header->magic) != SHMEM_MAGIC) return 0;
  return shmem_load_(&header->layout_version) != SHMEM_LAYOUT_VERSION || shmem_load_(&header->byte_order) != SHMEM_BYTE_ORDER;
}

/* Waits for a maker that holds the header's byte lock; the kernel drops it with that process, so no timer decides who is dead. */
static int shmem_await_maker_(const shmem_member *member) {
  const struct shmem_header_ *header = shmem_header_of_(member);
  int64_t until = shmem_until_(SHMEM_PATIENCE_NS_);
  while (shmem_load_(&header->ready) != SHMEM_READY && shmem_is_byte_locked_(member->fd, SHMEM_INITIALISER_BYTE)) {
    if (shmem_now_() >= until) return SHMEM_ERR_NOT_READY;
    shmem_nap_();
  }
  if (shmem_load_(&header->ready) == SHMEM_READY) return SHMEM_OK;
  if (shmem_load_(&header->ready) == 1) return SHMEM_ERR_NOT_READY;
  return shmem_is_of_another_version_(header) ? SHMEM_ERR_VERSION : SHMEM_ERR_NOT_MANAGED;
}

/* Three numbers of the header (size, members, objects) give all the others: one that contradicts itself was scribbled. */
static int shmem_read_header_(shmem_member *member) {
  const struct shmem_header_ *header = shmem_header_of_(member);
  if (member->mapped_bytes < sizeof *header) return SHMEM_ERR_NOT_MANAGED;
  int made = shmem_await_maker_(member);
  if (made != SHMEM_OK) return made;
  if (shmem_load_long_(&header->magic) != SHMEM_MAGIC) return SHMEM_ERR_NOT_MANAGED;
  if (shmem_is_of_another_version_(header)) return SHMEM_ERR_VERSION;
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  if (shmem_load_(&header->page_size_bytes) != page) return SHMEM_ERR_VERSION;
  uint64_t size = shmem_load_long_(&header->size_bytes);
  uint32_t slots = shmem_load_(&header->slots), objects = shmem_load_(&header->objects);
  if (slots < 1 || slots > SHMEM_SLOTS_MAX || objects < 1 || objects > SHMEM_OBJECTS_MAX) return SHMEM_ERR_CORRUPT;
  uint64_t directory = page + slots * page;
  uint64_t heap = (directory + (uint64_t)objects * SHMEM_ENTRY_BYTES + page - 1) / page * page;
  if (size < heap + SHMEM_HEAP_BYTES_MIN || shmem_load_long_(&header->members_offset) != page ||
      shmem_load_long_(&header->directory_offset) != directory || shmem_load_long_(&header->heap_offset) != heap ||
      shmem_load_long_(&header->heap_end) != (size & ~(uint64_t)15)) {
    return SHMEM_ERR_CORRUPT;
  }
  if (size > member->mapped_bytes) return SHMEM_ERR_TRUNCATED;
  uint32_t boot_id[4];
  shmem_read_boot_id_(boot_id);
  for (unsigned index = 0; index < 4; index++) {
    /* No member of an earlier boot lives, whatever its words say. Who opens it by the library says so. */
    if (shmem_load_(&header->boot_id[index]) != boot_id[index]) return SHMEM_ERR_NOT_READY;
  }
  member->page_bytes = (size_t)page;
  member->slots = slots;
  member->objects = objects;
  while (1u << member->slot_bits < slots) member->slot_bits++;
  member->directory_offset = directory;
  member->heap_offset = heap;
  member->heap_end = size & ~(uint64_t)15;
  return SHMEM_OK;
}

/* The sign of life, by which others tell an orphan: a shared lock on one byte. Whoever removes orphans has it alone for moments. */
static int shmem_take_liveness_(int fd) {
  int64_t until = shmem_until_(SHMEM_PATIENCE_NS_);
  for (;;) {
    int taken = shmem_lock_byte_(fd, F_RDLCK, SHMEM_LIVENESS_BYTE);
    if (taken != -EAGAIN && taken != -EACCES) return SHMEM_OK; /* Or there are no such locks: then orphans cannot be told. */
    if (shmem_now_() >= until) return -EAGAIN;
    shmem_nap_();
  }
}

/* A new description of the same object: byte locks belong to descriptions. */
static int shmem_describe_again_(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = open(path, O_RDWR | O_CLOEXEC);
  return again < 0 ? -errno : again;
}

static int shmem_is_local_(int fd) {
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return 0;
  switch ((uint32_t)system.f_type) {
    case 0x958458f6: /* hugetlbfs: a slot's page cannot be mapped by itself. NFS, CIFS, SMB2, 9P, Ceph, AFS, Coda, FUSE: statfs(2). */
    case 0x6969: case 0xff534d42: case 0xfe534d42: case 0x01021997: case 0x00c36400: case 0x5346414f: case 0x73757245: case 0x65735546:
      return 0;
    default:
      return 1;
  }
}

/* Maps the object of `fd`, which becomes the member's. */
static int shmem_map_(shmem_member *member, int is_named) {
  if (!shmem_is_local_(member->fd)) return SHMEM_ERR_UNSUPPORTED;
  int signs = shmem_take_liveness_(member->fd);
  if (signs != SHMEM_OK) return signs;
  struct stat stat;
  if (fstat(member->fd, &stat) != 0) return -errno;
  if (!S_ISREG(stat.st_mode)) return SHMEM_ERR_NOT_MANAGED;
  /* Removed while it was opened: the next one would open another. */
  if (is_named && stat.st_nlink == 0) return -ENOENT;
  if (stat.st_size < (off_t)sizeof(struct shmem_header_)) return SHMEM_ERR_NOT_MANAGED;
  member->device = stat.st_dev;
  member->inode = stat.st_ino;
  void *base = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, member->fd, 0);
  if (base == MAP_FAILED) return -errno;
  member->base = (unsigned char *)base;
  member->mapped_bytes = (size_t)stat.st_size;
  /* A core dump delays the kernel's marks until it is written. */
  (void)madvise(base, member->mapped_bytes, MADV_DONTDUMP);
  return shmem_read_header_(member);
}

/* ---- Joining and leaving: the order of the steps, and what a kill after each leaves, is in docs/membership.md ---- */

static uint32_t *shmem_own_presence_(const shmem_member *member) {
  return (uint32_t *)(void *)(member->alias + member->page_bytes + SHMEM_LIST_ENTRY_OFFSET + member->list->futex_offset);
}

static uintptr_t shmem_own_entry_(const shmem_member *member) { return (uintptr_t)member->alias + member->page_bytes + SHMEM_LIST_ENTRY_OFFSET; }

/* Field 22 of proc_pid_stat(5), behind a name that may hold spaces and parentheses: when this process started. */
static uint64_t shmem_start_ticks_(void) {
  char text[1024] = {0};
  FILE *file = fopen("/proc/self/stat", "re");
  if (file == NULL) return 0;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  char *field = strrchr(text, ')');
  for (unsigned number = 2; field != NULL && number < 22; number++) {
    field = strchr(field + 1, ' ');
  }
  return field == NULL ? 0 : strtoull(field + 1, NULL, 10);
}

static void shmem_present_(struct shmem_slot_ *front, const char *as) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  shmem_store_(&front->pid, (uint32_t)getpid());
  shmem_store_(&front->tid, (uint32_t)syscall(SYS_gettid));
  __atomic_store_n(&front->pid_namespace, shmem_pid_namespace_(), __ATOMIC_SEQ_CST);
  __atomic_store_n(&front->start_ticks, shmem_start_ticks_(), __ATOMIC_SEQ_CST);
  __atomic_store_n(&front->joined_at_ms, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, __ATOMIC_SEQ_CST);
  uint32_t name[SHMEM_NAME_BYTES_MAX / 4] = {0};
  size_t name_bytes = as == NULL ? 0 : strlen(as);
  if (name_bytes > SHMEM_NAME_BYTES_MAX) {
    /* Cut between two characters of UTF-8. */
    for (name_bytes = SHMEM_NAME_BYTES_MAX; name_bytes > 0 && (as[name_bytes] & 0xc0) == 0x80;) name_bytes--;
  }
  if (name_bytes > 0) memcpy(name, as, name_bytes);
  for (unsigned index = 0; index < SHMEM_NAME_BYTES_MAX / 4; index++) shmem_store_(&front->name[index], name[index]);
  shmem_store_(&front->name_bytes, (uint32_t)name_bytes);
}

/* The slot's page once more, and behind it a private one for the list's entry. A forked child has no slot's page, and of the other one zeroes: before
 * Linux 4.14 a copy, and only shmem_in_child_() says there that it is no member. */
static int shmem_map_alias_(shmem_member *member) {
  size_t page = member->page_bytes;
  void *alias = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (alias == MAP_FAILED) return -errno;
  off_t offset = (off_t)((1 + (size_t)member->slot) * page);
  void *shared = mmap(alias, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, member->byte_fd, offset);
  int mapped = shared == MAP_FAILED ? -errno : SHMEM_OK;
  (void)madvise(alias, page, MADV_DONTFORK);
  (void)madvise((unsigned char *)alias + page, page, 18 /* MADV_WIPEONFORK */);
  if (mapped != SHMEM_OK) {
    munmap(alias, 2 * page);
    return mapped;
  }
  member->alias = (unsigned char *)alias;
  *shmem_witness_(member) = 1;
  return SHMEM_OK;
}

/* Takes the presence away, with 0 as one who leaves, or as one who died. A death after the unlink finds it pending. */
static void shmem_disappear_(shmem_member *member, uint32_t ending) {
  uint32_t *presence = shmem_own_presence_(member);
  shmem_set_pending_(member, presence);
  shmem_unlink_(member->list, shmem_own_entry_(member));
  SHMEM_POINT("leave.unlinked");
  shmem_store_(presence, ending);
  SHMEM_POINT("leave.absent");
  shmem_wake_(presence, SHMEM_ALL_);
  shmem_set_pending_(member, NULL);
  munmap(member->alias, 2 * member->page_bytes);
  member->alias = NULL;
}

/* The slot's byte lock is held: whoever had the slot is gone, and no other joiner is here. BUSY: it is not to be had. */
static int shmem_take_slot_(shmem_member *member, const char *as) {
  struct shmem_slot_ *front = shmem_slot_(member, member->slot);
  uint32_t found = shmem_load_(&front->claim), before = shmem_load_(&front->endings);
  /* Generations do not wrap: a used-up slot is retired, as no old token may come to life. */
  if (found >> 2 >= shmem_generation_max_(member)) return SHMEM_BUSY;
  /* How the generations before ended, the latest in the lowest bit: 1 by death. Before the claim, which makes it ours. */
  shmem_store_(&front->endings, before << 1 | ((found & 3) != 0));
  member->generation = (found >> 2) + 1;
  shmem_store_(&front->claim, member->generation << 2 | SHMEM_JOINING);
  SHMEM_POINT("join.claimed");
  /* Whoever sleeps on the predecessor's death learns of it now, if the kernel could not tell. */
  shmem_bury_(shmem_presence_(member, member->slot));
  shmem_wake_(&front->claim, SHMEM_ALL_);
  SHMEM_POINT("join.woken");
  shmem_store_(&front->presence_offset, (uint32_t)(member->page_bytes + SHMEM_LIST_ENTRY_OFFSET + (size_t)member->list->futex_offset));
  shmem_present_(front, as);
  int mapped = shmem_map_alias_(member);
  if (mapped != SHMEM_OK) return mapped;
  uint32_t *presence = shmem_own_presence_(member);
  /* musl's pthread_exit(3) clears the words of the list itself, and wakes other processes only if this bit of a mutex's type is set. */
  shmem_store_(presence - 1, SHMEM_MUSL_SHARED);
  shmem_set_pending_(member, presence);
  shmem_store_(presence, (uint32_t)syscall(SYS_gettid) | SHMEM_WAITERS);
  SHMEM_POINT("join.present");
  shmem_link_(member->list, shmem_own_entry_(member));
  SHMEM_POINT("join.linked");
  shmem_set_pending_(member, NULL);
  if (!shmem_change_(&front->claim, member->generation << 2 | SHMEM_JOINING, member->generation << 2 | SHMEM_ACTIVE)) {
    shmem_disappear_(member, 0);
    return SHMEM_BUSY;
  }
  SHMEM_POINT("join.active");
  return SHMEM_OK;
}

/* Looks for a slot whose byte lock is free, from anywhere on, so that joiners do not all meet at slot 0: splitmix64 (Vigna 2015) of clock and thread. */
static int shmem_take_any_slot_(shmem_member *member, const char *as) {
  uint64_t seed = (uint64_t)shmem_now_() ^ (uint64_t)syscall(SYS_gettid) << 32;
  seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ull;
  seed = (seed ^ seed >> 27) * 0x94d049bb133111ebull;
  for (uint32_t step = 0; step < member->slots; step++) {
    member->slot = (uint32_t)(((seed >> 33) + step) % member->slots);
    int locked = shmem_lock_byte_(member->byte_fd, F_WRLCK, SHMEM_FIRST_MEMBER_BYTE + member->slot);
    /* Somebody's, or the last of its process has not left the kernel yet. */
    if (locked == -EAGAIN || locked == -EACCES) continue;
    if (locked != 0) return locked;
    SHMEM_POINT("join.byte_locked");
    int taken = shmem_take_slot_(member, as);
    if (taken == SHMEM_OK) return SHMEM_OK;
    shmem_lock_byte_(member->byte_fd, F_UNLCK, SHMEM_FIRST_MEMBER_BYTE + member->slot);
    if (taken != SHMEM_BUSY) return taken;
  }
  return SHMEM_ERR_MEMBERS_FULL;
}

/* Unmaps and closes what there is of a member. */
static void shmem_forget_(shmem_member *member) {
  if (member->base != NULL) munmap(member->base, member->mapped_bytes);
  if (member->byte_fd >= 0) close(member->byte_fd);
  if (member->fd >= 0) close(member->fd);
  free(member);
}

/* In a child of fork(2). With the description given back, the byte lock still says that the parent's process lives, and no other. */
static void shmem_in_child_(void) {
  for (; shmem_own_ != NULL; shmem_own_ = shmem_own_->next) {
    close(shmem_own_->byte_fd);
    shmem_own_->byte_fd = -1;
  }
}

static pthread_once_t shmem_once_ = PTHREAD_ONCE_INIT;

static void shmem_watch_forks_(void) { (void)pthread_atfork(NULL, NULL, shmem_in_child_); }

static int shmem_become_(shmem_member *member, int is_named, const char *as) {
  int mapped = shmem_map_(member, is_named);
  if (mapped != SHMEM_OK) return mapped;
  member->list = shmem_robust_list_();
  if (member->list == NULL || member->list->futex_offset < -32 || member->list->futex_offset > -20 || member->list->futex_offset % 4 != 0) {
    return SHMEM_ERR_UNSUPPORTED;
  }
  pthread_once(&shmem_once_, shmem_watch_forks_);
  member->byte_fd = shmem_describe_again_(member->fd);
  if (member->byte_fd < 0) return member->byte_fd;
  int taken = shmem_take_any_slot_(member, as);
  if (taken != SHMEM_OK) return taken;
  member->token = SHMEM_TOKEN_MARK | member->generation << member->slot_bits | member->slot;
  shmem_announce_(member);
  member->next = shmem_own_;
  shmem_own_ = member;
  return SHMEM_OK;
}

/* `fd` is a description of its own, or a negative errno. */
static int shmem_join_own_(int fd, int is_named, const char *as, shmem_member **joined) {
  *joined = NULL;
  if (fd < 0) return fd;
  shmem_member *member = (shmem_member *)calloc(1, sizeof *member);
  if (member == NULL) {
    close(fd);
    return -ENOMEM;
  }
  member->fd = fd;
  member->byte_fd = -1;
  int became = shmem_become_(member, is_named, as);
  if (became == SHMEM_OK) *joined = member;
  else shmem_forget_(member);
  return became;
}

/* A thread that was cancelled in the middle would keep descriptors, and with them a place. */
static int shmem_hold_off_cancel_(void) {
  int before = PTHREAD_CANCEL_ENABLE;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
  return before;
}

int shmem_join(const char *name, const char *as, shmem_member **member) {
  int cancel = shmem_hold_off_cancel_(), fd = shm_open(name, O_RDWR | O_CLOEXEC, 0);
  int joined = shmem_join_own_(fd < 0 ? -errno : fd, 1, as, member);
  pthread_setcancelstate(cancel, NULL);
  return joined;
}

int shmem_join_fd(int fd, const char *as, shmem_member **member) {
  int cancel = shmem_hold_off_cancel_();
  int joined = shmem_join_own_(fcntl(fd, F_GETFD) < 0 ? -errno : shmem_describe_again_(fd), 0, as, member);
  pthread_setcancelstate(cancel, NULL);
  return joined;
}

static void shmem_end_(shmem_member *member, uint32_t ending) {
  int cancel = shmem_hold_off_cancel_();
  shmem_disappear_(member, ending);
  shmem_lock_byte_(member->byte_fd, F_UNLCK, SHMEM_FIRST_MEMBER_BYTE + member->slot);
  shmem_announce_(member);
  for (shmem_member **own = &shmem_own_; *own != NULL; own = &(*own)->next) {
    if (*own == member) {
      *own = member->next;
      break;
    }
  }
  shmem_forget_(member);
  pthread_setcancelstate(cancel, NULL);
}

int shmem_leave(shmem_member *member) {
  if (!shmem_is_ours_(member)) return SHMEM_ERR_THREAD;
  if (member->held != 0) return SHMEM_ERR_HELD;
  SHMEM_POINT("leave.begun");
  uint32_t *claim = &shmem_slot_(member, member->slot)->claim;
  shmem_change_(claim, member->generation << 2 | SHMEM_ACTIVE, member->generation << 2);
  shmem_wake_(claim, SHMEM_ALL_);
  SHMEM_POINT("leave.freed");
  shmem_end_(member, 0);
  return SHMEM_OK;
}

int shmem_abandon(shmem_member *member) {
  if (!shmem_is_ours_(member)) return SHMEM_ERR_THREAD;
  shmem_end_(member, SHMEM_DIED | SHMEM_WAITERS);
  return SHMEM_OK;
}

/* ---- Named objects: entries are read without a lock, and never taken back ---- */

#define SHMEM_RING_SLOTS_MIN 2u
#define SHMEM_RING_SLOTS_MAX 0x1000000u
#define SHMEM_RING_SLOT_BYTES_MAX 0x40000000u
#define SHMEM_RING_CONTROL 640u

/* Where a ring's first slot is, and how far it is to the next: whole words of 64 bits, or whole cache lines. */
static uint64_t shmem_ring_payload_(uint32_t slots) { return (SHMEM_RING_CONTROL + (uint64_t)slots * 4 + 127) / 128 * 128; }
static uint64_t shmem_ring_stride_(uint32_t slot_bytes) {
  uint64_t unit = slot_bytes >= 64 ? 64 : 8;
  return (slot_bytes + unit - 1) / unit * unit;
}

/* Bytes of an object, by its kind and numbers; 0 where there can be none such. UINT64_MAX: C does not know. */
static uint64_t shmem_bytes_of_(uint32_t kind, const uint32_t numbers[4]) {
  uint64_t bytes;
  switch (kind) {
    case SHMEM_MUTEX: case SHMEM_WORD: case SHMEM_COUNTER:
      return 128;
    case SHMEM_STRUCT:
      bytes = numbers[0];
      break;
    case SHMEM_RING:
      if (numbers[2] >= 8 || numbers[3] != 0) return 0;
      if (numbers[2] != 0) return UINT64_MAX;
      if (numbers[0] < SHMEM_RING_SLOTS_MIN || numbers[0] > SHMEM_RING_SLOTS_MAX || (numbers[0] & (numbers[0] - 1)) != 0) return 0;
      if (numbers[1] < 1 || numbers[1] > SHMEM_RING_SLOT_BYTES_MAX) return 0;
      bytes = shmem_ring_payload_(numbers[0]) + numbers[0] * shmem_ring_stride_(numbers[1]);
      break;
    default:
      return UINT64_MAX;
  }
  return (bytes + SHMEM_OBJECT_ALIGN_BYTES - 1) / SHMEM_OBJECT_ALIGN_BYTES * SHMEM_OBJECT_ALIGN_BYTES;
}

static int shmem_read_entry_(const shmem_member *member, const struct shmem_entry_ *entry, uint32_t kind, shmem_object *object) {
  uint32_t found = shmem_load_(&entry->kind);
  uint64_t offset = shmem_load_long_(&entry->offset), bytes = shmem_load_long_(&entry->bytes);
  for (unsigned index = 0; index < 4; index++) object->numbers[index] = shmem_load_(&entry->numbers[index]);
  object->type_hash = shmem_load_long_(&entry->type_hash);
  if (found != kind) return SHMEM_ERR_TYPE_MISMATCH;
  uint64_t expected = shmem_bytes_of_(kind, object->numbers);
  if (expected == UINT64_MAX) return SHMEM_ERR_UNSUPPORTED;
  if (expected == 0 || bytes != expected || offset % SHMEM_OBJECT_ALIGN_BYTES != 0 || offset < member->heap_offset || offset > member->heap_end ||
      bytes > member->heap_end - offset) {
    return SHMEM_ERR_CORRUPT;
  }
  object->bytes = member->base + offset;
  object->size_bytes = kind == SHMEM_STRUCT ? object->numbers[0] : bytes;
  return SHMEM_OK;
}

int shmem_find(const shmem_member *member, const char *name, uint32_t kind, shmem_object *object) {
  size_t name_bytes = strlen(name);
  if (name_bytes < 1 || name_bytes > SHMEM_NAME_BYTES_MAX) return -EINVAL;
  uint32_t wanted[SHMEM_NAME_BYTES_MAX / 4] = {0};
  memcpy(wanted, name, name_bytes);
  struct shmem_entry_ *entries = (struct shmem_entry_ *)(void *)(member->base + member->directory_offset);
  for (uint32_t index = 0; index < member->objects; index++) {
    const struct shmem_entry_ *entry = &entries[index];
    /* The maker writes an entry whole, then its state with one store. */
    int is_it = shmem_load_(&entry->state) == 1 && shmem_load_(&entry->name_bytes) == name_bytes;
    for (unsigned word = 0; is_it && word < SHMEM_NAME_BYTES_MAX / 4; word++) is_it = shmem_load_(&entry->name[word]) == wanted[word];
    if (is_it) return shmem_read_entry_(member, entry, kind, object);
  }
  return -ENOENT;
}

/* What those see who look on; counted on slow paths only. The three words stand together in every object. */
static void shmem_count_(uint32_t *counters, int result, int slept) {
  if (slept) shmem_add_(&counters[0], 1);
  if (result == SHMEM_OWNER_DIED || result == SHMEM_PEER_DIED) shmem_add_(&counters[1], 1);
  if (result == SHMEM_TIMED_OUT && slept) shmem_add_(&counters[2], 1);
}

/* ---- Mutex: futexes by Drepper ("Futexes Are Tricky", 2011, mutex 2), with the wake rules of docs/membership.md ---- */

#define SHMEM_NOT_RECOVERABLE 0x10000000u
/* Sleepers that one release wakes: two kills at once are survived without anybody's look. */
#define SHMEM_WAKES 3u
/* A step found nothing to do but sleep. */
#define SHMEM_ASLEEP_ 100

int shmem_mutex_open(shmem_member *member, const char *name, shmem_mutex *mutex) {
  shmem_object object;
  if (!shmem_is_ours_(member)) return SHMEM_ERR_THREAD;
  int found = shmem_find(member, name, SHMEM_MUTEX, &object);
  if (found != SHMEM_OK) return found;
  mutex->member = member;
  mutex->words = (uint32_t *)object.bytes;
  mutex->is_held = mutex->is_consistent = 0;
  return SHMEM_OK;
}

/* One try: the lock is ours, or never will be, or SHMEM_ASLEEP_ with the words to sleep on. */
static int shmem_lock_step_(const shmem_member *member, uint32_t *word, int slept, int recheck, struct shmem_sleep_ *sleep) {
  uint32_t mine = member->token;
  SHMEM_POINT(slept ? "lock.woken" : "lock.pending");
  for (;;) {
    uint32_t value = shmem_load_(word), owner = value & ~SHMEM_WAITERS;
    if (owner == 0) {
      /* Who slept leaves the mark, whatever stands there: a releaser of long ago may just have cleared that of others. */
      if (!shmem_change_(word, value, value | mine | (slept ? SHMEM_WAITERS : 0))) continue;
      SHMEM_POINT("lock.taken");
      return SHMEM_OK;
    }
    if (owner == SHMEM_NOT_RECOVERABLE) {
      /* Whoever made it so may have been killed before it woke the others. */
      if (slept) shmem_wake_(word, SHMEM_ALL_);
      return SHMEM_ERR_NOT_RECOVERABLE;
    }
    if (!shmem_is_token_(owner)) return SHMEM_ERR_CORRUPT;
    if (shmem_is_own_token_(member, owner)) return SHMEM_ERR_DEADLOCK;
    if (recheck) shmem_recheck_(member, owner);
    struct shmem_life_ life;
    if (!shmem_look_at_(member, owner, &life)) return SHMEM_ERR_CORRUPT;
    if (!life.is_alive) {
      SHMEM_POINT("lock.owner_dead");
      /* Before it is taken, so that our own death loses no wake. All who sleep on this death are concerned, whichever lock they wait for; and of
       * those who sleep on this lock, watching an owner of before, one has to come and watch the next. */
      shmem_wake_(life.presence, SHMEM_ALL_);
      shmem_wake_(word, 1);
      SHMEM_POINT("lock.dead_told");
      if (!shmem_change_(word, value, mine | SHMEM_WAITERS)) continue;
      SHMEM_POINT("lock.dead_taken");
      return SHMEM_OWNER_DIED;
    }
    if ((value & SHMEM_WAITERS) == 0 && !shmem_change_(word, value, value | SHMEM_WAITERS)) continue;
    SHMEM_POINT("lock.marked");
    sleep->count = 0;
    /* The lock first: a wake on it is swallowed by nobody who then sleeps on something else. */
    shmem_watch_(sleep, word, value | SHMEM_WAITERS);
    shmem_watch_life_(sleep, &life);
    return SHMEM_ASLEEP_;
  }
}

/* It may have swallowed a wake: the next sleeper gets one instead, and the owner is told that somebody may sleep. */
static void shmem_give_up_lock_(uint32_t *word) {
  SHMEM_POINT("lock.giving_up");
  for (;;) {
    uint32_t value = shmem_load_(word);
    if (!shmem_is_token_(value & ~SHMEM_WAITERS) || (value & SHMEM_WAITERS) != 0) break;
    if (shmem_change_(word, value, value | SHMEM_WAITERS)) break;
  }
  SHMEM_POINT("lock.gave_up");
  shmem_wake_(word, 1);
}

static int shmem_lock_until_(const shmem_member *member, uint32_t *word, int64_t until, int *slept) {
  int64_t interval = SHMEM_RECHECK_FIRST_NS;
  struct shmem_sleep_ sleep;
  for (int recheck = 0, was_asleep = 0;; was_asleep = 1) {
    int step = shmem_lock_step_(member, word, was_asleep, recheck, &sleep);
    if (step != SHMEM_ASLEEP_) return step;
    if (shmem_now_() >= until) {
      shmem_give_up_lock_(word);
      return SHMEM_TIMED_OUT;
    }
    *slept = 1;
    int woke = shmem_sleep_on_(&sleep, until, interval);
    if (woke < 0) return woke;
    recheck = woke == 0;
    if (recheck && interval < SHMEM_RECHECK_LAST_NS) interval = 2 * interval < SHMEM_RECHECK_LAST_NS ? 2 * interval : SHMEM_RECHECK_LAST_NS;
  }
}

int shmem_mutex_timedlock(shmem_mutex *mutex, int64_t timeout_ns) {
  shmem_member *member = mutex->member;
  uint32_t *word = mutex->words;
  if (!shmem_is_ours_(member)) return SHMEM_ERR_THREAD;
  /* Whatever the word says by now. */
  if (mutex->is_held) return SHMEM_ERR_DEADLOCK;
  int locked = SHMEM_OK, slept = 0;
  if (shmem_change_(word, 0, member->token)) {
    SHMEM_POINT("lock.taken");
  } else {
    shmem_set_pending_(member, word);
    locked = shmem_lock_until_(member, word, shmem_until_(timeout_ns), &slept);
    shmem_set_pending_(member, NULL);
    shmem_count_(&((struct shmem_mutex_ *)(void *)mutex->words)->waits, locked, slept);
  }
  if (locked != SHMEM_OK && locked != SHMEM_OWNER_DIED) return locked;
  mutex->is_held = 1;
  mutex->is_consistent = locked == SHMEM_OK;
  member->held++;
  return locked;
}

int shmem_mutex_lock(shmem_mutex *mutex) { return shmem_mutex_timedlock(mutex, SHMEM_FOREVER); }

int shmem_mutex_trylock(shmem_mutex *mutex) {
  int locked = shmem_mutex_timedlock(mutex, 0);
  return locked == SHMEM_TIMED_OUT || locked == SHMEM_ERR_DEADLOCK ? SHMEM_BUSY : locked;
}

int shmem_mutex_mark_consistent(shmem_mutex *mutex) {
  if (!mutex->is_held) return SHMEM_ERR_NOT_OWNER;
  mutex->is_consistent = 1;
  return SHMEM_OK;
}

/* Never a store: if the word is not ours any more, it is somebody else's. */
static int shmem_release_(uint32_t *word, uint32_t mine) {
  SHMEM_POINT("unlock.pending");
  for (;;) {
    if (shmem_change_(word, mine, 0)) {
      SHMEM_POINT("unlock.freed");
      return SHMEM_OK;
    }
    if (shmem_change_(word, mine | SHMEM_WAITERS, SHMEM_WAITERS)) break;
    if ((shmem_load_(word) & ~SHMEM_WAITERS) != mine) return SHMEM_ERR_NOT_OWNER;
  }
  SHMEM_POINT("unlock.released");
  uint32_t woken = shmem_wake_(word, SHMEM_WAKES);
  SHMEM_POINT("unlock.woken");
  /* Bit 31 stays until it is known that nobody sleeps. */
  if (woken == 0) {
    shmem_change_(word, SHMEM_WAITERS, 0);
    SHMEM_POINT("unlock.cleared");
  }
  return SHMEM_OK;
}

/* What a dead owner left was not repaired: nobody gets the lock any more. */
static int shmem_give_up_data_(uint32_t *word, uint32_t mine) {
  for (;;) {
    uint32_t value = shmem_load_(word);
    if ((value & ~SHMEM_WAITERS) != mine) return SHMEM_ERR_NOT_OWNER;
    if (shmem_change_(word, value, SHMEM_NOT_RECOVERABLE)) break;
  }
  SHMEM_POINT("unlock.abandoned");
  shmem_wake_(word, SHMEM_ALL_);
  return SHMEM_OK;
}

int shmem_mutex_unlock(shmem_mutex *mutex) {
  shmem_member *member = mutex->member;
  uint32_t *word = mutex->words;
  if (!shmem_is_ours_(member)) return SHMEM_ERR_THREAD;
  if (!mutex->is_held) return SHMEM_ERR_NOT_OWNER;
  mutex->is_held = 0;
  member->held--;
  if (!mutex->is_consistent) return shmem_give_up_data_(word, member->token);
  if (shmem_change_(word, member->token, 0)) {
    SHMEM_POINT("unlock.freed");
    return SHMEM_OK;
  }
  shmem_set_pending_(member, word);
  int released = shmem_release_(word, member->token);
  shmem_set_pending_(member, NULL);
  return released;
}

int shmem_mutex_reset(shmem_mutex *mutex) {
  uint32_t *word = mutex->words;
  if (!shmem_is_ours_(mutex->member)) return SHMEM_ERR_THREAD;
  for (;;) {
    struct shmem_life_ life;
    uint32_t value = shmem_load_(word), owner = value & ~SHMEM_WAITERS;
    if (owner == 0 || (shmem_is_token_(owner) && shmem_look_at_(mutex->member, owner, &life))) return 0;
    if (!shmem_change_(word, value, 0)) continue;
    SHMEM_POINT("lock.reset");
    shmem_wake_(word, SHMEM_ALL_);
    return 1;
  }
}

/* ---- Ring: Lamport's bounded buffer ("Specifying Concurrent Program Modules", 1983) with positions that count on and wrap, each side keeping a copy of
 * the other's (Lee, Bu, Chandranmenon 2010). head <= taken <= tail <= head + slots, at every moment. What a kill leaves: structures/ring/one.rs ---- */

static struct shmem_ring_ *shmem_words_(const shmem_ring *ring) { return (struct shmem_ring_ *)(void *)ring->bytes; }

int shmem_ring_open(shmem_member *member, const char *name, shmem_ring *ring) {
  shmem_object object;
  if (!shmem_is_ours_(member)) return SHMEM_ERR_THREAD;
  int found = shmem_find(member, name, SHMEM_RING, &object);
  if (found != SHMEM_OK) return found;
  ring->member = member;
  ring->bytes = (unsigned char *)object.bytes;
  ring->slots = object.numbers[0];
  ring->slot_bytes = object.numbers[1];
  ring->payload_offset = shmem_ring_payload_(ring->slots);
  ring->stride_bytes = shmem_ring_stride_(ring->slot_bytes);
  return SHMEM_OK;
}

static unsigned char *shmem_slot_bytes_(const shmem_ring *ring, uint32_t position) {
  return ring->bytes + ring->payload_offset + ring->stride_bytes * (position & (ring->slots - 1));
}

static uint32_t *shmem_length_(const shmem_ring *ring, uint32_t position) { return &shmem_words_(ring)->control[position & (ring->slots - 1)]; }

/* Which end: its owner, whose death it was told of, the gate at which its owner sleeps, and the other's position, which is the gate's sequence. */
struct shmem_end_ {
  uint32_t *owner, *told, *gate, *sequence, *other_owner, *other_gate;
  uint32_t bit;
};

static struct shmem_end_ shmem_producers_end_(const shmem_ring *ring) {
  struct shmem_ring_ *words = shmem_words_(ring);
  struct shmem_end_ end = {&words->producer, &words->producer_told, &words->room_gate, &words->head, &words->consumer, &words->items_gate, 1};
  return end;
}

static struct shmem_end_ shmem_consumers_end_(const shmem_ring *ring) {
  struct shmem_ring_ *words = shmem_words_(ring);
  struct shmem_end_ end = {&words->consumer, &words->consumer_told, &words->items_gate, &words->tail, &words->producer, &words->room_gate, 2};
  return end;
}

/* Says that somebody may sleep. Of a word that was scribbled over the other bits go: the kernel would refuse each sleep on it. */
static void shmem_close_gate_(uint32_t *gate) {
  uint32_t now = shmem_set_bits_(gate, SHMEM_WAITERS);
  if (now != SHMEM_WAITERS) shmem_change_(gate, now, SHMEM_WAITERS);
}

/* Wakes all who sleep at a gate. The caller changed the condition before. */
static void shmem_open_gate_(uint32_t *gate) {
  if ((shmem_load_(gate) & SHMEM_WAITERS) == 0) return;
  SHMEM_POINT("gate.found");
  shmem_store_(gate, 0);
  SHMEM_POINT("gate.opened");
  shmem_wake_(gate, SHMEM_ALL_);
  SHMEM_POINT("gate.woken");
}

/* More than there are slots: the positions contradict each other. */
static int shmem_contradict_(const shmem_ring *ring, uint32_t ahead, uint32_t behind) { return ahead - behind > ring->slots; }

/* Brings the count of quarters up to a position that passed one since: both say how many messages there ever were. */
static void shmem_settle_(uint32_t *laps, uint32_t position) {
  uint32_t counted = shmem_load_(laps);
  if ((((position >> 30) - counted) & 3) == 1) shmem_store_(laps, counted + 1);
}

/* Makes an end ours that is nobody's, or a dead member's. `writes`: it goes on to write where the dead one may have, so that one must have stopped. */
static int shmem_take_end_(const shmem_member *member, const struct shmem_end_ *end, int writes, uint32_t *before) {
  for (;;) {
    struct shmem_life_ life;
    uint32_t owner = *before = shmem_load_(end->owner);
    if (shmem_is_token_(owner) && shmem_look_at_(member, owner, &life)) {
      if (owner != member->token) shmem_recheck_(member, owner);
      shmem_look_at_(member, owner, &life);
      if (life.is_alive) return SHMEM_ERR_TAKEN;
      /* Whose slot is another's by now had left the kernel before. */
      if (writes && life.is_active && !shmem_has_left_kernel_(member, owner)) return SHMEM_BUSY;
    }
    if (shmem_change_(end->owner, owner, member->token)) return SHMEM_OK;
  }
}

/* Takes an end with the other's gate pending: who sleeps there may watch nobody's life yet. */
static int shmem_open_end_(const shmem_ring *ring, const struct shmem_end_ *end, int (*begin)(const shmem_ring *, void *), void *handle) {
  shmem_member *member = ring->member;
  if (!shmem_is_ours_(member)) return SHMEM_ERR_THREAD;
  int64_t until = shmem_until_(SHMEM_PATIENCE_NS_);
  for (;;) {
    uint32_t before = 0;
    shmem_set_pending_(member, end->other_gate);
    int taken = shmem_take_end_(member, end, end->bit == 1, &before);
    if (taken == SHMEM_OK) {
      SHMEM_POINT("ring.end_taken");
      taken = begin(ring, handle);
      if (taken != SHMEM_OK) shmem_change_(end->owner, member->token, 0);
    }
    if (taken == SHMEM_OK) {
      shmem_store_(end->told, 0);
      if (before != 0) shmem_add_(&shmem_words_(ring)->recovered, 1);
      shmem_open_gate_(end->other_gate);
      member->held++;
    }
    shmem_set_pending_(member, NULL);
    if (taken != SHMEM_BUSY) return taken;
    if (shmem_now_() >= until) return -ETIMEDOUT;
    shmem_nap_();
  }
}

/* Gives an end back. */
static void shmem_close_end_(const shmem_ring *ring, const struct shmem_end_ *end) {
  shmem_member *member = ring->member;
  struct shmem_ring_ *words = shmem_words_(ring);
  member->held--;
  if (shmem_load_(end->owner) != member->token) return;
  shmem_set_pending_(member, end->other_gate);
  if (end->bit == 2) shmem_store_(&words->head, shmem_load_(&words->taken));
  SHMEM_POINT("ring.giving");
  shmem_change_(end->owner, member->token, 0);
  shmem_open_gate_(end->other_gate);
  shmem_set_pending_(member, NULL);
}

/* Ends a side for good. */
static int shmem_end_side_(const shmem_ring *ring, const struct shmem_end_ *end) {
  shmem_set_pending_(ring->member, end->other_gate);
  shmem_set_bits_(&shmem_words_(ring)->state, end->bit);
  SHMEM_POINT("ring.ended");
  shmem_open_gate_(end->other_gate);
  shmem_open_gate_(end->gate);
  shmem_set_pending_(ring->member, NULL);
  return SHMEM_OK;
}

/* Whether to look again: the other's position is not the one at which there is nothing to do. */
static int shmem_is_ready_(const shmem_ring *ring, const struct shmem_end_ *end, uint32_t position, uint32_t sequence) {
  return end->bit == 2 ? sequence != position : position - sequence != ring->slots;
}

/* One look at an end: OK PEER_DIED DEADLOCK, or SHMEM_ASLEEP_ with the words to sleep on. */
static int shmem_ring_step_(const shmem_ring *ring, const struct shmem_end_ *end, uint32_t position, int recheck, struct shmem_sleep_ *sleep) {
  shmem_member *member = ring->member;
  struct shmem_life_ life;
  /* Either this look sees the change, or who changes sees the mark, or the kernel finds another value. */
  shmem_close_gate_(end->gate);
  SHMEM_POINT("gate.closed");
  uint32_t sequence = shmem_load_(end->sequence);
  if (shmem_is_ready_(ring, end, position, sequence)) return SHMEM_OK;
  uint32_t state = shmem_load_(&shmem_words_(ring)->state), peer = shmem_load_(end->other_owner);
  if (state != 0) return SHMEM_OK;
  sleep->count = 0;
  sleep->presence = NULL;
  shmem_watch_(sleep, end->gate, SHMEM_WAITERS);
  shmem_watch_(sleep, end->sequence, sequence);
  shmem_watch_(sleep, &shmem_words_(ring)->state, state);
  shmem_watch_(sleep, end->other_owner, peer);
  if (shmem_is_token_(peer) && shmem_load_(end->told) != peer) {
    if (shmem_is_own_token_(member, peer)) return SHMEM_ERR_DEADLOCK;
    if (recheck) shmem_recheck_(member, peer);
    if (shmem_look_at_(member, peer, &life) && life.is_alive) {
      shmem_watch_life_(sleep, &life);
    } else if (shmem_is_ready_(ring, end, position, shmem_load_(end->sequence))) {
      return SHMEM_OK; /* What it did last came before its death. */
    } else {
      shmem_store_(end->told, peer);
      return SHMEM_PEER_DIED;
    }
  }
  SHMEM_POINT("ring.waiting");
  return SHMEM_ASLEEP_;
}

/* Who waits names no word as pending: its death is seen by who watches its life. */
static int shmem_ring_wait_until_(const shmem_ring *ring, const struct shmem_end_ *end, uint32_t position, int64_t until) {
  int64_t interval = SHMEM_RECHECK_FIRST_NS;
  struct shmem_sleep_ sleep;
  int result, slept = 0;
  for (int recheck = 0;;) {
    result = shmem_ring_step_(ring, end, position, recheck, &sleep);
    if (result != SHMEM_ASLEEP_) break;
    result = SHMEM_TIMED_OUT;
    if (shmem_now_() >= until) break;
    slept = 1;
    result = shmem_sleep_on_(&sleep, until, interval);
    if (result < 0) break;
    recheck = result == 0;
    if (recheck && interval < SHMEM_RECHECK_LAST_NS) interval = 2 * interval < SHMEM_RECHECK_LAST_NS ? 2 * interval : SHMEM_RECHECK_LAST_NS;
  }
  shmem_count_(&shmem_words_(ring)->waits, result, slept);
  return result;
}

/* ---- The producer: it writes slots and lengths, and then the tail ---- */

static int shmem_producer_begin_(const shmem_ring *ring, void *handle) {
  shmem_producer *producer = (shmem_producer *)handle;
  struct shmem_ring_ *words = shmem_words_(ring);
  producer->head = shmem_load_(&words->head);
  producer->tail = shmem_load_(&words->tail);
  if (shmem_contradict_(ring, producer->tail, producer->head)) return SHMEM_ERR_CORRUPT;
  shmem_settle_(&words->producer_laps, producer->tail);
  return SHMEM_OK;
}

int shmem_producer_open(const shmem_ring *ring, shmem_producer *producer) {
  struct shmem_end_ end = shmem_producers_end_(ring);
  producer->ring = *ring;
  producer->is_loaned = 0;
  int opened = shmem_open_end_(ring, &end, shmem_producer_begin_, producer);
  producer->is_open = opened == SHMEM_OK;
  return opened;
}

static int shmem_use_(const shmem_ring *ring, int is_open) {
  if (!is_open) return SHMEM_ERR_NOT_OWNER;
  if (!shmem_is_ours_(ring->member)) return SHMEM_ERR_THREAD;
  return SHMEM_OK;
}

int shmem_producer_loan(shmem_producer *producer, void **bytes) {
  const shmem_ring *ring = &producer->ring;
  struct shmem_ring_ *words = shmem_words_(ring);
  int usable = shmem_use_(ring, producer->is_open);
  if (usable != SHMEM_OK) return usable;
  if (shmem_load_(&words->state) != 0) return SHMEM_ENDED;
  if (producer->tail - producer->head >= ring->slots) {
    shmem_settle_(&words->producer_laps, producer->tail);
    producer->head = shmem_load_(&words->head);
    if (shmem_contradict_(ring, producer->tail, producer->head)) return SHMEM_ERR_CORRUPT;
    if (producer->tail - producer->head == ring->slots) {
      shmem_add_(&words->full, 1);
      return SHMEM_FULL;
    }
  }
  producer->is_loaned = 1;
  SHMEM_POINT("ring.claimed");
  *bytes = shmem_slot_bytes_(ring, producer->tail);
  return SHMEM_OK;
}

int shmem_producer_commit(shmem_producer *producer, uint32_t length_bytes) {
  const shmem_ring *ring = &producer->ring;
  struct shmem_ring_ *words = shmem_words_(ring);
  int usable = shmem_use_(ring, producer->is_open && producer->is_loaned);
  if (usable != SHMEM_OK) return usable;
  if (length_bytes > ring->slot_bytes) return -EMSGSIZE;
  producer->is_loaned = 0;
  SHMEM_POINT("ring.written");
  shmem_store_(shmem_length_(ring, producer->tail), length_bytes);
  /* Publishes the slot's bytes and its length, and comes before the look at the consumer's gate (Dekker). */
  shmem_store_(&words->tail, ++producer->tail);
  SHMEM_POINT("ring.published");
  shmem_open_gate_(&words->items_gate);
  return SHMEM_OK;
}

void shmem_producer_abort(shmem_producer *producer) { producer->is_loaned = 0; }

int shmem_producer_send(shmem_producer *producer, const void *message, uint32_t length_bytes, int64_t timeout_ns) {
  int64_t until = timeout_ns == 0 ? 0 : shmem_until_(timeout_ns);
  if (length_bytes > producer->ring.slot_bytes) return -EMSGSIZE;
  for (;;) {
    void *bytes;
    int lent = shmem_producer_loan(producer, &bytes);
    if (lent == SHMEM_OK) {
      if (length_bytes > 0) memcpy(bytes, message, length_bytes);
      return shmem_producer_commit(producer, length_bytes);
    }
    if (lent != SHMEM_FULL || timeout_ns == 0) return lent;
    struct shmem_end_ end = shmem_producers_end_(&producer->ring);
    int waited = shmem_ring_wait_until_(&producer->ring, &end, producer->tail, until);
    if (waited != SHMEM_OK) return waited;
  }
}

int shmem_producer_wait(shmem_producer *producer, int64_t timeout_ns) {
  int usable = shmem_use_(&producer->ring, producer->is_open);
  if (usable != SHMEM_OK) return usable;
  struct shmem_end_ end = shmem_producers_end_(&producer->ring);
  return shmem_ring_wait_until_(&producer->ring, &end, producer->tail, shmem_until_(timeout_ns));
}

int shmem_producer_end(shmem_producer *producer) {
  int usable = shmem_use_(&producer->ring, producer->is_open);
  if (usable != SHMEM_OK) return usable;
  struct shmem_end_ end = shmem_producers_end_(&producer->ring);
  return shmem_end_side_(&producer->ring, &end);
}

int shmem_producer_close(shmem_producer *producer) {
  int usable = shmem_use_(&producer->ring, producer->is_open);
  if (usable != SHMEM_OK) return usable;
  struct shmem_end_ end = shmem_producers_end_(&producer->ring);
  producer->is_open = producer->is_loaned = 0;
  shmem_close_end_(&producer->ring, &end);
  return SHMEM_OK;
}

/* ---- The consumer: it writes `taken` before it reads the first byte of a message, so that a successor knows what anybody ever looked at ---- */

static int shmem_consumer_begin_(const shmem_ring *ring, void *handle) {
  shmem_consumer *consumer = (shmem_consumer *)handle;
  struct shmem_ring_ *words = shmem_words_(ring);
  uint32_t head = shmem_load_(&words->head), taken = shmem_load_(&words->taken);
  /* Last: the positions behind it only come nearer to it. */
  uint32_t tail = shmem_load_(&words->tail);
  if (shmem_contradict_(ring, taken, head) || shmem_contradict_(ring, tail, taken)) return SHMEM_ERR_CORRUPT;
  shmem_settle_(&words->consumer_laps, taken);
  if (taken != head) {
    /* Of what was taken and not given back, all but the last was read, as the next is taken only then. */
    shmem_store_(&words->head, taken);
    SHMEM_POINT("ring.recovered");
    shmem_add_(&words->lost, 1);
  }
  consumer->head = taken;
  consumer->tail = tail;
  return SHMEM_OK;
}

int shmem_consumer_open(const shmem_ring *ring, shmem_consumer *consumer) {
  struct shmem_end_ end = shmem_consumers_end_(ring);
  consumer->ring = *ring;
  consumer->is_taken = 0;
  int opened = shmem_open_end_(ring, &end, shmem_consumer_begin_, consumer);
  consumer->is_open = opened == SHMEM_OK;
  return opened;
}

int shmem_consumer_peek(shmem_consumer *consumer, const void **bytes, uint32_t *length_bytes) {
  const shmem_ring *ring = &consumer->ring;
  struct shmem_ring_ *words = shmem_words_(ring);
  int usable = shmem_use_(ring, consumer->is_open);
  if (usable != SHMEM_OK) return usable;
  if (!consumer->is_taken) {
    /* The state first: what was sent before the end is there by now. */
    uint32_t state = shmem_load_(&words->state);
    if (consumer->tail == consumer->head) {
      shmem_settle_(&words->consumer_laps, consumer->head);
      consumer->tail = shmem_load_(&words->tail);
      if (shmem_contradict_(ring, consumer->tail, consumer->head)) {
        consumer->tail = consumer->head;
        return SHMEM_ERR_CORRUPT;
      }
      if (consumer->tail == consumer->head) return state == 0 ? SHMEM_EMPTY : SHMEM_ENDED;
    }
    shmem_store_(&words->taken, consumer->head + 1);
    SHMEM_POINT("ring.taken");
    consumer->length_bytes = shmem_load_(shmem_length_(ring, consumer->head));
    consumer->is_taken = 1;
    if (consumer->length_bytes > ring->slot_bytes) {
      shmem_consumer_release(consumer);
      return SHMEM_ERR_CORRUPT;
    }
  }
  *bytes = shmem_slot_bytes_(ring, consumer->head);
  *length_bytes = consumer->length_bytes;
  return SHMEM_OK;
}

void shmem_consumer_release(shmem_consumer *consumer) {
  struct shmem_ring_ *words = shmem_words_(&consumer->ring);
  if (!consumer->is_taken || shmem_use_(&consumer->ring, consumer->is_open) != SHMEM_OK) return;
  consumer->is_taken = 0;
  SHMEM_POINT("ring.read");
  /* After the last look at the slot; comes before the look at the producer's gate (Dekker). */
  shmem_store_(&words->head, ++consumer->head);
  SHMEM_POINT("ring.released");
  shmem_open_gate_(&words->room_gate);
}

int shmem_consumer_receive(shmem_consumer *consumer, void *room, uint32_t room_bytes, uint32_t *length_bytes, int64_t timeout_ns) {
  int64_t until = timeout_ns == 0 ? 0 : shmem_until_(timeout_ns);
  for (;;) {
    const void *bytes;
    int peeked = shmem_consumer_peek(consumer, &bytes, length_bytes);
    if (peeked == SHMEM_OK) {
      if (*length_bytes > room_bytes) return -EMSGSIZE;
      if (*length_bytes > 0) memcpy(room, bytes, *length_bytes);
      shmem_consumer_release(consumer);
      return SHMEM_OK;
    }
    if (peeked != SHMEM_EMPTY || timeout_ns == 0) return peeked;
    struct shmem_end_ end = shmem_consumers_end_(&consumer->ring);
    int waited = shmem_ring_wait_until_(&consumer->ring, &end, consumer->head, until);
    if (waited != SHMEM_OK) return waited;
  }
}

int shmem_consumer_wait(shmem_consumer *consumer, int64_t timeout_ns) {
  int usable = shmem_use_(&consumer->ring, consumer->is_open);
  if (usable != SHMEM_OK) return usable;
  struct shmem_end_ end = shmem_consumers_end_(&consumer->ring);
  return shmem_ring_wait_until_(&consumer->ring, &end, consumer->head, shmem_until_(timeout_ns));
}

int shmem_consumer_end(shmem_consumer *consumer) {
  int usable = shmem_use_(&consumer->ring, consumer->is_open);
  if (usable != SHMEM_OK) return usable;
  struct shmem_end_ end = shmem_consumers_end_(&consumer->ring);
  return shmem_end_side_(&consumer->ring, &end);
}

int shmem_consumer_close(shmem_consumer *consumer) {
  int usable = shmem_use_(&consumer->ring, consumer->is_open);
  if (usable != SHMEM_OK) return usable;
  struct shmem_end_ end = shmem_consumers_end_(&consumer->ring);
  shmem_consumer_release(consumer);
  consumer->is_open = 0;
  shmem_close_end_(&consumer->ring, &end);
  return SHMEM_OK;
}

/* ---- Words for people ---- */

const char *shmem_message(int result) {
  switch (result) {
    case SHMEM_OK: return "done";
    case SHMEM_OWNER_DIED: return "its owner died with it";
    case SHMEM_BUSY: return "somebody has it";
    case SHMEM_TIMED_OUT: return "the time was over";
    case SHMEM_FULL: return "full";
    case SHMEM_EMPTY: return "empty";
    case SHMEM_ENDED: return "ended";
    case SHMEM_PEER_DIED: return "the other end's owner died";
    case SHMEM_ERR_NOT_MANAGED: return "it is no managed segment";
    case SHMEM_ERR_NOT_READY: return "it is not made yet, or was made before a reboot: open it with Node or Rust";
    case SHMEM_ERR_VERSION: return "its layout is of another version, byte order or page size";
    case SHMEM_ERR_CORRUPT: return "bytes that no member of it wrote";
    case SHMEM_ERR_TRUNCATED: return "it is shorter than it was made";
    case SHMEM_ERR_MEMBERS_FULL: return "all places for members are taken";
    case SHMEM_ERR_UNSUPPORTED: return "not supported here, or by C";
    case SHMEM_ERR_TYPE_MISMATCH: return "the object is of another kind";
    case SHMEM_ERR_DEADLOCK: return "this thread would wait for itself";
    case SHMEM_ERR_NOT_RECOVERABLE: return "an owner died, and the next one unlocked without marking it consistent";
    case SHMEM_ERR_NOT_OWNER: return "it is not ours";
    case SHMEM_ERR_TAKEN: return "another member has this end";
    case SHMEM_ERR_HELD: return "a lock or an end of a ring is still held";
    case SHMEM_ERR_THREAD: return "another thread joined";
    default: return result < 0 && result > -4096 ? strerror(-result) : "no such result";
  }
}

#ifdef __cplusplus
}
#endif
#endif /* SHMEM_IMPLEMENTATION */
