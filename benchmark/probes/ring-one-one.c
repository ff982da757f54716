/* One process hands messages to another through a ring of fixed slots: nanoseconds a message, at the end that receives.
 *
 * "ring-one-one words <messages> <slots>/<batch> <message_bytes>": every 32-bit word of a message is written in its slot and
 * read there, summed and compared with its place in the sequence. Slots are published by one release store a batch; a
 * producer that must wait publishes its open batch before.
 * "ends": only the first and the last word of each message, as when its bytes are already where they belong.
 * "copy": each message is copied into its slot from private memory, and its ends are checked.
 * "memcpy": the copies of the same messages into the same slots alone, by one process that sends nothing.
 *
 * Each end owns one position and keeps a copy of the other's, which it reads again only when the copy says full or empty.
 * Algorithm: Lamport's queue of one producer and one consumer, with the cached positions of rigtorp's SPSCQueue.
 */
#include "pair.h"
#include <sched.h>
#include <stdint.h>

enum payload { words, ends, copy };

#define constant_folded inline __attribute__((always_inline))

struct ring {
  own_line _Atomic uint64_t head;
  own_line _Atomic uint64_t tail;
  own_line struct {
    uint64_t slot_count, slot_bytes, batch, message_count;
    enum payload payload;
  };
  own_line unsigned char slots[];
};

/* Waits until the position is at least `wanted`, and returns it. */
static uint64_t await_position(_Atomic uint64_t *position, uint64_t wanted) {
  /* Looking less often lets the partner get ahead by more than one message: measured to double the rate with a publication each. */
  enum { hints_a_look = 16, looks_a_yield = 256 };
  for (int looks = 1;; looks += 1) {
    uint64_t seen = atomic_load_explicit(position, memory_order_acquire);
    if (seen >= wanted) return seen;
    for (int hint = 0; hint < hints_a_look; hint += 1) spin_hint();
    /* The partner may need the very processor that this loop burns. */
    if (looks % looks_a_yield == 0) sched_yield();
  }
}

static inline uint32_t *slot_at(struct ring *ring, uint64_t position) {
  return (uint32_t *)(ring->slots + (position & (ring->slot_count - 1)) * ring->slot_bytes);
}

static inline void write_message(uint32_t *slot, uint64_t word_count, uint32_t sequence) {
  for (uint64_t word = 0; word < word_count; word += 1) slot[word] = sequence + (uint32_t)word;
}

static inline uint32_t sum_message(const uint32_t *slot, uint64_t word_count) {
  uint32_t sum = 0;
  for (uint64_t word = 0; word < word_count; word += 1) sum += slot[word];
  return sum;
}

static inline void write_ends(uint32_t *slot, uint64_t word_count, uint32_t sequence) {
  slot[0] = sequence;
  slot[word_count - 1] = sequence + (uint32_t)word_count - 1;
}

static inline int ends_hold(const uint32_t *slot, uint64_t word_count, uint32_t sequence) {
  return slot[0] == sequence && slot[word_count - 1] == sequence + (uint32_t)word_count - 1;
}

static inline void fill_slot(uint32_t *slot, uint64_t word_count, uint32_t sequence, enum payload payload, uint32_t *private) {
  if (payload == words) return write_message(slot, word_count, sequence);
  if (payload == ends) return write_ends(slot, word_count, sequence);
  write_ends(private, word_count, sequence);
  memcpy(slot, private, word_count * sizeof *slot);
}

/* What the words of a message add up to; the arithmetic wraps as the sum does. */
static inline uint32_t expected_sum(uint64_t word_count, uint32_t sequence) {
  return (uint32_t)(word_count * sequence + word_count * (word_count - 1) / 2);
}

/* The payload is a constant at each call, so that the loop has no branch for it; so is the size of the message that is measured most. */
static constant_folded void produce_as(struct ring *ring, uint64_t word_count, enum payload payload) {
  uint32_t *private = calloc(word_count, sizeof *private);
  must(private != NULL, "calloc");
  uint64_t published = 0, seen_tail = 0;
  for (uint64_t head = 0; head < ring->message_count; head += 1) {
    if (head - seen_tail == ring->slot_count) {
      if (published != head) atomic_store_explicit(&ring->head, head, memory_order_release);
      published = head;
      seen_tail = await_position(&ring->tail, head - ring->slot_count + 1);
    }
    fill_slot(slot_at(ring, head), word_count, (uint32_t)head, payload, private);
    if (head + 1 - published < ring->batch) continue;
    published = head + 1;
    atomic_store_explicit(&ring->head, published, memory_order_release);
  }
  atomic_store_explicit(&ring->head, ring->message_count, memory_order_release);
  free(private);
}

