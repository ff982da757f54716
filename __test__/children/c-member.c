/*
 * A C member of the kill tests: plays the roles `mutex` and `ring-one` as crate/core/src/bin/member/{mutex,ring_one}.rs do, over the same objects, with
 * the same messages and the same book (crate/core/src/bin/member/book.rs), until the book says stop or it is killed.
 *
 *   c-member <role> <segment> <book> [position=n seed=n rounds=n]
 *   c-member owner|heir|ring-send|ring-receive|ring-fill|ring-take …   quiet: one is killed, the other waits for it, with SHMEM_NO_RECHECK=1
 *   c-member points        lists the places at which SHMEM_FAIL_POINT=name@n stops it
 */
static void c_point(const char *name);
#define SHMEM_POINT(name) c_point(name)
#define SHMEM_RECHECKS_ (getenv("SHMEM_NO_RECHECK") == NULL)
#define SHMEM_IMPLEMENTATION
#include "shmem.h"
#include <inttypes.h>

static const char *const POINTS[] = {
  "join.byte_locked", "join.claimed", "join.woken", "join.present", "join.linked", "join.active",
  "leave.begun", "leave.freed", "leave.unlinked", "leave.absent",
  "lock.pending", "lock.taken", "lock.owner_dead", "lock.dead_told", "lock.dead_taken", "lock.marked", "lock.woken", "lock.giving_up", "lock.gave_up", "lock.reset",
  "unlock.pending", "unlock.freed", "unlock.released", "unlock.woken", "unlock.cleared", "unlock.abandoned",
  "ring.end_taken", "ring.recovered", "ring.giving", "ring.ended", "ring.claimed", "ring.written", "ring.published", "ring.taken", "ring.read", "ring.released", "ring.waiting",
  "gate.closed", "gate.found", "gate.opened", "gate.woken"
};

static const char *wished = NULL;
static long wished_count = 0;

static void c_point(const char *name) {
  if (wished == NULL || strcmp(wished, name) != 0 || --wished_count != 0) return;
  printf("at %s\n", name);
  fflush(stdout);
  for (;;) pause();
}

static int is_wished(const char *name) { return wished != NULL && strcmp(wished, name) == 0; }

static void wish(void) {
  char *text = getenv("SHMEM_FAIL_POINT");
  if (text == NULL) return;
  char *at = strchr(text, '@');
  wished_count = at == NULL ? 1 : atol(at + 1);
  wished = strndup(text, at == NULL ? strlen(text) : (size_t)(at - text));
}

/* ---- The book ---- */

enum { STOP = 0, LINE = 32, ROWS = 1, GUARDED = 17 };
enum { READY = 0, GOT = 1, OWNER_DEATHS = 2, TIMEOUTS = 3, VIOLATIONS = 4, VIOLATION = 5, GIVEN = 6, RESETS = 8, WAITING = 9 };
enum { TWO_HOLDERS = 1, TORN = 2, MARK_LOST = 3, FALSE_DEATH = 4, TICKET_LOST = 8, CAME_TWICE = 12 };
enum { HOLDER = 0, FIRST = 1, SECOND = 2, BROKEN = 3 };

static uint32_t *book;
static uint32_t position, rounds;
static uint64_t seed = 1;
static shmem_member *member;

static uint32_t *row(int word) { return &book[(ROWS + position) * LINE + (uint32_t)word]; }
static uint32_t *guarded(uint32_t lock, int word) { return &book[(GUARDED + lock) * LINE + (uint32_t)word]; }
static void count(int word) { shmem_add_(row(word), 1); }

static void violation(uint32_t number) {
  shmem_change_(row(VIOLATION), 0, number);
  count(VIOLATIONS);
}

static int is_stopped(void) { return shmem_load_(&book[STOP]) != 0; }

static int goes_on(void) {
  static uint32_t turn = 0;
  return !is_stopped() && (rounds == 0 || turn++ < rounds);
}

