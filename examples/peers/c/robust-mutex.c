/**
 * The other side of robust-mutex.ts: a robust pthread mutex in POSIX shared memory, which outlives its owner. Once as the owner that is killed,
 * once as the heir who is told.
 *
 *     cc -O2 -pthread -o robust-mutex examples/peers/c/robust-mutex.c     # robust-mutex.ts starts it
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { TOTAL = 100 };
enum { OWNED = 1, WAITED_FOR = 2 };

static struct {
  pthread_mutex_t mutex;      /* 40 bytes with glibc on x64, 48 on arm64. */
  _Alignas(64) int first;     /* Together with the second TOTAL, whenever nobody has the mutex. */
  int second;
  atomic_int stage;
} *bank;

static void own(void) {
  int result = pthread_mutex_lock(&bank->mutex);
  if (result != 0) errx(1, "pthread_mutex_lock: %s", strerror(result));
  bank->first -= 30;
  puts("C: took 30 from the first account");
  atomic_store(&bank->stage, OWNED);
  pause(); /* Never comes to put it on the second. */
}

static void inherit(void) {
  printf("C: pthread_mutex_trylock is %s\n", pthread_mutex_trylock(&bank->mutex) == EBUSY ? "EBUSY" : "something else");
  atomic_store(&bank->stage, WAITED_FOR);
  int result = pthread_mutex_lock(&bank->mutex);
  if (result != EOWNERDEAD) errx(1, "pthread_mutex_lock: %s", strerror(result));
  printf("C: pthread_mutex_lock is EOWNERDEAD, found %d + %d\n", bank->first, bank->second);
  bank->second = TOTAL - bank->first;
  pthread_mutex_consistent(&bank->mutex); /* Without it the mutex is nobody's for ever. */
  pthread_mutex_unlock(&bank->mutex);
}

int main(int count, char **words) {
  if (count != 3) errx(2, "usage: robust-mutex owner|heir /name");
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* Who waits for ever goes with who started it. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  int fd = shm_open(words[2], O_RDWR, 0);
  if (fd < 0) err(1, "shm_open %s", words[2]);
  bank = mmap(NULL, sizeof *bank, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (bank == MAP_FAILED) err(1, "mmap");
  if (strcmp(words[1], "owner") == 0) own();
  else inherit();
  return 0;
}
