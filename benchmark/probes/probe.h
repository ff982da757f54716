/* The frame of every probe: reads "<case> <iterations> <size_bytes> <subject>" a line, answers nanoseconds an operation.
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
  fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* Defined by each probe: runs the operation of the named case that often and returns the nanoseconds it took. */
static double run_case(const char *name, long iterations, size_t size_bytes, const char *subject);

int main(void) {
  char name[64], subject[256];
  long iterations;
  size_t size_bytes;
  while (scanf("%63s %ld %zu %255s", name, &iterations, &size_bytes, subject) == 4) {
    printf("%.3f\n", run_case(name, iterations, size_bytes, subject) / iterations);
    fflush(stdout);
  }
  return 0;
}