static constant_folded double consume_as(struct ring *ring, uint64_t word_count, enum payload payload, uint64_t warm_up) {
  double started_ns = 0;
  uint64_t released = 0, seen_head = 0;
  for (uint64_t tail = 0; tail < ring->message_count; tail += 1) {
    if (tail == seen_head) {
      if (released != tail) atomic_store_explicit(&ring->tail, tail, memory_order_release);
      released = tail;
      seen_head = await_position(&ring->head, tail + 1);
    }
    if (tail == warm_up) started_ns = now_ns();
    const uint32_t *slot = slot_at(ring, tail);
    if (payload == words) must(sum_message(slot, word_count) == expected_sum(word_count, (uint32_t)tail), "a message has other words");
    else must(ends_hold(slot, word_count, (uint32_t)tail), "a message has other ends");
    if (tail + 1 - released < ring->batch) continue;
    released = tail + 1;
    atomic_store_explicit(&ring->tail, released, memory_order_release);
  }
  return now_ns() - started_ns;
}

static void produce(void *argument) {
  struct ring *ring = argument;
  uint64_t word_count = ring->slot_bytes / sizeof(uint32_t);
  if (ring->payload == words && word_count == 16) return produce_as(ring, 16, words);
  if (ring->payload == words) return produce_as(ring, word_count, words);
  if (ring->payload == ends) return produce_as(ring, word_count, ends);
  produce_as(ring, word_count, copy);
}

static double consume(struct ring *ring, uint64_t warm_up) {
  uint64_t word_count = ring->slot_bytes / sizeof(uint32_t);
  if (ring->payload == words && word_count == 16) return consume_as(ring, 16, words, warm_up);
  if (ring->payload == words) return consume_as(ring, word_count, words, warm_up);
  return consume_as(ring, word_count, ends, warm_up);
}

static double copy_alone(struct ring *ring, uint64_t warm_up) {
  uint64_t word_count = ring->slot_bytes / sizeof(uint32_t);
  uint32_t *private = calloc(word_count, sizeof *private);
  must(private != NULL, "calloc");
  double started_ns = 0;
  for (uint64_t sequence = 0; sequence < ring->message_count; sequence += 1) {
    if (sequence == warm_up) started_ns = now_ns();
    uint32_t *slot = slot_at(ring, sequence);
    fill_slot(slot, word_count, (uint32_t)sequence, copy, private);
    must(ends_hold(slot, word_count, (uint32_t)sequence), "a copy has other ends");
  }
  double took_ns = now_ns() - started_ns;
  free(private);
  return took_ns;
}

static enum payload payload_named(const char *name) {
  if (strcmp(name, "words") == 0) return words;
  if (strcmp(name, "ends") == 0) return ends;
  must(strcmp(name, "copy") == 0 || strcmp(name, "memcpy") == 0, "there is no such case");
  return copy;
}

static double run_case(const char *name, long messages, size_t message_bytes, const char *subject) {
  unsigned long slot_count = 0, batch = 0;
  must(sscanf(subject, "%lu/%lu", &slot_count, &batch) == 2 && batch >= 1 && batch <= slot_count, "the subject is not <slots>/<batch>");
  must((slot_count & (slot_count - 1)) == 0, "the number of slots is not a power of two");
  must(message_bytes >= 64 && message_bytes % 64 == 0, "the size of a message is not a multiple of 64");
  size_t size_bytes = sizeof(struct ring) + slot_count * message_bytes;
  struct ring *ring = share(size_bytes);
  /* The first tenth starts the other process up and is not counted; every slot is touched in it. */
  uint64_t warm_up = messages / 10 + 1 > (long)slot_count ? (uint64_t)messages / 10 + 1 : slot_count;
  ring->slot_count = slot_count;
  ring->slot_bytes = message_bytes;
  ring->batch = batch;
  ring->message_count = warm_up + (uint64_t)messages;
  ring->payload = payload_named(name);
  double took_ns;
  if (strcmp(name, "memcpy") == 0) {
    took_ns = copy_alone(ring, warm_up);
  } else {
    pid_t partner = start_partner(produce, ring);
    took_ns = consume(ring, warm_up);
    await_partner(partner);
  }
  must(munmap(ring, size_bytes) == 0, "munmap");
  return took_ns / messages;
}
