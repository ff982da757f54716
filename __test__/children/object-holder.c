/*
 * Holds an object in one of several ways until it is killed, as software without this library does: `object-holder <path> <mode> <how>` says `held`.
 * `mapped`: in its address space only; `open`: by a descriptor only; `leaderless`: by a descriptor, when its first thread has ended.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_t first;

static void wait_for_the_end(void) {
  puts("held");
  fflush(stdout);
  for (;;) pause();
}

static void *outlive(void *unused) {
  (void)unused;
  pthread_join(first, NULL);
  /* Joined is not yet a zombie: the kernel takes the descriptors away a moment later. */
  char state[64] = "";
  while (strstr(state, ") Z") == NULL) {
    FILE *stat = fopen("/proc/self/stat", "r");
    if (stat == NULL || fgets(state, sizeof state, stat) == NULL) exit(1);
    fclose(stat);
  }
  wait_for_the_end();
  return NULL;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  umask(0);
  int fd = open(words[1], O_RDWR | O_CREAT, (mode_t)strtol(words[2], NULL, 8));
  if (fd < 0 || ftruncate(fd, 4096) != 0) return 1;
  if (strcmp(words[3], "mapped") == 0) {
    if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED) return 1;
    close(fd);
  }
  if (strcmp(words[3], "leaderless") == 0) {
    pthread_t other;
    first = pthread_self();
    if (pthread_create(&other, NULL, outlive, NULL) != 0) return 1;
    pthread_exit(NULL);
  }
  wait_for_the_end();
}
