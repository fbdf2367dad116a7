/* SPDX-License-Identifier: BSD-2-Clause */
/* For victims: prints everything about the process that a preloaded library could have changed. With and without the
   library it has to be the same, whenever it is printed. */
#ifndef MT_TESTS_STATE_H
#define MT_TESTS_STATE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* What they are, but for the numbers that differ each time. */
static void print_fd_directory(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char path[300], target[300];

	while (dir && (entry = readdir(dir))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		printf("/proc/self/fd/%s %.*s\n", entry->d_name, (int)strcspn(target, "0123456789"), target);
	}
	if (dir)
		closedir(dir);
}

static void print_descriptors(void)
{
	for (int fd = 0; fd < 64; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0)
			printf("fd %d flags %d\n", fd, flags);
	}
	int next = open("/dev/null", O_RDONLY);
	printf("next fd %d\n", next);
	close(next);
}

static void print_signals(void)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < NSIG; s++) {
		struct sigaction action;

		if (sigaction(s, NULL, &action) != 0)
			continue;
		printf("signal %d handled %d ignored %d flags %x blocked %d, while handled:", s,
		       action.sa_handler != SIG_DFL, action.sa_handler == SIG_IGN, (unsigned)action.sa_flags,
		       sigismember(&mask, s));
		for (int other = 1; other < NSIG; other++)
			if (sigismember(&action.sa_mask, other) > 0)
				printf(" %d", other);
		printf("\n");
	}
}

/* What the kernel says of the thread that asks: signals and rights. */
static void print_status(void)
{
	static const char *const names[] = { "SigPnd:", "ShdPnd:", "SigBlk:", "Uid:", "Gid:", "Groups:",
					     "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:",
					     "Seccomp:" };
	FILE *status = fopen("/proc/thread-self/status", "r");
	char line[4096];

	while (status && fgets(line, sizeof(line), status)) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strncmp(line, names[i], strlen(names[i])) == 0)
				fputs(line, stdout);
		/* But for 32 to 34: from the first thread on the C library catches them for itself, so that setuid
		   can change all threads, though they may have been ignored before. */
		if (strncmp(line, "SigCgt:", 7) == 0 || strncmp(line, "SigIgn:", 7) == 0)
			printf("%.6s: %llx\n", line, strtoull(line + 7, NULL, 16) & ~(7ULL << 31));
	}
	if (status)
		fclose(status);
}

static void print_heap(void)
{
	for (size_t size = 0; size < 5000; size += 123) {
		errno = 77;
		char *p = malloc(size), *q = realloc(p, size * 2);
		printf("usable %zu errno %d\n", malloc_usable_size(q), errno);
		free(q);
		if (errno != 77)
			printf("free set errno %d\n", errno);
	}
	errno = 77;
	volatile size_t everything = (size_t)-1;
	void *none = malloc(everything);
	printf("malloc of everything %p errno %d\n", none, errno);
	printf("alignment %d\n", posix_memalign(&none, 3, 10));
	char *zeros = calloc(100, 100);
	for (int i = 0; i < 10000; i++)
		if (zeros[i])
			printf("calloc left a byte\n");
	free(zeros);
}

static void print_surroundings(void)
{
	char directory[4096];
	mode_t mask = umask(0);

	umask(mask);
	printf("umask %o directory %s\n", (unsigned)mask, getcwd(directory, sizeof(directory)));
	for (char **at = environ; *at; at++)
		if (strncmp(*at, "LD_PRELOAD=", 11) != 0 && strncmp(*at, "MTPRELOAD_", 10) != 0)
			printf("%s\n", *at);
}

static void print_state(void)
{
	print_descriptors();
	print_fd_directory();
	print_signals();
	print_status();
	print_heap();
	print_surroundings();
	fflush(stdout);
}

#endif
