/**
 * What lets Debian's libgcc_eh, which was built for glibc, unwind a static program of musl: for scripts/test-musl.mjs.
 * Its only way to the unwind tables is glibc's _dl_find_object(3); here it is, by dl_iterate_phdr(3), which musl has.
 */
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stdint.h>

/** glibc's dlfcn.h; the caller reserves the whole of it. */
struct dl_find_object {
  unsigned long long flags;
  void *map_start, *map_end;
  struct link_map *link_map;
  void *eh_frame;
  unsigned long long reserved[7];
};

struct search {
  uintptr_t pc;
  struct dl_find_object *found;
};

/** libgcc_eh names these weakly, and calls them all where it sees one: each must be in the program. */
void *const musl_unwind_needs[] = {
  (void *)pthread_getspecific, (void *)pthread_key_create, (void *)pthread_mutex_lock,
  (void *)pthread_mutex_unlock, (void *)pthread_once, (void *)pthread_setspecific,
};

static int look(struct dl_phdr_info *info, size_t size, void *argument) {
  static _Thread_local struct link_map map;
  struct search *search = argument;
  const ElfW(Phdr) *inside = NULL, *table = NULL;
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + header->p_vaddr;
    if (header->p_type == PT_GNU_EH_FRAME) table = header;
    if (header->p_type == PT_LOAD && search->pc - start < header->p_memsz) inside = header;
  }
  if (!inside || !table) return 0;
  map.l_addr = info->dlpi_addr;
  *search->found = (struct dl_find_object){
    .map_start = (void *)(info->dlpi_addr + inside->p_vaddr),
    .map_end = (void *)(info->dlpi_addr + inside->p_vaddr + inside->p_memsz),
    .link_map = &map,
    .eh_frame = (void *)(info->dlpi_addr + table->p_vaddr),
  };
  return 1;
}

int _dl_find_object(void *pc, struct dl_find_object *found) {
  struct search search = { (uintptr_t)pc, found };
  return dl_iterate_phdr(look, &search) ? 0 : -1;
}
