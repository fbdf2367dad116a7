/* SPDX-License-Identifier: BSD-2-Clause */
/* Gives its rights up in one of two threads, and prints whose all threads then are: the C library changes every
   one it knows, and one that it does not know would keep root's. */
#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOBODY 65534

static void *drop(void *unused)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		perror("drop");
	return unused;
}

/* Prints a thread's line unless it is as wanted. */
static int is_other(const char *tid, const char *wanted)
{
	char path[300], line[256];
	int other = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "Uid:", 4) == 0 && strcmp(line, wanted) != 0)
			other = printf("%s %s", tid, line);
	if (f)
		fclose(f);
	return other;
}

int main(void)
{
	pthread_t thread;
	struct dirent *entry;
	DIR *tasks;

	if (getchar() == EOF)
		return 2;
	pthread_create(&thread, NULL, drop, NULL);
	pthread_join(thread, NULL);
	tasks = opendir("/proc/self/task");
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			is_other(entry->d_name, "Uid:\t65534\t65534\t65534\t65534\n");
	closedir(tasks);
	printf("uid %d\n", (int)getuid());
	fflush(stdout);
	return getchar() == EOF ? 0 : 3;
}
