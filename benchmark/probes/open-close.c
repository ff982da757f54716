/* Open, map and close a segment that exists; its size is asked, as an opener must. */
#include "probe.h"
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

static void map_and_close(int fd) {
  struct stat status;
  must(fd >= 0, "open");
  must(fstat(fd, &status) == 0, "fstat");
  void *memory = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(memory != MAP_FAILED, "mmap");
  must(close(fd) == 0, "close");
  must(munmap(memory, status.st_size) == 0, "munmap");
}

static void posix_once(const char *name) { map_and_close(shm_open(name, O_RDWR, 0)); }

static void file_once(const char *path) { map_and_close(open(path, O_RDWR | O_CLOEXEC)); }

static void sysv_once(const char *key) {
  struct shmid_ds status;
  int id = shmget((key_t)strtol(key, NULL, 0), 0, 0);
  must(id >= 0, "shmget");
  must(shmctl(id, IPC_STAT, &status) == 0, "shmctl");
  void *memory = shmat(id, NULL, 0);
  must(memory != (void *)-1, "shmat");
  must(shmdt(memory) == 0, "shmdt");
}

static double run_case(const char *name, long iterations, size_t size_bytes, const char *subject) {
  (void)size_bytes;
  void (*once)(const char *) = strcmp(name, "posix") == 0 ? posix_once : strcmp(name, "file") == 0 ? file_once : sysv_once;
  double started_ns = now_ns();
  for (long count = 0; count < iterations; count += 1) once(subject);
  return (now_ns() - started_ns) / iterations;
}
