/* SPDX-License-Identifier: BSD-2-Clause */
/* host_diverges WHO CALL: once a line has come, one thread of two, "main" or "helper", becomes user 1000 for itself alone;
   then the helper makes a call: unshare, seteuid (which changes all), or none. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USER 1000

static pthread_barrier_t turn;
static const char *who, *what;

static int become_user(void)
{
	return (int)syscall(SYS_setresuid, USER, USER, USER);
}

static int make_call(void)
{
	if (strcmp(what, "unshare") == 0)
		return unshare(CLONE_FS);
	return strcmp(what, "seteuid") == 0 ? seteuid(USER) : 0;
}

static void *help(void *unused)
{
	pthread_barrier_wait(&turn);
	if (strcmp(who, "helper") == 0 && become_user() < 0)
		perror("become");
	if (make_call() < 0)
		perror(what);
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn); /* it lives on */
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t helper;

	if (argc < 3 || getchar() == EOF)
		return 2;
	who = argv[1];
	what = argv[2];
	pthread_barrier_init(&turn, NULL, 2);
	pthread_create(&helper, NULL, help, NULL);
	if (strcmp(who, "main") == 0 && become_user() < 0)
		perror("become");
	pthread_barrier_wait(&turn);
	pthread_barrier_wait(&turn);
	printf("done\n");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	pthread_barrier_wait(&turn);
	pthread_join(helper, NULL);
	return 0;
}
