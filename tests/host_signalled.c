/* SPDX-License-Identifier: BSD-2-Clause */
/* host_signalled COUNT: for each line that comes its main thread sends itself so many signals, every other one a real-time
   one, and tells how many its handler has seen. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t seen;

static void note(int number)
{
	(void)number;
	seen++;
}

int main(int argc, char **argv)
{
	const int numbers[2] = { SIGUSR1, SIGRTMIN + 3 };
	int count = argc > 1 ? atoi(argv[1]) : 1000;

	for (int i = 0; i < 2; i++)
		sigaction(numbers[i], &(struct sigaction){ .sa_handler = note, .sa_flags = SA_RESTART }, NULL);
	while (getchar() != EOF) {
		seen = 0;
		for (int i = 0; i < count; i++)
			syscall(SYS_tgkill, getpid(), getpid(), numbers[i % 2]);
		printf("%d signals\n", (int)seen);
		fflush(stdout);
	}
	return 0;
}
