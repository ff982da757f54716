/*
 * The C side of 91.c-member: one verb a process, over a managed segment that Node made: a POSIX name, or fd:<number>.
 *
 *   join <segment>                          joins, says "joined <token>" or the result, and leaves when standard input ends
 *   members <segment>                       lists them: token, alive, pid, name
 *   find <segment> <name> <kind>            says the result, and the bytes
 *   count <segment> <lock> <struct> <turns> adds 1 to a plain 64-bit number under the lock, so often
 *   lock <segment> <lock> <timeout ns> <keep|mark|give|reset>   locks once, and says what came of it
 *   send <segment> <ring> <count>           sends messages of growing length, each filled with its number
 *   receive <segment> <ring>                receives until the end, and says how many were as they should be
 *   try <segment> <ring>                    goes through the outcomes of a ring with nobody else there
 *   hold-producer, hold-consumer <segment> <ring>   has the end, and stays
 *   both <segment> <ring>                   what a thread with both ends is told
 *   fork <segment> <lock>                   locks, and forks a child, which says what it is told and stays
 *   thread, abandon <segment> <lock>        another thread joins, locks, and ends with it: by itself, or by shmem_abandon()
 *   misuse <segment> <lock>                 another thread, twice the same, leaving with something in hand
 *   late <segment> <lock>                   a thread with the member of one that has ended; the member that left; a cancelled thread that joins and leaves
 *   clone <segment> <lock> <ring>           a child by clone(2), of which no handler of pthread_atfork(3) hears: with a lock, a message and both ends
 *   copies <segment> <lock> <library>       another copy of the header in this thread, from a library (c-copy.c): locks what this one holds
 */
#define SHMEM_RECHECKS_ (getenv("SHMEM_NO_RECHECK") == NULL)
#define SHMEM_IMPLEMENTATION
#include "shmem.h"
#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

static shmem_member *member;

static void say(const char *what, int result) {
  printf("%s %d %s\n", what, result, shmem_message(result));
  fflush(stdout);
}

/* A POSIX name, or fd:<number>. */
static int join(const char *segment, const char *as, shmem_member **joined) {
  return strncmp(segment, "fd:", 3) == 0 ? shmem_join_fd(atoi(segment + 3), as, joined) : shmem_join(segment, as, joined);
}

static void must(const char *what, int result) {
  if (result == SHMEM_OK) return;
  fprintf(stderr, "%s: %d %s\n", what, result, shmem_message(result));
  exit(1);
}

/* Until standard input ends, or somebody kills us. */
static void stay(void) {
  while (getchar() != EOF) {
  }
}

static void list(void) {
  shmem_facts facts;
  for (uint32_t slot = 0;; slot++) {
    int there = shmem_member_in(member, slot, &facts);
    if (there < 0) break;
    if (there) printf("%" PRIu32 " %d %" PRIu32 " %s\n", facts.token, facts.alive, facts.pid, facts.name);
  }
}

static void count(const char *lock, const char *number, long turns) {
  shmem_mutex mutex;
  shmem_object object;
  must("mutex", shmem_mutex_open(member, lock, &mutex));
  must("struct", shmem_find(member, number, SHMEM_STRUCT, &object));
  volatile int64_t *counter = (volatile int64_t *)object.bytes;
  for (long turn = 0; turn < turns; turn++) {
    must("lock", shmem_mutex_lock(&mutex));
    int64_t before = *counter;
    if (turn % 64 == 0) sched_yield();
    *counter = before + 1;
    must("unlock", shmem_mutex_unlock(&mutex));
  }
}

static void lock_once(const char *name, int64_t timeout_ns, const char *then) {
  shmem_mutex mutex;
  must("mutex", shmem_mutex_open(member, name, &mutex));
  if (strcmp(then, "reset") == 0) say("reset", shmem_mutex_reset(&mutex));
  int locked = timeout_ns == 0 ? shmem_mutex_trylock(&mutex) : shmem_mutex_timedlock(&mutex, timeout_ns);
  say("lock", locked);
  /* Until somebody writes a line. */
  if (strcmp(then, "keep") == 0) getchar();
  if (strcmp(then, "mark") == 0) say("mark", shmem_mutex_mark_consistent(&mutex));
  say("unlock", shmem_mutex_unlock(&mutex));
  if (strcmp(then, "keep") == 0) stay();
}

static uint32_t length_of(uint32_t number, uint32_t most) { return number % (most + 1); }

