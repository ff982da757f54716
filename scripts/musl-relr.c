/**
 * Lets Debian's musl 1.2.3 run a Bun that was built on a newer Alpine, for scripts/check-image.mjs: preloaded, it does the
 * relocations of DT_RELR, which musl knows since 1.2.4. Its constructor comes first, since preloaded objects are the program's
 * first dependencies. (Node.js takes copies of what is not relocated yet, and cannot be helped so.)
 */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define TAG_RELRSZ 35
#define TAG_RELR 36

/** The value of an entry of an object's dynamic section; 0 where there is none. */
static uintptr_t value_of(const struct dl_phdr_info *info, ElfW(Sxword) tag) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const ElfW(Dyn) *entry = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; entry++) {
      if (entry->d_tag == tag) return entry->d_un.d_val;
    }
  }
  return 0;
}

/** Adds the load address to a word that holds an offset from it, also where RELRO has made its page read-only. */
static void relocate(uintptr_t *place, uintptr_t base) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  mprotect((void *)((uintptr_t)place & -page), page, PROT_READ | PROT_WRITE);
  *place += base;
}

static int relocate_object(struct dl_phdr_info *info, size_t size, void *argument) {
  uintptr_t base = info->dlpi_addr, bytes = value_of(info, TAG_RELRSZ), *place = NULL;
  const uintptr_t *relr = (const void *)(base + value_of(info, TAG_RELR));
  (void)size, (void)argument;
  for (; bytes > 0; relr++, bytes -= sizeof *relr) {
    if ((*relr & 1) == 0) {
      // An address; the bitmaps behind it are of the words that follow.
      place = (uintptr_t *)(base + *relr);
      relocate(place++, base);
      continue;
    }
    for (int bit = 1; bit < 64; bit++) {
      if (*relr >> bit & 1) relocate(place + bit - 1, base);
    }
    place += 63;
  }
  return 0;
}

__attribute__((constructor)) static void finish(void) {
  dl_iterate_phdr(relocate_object, NULL);
}
