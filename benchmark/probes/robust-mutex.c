/* A process-shared pthread mutex, alone and fought for.
 *
 * "robust-mutex uncontended <rounds>": nanoseconds a lock and unlock.
 * "robust-mutex contended <ms>": two processes increment one counter under it; increments a second of both.
 * "plain-…" is the same with a mutex that is not robust.
 */
#include "pair.h"
#include "robust-mutex.h"

/* Asking for the time costs as much as an increment. */
enum { increments_a_clock = 64 };

struct contest {
  own_line pthread_mutex_t mutex;
  own_line volatile long counter;
  own_line double ends_at_ns;
  double starts_at_ns;
  long partners_increments;
};

static long increment(struct contest *contest) {
  long increments = 0;
  while (now_ns() < contest->starts_at_ns) continue;
  while (now_ns() < contest->ends_at_ns) {
    for (int round = 0; round < increments_a_clock; round += 1) {
      must(pthread_mutex_lock(&contest->mutex) == 0, "pthread_mutex_lock");
      contest->counter += 1;
      must(pthread_mutex_unlock(&contest->mutex) == 0, "pthread_mutex_unlock");
    }
    increments += increments_a_clock;
  }
  return increments;
}

static void take_part(void *argument) {
  struct contest *contest = argument;
  contest->partners_increments = increment(contest);
}

static double fight(struct contest *contest, long duration_ms) {
  /* Long enough for a process to start. */
  contest->starts_at_ns = now_ns() + 2e6;
  contest->ends_at_ns = contest->starts_at_ns + duration_ms * 1e6;
  pid_t partner = start_partner(take_part, contest);
  long increments = increment(contest);
  await_partner(partner);
  increments += contest->partners_increments;
  must(contest->counter == increments, "increments are lost");
  must(contest->partners_increments > 0 && contest->partners_increments < increments, "only one process got the lock");
  return increments * 1e3 / duration_ms;
}

static double lock_alone(struct contest *contest, long rounds) {
  must(lock_and_unlock(&contest->mutex, rounds / 10 + 1) == 0, "pthread_mutex_lock");
  double started_ns = now_ns();
  must(lock_and_unlock(&contest->mutex, rounds) == 0, "pthread_mutex_lock");
  return (now_ns() - started_ns) / rounds;
}

static double run_case(const char *name, long iterations, size_t size_bytes, const char *subject) {
  (void)size_bytes, (void)subject;
  int is_plain = strncmp(name, "plain-", 6) == 0;
  const char *contest_name = is_plain ? name + 6 : name;
  int is_contended = strcmp(contest_name, "contended") == 0;
  must(is_contended || strcmp(contest_name, "uncontended") == 0, "there is no such case");
  struct contest *contest = share(sizeof *contest);
  must(make_mutex(&contest->mutex, !is_plain) == 0, "pthread_mutex_init");
  double answer = is_contended ? fight(contest, iterations) : lock_alone(contest, iterations);
  must(pthread_mutex_destroy(&contest->mutex) == 0, "pthread_mutex_destroy");
  must(munmap(contest, sizeof *contest) == 0, "munmap");
  return answer;
}
