/**
 * A System V segment as C sees it, for the tests: copies standard input into one, or one to standard output, by the calls of the
 * manual pages alone.
 *
 *   create <key> <bytes>   makes a segment, fills it from standard input, prints its identifier
 *   fill <key>             overwrites an existing one from standard input
 *   print <key>            prints all of its bytes
 *   ftok <project> <path>  prints ftok(path, project)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static int fail(const char *call)
{
    perror(call);
    return EXIT_FAILURE;
}

static int segment(const char *verb, key_t key, size_t size)
{
    int creating = strcmp(verb, "create") == 0;
    int id = shmget(key, size, creating ? IPC_CREAT | IPC_EXCL | 0600 : 0);
    if (id == -1) return fail("shmget");
    char *bytes = shmat(id, NULL, 0);
    if (bytes == (void *)-1) return fail("shmat");
    struct shmid_ds ds;
    if (shmctl(id, IPC_STAT, &ds) == -1) return fail("shmctl");
    if (strcmp(verb, "print") == 0) {
        if (fwrite(bytes, 1, ds.shm_segsz, stdout) != ds.shm_segsz) return fail("fwrite");
    } else {
        if (fread(bytes, 1, ds.shm_segsz, stdin) != ds.shm_segsz) return fail("fread");
        printf("%d\n", id);
    }
    return shmdt(bytes) == -1 ? fail("shmdt") : EXIT_SUCCESS;
}

int main(int count, char **words)
{
    if (count < 3) return EXIT_FAILURE;
    if (strcmp(words[1], "ftok") != 0) return segment(words[1], (key_t)atol(words[2]), count > 3 ? strtoul(words[3], NULL, 10) : 0);
    for (int at = 3; at < count; at++) {
        key_t key = ftok(words[at], atoi(words[2]));
        if (key == -1) return fail("ftok");
        printf("%d\n", key);
    }
    return EXIT_SUCCESS;
}
