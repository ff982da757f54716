/* The frame of every probe: reads "<case> <iterations> <subject> <size_bytes>" a line and answers one number, of which
 * the probe says what it counts: most often nanoseconds an operation. With a case as arguments it answers that and ends.
 *
 * A probe stays alive for a whole benchmark, so that its samples lie between those of the other side, both warm. A case
 * that fails ends the probe with a sentence on standard error: a number is only printed for calls that all succeeded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static void must(int succeeded, const char *what) {
  if (succeeded) return;
  fprintf(stderr, "probe: %s%s%s\n", what, errno == 0 ? "" : ": ", errno == 0 ? "" : strerror(errno));
  exit(1);
}

/* Defined by each probe: runs the operation of the named case that often and returns the number it is asked for. */
static double run_case(const char *name, long iterations, size_t size_bytes, const char *subject);

static void answer(const char *name, long iterations, const char *subject, size_t size_bytes) {
  must(iterations > 0, "the number of iterations is not positive");
  printf("%.3f\n", run_case(name, iterations, size_bytes, subject));
  fflush(stdout);
}

int main(int count, char **words) {
  char name[64], subject[256];
  long iterations;
  size_t size_bytes;
  if (count >= 3) {
    answer(words[1], strtol(words[2], NULL, 10), count > 3 ? words[3] : "-", count > 4 ? strtoul(words[4], NULL, 10) : 0);
    return 0;
  }
  while (scanf("%63s %ld %255s %zu", name, &iterations, subject, &size_bytes) == 4) {
    answer(name, iterations, subject, size_bytes);
  }
  return 0;
}