static void send_all(const char *name, uint32_t messages) {
  shmem_ring ring;
  shmem_producer producer;
  must("ring", shmem_ring_open(member, name, &ring));
  must("producer", shmem_producer_open(&ring, &producer));
  unsigned char *bytes = (unsigned char *)malloc(ring.slot_bytes);
  for (uint32_t number = 0; number < messages; number++) {
    uint32_t length = length_of(number, ring.slot_bytes);
    if (number % 3 == 0) {
      void *slot;
      int lent = shmem_producer_loan(&producer, &slot);
      if (lent == SHMEM_OK) {
        memset(slot, (int)(number & 0xff), length);
        must("commit", shmem_producer_commit(&producer, length));
        continue;
      }
    }
    memset(bytes, (int)(number & 0xff), length);
    must("send", shmem_producer_send(&producer, bytes, length, SHMEM_FOREVER));
  }
  free(bytes);
  must("end", shmem_producer_end(&producer));
  must("close", shmem_producer_close(&producer));
}

static void receive_all(const char *name) {
  shmem_ring ring;
  shmem_consumer consumer;
  must("ring", shmem_ring_open(member, name, &ring));
  must("consumer", shmem_consumer_open(&ring, &consumer));
  unsigned char *bytes = (unsigned char *)malloc(ring.slot_bytes);
  uint32_t number = 0, good = 0;
  for (;; number++) {
    uint32_t length;
    int received = shmem_consumer_receive(&consumer, bytes, ring.slot_bytes, &length, SHMEM_FOREVER);
    if (received == SHMEM_ENDED) break;
    must("receive", received);
    int is_good = length == length_of(number, ring.slot_bytes);
    for (uint32_t index = 0; index < length; index++) is_good &= bytes[index] == (number & 0xff);
    good += (uint32_t)is_good;
  }
  free(bytes);
  must("close", shmem_consumer_close(&consumer));
  printf("received %" PRIu32 ", good %" PRIu32 "\n", number, good);
}

static void try_all(const char *name) {
  shmem_ring ring;
  shmem_producer producer;
  shmem_consumer consumer;
  void *slot;
  uint32_t length;
  char room[256];
  must("ring", shmem_ring_open(member, name, &ring));
  must("producer", shmem_producer_open(&ring, &producer));
  say("loan", shmem_producer_loan(&producer, &slot));
  shmem_producer_abort(&producer);
  say("commit nothing", shmem_producer_commit(&producer, 1));
  say("too long", shmem_producer_send(&producer, room, ring.slot_bytes + 1, 0));
  uint32_t sent = 0;
  while (shmem_producer_send(&producer, "abcdefg", 7, 0) == SHMEM_OK) sent++;
  say("full", shmem_producer_send(&producer, "x", 1, 0));
  say("late", shmem_producer_send(&producer, "x", 1, 1000000));
  say("wait", shmem_producer_wait(&producer, 1000000));
  printf("sent %" PRIu32 " of %" PRIu32 "\n", sent, ring.slots);
  must("close", shmem_producer_close(&producer));
  say("closed", shmem_producer_loan(&producer, &slot));
  must("consumer", shmem_consumer_open(&ring, &consumer));
  say("small room", shmem_consumer_receive(&consumer, room, 3, &length, 0));
  say("the same", shmem_consumer_receive(&consumer, room, sizeof room, &length, 0));
  printf("length %" PRIu32 "\n", length);
  uint32_t received = 1;
  while (shmem_consumer_receive(&consumer, room, sizeof room, &length, 0) == SHMEM_OK) received++;
  say("empty", shmem_consumer_receive(&consumer, room, sizeof room, &length, 0));
  say("late", shmem_consumer_receive(&consumer, room, sizeof room, &length, 1000000));
  printf("received %" PRIu32 "\n", received);
  must("end", shmem_consumer_end(&consumer));
  say("ended", shmem_consumer_receive(&consumer, room, sizeof room, &length, SHMEM_FOREVER));
  must("close", shmem_consumer_close(&consumer));
}

static void hold(const char *verb, const char *name) {
  shmem_ring ring;
  shmem_producer producer;
  shmem_consumer consumer;
  must("ring", shmem_ring_open(member, name, &ring));
  int opened = strcmp(verb, "hold-producer") == 0 ? shmem_producer_open(&ring, &producer) : shmem_consumer_open(&ring, &consumer);
  say("open", opened);
  if (opened != SHMEM_OK) return;
  const void *bytes;
  uint32_t length;
  if (strcmp(verb, "hold-consumer") == 0) say("peek", shmem_consumer_peek(&consumer, &bytes, &length));
  if (strcmp(verb, "hold-producer") == 0) say("send", shmem_producer_send(&producer, "first", 5, 0));
  stay();
}

