/*
 * Takes the open-file-description lock of one byte of a file, says "held", and keeps it: an initialiser of a managed segment that is
 * stopped. Arguments: path, byte, and how many (1; 0 is all from there).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) return 2;
  int fd = open(argv[1], O_RDWR);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = atoll(argv[2]), .l_len = argc == 4 ? atoll(argv[3]) : 1};
  if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    perror("byte-holder");
    return 1;
  }
  puts("held");
  fflush(stdout);
  pause();
  return 0;
}
