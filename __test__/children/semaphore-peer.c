/**
 * One side of the two-semaphore hand-over, as C does it, for the tests; `semaphore-peer.ts` is the same in Node.
 *
 *   semaphore-peer send|receive <segment id> sysv <set id>
 *   semaphore-peer send|receive <segment id> posix <writer's name> <reader's name>
 *   semaphore-peer send|receive <segment id> unnamed        (at offsets 0 and 32 of the segment)
 *
 * The sender copies standard input into the segment block by block, the receiver to standard output. The first semaphore is the
 * writer's turn, the second the reader's; the length lies at offset 64, the bytes from 128 on; length 0 ends. No wait lasts
 * longer than 20 seconds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 1000, LENGTH_AT = 64, BYTES_AT = 128 };

static int set = -1;
static sem_t *turns[2];

static void die(const char *call)
{
    perror(call);
    exit(EXIT_FAILURE);
}

static void take(int turn)
{
    if (set != -1) {
        struct sembuf operation = { (unsigned short)turn, -1, 0 };
        struct timespec limit = { 20, 0 };
        if (semtimedop(set, &operation, 1, &limit) == -1) die("semtimedop");
        return;
    }
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 20;
    if (sem_timedwait(turns[turn], &deadline) == -1) die("sem_timedwait");
}

static void give(int turn)
{
    struct sembuf operation = { (unsigned short)turn, 1, 0 };
    if (set != -1 ? semop(set, &operation, 1) == -1 : sem_post(turns[turn]) == -1) die("give");
}

static void move(int sending, char *memory)
{
    volatile uint32_t *length = (volatile uint32_t *)(memory + LENGTH_AT);
    for (uint32_t count = 1; count != 0;) {
        take(sending ? 0 : 1);
        if (sending) {
            count = (uint32_t)fread(memory + BYTES_AT, 1, BLOCK, stdin);
            *length = count;
        } else {
            count = *length;
            if (count > BLOCK || fwrite(memory + BYTES_AT, 1, count, stdout) != count) die("fwrite");
        }
        give(sending ? 1 : 0);
    }
}

int main(int count, char **words)
{
    if (count < 4) return EXIT_FAILURE;
    char *memory = shmat(atoi(words[2]), NULL, 0);
    if (memory == (void *)-1) die("shmat");
    if (strcmp(words[3], "sysv") == 0) set = atoi(words[4]);
    for (int turn = 0; turn < 2 && set == -1; turn++) {
        int named = strcmp(words[3], "posix") == 0;
        turns[turn] = named ? sem_open(words[4 + turn], 0) : (sem_t *)(void *)(memory + 32 * turn);
        if (turns[turn] == SEM_FAILED) die("sem_open");
    }
    move(strcmp(words[1], "send") == 0, memory);
    return EXIT_SUCCESS;
}
