/* memcpy into and out of a POSIX segment that the benchmark made: both sides copy to the very same pages. */
#include "probe.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { room_bytes = 1024 * 1024 };

static unsigned char *shared;
static unsigned char *private;

/* Maps the segment at the first case; every byte of the private side is 0xC5 before it is copied in. */
static void prepare(const char *name) {
  int fd = shm_open(name, O_RDWR, 0);
  must(fd >= 0, "shm_open");
  shared = mmap(NULL, room_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  must(shared != MAP_FAILED, "mmap");
  must(close(fd) == 0, "close");
  private = malloc(room_bytes);
  must(private != NULL, "malloc");
  memset(private, 0xC5, room_bytes);
}

static double run_case(const char *name, long iterations, size_t size_bytes, const char *subject) {
  if (shared == NULL) prepare(subject);
  unsigned char *target = strcmp(name, "write") == 0 ? shared : private;
  unsigned char *source = strcmp(name, "write") == 0 ? private : shared;
  double started_ns = now_ns();
  for (long count = 0; count < iterations; count += 1) {
    memcpy(target, source, size_bytes);
    /* Otherwise the compiler may copy once and be right. */
    __asm__ volatile("" : : "r"(target), "r"(source) : "memory");
  }
  double took_ns = now_ns() - started_ns;
  must(memcmp(shared, private, size_bytes) == 0, "the copy differs");
  memset(private, 0xC5, room_bytes);
  return took_ns / iterations;
}
