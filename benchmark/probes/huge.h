/* What probes of huge pages have in common: a mapping that huge pages fit into, and advice that is newer than the compiler's headers (Linux 5.14, 6.1). */
#include <sys/mman.h>
#include <unistd.h>

enum { populate_read = 22, populate_write = 23, collapse = 25, huge_page_bytes = 2 * 1024 * 1024 };

/* Where a memfd's mapping begins is the kernel's to choose: only a whole huge page's multiple can hold one. */
static void *map_aligned(int fd, size_t size_bytes) {
  char *room = mmap(NULL, size_bytes + huge_page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  must(room != MAP_FAILED, "mmap");
  size_t before = (huge_page_bytes - (size_t)room % huge_page_bytes) % huge_page_bytes;
  void *address = mmap(room + before, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  must(address != MAP_FAILED, "mmap");
  if (before > 0) must(munmap(room, before) == 0, "munmap");
  if (before < huge_page_bytes) must(munmap(room + before + size_bytes, huge_page_bytes - before) == 0, "munmap");
  return address;
}
