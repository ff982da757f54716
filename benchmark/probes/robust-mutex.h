/* A process-shared pthread mutex, robust or not, and what its lock and unlock cost alone: for the probe and the addon. */
#include <pthread.h>

static int make_mutex(pthread_mutex_t *mutex, int is_robust) {
  pthread_mutexattr_t attributes;
  int failure = pthread_mutexattr_init(&attributes);
  if (failure == 0) failure = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (failure == 0 && is_robust) failure = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (failure == 0) failure = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return failure;
}

/* Locks and unlocks that often; 0 unless one of the calls failed. */
static int lock_and_unlock(pthread_mutex_t *mutex, long rounds) {
  int failure = 0;
  for (long round = 0; round < rounds; round += 1) {
    failure |= pthread_mutex_lock(mutex);
    failure |= pthread_mutex_unlock(mutex);
  }
  return failure;
}
