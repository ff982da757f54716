/* Processes hand messages of 64 bytes to others through one ring: nanoseconds a message, until the last one is received.
 *
 * "ring-many ticket <messages> <producers>+<consumers>/<slots>": rigtorp's MPMCQueue. Each end takes a ticket by one addition and
 * waits until its slot has that turn. A turn and its message have cache lines of their own.
 * "ring-many stamp <messages> <producers>+<consumers>/<slots>": crossbeam's ArrayQueue, after Vyukov's bounded queue. Each end looks at the
 * stamp of the slot and takes the position by compare-and-exchange; stamp and message lie together.
 *
 * Written after github.com/rigtorp/MPMCQueue and crossbeam-queue's array_queue.rs; only their memory is shared between processes
 * here, and a process that waits gives its processor up after a while, since there may be fewer of them.
 * Every message is checked: its words, that those of one producer come in order, and in the end that each came once.
 * Neither survives the death of a process inside.
 */
#include "pair.h"
#include <sched.h>
#include <stdint.h>

enum { word_count = 16, most_ends = 16 };
/* The first two words of a message, and what stands instead of a producer when there are no more messages. */
enum { producer_word, sequence_word, end_mark = 0xffff };

struct message {
  uint32_t words[word_count];
};

struct ticket_slot {
  _Alignas(64) _Atomic uint64_t turn;
  struct message message;
};

struct stamp_slot {
  _Atomic uint64_t stamp;
  struct message message;
};

struct ring {
  own_line _Atomic uint64_t head;
  own_line _Atomic uint64_t tail;
  own_line uint64_t slot_count, one_lap, message_count;
  unsigned producer_count, consumer_count;
  void (*send)(struct ring *, unsigned producer, uint32_t sequence);
  void (*receive)(struct ring *, struct message *);
  own_line atomic_uint present;
  atomic_uint producers_left;
  /* How many messages of each producer arrived, and what their sequences add up to. */
  own_line _Atomic uint64_t arrived[most_ends];
  _Atomic uint64_t sequence_sums[most_ends];
  own_line unsigned char slots[];
};

/* One more look that was in vain: spins first, longer each time, and then lets others have the processor. */
static void back_off(unsigned *step) {
  if (*step > 6) {
    sched_yield();
    return;
  }
  for (unsigned hint = 0; hint < 1u << *step; hint += 1) spin_hint();
  *step += 1;
}

static inline void write_message(struct message *message, unsigned producer, uint32_t sequence) {
  message->words[producer_word] = producer;
  for (uint32_t word = sequence_word; word < word_count; word += 1) message->words[word] = sequence + word - sequence_word;
}

static void ticket_send(struct ring *ring, unsigned producer, uint32_t sequence) {
  uint64_t ticket = atomic_fetch_add(&ring->head, 1);
  struct ticket_slot *slot = (struct ticket_slot *)ring->slots + ticket % ring->slot_count;
  uint64_t turn = ticket / ring->slot_count * 2;
  for (unsigned step = 0; atomic_load_explicit(&slot->turn, memory_order_acquire) != turn;) back_off(&step);
  write_message(&slot->message, producer, sequence);
  atomic_store_explicit(&slot->turn, turn + 1, memory_order_release);
}

static void ticket_receive(struct ring *ring, struct message *message) {
  uint64_t ticket = atomic_fetch_add(&ring->tail, 1);
  struct ticket_slot *slot = (struct ticket_slot *)ring->slots + ticket % ring->slot_count;
  uint64_t turn = ticket / ring->slot_count * 2 + 1;
  for (unsigned step = 0; atomic_load_explicit(&slot->turn, memory_order_acquire) != turn;) back_off(&step);
  *message = slot->message;
  atomic_store_explicit(&slot->turn, turn + 1, memory_order_release);
}

/* A position is an index below the lap, which counts in powers of two above every index. */
static inline uint64_t position_after(const struct ring *ring, uint64_t position) {
  uint64_t index = position & (ring->one_lap - 1);
  return index + 1 < ring->slot_count ? position + 1 : position - index + ring->one_lap;
}

static inline struct stamp_slot *stamped_slot(struct ring *ring, uint64_t position) {
  return (struct stamp_slot *)ring->slots + (position & (ring->one_lap - 1));
}

static void stamp_send(struct ring *ring, unsigned producer, uint32_t sequence) {
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
  for (unsigned step = 0;; back_off(&step)) {
    struct stamp_slot *slot = stamped_slot(ring, tail);
    if (atomic_load_explicit(&slot->stamp, memory_order_acquire) != tail) {
      tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
      continue;
    }
    if (!atomic_compare_exchange_weak_explicit(&ring->tail, &tail, position_after(ring, tail), memory_order_seq_cst, memory_order_relaxed)) continue;
    write_message(&slot->message, producer, sequence);
    atomic_store_explicit(&slot->stamp, tail + 1, memory_order_release);
    return;
  }
}

