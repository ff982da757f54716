/* Create, map, close and remove one segment of each kind, as a careful C program does it: exact mode, memory reserved. */
#include "probe.h"
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

static void map_and_close(int fd, size_t size_bytes) {
  must(fd >= 0, "open");
  must(fchmod(fd, 0600) == 0, "fchmod");
  must(fallocate(fd, 0, 0, size_bytes) == 0, "fallocate");
  void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(memory != MAP_FAILED, "mmap");
  must(close(fd) == 0, "close");
  must(munmap(memory, size_bytes) == 0, "munmap");
}

static void posix_once(size_t size_bytes, const char *name) {
  map_and_close(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600), size_bytes);
  must(shm_unlink(name) == 0, "shm_unlink");
}

static void memfd_once(size_t size_bytes, const char *name) {
  map_and_close(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), size_bytes);
}

static void file_once(size_t size_bytes, const char *path) {
  map_and_close(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), size_bytes);
  must(unlink(path) == 0, "unlink");
}

static void sysv_once(size_t size_bytes, const char *unused) {
  (void)unused;
  int id = shmget(IPC_PRIVATE, size_bytes, IPC_CREAT | IPC_EXCL | 0600);
  must(id >= 0, "shmget");
  void *memory = shmat(id, NULL, 0);
  must(memory != (void *)-1, "shmat");
  must(shmctl(id, IPC_RMID, NULL) == 0, "shmctl");
  must(shmdt(memory) == 0, "shmdt");
}

static double run_case(const char *name, long iterations, size_t size_bytes, const char *subject) {
  void (*once)(size_t, const char *) = strcmp(name, "posix") == 0   ? posix_once
                                       : strcmp(name, "memfd") == 0 ? memfd_once
                                       : strcmp(name, "file") == 0  ? file_once
                                                                    : sysv_once;
  double started_ns = now_ns();
  for (long count = 0; count < iterations; count += 1) once(size_bytes, subject);
  return (now_ns() - started_ns) / iterations;
}