/* splitmix64 (Vigna 2015). */
static uint64_t below(uint64_t limit) {
  uint64_t mixed = seed += 0x9e3779b97f4a7c15ull;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
  return (mixed ^ mixed >> 31) % limit;
}

static int one_in(uint64_t chances) { return below(chances) == 0; }

static int64_t patience(void) { return one_in(4) ? (int64_t)below(2000) * 1000 : SHMEM_FOREVER; }

static void nap(uint64_t micros) {
  struct timespec time = shmem_timespec_((int64_t)micros * 1000);
  nanosleep(&time, NULL);
}

static void must(const char *what, int result) {
  if (result == SHMEM_OK) return;
  fprintf(stderr, "c-member: %s: %d %s\n", what, result, shmem_message(result));
  exit(1);
}

/* ---- Mutex ---- */

enum { LOCKS = 4 };

/* Keeps what it got for a while, so that others come to sleep. */
static void linger(void) {
  uint64_t dice = below(8);
  if (dice < 2) nap(below(250));
  else if (dice < 7) for (volatile uint64_t spins = below(2000); spins > 0; spins--) {}
}

/* Locks, and answers whether it did. */
static int take(shmem_mutex *lock, uint32_t index) {
  shmem_store_(row(WAITING), 1);
  int locked = shmem_mutex_timedlock(lock, patience());
  shmem_store_(row(WAITING), 0);
  if (locked == SHMEM_ERR_NOT_RECOVERABLE) {
    if (shmem_mutex_reset(lock) == 1) count(RESETS);
    return 0;
  }
  if (locked == SHMEM_TIMED_OUT) {
    count(TIMEOUTS);
    return 0;
  }
  if (locked == SHMEM_OWNER_DIED) {
    count(OWNER_DEATHS);
    count(GOT);
    if (shmem_is_alive(member, shmem_load_(guarded(index, HOLDER)))) violation(FALSE_DEATH);
    shmem_store_(guarded(index, HOLDER), 0);
    shmem_store_(guarded(index, SECOND), shmem_load_(guarded(index, FIRST)));
    /* Who shall be killed there comes there soon. */
    if (one_in(is_wished("unlock.abandoned") ? 1 : 8)) {
      must("unlock without repair", shmem_mutex_unlock(lock));
      return 0;
    }
    must("mark", shmem_mutex_mark_consistent(lock));
  } else {
    must("lock", locked);
    count(GOT);
    if (shmem_load_(guarded(index, HOLDER)) != 0) violation(TWO_HOLDERS);
    if (shmem_load_(guarded(index, FIRST)) != shmem_load_(guarded(index, SECOND))) violation(TORN);
    if (is_wished("lock.reset")) {
      /* Makes a lock that needs one, so that it comes there soon. */
      lock->is_consistent = 0;
      must("unlock for the reset", shmem_mutex_unlock(lock));
      return 0;
    }
  }
  shmem_store_(guarded(index, HOLDER), shmem_token(member));
  shmem_add_(guarded(index, FIRST), 1);
  linger();
  shmem_add_(guarded(index, SECOND), 1);
  return 1;
}

static void give_back(shmem_mutex *lock, uint32_t index) {
  if (!shmem_change_(guarded(index, HOLDER), shmem_token(member), 0)) violation(MARK_LOST);
  count(GIVEN);
  must("unlock", shmem_mutex_unlock(lock));
}

static void play_mutex(void) {
  shmem_mutex locks[LOCKS];
  for (int index = 0; index < LOCKS; index++) {
    char name[16];
    snprintf(name, sizeof name, "lock %d", index);
    must(name, shmem_mutex_open(member, name, &locks[index]));
  }
  shmem_store_(row(READY), 1);
  while (goes_on()) {
    uint32_t first = (uint32_t)below(LOCKS);
    if (!take(&locks[first], first)) continue;
    /* A second one only behind the first, so that no two members wait for each other. */
    uint32_t second = first + 1 + (uint32_t)below(LOCKS);
    if (second < LOCKS && take(&locks[second], second)) give_back(&locks[second], second);
    give_back(&locks[first], first);
  }
}

