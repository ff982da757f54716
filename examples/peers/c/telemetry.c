/**
 * The other side of telemetry.ts: a struct that TypeScript defines, and turns that both sides wait for with futex(2), as Atomics.wait would.
 *
 *     node dist/examples/peers/c/telemetry.js header > telemetry.h     # the struct, written by struct().toC()
 *     cc -O2 -I . -o telemetry examples/peers/c/telemetry.c -lm        # telemetry.ts starts it
 */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "telemetry.h"

enum { NODES_TURN, CS_TURN }; /* And over. */

/* FUTEX_WAIT and FUTEX_WAKE, without FUTEX_PRIVATE_FLAG: that one never leaves the process. */
static int32_t next_turn(int32_t *turn) {
  int32_t whose;
  while ((whose = __atomic_load_n(turn, __ATOMIC_ACQUIRE)) == NODES_TURN) syscall(SYS_futex, turn, FUTEX_WAIT, NODES_TURN, NULL, NULL, 0);
  return whose;
}

static void pass(int32_t *turn) {
  __atomic_store_n(turn, NODES_TURN, __ATOMIC_RELEASE);
  syscall(SYS_futex, turn, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int main(int count, char **words) {
  if (count != 2) errx(2, "usage: telemetry /name");
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* Nobody wakes who sleeps on a futex when the other side is killed. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  int fd = shm_open(words[1], O_RDWR, 0);
  if (fd < 0) err(1, "shm_open %s", words[1]);
  Telemetry *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) err(1, "mmap");
  while (next_turn(&shared->turn) == CS_TURN) {
    printf("C: \"%.*s\" goes to %g, %g\n", (int)sizeof shared->leg, shared->leg, shared->target.x, shared->target.y);
    shared->legs += 1;
    shared->distance += hypot(shared->target.x, shared->target.y);
    for (int i = 0; i < 4; i++) shared->rotors[i] = 0.5f * i + shared->legs;
    pass(&shared->turn);
  }
  return 0;
}
