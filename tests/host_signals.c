/* SPDX-License-Identifier: BSD-2-Clause */
/* A host that takes its signals by sigwait and by signalfd: each one that is sent has to arrive here. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MANY 2000

int main(void)
{
	struct signalfd_siginfo info;
	sigset_t set;
	int taken = 0, read_off = 0, which;

	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	printf("ready\n");
	fflush(stdout);
	if (getchar() == EOF)
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGTERM);
	for (int i = 0; i < MANY; i++) {
		kill(getpid(), i % 3 == 0 ? SIGUSR1 : i % 3 == 1 ? SIGRTMIN : SIGTERM);
		taken += sigwait(&set, &which) == 0;
	}
	int fd = signalfd(-1, &set, SFD_CLOEXEC);

	for (int i = 0; i < MANY; i++) {
		kill(getpid(), SIGUSR1);
		read_off += read(fd, &info, sizeof(info)) == sizeof(info);
	}
	printf("%d by sigwait, %d by signalfd\n", taken, read_off);
	return 0;
}
