/* The uncontended robust mutex inside Node: lockAndUnlock(rounds) answers nanoseconds a lock and unlock.
 *
 * The loop is in C, so no call from JavaScript is counted. A Node-API addon without any header of Node, as array-buffer.c.
 */
#include "robust-mutex.h"
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

extern int napi_create_double(napi_env, double, napi_value *);
extern int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
extern int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
extern int napi_get_value_double(napi_env, napi_value, double *);

static pthread_mutex_t *mutex;

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

/* Undefined if a call failed. */
static napi_value measure(napi_env env, napi_callback_info info) {
  size_t count = 1;
  double rounds = 0;
  napi_value argument = NULL, answer = NULL;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != 0) return NULL;
  if (napi_get_value_double(env, argument, &rounds) != 0) return NULL;
  double started_ns = now_ns();
  if (lock_and_unlock(mutex, (long)rounds) != 0) return NULL;
  if (napi_create_double(env, (now_ns() - started_ns) / rounds, &answer) != 0) return NULL;
  return answer;
}

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  (void)exports;
  napi_value function = NULL;
  mutex = mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (mutex == MAP_FAILED || make_mutex(mutex, 1) != 0) return NULL;
  napi_create_function(env, "lockAndUnlock", (size_t)-1, measure, NULL, &function);
  return function;
}
