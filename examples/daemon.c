/* SPDX-License-Identifier: BSD-2-Clause */
/* A small daemon for the demo: keeps a table of a thousand records and replaces a few of them every
   ten milliseconds, as a server does that answers requests. Knows nothing of the library. Ends
   gracefully on SIGTERM. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORDS 1000

static volatile sig_atomic_t over;

static void end(int number)
{
	(void)number;
	over = 1;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	static char *records[RECORDS];

	signal(SIGTERM, end);
	while (!over) {
		for (int i = 0; i < 10; i++) {
			int at = rand() % RECORDS;
			size_t size = 16 + (size_t)(rand() % 4000);

			free(records[at]);
			records[at] = malloc(size);
			if (records[at])
				memset(records[at], 'r', size);
		}
		nanosleep(&pause, NULL);
	}
	for (int i = 0; i < RECORDS; i++)
		free(records[i]);
	return 0;
}