static void both(const char *name) {
  shmem_ring ring;
  shmem_producer producer;
  shmem_consumer consumer;
  must("ring", shmem_ring_open(member, name, &ring));
  must("producer", shmem_producer_open(&ring, &producer));
  must("consumer", shmem_consumer_open(&ring, &consumer));
  say("wait", shmem_consumer_wait(&consumer, SHMEM_FOREVER));
  say("again", shmem_producer_open(&ring, &producer));
}

static shmem_mutex shared_mutex;

static void *elsewhere(void *argument) {
  (void)argument;
  say("lock elsewhere", shmem_mutex_lock(&shared_mutex));
  say("leave elsewhere", shmem_leave(member));
  return NULL;
}

static void misuse(const char *segment, const char *name) {
  shmem_mutex again;
  shmem_member *twice;
  pthread_t thread;
  must("mutex", shmem_mutex_open(member, name, &shared_mutex));
  say("unlock first", shmem_mutex_unlock(&shared_mutex));
  say("mark first", shmem_mutex_mark_consistent(&shared_mutex));
  pthread_create(&thread, NULL, elsewhere, NULL);
  pthread_join(thread, NULL);
  must("lock", shmem_mutex_lock(&shared_mutex));
  say("lock twice", shmem_mutex_lock(&shared_mutex));
  say("try twice", shmem_mutex_trylock(&shared_mutex));
  must("join again", join(segment, "twice", &twice));
  must("mutex again", shmem_mutex_open(twice, name, &again));
  say("lock by the other membership", shmem_mutex_lock(&again));
  say("leave with a lock", shmem_leave(member));
  uint32_t word = *shared_mutex.words;
  *shared_mutex.words = 0;
  say("lock twice over a scribbled word", shmem_mutex_lock(&shared_mutex));
  *shared_mutex.words = word;
  must("leave the other", shmem_leave(twice));
  must("unlock", shmem_mutex_unlock(&shared_mutex));
  static shmem_producer never_opened;
  say("close what was never opened", shmem_producer_close(&never_opened));
}

static const char *thread_segment, *thread_lock;

static void *lock_and_end(void *argument) {
  shmem_member *other;
  shmem_mutex mutex;
  must("join", join(thread_segment, "thread", &other));
  must("mutex", shmem_mutex_open(other, thread_lock, &mutex));
  must("lock", shmem_mutex_lock(&mutex));
  if (argument != NULL) must("abandon", shmem_abandon(other));
  return NULL;
}

static void end_a_thread(const char *verb, const char *segment, const char *lock) {
  pthread_t thread;
  thread_segment = segment;
  thread_lock = lock;
  pthread_create(&thread, NULL, lock_and_end, strcmp(verb, "abandon") == 0 ? &thread : NULL);
  pthread_join(thread, NULL);
  lock_once(lock, SHMEM_FOREVER, "mark");
}

static void fork_a_child(const char *segment, const char *lock) {
  shmem_member *mine;
  must("mutex", shmem_mutex_open(member, lock, &shared_mutex));
  must("lock", shmem_mutex_lock(&shared_mutex));
  pid_t child = fork();
  if (child == 0) {
    say("unlock in the child", shmem_mutex_unlock(&shared_mutex));
    say("leave in the child", shmem_leave(member));
    say("join in the child", join(segment, "c child", &mine));
    stay();
    must("leave", shmem_leave(mine));
    exit(0);
  }
  for (;;) pause();
}

static shmem_member *of_the_first;

static void *join_and_end(void *argument) {
  must("join", join(thread_segment, "first", &of_the_first));
  must("mutex", shmem_mutex_open(of_the_first, thread_lock, &shared_mutex));
  return argument;
}

/* Where libc gives a new thread the stack of the last one, this has all of its addresses. */
static void *use_the_first(void *argument) {
  say("lock by a member that died", shmem_mutex_lock(&shared_mutex));
  say("leave by it", shmem_leave(of_the_first));
  return argument;
}

/* A cancellation waits until there is nothing to lose. */
static void *join_though_cancelled(void *was_there_and_left) {
  shmem_member *mine;
  pthread_cancel(pthread_self());
  *(int *)was_there_and_left = join(thread_segment, "cancelled", &mine) == SHMEM_OK && shmem_leave(mine) == SHMEM_OK;
  return NULL;
}

static void come_late(const char *segment, const char *lock) {
  pthread_t thread;
  shmem_member *left;
  thread_segment = segment;
  thread_lock = lock;
  pthread_create(&thread, NULL, join_and_end, NULL);
  pthread_join(thread, NULL);
  pthread_create(&thread, NULL, use_the_first, NULL);
  pthread_join(thread, NULL);
  must("join", join(segment, "left", &left));
  must("leave", shmem_leave(left));
  say("leave twice", shmem_leave(left));
  int was_there_and_left = 0;
  pthread_create(&thread, NULL, join_though_cancelled, &was_there_and_left);
  pthread_join(thread, NULL);
  printf("cancelled, and left %d\n", was_there_and_left);
}

