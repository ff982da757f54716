/* What a probe of two processes needs beside the frame: memory that both see, and a second process that dies with the first. */
#include "probe.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two lines: processors fetch the neighbour of a line together with it. */
#define own_line _Alignas(128)

/* Tells the processor that this is a spin loop: on one that shares a core with its partner, that halves the way. */
static inline void spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void *share(size_t size_bytes) {
  void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  must(memory != MAP_FAILED, "mmap");
  return memory;
}

/* Runs `run(argument)` in a second process, which ends when it returns. */
static pid_t start_partner(void (*run)(void *), void *argument) {
  pid_t parent = getpid();
  pid_t partner = fork();
  must(partner >= 0, "fork");
  if (partner > 0) return partner;
  /* It would spin for ever for a parent that was killed. */
  must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
  if (getppid() == parent) run(argument);
  _exit(0);
}

/* Whichever of several ends first: one that failed must not leave us waiting for those that wait for it. */
__attribute__((unused)) static void await_any_partner(void) {
  int status;
  must(waitpid(-1, &status, 0) > 0, "waitpid");
  must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a partner failed");
}

__attribute__((unused)) static void await_partner(pid_t partner) {
  int status;
  must(waitpid(partner, &status, 0) == partner, "waitpid");
  must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the second process failed");
}
