/* Dependent random reads over the very pages that the benchmark made: "base" as they are, "huge" mapped by transparent huge pages.
 * The subject is the path of the memory's descriptor in /proc. Every word holds the same number, so that the walk is known without the memory. */
#include "probe.h"
#include "huge.h"
#include <fcntl.h>
#include <stdint.h>

static const uint32_t word = 0x9e3779b9;

static const uint32_t *words;
static size_t mapped_bytes;
static char mapped[256];
static uint32_t place = 1;

static uint32_t step(uint32_t x) {
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return x;
}

static void map(const char *path, size_t size_bytes, int huge) {
  if (words != NULL) must(munmap((void *)words, mapped_bytes) == 0, "munmap");
  int fd = open(path, O_RDWR | O_CLOEXEC);
  must(fd >= 0, "open");
  void *address = map_aligned(fd, size_bytes);
  must(close(fd) == 0, "close");
  must(madvise(address, size_bytes, populate_read) == 0, "MADV_POPULATE_READ");
  if (huge) must(madvise(address, size_bytes, collapse) == 0, "MADV_COLLAPSE");
  words = address;
  mapped_bytes = size_bytes;
  snprintf(mapped, sizeof mapped, "%s", path);
}

static double run_case(const char *name, long iterations, size_t size_bytes, const char *subject) {
  if (strcmp(name, "leave") == 0) {
    if (words != NULL) must(munmap((void *)words, mapped_bytes) == 0, "munmap");
    words = NULL;
    mapped[0] = 0;
    return 0;
  }
  if (strcmp(mapped, subject) != 0) map(subject, size_bytes, strcmp(name, "huge") == 0);
  const uint32_t mask = (uint32_t)(size_bytes / sizeof *words - 1);
  uint32_t expected = place;
  for (long count = 0; count < iterations; count += 1) expected = step(expected) + word;
  double started_ns = now_ns();
  for (long count = 0; count < iterations; count += 1) {
    uint32_t next = step(place);
    place = next + words[next & mask];
  }
  double took_ns = now_ns() - started_ns;
  must(place == expected, "other words were read");
  return took_ns / iterations;
}
