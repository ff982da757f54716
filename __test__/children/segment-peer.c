/*
 * The C side of 12 to 14: reads and writes shared bytes with nothing but libc.
 *
 *   segment-peer posix|file NAME read OFFSET LENGTH      bytes to standard output
 *   segment-peer posix|file NAME write OFFSET TEXT
 *   segment-peer posix|file NAME create SIZE TEXT        makes it, text at its start
 *   segment-peer fd NUMBER read|write ...                the same on an inherited descriptor
 *   segment-peer socket PATH read|write ...              receives the descriptor there first
 *   segment-peer give PATH create SIZE TEXT              makes a memfd and sends it there
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void must(int good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

/* One byte of data carries the descriptor (unix(7)). */
static struct msghdr message(struct iovec *data, char *control, size_t length) {
    memset(control, 0, length);
    return (struct msghdr){ .msg_iov = data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = length };
}

static int receive(const char *path) {
    struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(listener, 1) == 0, "listen");
    int peer = accept(listener, NULL, NULL);
    must(peer >= 0, "accept");
    unlink(path);
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec data = { &byte, 1 };
    struct msghdr header = message(&data, control, sizeof control);
    must(recvmsg(peer, &header, 0) >= 0 && CMSG_FIRSTHDR(&header) != NULL, "recvmsg");
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof fd);
    return fd;
}

static void give(const char *path, int fd) {
    struct sockaddr_un address = address_of(path);
    int peer = socket(AF_UNIX, SOCK_STREAM, 0);
    int tries = 0;
    while (connect(peer, (struct sockaddr *)&address, sizeof address) != 0 && tries++ < 1000) usleep(5000);
    char byte = 'f', control[CMSG_SPACE(sizeof(int))];
    struct iovec data = { &byte, 1 };
    struct msghdr header = message(&data, control, sizeof control);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    must(sendmsg(peer, &header, 0) == 1, "sendmsg");
}

static int opened(const char *kind, const char *name, int create) {
    int flags = O_RDWR | (create ? O_CREAT | O_EXCL : 0);
    if (strcmp(kind, "posix") == 0) return shm_open(name, flags, 0600);
    if (strcmp(kind, "file") == 0) return open(name, flags, 0600);
    if (strcmp(kind, "fd") == 0) return atoi(name);
    if (strcmp(kind, "socket") == 0) return receive(name);
    return memfd_create("from C", 0);
}

int main(int count, char **words) {
    must(count == 6, "six words");
    const char *kind = words[1], *name = words[2], *verb = words[3], *last = words[5];
    size_t first = strtoul(words[4], NULL, 10);
    int create = strcmp(verb, "create") == 0;
    int fd = opened(kind, name, create);
    must(fd >= 0, "open");
    if (create) must(ftruncate(fd, first) == 0, "ftruncate");
    struct stat stat;
    must(fstat(fd, &stat) == 0, "fstat");
    char *bytes = mmap(NULL, stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(bytes != MAP_FAILED, "mmap");
    if (strcmp(verb, "read") == 0) fwrite(bytes + first, 1, strtoul(last, NULL, 10), stdout);
    else memcpy(bytes + (create ? 0 : first), last, strlen(last));
    if (strcmp(kind, "give") == 0) give(name, fd);
    return 0;
}
