/* The least a buffer over foreign memory costs in Node: create an external ArrayBuffer, detach it, have it finalized.
 *
 * A Node-API addon without any header of Node: the interface is stable, and these are the few functions that it takes.
 */
#include <stddef.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
typedef void (*napi_finalize)(napi_env, void *, void *);

extern int napi_create_external_arraybuffer(napi_env, void *, size_t, napi_finalize, void *, napi_value *);
extern int napi_detach_arraybuffer(napi_env, napi_value);
extern int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);

static char memory[65536] __attribute__((aligned(4096)));

static void finalize(napi_env env, void *data, void *hint) {
  (void)env, (void)data, (void)hint;
}

static napi_value create_and_detach(napi_env env, napi_callback_info info) {
  napi_value buffer = NULL;
  (void)info;
  if (napi_create_external_arraybuffer(env, memory, sizeof memory, finalize, NULL, &buffer) != 0) return NULL;
  if (napi_detach_arraybuffer(env, buffer) != 0) return NULL;
  return buffer;
}

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  (void)exports;
  napi_value function = NULL;
  napi_create_function(env, "createAndDetach", (size_t)-1, create_and_detach, NULL, &function);
  return function;
}