static void stamp_receive(struct ring *ring, struct message *message) {
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
  for (unsigned step = 0;; back_off(&step)) {
    struct stamp_slot *slot = stamped_slot(ring, head);
    if (atomic_load_explicit(&slot->stamp, memory_order_acquire) != head + 1) {
      head = atomic_load_explicit(&ring->head, memory_order_relaxed);
      continue;
    }
    if (!atomic_compare_exchange_weak_explicit(&ring->head, &head, position_after(ring, head), memory_order_seq_cst, memory_order_relaxed)) continue;
    *message = slot->message;
    atomic_store_explicit(&slot->stamp, head + ring->one_lap, memory_order_release);
    return;
  }
}

/* Nobody starts before all are there. */
static void start_together(struct ring *ring) {
  atomic_fetch_add(&ring->present, 1);
  for (unsigned step = 0; atomic_load(&ring->present) < ring->producer_count + ring->consumer_count + 1;) back_off(&step);
}

static uint64_t share_of(const struct ring *ring, unsigned producer) {
  return ring->message_count / ring->producer_count + (producer < ring->message_count % ring->producer_count);
}

static void produce(struct ring *ring, unsigned producer) {
  start_together(ring);
  uint64_t own_count = share_of(ring, producer);
  for (uint64_t sequence = 0; sequence < own_count; sequence += 1) ring->send(ring, producer, (uint32_t)sequence);
  /* The last one sends the end to every consumer. */
  if (atomic_fetch_sub(&ring->producers_left, 1) > 1) return;
  for (unsigned mark = 0; mark < ring->consumer_count; mark += 1) ring->send(ring, end_mark, 0);
}

static void consume(struct ring *ring) {
  uint64_t arrived[most_ends] = {0}, sequence_sums[most_ends] = {0};
  int64_t last_sequence[most_ends];
  for (unsigned producer = 0; producer < most_ends; producer += 1) last_sequence[producer] = -1;
  start_together(ring);
  for (;;) {
    struct message message;
    ring->receive(ring, &message);
    uint32_t producer = message.words[producer_word], sequence = message.words[sequence_word];
    if (producer == end_mark) break;
    must(producer < ring->producer_count, "a message comes from nobody");
    must(sequence > last_sequence[producer], "a message came out of order");
    uint32_t sum = 0;
    for (unsigned word = sequence_word; word < word_count; word += 1) sum += message.words[word] - sequence;
    must(sum == (word_count - 1) * (word_count - 2) / 2, "a message has other words");
    last_sequence[producer] = sequence;
    arrived[producer] += 1;
    sequence_sums[producer] += sequence;
  }
  for (unsigned producer = 0; producer < ring->producer_count; producer += 1) {
    atomic_fetch_add(&ring->arrived[producer], arrived[producer]);
    atomic_fetch_add(&ring->sequence_sums[producer], sequence_sums[producer]);
  }
}

struct end {
  struct ring *ring;
  unsigned producer;
};

static void act(void *argument) {
  struct end *end = argument;
  if (end->producer == end_mark) consume(end->ring);
  else produce(end->ring, end->producer);
}

static double run_case(const char *name, long messages, size_t size_bytes, const char *subject) {
  (void)size_bytes;
  unsigned producers = 0, consumers = 0;
  unsigned long slot_count = 0;
  must(sscanf(subject, "%u+%u/%lu", &producers, &consumers, &slot_count) == 3, "the subject is not <producers>+<consumers>/<slots>");
  must(slot_count > 0, "there are no slots");
  must(producers >= 1 && producers <= most_ends && consumers >= 1 && consumers <= most_ends, "there are no or too many ends");
  must(strcmp(name, "ticket") == 0 || strcmp(name, "stamp") == 0, "there is no such case");
  size_t ring_bytes = sizeof(struct ring) + slot_count * sizeof(struct ticket_slot);
  struct ring *ring = share(ring_bytes);
  ring->slot_count = slot_count;
  for (ring->one_lap = 1; ring->one_lap < slot_count + 1;) ring->one_lap *= 2;
  ring->message_count = (uint64_t)messages;
  ring->producer_count = producers;
  ring->consumer_count = consumers;
  ring->producers_left = producers;
  ring->send = ticket_send;
  ring->receive = ticket_receive;
  if (strcmp(name, "stamp") == 0) {
    ring->send = stamp_send;
    ring->receive = stamp_receive;
    for (uint64_t index = 0; index < slot_count; index += 1) stamped_slot(ring, index)->stamp = index;
  }

  for (unsigned end = 0; end < producers + consumers; end += 1) {
    struct end role = {ring, end < producers ? end : end_mark};
    start_partner(act, &role);
  }
  start_together(ring);
  double started_ns = now_ns();
  for (unsigned end = 0; end < producers + consumers; end += 1) await_any_partner();
  double took_ns = now_ns() - started_ns;
  for (unsigned producer = 0; producer < producers; producer += 1) {
    uint64_t sent = share_of(ring, producer);
    must(ring->arrived[producer] == sent && ring->sequence_sums[producer] == sent * (sent - 1) / 2, "a message was lost or came twice");
  }
  must(munmap(ring, ring_bytes) == 0, "munmap");
  return took_ns / messages;
}
