/*
 * LD_PRELOAD into node: the runtime then answers as Electron does when native code asks for an ArrayBuffer over memory of its own
 * (napi_no_external_buffers_allowed). The image finds Node-API by dlsym(3), which is ours here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static int refuse(void *env, void *data, size_t bytes, void *finalize, void *hint, void *result) {
  (void)env, (void)data, (void)bytes, (void)finalize, (void)hint, (void)result;
  return 22;
}

void *dlsym(void *handle, const char *name) {
  static void *(*real)(void *, const char *);
  if (real == NULL) {
    /* The name under which every glibc has it, by machine. */
    const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"};
    for (size_t i = 0; real == NULL && i < sizeof versions / sizeof *versions; i++) {
      *(void **)&real = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
    }
  }
  if (strcmp(name, "napi_create_external_arraybuffer") == 0 || strcmp(name, "node_api_create_external_sharedarraybuffer") == 0) {
    return (void *)refuse;
  }
  return real(handle, name);
}
