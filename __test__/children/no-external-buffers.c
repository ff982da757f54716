/*
 * Makes the runtime one that forbids external buffers, as Electron does: preloaded, it gives whoever looks for
 * napi_create_external_arraybuffer() one that answers napi_no_external_buffers_allowed. Our image finds Node-API's functions by dlsym(3).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

static int forbidden(void) {
  return 22;
}

void *dlsym(void *handle, const char *name) {
  void *(*real)(void *, const char *) = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", SINCE);
  return strcmp(name, "napi_create_external_arraybuffer") == 0 ? (void *)forbidden : real(handle, name);
}
