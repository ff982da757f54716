/* Two processes wake each other in turns through a futex each: nanoseconds one way.
 *
 * "futex-hand-over spin <rounds> <spin_ns>" looks at the word for so long before it sleeps; "sleep <rounds>" sleeps at once.
 * The word is an event that resets itself: the waker makes one system call only if somebody sleeps.
 */
#include "pair.h"
#include <linux/futex.h>
#include <sys/syscall.h>

enum { unset, set, slept_on };

struct events {
  own_line atomic_uint there;
  own_line atomic_uint back;
  long rounds;
  double spin_ns;
};

static void wake(atomic_uint *event) {
  if (atomic_exchange(event, set) != slept_on) return;
  must(syscall(SYS_futex, event, FUTEX_WAKE, 1, NULL, NULL, 0) >= 0, "FUTEX_WAKE");
}

static int take(atomic_uint *event) {
  unsigned expected = set;
  return atomic_load_explicit(event, memory_order_relaxed) == set && atomic_compare_exchange_strong(event, &expected, unset);
}

static int spin(atomic_uint *event, double spin_ns) {
  /* Asking for the time costs as much as a hand-over. */
  enum { looks_a_clock = 16 };
  double started_ns = 0;
  for (;;) {
    for (int look = 0; look < looks_a_clock; look += 1) {
      if (take(event)) return 1;
      spin_hint();
    }
    double time_ns = now_ns();
    if (started_ns == 0) started_ns = time_ns;
    if (time_ns - started_ns >= spin_ns) return 0;
  }
}

static void await(atomic_uint *event, double spin_ns) {
  if (spin_ns > 0 && spin(event, spin_ns)) return;
  while (!take(event)) {
    unsigned expected = unset;
    if (!atomic_compare_exchange_strong(event, &expected, slept_on) && expected == set) continue;
    long outcome = syscall(SYS_futex, event, FUTEX_WAIT, slept_on, NULL, NULL, 0);
    must(outcome == 0 || errno == EAGAIN || errno == EINTR, "FUTEX_WAIT");
  }
}

static void echo(void *argument) {
  struct events *events = argument;
  for (long round = 0; round < events->rounds; round += 1) {
    await(&events->there, events->spin_ns);
    wake(&events->back);
  }
}

static double run_case(const char *name, long rounds, size_t size_bytes, const char *spin_ns) {
  (void)size_bytes;
  must(strcmp(name, "spin") == 0 || strcmp(name, "sleep") == 0, "there is no such case");
  struct events *events = share(sizeof *events);
  /* The first tenth starts the other process up and is not counted. */
  long warm_up = rounds / 10 + 1;
  double started_ns = 0;
  events->rounds = warm_up + rounds;
  events->spin_ns = strcmp(name, "spin") == 0 ? strtod(spin_ns, NULL) : 0;
  pid_t partner = start_partner(echo, events);
  for (long round = 0; round < events->rounds; round += 1) {
    if (round == warm_up) started_ns = now_ns();
    wake(&events->there);
    await(&events->back, events->spin_ns);
  }
  double took_ns = now_ns() - started_ns;
  await_partner(partner);
  must(munmap(events, sizeof *events) == 0, "munmap");
  return took_ns / rounds / 2;
}
