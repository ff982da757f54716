/**
 * The other side of pthread objects in shared memory, as C does it, for the tests. Attaches the System V segment whose id is its argument,
 * then obeys lines on standard input and answers each with a line: 0, an errno's number, or what is said below.
 *
 *   mutex-init <offset> <normal|error-checking|recursive> <robust 0|1> <inherit 0|1> <shared 0|1>
 *   mutex-lock <offset> | mutex-try <offset> | mutex-unlock <offset> | mutex-consistent <offset>
 *   mutex-timed <offset> <milliseconds>
 *   mutex-spin <offset> <count>        lock, add one to the word behind it, unlock; count times
 *   mutex-chain <first> <count>        locks many, 64 bytes apart
 *   cond-init <offset> | cond-signal <offset> | cond-broadcast <offset>
 *   cond-wait <offset> <mutex's offset> locks, says "waiting", waits once, answers
 *   ping-pong <cond> <mutex> <word> <parity> <until>   adds one while the word is below <until> and has this parity
 *   rwlock-init <offset> | rwlock-read <offset> | rwlock-write <offset> | rwlock-try-read … | rwlock-try-write … | rwlock-unlock …
 *   barrier-init <offset> <count> | barrier-wait <offset>   answers 1 to the serial one
 *   tid
 *
 * No wait lasts longer than 20 seconds, but that at a barrier.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char *memory;

static struct timespec in_milliseconds(long milliseconds)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += milliseconds / 1000;
    limit.tv_nsec += milliseconds % 1000 * 1000000;
    if (limit.tv_nsec >= 1000000000) {
        limit.tv_sec += 1;
        limit.tv_nsec -= 1000000000;
    }
    return limit;
}

static int lock(pthread_mutex_t *mutex, long milliseconds)
{
    struct timespec limit = in_milliseconds(milliseconds);
    return pthread_mutex_timedlock(mutex, &limit);
}

static int init_mutex(pthread_mutex_t *mutex, const char *type, int robust, int inherit, int shared)
{
    pthread_mutexattr_t wanted;
    pthread_mutexattr_init(&wanted);
    pthread_mutexattr_setpshared(&wanted, shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
    pthread_mutexattr_settype(&wanted, strcmp(type, "recursive") == 0        ? PTHREAD_MUTEX_RECURSIVE
                                       : strcmp(type, "error-checking") == 0 ? PTHREAD_MUTEX_ERRORCHECK
                                                                             : PTHREAD_MUTEX_NORMAL);
    pthread_mutexattr_setrobust(&wanted, robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
    pthread_mutexattr_setprotocol(&wanted, inherit ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
    return pthread_mutex_init(mutex, &wanted);
}

static int init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t wanted;
    pthread_condattr_init(&wanted);
    pthread_condattr_setpshared(&wanted, PTHREAD_PROCESS_SHARED);
    return pthread_cond_init(condition, &wanted);
}

static int init_rwlock(pthread_rwlock_t *rwlock)
{
    pthread_rwlockattr_t wanted;
    pthread_rwlockattr_init(&wanted);
    pthread_rwlockattr_setpshared(&wanted, PTHREAD_PROCESS_SHARED);
    return pthread_rwlock_init(rwlock, &wanted);
}

static int init_barrier(pthread_barrier_t *barrier, unsigned count)
{
    pthread_barrierattr_t wanted;
    pthread_barrierattr_init(&wanted);
    pthread_barrierattr_setpshared(&wanted, PTHREAD_PROCESS_SHARED);
    return pthread_barrier_init(barrier, &wanted, count);
}

static int spin(pthread_mutex_t *mutex, long count)
{
    volatile uint64_t *word = (volatile uint64_t *)((char *)mutex + 64);
    for (long done = 0; done < count; done++) {
        int failed = lock(mutex, 20000);
        if (failed != 0) return failed;
        *word = *word + 1;
        pthread_mutex_unlock(mutex);
    }
    return 0;
}

static int chain(char *first, long count)
{
    for (long done = 0; done < count; done++) {
        int failed = pthread_mutex_lock((pthread_mutex_t *)(void *)(first + 64 * done));
        if (failed != 0) return failed;
    }
    return 0;
}

static int wait_once(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    struct timespec limit = in_milliseconds(20000);
    int failed = lock(mutex, 20000);
    if (failed != 0) return failed;
    puts("waiting");
    return pthread_cond_timedwait(condition, mutex, &limit);
}

static int ping_pong(pthread_cond_t *condition, pthread_mutex_t *mutex, volatile uint32_t *word, uint32_t parity, uint32_t until)
{
    struct timespec limit = in_milliseconds(20000);
    int failed = lock(mutex, 20000);
    while (failed == 0 && *word < until) {
        if (*word % 2 == parity) {
            *word = *word + 1;
            failed = pthread_cond_broadcast(condition);
        } else {
            failed = pthread_cond_timedwait(condition, mutex, &limit);
        }
    }
    pthread_mutex_unlock(mutex);
    return failed;
}

static int rwlock_verb(const char *verb, pthread_rwlock_t *rwlock)
{
    struct timespec limit = in_milliseconds(20000);
    if (strcmp(verb, "rwlock-init") == 0) return init_rwlock(rwlock);
    if (strcmp(verb, "rwlock-read") == 0) return pthread_rwlock_timedrdlock(rwlock, &limit);
    if (strcmp(verb, "rwlock-write") == 0) return pthread_rwlock_timedwrlock(rwlock, &limit);
    if (strcmp(verb, "rwlock-try-read") == 0) return pthread_rwlock_tryrdlock(rwlock);
    if (strcmp(verb, "rwlock-try-write") == 0) return pthread_rwlock_trywrlock(rwlock);
    if (strcmp(verb, "rwlock-unlock") == 0) return pthread_rwlock_unlock(rwlock);
    return -1;
}

static int mutex_verb(const char *verb, pthread_mutex_t *mutex, char words[4][32])
{
    if (strcmp(verb, "mutex-init") == 0) return init_mutex(mutex, words[0], atoi(words[1]), atoi(words[2]), atoi(words[3]));
    if (strcmp(verb, "mutex-lock") == 0) return lock(mutex, 20000);
    if (strcmp(verb, "mutex-timed") == 0) return lock(mutex, atol(words[0]));
    if (strcmp(verb, "mutex-try") == 0) return pthread_mutex_trylock(mutex);
    if (strcmp(verb, "mutex-unlock") == 0) return pthread_mutex_unlock(mutex);
    if (strcmp(verb, "mutex-consistent") == 0) return pthread_mutex_consistent(mutex);
    if (strcmp(verb, "mutex-spin") == 0) return spin(mutex, atol(words[0]));
    if (strcmp(verb, "mutex-chain") == 0) return chain((char *)mutex, atol(words[0]));
    return -1;
}

static int other_verb(const char *verb, char *object, char words[4][32])
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(void *)(memory + atol(words[0]));
    if (strcmp(verb, "cond-init") == 0) return init_condition((pthread_cond_t *)(void *)object);
    if (strcmp(verb, "cond-signal") == 0) return pthread_cond_signal((pthread_cond_t *)(void *)object);
    if (strcmp(verb, "cond-broadcast") == 0) return pthread_cond_broadcast((pthread_cond_t *)(void *)object);
    if (strcmp(verb, "cond-wait") == 0) return wait_once((pthread_cond_t *)(void *)object, mutex);
    if (strcmp(verb, "ping-pong") == 0) {
        volatile uint32_t *word = (volatile uint32_t *)(void *)(memory + atol(words[1]));
        return ping_pong((pthread_cond_t *)(void *)object, mutex, word, (uint32_t)atol(words[2]), (uint32_t)atol(words[3]));
    }
    if (strcmp(verb, "barrier-init") == 0) return init_barrier((pthread_barrier_t *)(void *)object, (unsigned)atoi(words[0]));
    if (strcmp(verb, "barrier-wait") == 0) {
        int answer = pthread_barrier_wait((pthread_barrier_t *)(void *)object);
        return answer == PTHREAD_BARRIER_SERIAL_THREAD ? 1 : answer;
    }
    if (strcmp(verb, "tid") == 0) return (int)syscall(SYS_gettid);
    return -1;
}

int main(int count, char **given)
{
    char line[256], verb[32], words[4][32];
    long offset;
    memory = shmat(count < 2 ? -1 : atoi(given[1]), NULL, 0);
    if (memory == (void *)-1) return EXIT_FAILURE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin) != NULL) {
        memset(words, 0, sizeof words);
        offset = 0;
        if (sscanf(line, "%31s %ld %31s %31s %31s %31s", verb, &offset, words[0], words[1], words[2], words[3]) < 1) continue;
        int answer = mutex_verb(verb, (pthread_mutex_t *)(void *)(memory + offset), words);
        if (answer == -1) answer = rwlock_verb(verb, (pthread_rwlock_t *)(void *)(memory + offset));
        if (answer == -1) answer = other_verb(verb, memory + offset, words);
        printf("%d\n", answer);
    }
    return EXIT_SUCCESS;
}
