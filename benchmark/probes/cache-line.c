/* Two processes hand one cache line to and fro by spinning, with a second line for the way back: nanoseconds one way.
 *
 * Nothing between two processes is faster: one store, and loads until it is seen. The store is an exchange and the loop has
 * a spin hint, since both were measured to be faster than without. "cache-line ping-pong <rounds>"
 */
#include "pair.h"

struct lines {
  own_line atomic_uint there;
  own_line atomic_uint back;
  long rounds;
};

static void await(atomic_uint *line, unsigned round) {
  while (atomic_load_explicit(line, memory_order_acquire) != round) spin_hint();
}

static void echo(void *argument) {
  struct lines *lines = argument;
  for (unsigned round = 1; round <= lines->rounds; round += 1) {
    await(&lines->there, round);
    atomic_store(&lines->back, round);
  }
}

static double run_case(const char *name, long rounds, size_t size_bytes, const char *subject) {
  (void)size_bytes, (void)subject;
  must(strcmp(name, "ping-pong") == 0, "there is no such case");
  struct lines *lines = share(sizeof *lines);
  /* The first tenth starts the other process up and is not counted. */
  long warm_up = rounds / 10 + 1;
  double started_ns = 0;
  lines->rounds = warm_up + rounds;
  pid_t partner = start_partner(echo, lines);
  for (unsigned round = 1; round <= lines->rounds; round += 1) {
    if (round == warm_up + 1) started_ns = now_ns();
    atomic_store(&lines->there, round);
    await(&lines->back, round);
  }
  double took_ns = now_ns() - started_ns;
  await_partner(partner);
  must(munmap(lines, sizeof *lines) == 0, "munmap");
  return took_ns / rounds / 2;
}
