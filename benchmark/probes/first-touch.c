/* The first touch of a memfd's pages, in milliseconds: "touch" one by one, "populate" by madvise, "lock" by mlock, "collapse"
 * by populating and then making huge pages of it; with "-huge" behind the name after the
 * advice for transparent huge pages. "faults" answers how many page faults the case before took. */
#include "probe.h"
#include "huge.h"
#include <sys/resource.h>

enum { page_bytes = 4096 };

static long last_faults;

static long faults(void) {
  struct rusage usage;
  must(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
  return usage.ru_minflt + usage.ru_majflt;
}

static void bring_in(const char *name, volatile unsigned char *address, size_t size_bytes) {
  if (strncmp(name, "touch", 5) == 0) {
    for (size_t at = 0; at < size_bytes; at += page_bytes) address[at] = 1;
  } else if (strncmp(name, "populate", 8) == 0) {
    must(madvise((void *)address, size_bytes, populate_write) == 0, "MADV_POPULATE_WRITE");
  } else if (strcmp(name, "collapse") == 0) {
    must(madvise((void *)address, size_bytes, populate_write) == 0, "MADV_POPULATE_WRITE");
    must(madvise((void *)address, size_bytes, collapse) == 0, "MADV_COLLAPSE");
  } else {
    must(mlock((void *)address, size_bytes) == 0, "mlock");
  }
}

static double run_case(const char *name, long iterations, size_t size_bytes, const char *subject) {
  (void)iterations;
  if (strcmp(name, "faults") == 0) return (double)last_faults;
  int fd = memfd_create(subject, MFD_CLOEXEC);
  must(fd >= 0, "memfd_create");
  must(ftruncate(fd, (off_t)size_bytes) == 0, "ftruncate");
  void *address = map_aligned(fd, size_bytes);
  if (strcmp(name, "collapse") != 0) {
    int advice = strstr(name, "-huge") != NULL ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
    must(madvise(address, size_bytes, advice) == 0, "madvise");
  }
  long faults_before = faults();
  double started_ns = now_ns();
  bring_in(name, address, size_bytes);
  double took_ns = now_ns() - started_ns;
  last_faults = faults() - faults_before;
  must(munmap(address, size_bytes) == 0, "munmap");
  must(close(fd) == 0, "close");
  return took_ns / 1e6;
}