static void clone_a_child(const char *lock, const char *name) {
  shmem_ring ring;
  shmem_producer producer;
  shmem_consumer consumer;
  const void *bytes;
  uint32_t length;
  must("mutex", shmem_mutex_open(member, lock, &shared_mutex));
  must("lock", shmem_mutex_lock(&shared_mutex));
  must("ring", shmem_ring_open(member, name, &ring));
  must("producer", shmem_producer_open(&ring, &producer));
  must("consumer", shmem_consumer_open(&ring, &consumer));
  must("send", shmem_producer_send(&producer, "one", 3, 0));
  must("peek", shmem_consumer_peek(&consumer, &bytes, &length));
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
  if (child == 0) {
    shmem_consumer_release(&consumer);
    int told = shmem_mutex_unlock(&shared_mutex) == SHMEM_ERR_THREAD && shmem_leave(member) == SHMEM_ERR_THREAD;
    told &= shmem_producer_close(&producer) == SHMEM_ERR_THREAD && shmem_consumer_close(&consumer) == SHMEM_ERR_THREAD;
    _exit(told ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  printf("child %d\n", status);
  printf("released %" PRIu32 "\n", shmem_load_(&shmem_words_(&ring)->head));
  must("close", shmem_consumer_close(&consumer));
  must("close", shmem_producer_close(&producer));
  must("unlock", shmem_mutex_unlock(&shared_mutex));
}

static void meet_a_copy(const char *segment, const char *lock, const char *path) {
  shmem_mutex mutex;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  int (*lock_in_copy)(const char *, const char *) = NULL;
  if (library != NULL) *(void **)&lock_in_copy = dlsym(library, "lock_in_copy");
  if (lock_in_copy == NULL) exit(1);
  say("copy", lock_in_copy(segment, lock));
  must("mutex", shmem_mutex_open(member, lock, &mutex));
  must("lock", shmem_mutex_lock(&mutex));
  say("copy", lock_in_copy(segment, lock));
  must("unlock", shmem_mutex_unlock(&mutex));
}

int main(int count_of_words, char **words) {
  if (count_of_words < 3) return 2;
  const char *verb = words[1], *first = count_of_words > 3 ? words[3] : "";
  int joined = join(words[2], "c peer", &member);
  if (strcmp(verb, "join") == 0 || joined != SHMEM_OK) {
    say("join", joined);
    if (joined != SHMEM_OK) return 0;
    printf("token %" PRIu32 "\n", shmem_token(member));
    fflush(stdout);
    stay();
  } else if (strcmp(verb, "members") == 0) {
    list();
  } else if (strcmp(verb, "find") == 0) {
    shmem_object object;
    int found = shmem_find(member, first, (uint32_t)atoi(words[4]), &object);
    say("find", found);
    if (found == SHMEM_OK) printf("bytes %" PRIu64 " numbers %" PRIu32 " %" PRIu32 "\n", object.size_bytes, object.numbers[0], object.numbers[1]);
  } else if (strcmp(verb, "count") == 0) {
    count(first, words[4], atol(words[5]));
  } else if (strcmp(verb, "lock") == 0) {
    lock_once(first, atoll(words[4]), words[5]);
  } else if (strcmp(verb, "send") == 0) {
    send_all(first, (uint32_t)atol(words[4]));
  } else if (strcmp(verb, "receive") == 0) {
    receive_all(first);
  } else if (strcmp(verb, "try") == 0) {
    try_all(first);
  } else if (strncmp(verb, "hold-", 5) == 0) {
    hold(verb, first);
    return 0;
  } else if (strcmp(verb, "both") == 0) {
    both(first);
    return 0;
  } else if (strcmp(verb, "thread") == 0 || strcmp(verb, "abandon") == 0) {
    end_a_thread(verb, words[2], first);
  } else if (strcmp(verb, "fork") == 0) {
    fork_a_child(words[2], first);
  } else if (strcmp(verb, "late") == 0) {
    come_late(words[2], first);
  } else if (strcmp(verb, "clone") == 0) {
    clone_a_child(first, words[4]);
  } else if (strcmp(verb, "copies") == 0) {
    meet_a_copy(words[2], first, words[4]);
  } else if (strcmp(verb, "misuse") == 0) {
    misuse(words[2], first);
  } else {
    return 2;
  }
  int left = shmem_leave(member);
  if (left != SHMEM_OK) say("leave", left);
  return 0;
}
