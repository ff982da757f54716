/* A library with a copy of the header of its own, for the verb `copies` of c-peer.c. */
#define SHMEM_IMPLEMENTATION
#include "shmem.h"

int lock_in_copy(const char *segment, const char *lock);

/* Joins, locks for 1 s at most, gives all back. Answers what the lock came to. */
int lock_in_copy(const char *segment, const char *lock) {
  shmem_member *member;
  shmem_mutex mutex;
  int result = shmem_join(segment, "copy", &member);
  if (result != SHMEM_OK) return result;
  result = shmem_mutex_open(member, lock, &mutex);
  if (result == SHMEM_OK) {
    result = shmem_mutex_timedlock(&mutex, 1000000000);
    if (result == SHMEM_OK) shmem_mutex_unlock(&mutex);
  }
  shmem_leave(member);
  return result;
}