/* ---- Ring ---- */

enum { SLOT_BYTES = 200, WORDS = SLOT_BYTES / 4 };

static uint32_t rotate(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

static void message_of(uint32_t *words, uint32_t at, uint32_t sender, uint32_t number) {
  uint32_t mixed = at ^ rotate(sender, 7) ^ rotate(number, 19);
  for (int index = 0; index < WORDS; index++) {
    mixed = rotate(mixed * 0x9e3779b1u, 13);
    words[index] = index == 0 ? at : index == 1 ? sender : index == 2 ? number : mixed;
  }
}

/* Nobody else who lives has this end. */
static void enter(uint32_t end) {
  uint32_t holder = __atomic_exchange_n(guarded(end, HOLDER), shmem_token(member), __ATOMIC_SEQ_CST);
  if (shmem_is_alive(member, holder)) violation(TWO_HOLDERS);
}

static void leave(uint32_t end) {
  if (!shmem_change_(guarded(end, HOLDER), shmem_token(member), 0)) violation(MARK_LOST);
}

/* Whether it was sent. */
static int send_one(shmem_producer *producer, uint32_t number) {
  uint32_t words[WORDS];
  void *slot;
  message_of(words, producer->tail, shmem_token(member), number);
  if (one_in(3) && shmem_producer_loan(producer, &slot) == SHMEM_OK) {
    if (one_in(8)) {
      memset(slot, 0xff, 16);
      shmem_producer_abort(producer);
    } else {
      memcpy(slot, words, sizeof words);
      must("commit", shmem_producer_commit(producer, sizeof words));
      count(GIVEN);
      return 1;
    }
  }
  int64_t limit = patience();
  for (;;) {
    shmem_store_(row(WAITING), 1);
    int sent = shmem_producer_send(producer, words, sizeof words, limit);
    shmem_store_(row(WAITING), 0);
    if (sent == SHMEM_PEER_DIED) {
      count(OWNER_DEATHS);
      continue;
    }
    if (sent == SHMEM_TIMED_OUT) count(TIMEOUTS);
    if (sent == SHMEM_TIMED_OUT || sent == SHMEM_FULL) return 0;
    must("send", sent);
    count(GIVEN);
    return 1;
  }
}

/* What a consumer checks, with what it and those before it wrote down. */
static void check(uint32_t at, const uint32_t *words, uint32_t length, int *is_first) {
  uint32_t expected[WORDS];
  message_of(expected, words[0], words[1], words[2]);
  if (length != SLOT_BYTES || words[0] != at || memcmp(words, expected, SLOT_BYTES) != 0) violation(TORN);
  int32_t gap = (int32_t)(at - shmem_load_(guarded(0, FIRST)));
  int was_first = *is_first;
  *is_first = 0;
  if (gap < 0) violation(CAME_TWICE);
  else if (gap > 0 && !was_first) violation(TICKET_LOST);
  /* Others took these, and died before they wrote that down: one each, as the test counts. */
  else for (; gap > 0; gap--) count(RESETS);
  int32_t ahead = (int32_t)(words[2] - shmem_load_(guarded(0, BROKEN)) - 1);
  if (!was_first && words[1] == shmem_load_(guarded(0, SECOND)) && ahead != 0) violation(ahead < 0 ? CAME_TWICE : TICKET_LOST);
  shmem_store_(guarded(0, FIRST), at + 1);
  shmem_store_(guarded(0, SECOND), words[1]);
  shmem_store_(guarded(0, BROKEN), words[2]);
  count(GOT);
}

/* Whether there was one. */
static int receive_one(shmem_consumer *consumer, int *is_first) {
  uint32_t words[WORDS], length, at = consumer->head;
  const void *slot;
  if (one_in(3) && shmem_consumer_peek(consumer, &slot, &length) == SHMEM_OK) {
    memcpy(words, slot, sizeof words);
    check(at, words, length, is_first);
    shmem_consumer_release(consumer);
    return 1;
  }
  int64_t limit = patience();
  for (;;) {
    shmem_store_(row(WAITING), 1);
    int received = shmem_consumer_receive(consumer, words, sizeof words, &length, limit);
    shmem_store_(row(WAITING), 0);
    if (received == SHMEM_PEER_DIED) {
      count(OWNER_DEATHS);
      continue;
    }
    if (received == SHMEM_TIMED_OUT) count(TIMEOUTS);
    if (received == SHMEM_TIMED_OUT || received == SHMEM_EMPTY) return 0;
    must("receive", received);
    check(at, words, length, is_first);
    return 1;
  }
}

/* Ends a ring that nobody uses, for the sake of the step. */
static void end_another(void) {
  shmem_ring ring;
  shmem_producer producer;
  must("ended", shmem_ring_open(member, "ended", &ring));
  if (shmem_producer_open(&ring, &producer) != SHMEM_OK) return;
  must("end", shmem_producer_end(&producer));
  must("close", shmem_producer_close(&producer));
}

static void send_some(const shmem_ring *ring, uint32_t *number) {
  shmem_producer producer;
  int opened = shmem_producer_open(ring, &producer);
  if (opened == SHMEM_ERR_TAKEN) {
    nap(300);
    return;
  }
  must("producer", opened);
  enter(1);
  if (one_in(8)) end_another();
  for (uint64_t left = 1 + below(40); left > 0 && !is_stopped() && send_one(&producer, *number); left--) ++*number;
  leave(1);
  must("close", shmem_producer_close(&producer));
}

static void receive_some(const shmem_ring *ring) {
  shmem_consumer consumer;
  int is_first = 1, opened = shmem_consumer_open(ring, &consumer);
  if (opened == SHMEM_ERR_TAKEN) {
    nap(300);
    return;
  }
  must("consumer", opened);
  enter(0);
  for (uint64_t left = 1 + below(40); left > 0 && !is_stopped() && receive_one(&consumer, &is_first); left--) {}
  leave(0);
  must("close", shmem_consumer_close(&consumer));
}

/* Even positions send, odd ones receive; but who shall be killed at a step that only one side has takes that side. */
static int sends(void) {
  static const char *const of_consumers[] = {"ring.recovered", "ring.taken", "ring.read", "ring.released"};
  static const char *const of_producers[] = {"ring.claimed", "ring.written", "ring.published", "ring.ended"};
  for (int index = 0; index < 4; index++) {
    if (is_wished(of_consumers[index])) return 0;
    if (is_wished(of_producers[index])) return 1;
  }
  return position % 2 == 0;
}

static void play_ring(void) {
  shmem_ring ring;
  uint32_t number = 0;
  must("ring", shmem_ring_open(member, "ring", &ring));
  shmem_store_(row(READY), 1);
  while (goes_on()) {
    if (sends()) send_some(&ring, &number);
    else receive_some(&ring);
  }
}

/* ---- Quiet: without a limit of time, and without a look of one's own. What owner.rs and ring_one.rs do ---- */

static void own(void) {
  shmem_mutex lock;
  must("owned", shmem_mutex_open(member, "owned", &lock));
  must("lock", shmem_mutex_lock(&lock));
  shmem_store_(row(READY), 1);
  for (;;) pause();
}

static void inherit(void) {
  shmem_mutex lock;
  must("owned", shmem_mutex_open(member, "owned", &lock));
  shmem_store_(row(READY), 1);
  if (shmem_mutex_lock(&lock) != SHMEM_OWNER_DIED) violation(TWO_HOLDERS);
  count(OWNER_DEATHS);
  must("mark", shmem_mutex_mark_consistent(&lock));
  must("unlock", shmem_mutex_unlock(&lock));
}

/* Sends some messages, and then nothing until it is killed; or as many as there is room for, until it is told of the consumer's death. */
static void send_quietly(int until_killed) {
  shmem_ring ring;
  shmem_producer producer;
  uint32_t words[WORDS];
  must("ring", shmem_ring_open(member, "ring", &ring));
  must("producer", shmem_producer_open(&ring, &producer));
  shmem_store_(row(READY), 1);
  for (uint64_t number = 0, most = until_killed ? below(12) : UINT64_MAX; number < most; number++) {
    if (until_killed && one_in(2)) nap(below(300));
    message_of(words, producer.tail, shmem_token(member), (uint32_t)number);
    shmem_store_(row(WAITING), 1);
    int sent = shmem_producer_send(&producer, words, sizeof words, SHMEM_FOREVER);
    if (sent == SHMEM_PEER_DIED) break;
    must("send", sent);
    count(GIVEN);
  }
  while (until_killed) pause();
  count(OWNER_DEATHS);
  must("close", shmem_producer_close(&producer));
}

/* Receives some messages, and then nothing until it is killed; or all, until it is told of the producer's death. */
static void receive_quietly(int until_killed) {
  shmem_ring ring;
  shmem_consumer consumer;
  uint32_t words[WORDS], length;
  int is_first = 1;
  must("ring", shmem_ring_open(member, "ring", &ring));
  must("consumer", shmem_consumer_open(&ring, &consumer));
  shmem_store_(row(READY), 1);
  for (uint64_t taken = 0, most = until_killed ? below(30) : UINT64_MAX; taken < most; taken++) {
    if (until_killed && one_in(2)) nap(below(300));
    uint32_t at = consumer.head;
    shmem_store_(row(WAITING), 1);
    int received = shmem_consumer_receive(&consumer, words, sizeof words, &length, SHMEM_FOREVER);
    if (received == SHMEM_PEER_DIED) break;
    must("receive", received);
    check(at, words, length, &is_first);
  }
  while (until_killed) pause();
  count(OWNER_DEATHS);
  must("close", shmem_consumer_close(&consumer));
}

/* ---- The program ---- */

static void open_book(const char *name) {
  int fd = shm_open(name, O_RDWR, 0);
  void *bytes = fd < 0 ? MAP_FAILED : mmap(NULL, 30 * LINE * 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) must("the book", -errno);
  close(fd);
  book = (uint32_t *)bytes;
}

int main(int count_of_words, char **words) {
  if (count_of_words == 2 && strcmp(words[1], "points") == 0) {
    for (size_t index = 0; index < sizeof POINTS / sizeof *POINTS; index++) puts(POINTS[index]);
    return 0;
  }
  if (count_of_words < 4) return 2;
  for (int index = 4; index < count_of_words; index++) {
    char *value = strchr(words[index], '=');
    uint64_t number = value == NULL ? 0 : strtoull(value + 1, NULL, 10);
    if (strncmp(words[index], "position=", 9) == 0) position = (uint32_t)number % 16;
    if (strncmp(words[index], "seed=", 5) == 0) seed = number;
    if (strncmp(words[index], "rounds=", 7) == 0) rounds = (uint32_t)number;
  }
  wish();
  open_book(words[3]);
  char name[16];
  snprintf(name, sizeof name, "c %" PRIu32, position);
  must("join", shmem_join(words[2], name, &member));
  const char *role = words[1];
  if (strcmp(role, "mutex") == 0) play_mutex();
  else if (strcmp(role, "ring-one") == 0) play_ring();
  else if (strcmp(role, "owner") == 0) own();
  else if (strcmp(role, "heir") == 0) inherit();
  else if (strcmp(role, "ring-send") == 0 || strcmp(role, "ring-fill") == 0) send_quietly(strcmp(role, "ring-send") == 0);
  else if (strcmp(role, "ring-take") == 0 || strcmp(role, "ring-receive") == 0) receive_quietly(strcmp(role, "ring-take") == 0);
  else return 2;
  must("leave", shmem_leave(member));
  return 0;
}
