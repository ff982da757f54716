/**
 * semaphore-pipe.ts in C: the same objects, the same turns, the same words at the end. Each can be the other side of the other.
 *
 *     cc -O2 -o semaphore-pipe examples/semaphore-pipe.c
 *     ./semaphore-pipe send < some.file      # says what to run next, here or as `node dist/examples/semaphore-pipe.js receive 98305`
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <unistd.h>

enum { SENDERS_TURN, RECEIVERS_TURN };
enum { BLOCK_BYTES = 65536, ALL_TAKEN = -1 };
static struct {
  _Atomic int set;    /* The semaphores' identifier + 1; 0: none yet. */
  _Atomic int length; /* Bytes in the block; 0 ends; ALL_TAKEN: the receiver has written everything. */
  char block[BLOCK_BYTES];
} *shared;
static int sending, segment, set;
static size_t total_bytes, total_blocks;
static volatile sig_atomic_t stopped_by;

static void leave(const char *problem) {
  semctl(set, 0, IPC_RMID); /* Fails if the other side was faster. */
  fprintf(stderr, "%s: %zu bytes in %zu blocks", sending ? "send" : "receive", total_bytes, total_blocks);
  fprintf(stderr, "%s%s\n", problem ? ", then: " : "", problem ? problem : "");
  exit(problem ? 1 : 0);
}

/* What a system call answered; -1 if a signal cut it short. The timer's does, four times a second, to look after the other side. */
static long step(long result) {
  struct shmid_ds ds;
  if (result >= 0) return result;
  if (errno != EINTR) leave(strerror(errno));
  if (stopped_by != 0) leave(strsignal(stopped_by));
  if (shmctl(segment, IPC_STAT, &ds) == 0 && ds.shm_nattch < 2 && shared->length != ALL_TAKEN) leave("the other side has gone");
  return -1;
}

static void on_signal(int number) { if (number != SIGALRM) stopped_by = number; }

static void turn(unsigned short index) {
  while (step(semop(set, &(struct sembuf){index, -1, 0}, 1)) < 0) continue;
}

static void pass(unsigned short index, long bytes) {
  while (step(semop(set, &(struct sembuf){index, +1, 0}, 1)) < 0) continue;
  total_bytes += bytes;
  total_blocks += bytes > 0;
}

static void send_all(void) {
  for (long bytes = 1; bytes > 0; pass(RECEIVERS_TURN, bytes)) {
    turn(SENDERS_TURN);
    while ((bytes = step(read(STDIN_FILENO, shared->block, BLOCK_BYTES))) < 0) continue;
    shared->length = (int)bytes;
  }
  while (shared->length != ALL_TAKEN) step(usleep(5000));
}

static void receive_all(void) {
  for (turn(RECEIVERS_TURN); shared->length != 0; turn(RECEIVERS_TURN)) {
    long length = shared->length, done = 0;
    if (length < 0 || length > BLOCK_BYTES) leave("a length that cannot be");
    while (done < length) {
      long bytes = step(write(STDOUT_FILENO, shared->block + done, length - done));
      if (bytes > 0) done += bytes;
    }
    pass(SENDERS_TURN, length);
  }
  shared->length = ALL_TAKEN;
}

/* The first one waits for the second, which brings the semaphores. */
static void meet(int is_first) {
  if (is_first) {
    shmctl(segment, IPC_RMID, NULL);
    fprintf(stderr, "now run: semaphore-pipe %s %d\n", sending ? "receive" : "send", segment);
    while (shared->set == 0) usleep(20000);
    set = shared->set - 1;
  } else {
    if ((set = semget(IPC_PRIVATE, 2, 0600)) < 0) err(1, "semget");
    semctl(set, SENDERS_TURN, SETVAL, 1);
    shared->set = set + 1;
  }
}

int main(int count, char **words) {
  struct shmid_ds ds;
  if (count < 2 || (strcmp(words[1], "send") != 0 && strcmp(words[1], "receive") != 0)) errx(1, "usage: semaphore-pipe send|receive [identifier]");
  sending = strcmp(words[1], "send") == 0;
  segment = count > 2 ? atoi(words[2]) : shmget(IPC_PRIVATE, sizeof *shared, 0600);
  if (segment < 0 || shmctl(segment, IPC_STAT, &ds) < 0) err(1, "segment");
  if (ds.shm_segsz != sizeof *shared) errx(1, "segment %d is not of semaphore-pipe", segment);
  if ((shared = shmat(segment, NULL, 0)) == (void *)-1) err(1, "shmat");
  meet(count == 2);

  struct sigaction action = {.sa_handler = on_signal}; /* Without SA_RESTART: waits end with EINTR. */
  const int numbers[] = {SIGALRM, SIGINT, SIGTERM, SIGHUP};
  for (int index = 0; index < 4; index++) sigaction(numbers[index], &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 250000}, {0, 250000}}, NULL);
  if (sending) send_all(); else receive_all();
  leave(NULL);
}
