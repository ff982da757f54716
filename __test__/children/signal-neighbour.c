/*
 * Another owner of SIGSEGV and SIGBUS in the process, preloaded: it has a forbidden page of its own, whose touch its handler
 * repairs, and hands everything else on. A thread takes commands: a file of that name in $NEIGHBOUR_DIR, unlinked when done.
 *
 *   install         a handler of three arguments, which hands on to the one before
 *   install-plain   a handler of one argument, which cannot hand on
 *   touch           touches the page; says "recovered" on standard output
 *   wild            a genuine segfault of this thread
 *   wild-bus        a genuine SIGBUS of this thread: a mapping beyond the end of a file
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char *page;
static volatile int *volatile nowhere = NULL;
static struct sigaction earlier[2];

static int repair(void *address)
{
	if ((char *)address < (char *)page || (char *)address >= (char *)page + 4096)
		return 0;
	return mprotect((void *)page, 4096, PROT_READ | PROT_WRITE) == 0;
}

static void handler(int signal, siginfo_t *info, void *context)
{
	struct sigaction *before = &earlier[signal == SIGBUS];
	if (repair(info->si_addr))
		return;
	if (before->sa_flags & SA_SIGINFO)
		before->sa_sigaction(signal, info, context);
	else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
		before->sa_handler(signal);
	else
		sigaction(signal, before, NULL);
}

static void plain_handler(int signal)
{
	static volatile int calls;
	/* Whose fault it is cannot be seen: the page is repaired, and one that keeps faulting is not ours. */
	if (!repair((void *)page) || ++calls > 10)
		_exit(99 + (signal == SIGBUS));
}

static void install(int three)
{
	struct sigaction action = { .sa_flags = SA_ONSTACK | (three ? SA_SIGINFO : 0) };
	if (three)
		action.sa_sigaction = handler;
	else
		action.sa_handler = plain_handler;
	sigaction(SIGSEGV, &action, &earlier[0]);
	sigaction(SIGBUS, &action, &earlier[1]);
}

static void touch(void)
{
	mprotect((void *)page, 4096, PROT_NONE);
	page[100] = 1;
	if (page[100] == 1 && write(1, "recovered\n", 10) != 10)
		_exit(98);
}

static void wild_bus(void)
{
	int fd = memfd_create("wild", 0);
	volatile char *beyond = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	beyond[0] = 1;
}

static void obey(const char *command)
{
	if (!strcmp(command, "install"))
		install(1);
	else if (!strcmp(command, "install-plain"))
		install(0);
	else if (!strcmp(command, "touch"))
		touch();
	else if (!strcmp(command, "wild"))
		*nowhere = 1;
	else
		wild_bus();
}

static void *serve(void *folder)
{
	static const char *const commands[] = { "install", "install-plain", "touch", "wild", "wild-bus" };
	for (;;) {
		for (size_t index = 0; index < sizeof commands / sizeof *commands; index++) {
			char path[512];
			snprintf(path, sizeof path, "%s/%s", (char *)folder, commands[index]);
			if (access(path, F_OK) == 0) {
				obey(commands[index]);
				unlink(path);
			}
		}
		usleep(2000);
	}
	return NULL;
}

__attribute__((constructor)) static void begin(void)
{
	pthread_t thread;
	char *folder = getenv("NEIGHBOUR_DIR");
	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (folder != NULL && page != MAP_FAILED)
		pthread_create(&thread, NULL, serve, folder);
}
