/* SPDX-License-Identifier: BSD-2-Clause */
/* exec COUNT PROGRAM [NAME=VALUE]... [-- [NAME=VALUE]...]...: how long it takes to start a program and to see it
   end, with each of these added to its environment in turn, COUNT times. Turn by turn, since the machine is a
   tenth faster or slower from one second to the next. Prints microseconds, a document for each environment. */
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define SUBJECTS_MAX 16

struct subject {
	char **environment;
	uint64_t *ns;
};

static void run_once(char *program, char **environment)
{
	char *argv[] = { program, NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environment) ||
	    waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "%s did not run well\n", program);
		exit(1);
	}
}

static void *must_have(void *at)
{
	if (!at)
		exit(1);
	return at;
}

/* Ours, and what is added up to the next "--". Returns where that is. */
static char **read_subject(struct subject *s, char **word, size_t count)
{
	size_t ours = 0, added = 0;

	while (environ[ours])
		ours++;
	while (word[added] && strcmp(word[added], "--") != 0)
		added++;
	s->environment = must_have(calloc(ours + added + 1, sizeof(char *)));
	memcpy(s->environment, environ, ours * sizeof(char *));
	memcpy(s->environment + ours, word, added * sizeof(char *));
	s->ns = must_have(calloc(count, sizeof(*s->ns)));
	return word + added;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print(struct subject *s, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (double)s->ns[i];
	qsort(s->ns, count, sizeof(*s->ns), by_size);
	printf("{\"p50_us\":%.1f,\"p99_us\":%.1f,\"mean_us\":%.1f}", (double)s->ns[count / 2] / 1e3,
	       (double)s->ns[count * 99 / 100] / 1e3, sum / 1e3 / (double)count);
}

int main(int argc, char **argv)
{
	struct subject subjects[SUBJECTS_MAX];
	size_t count = argc > 2 ? strtoul(argv[1], NULL, 10) : 0, n = 0;
	char **word = argv + 3;

	if (!count)
		return 2;
	for (word = read_subject(&subjects[n++], word, count); *word && n < SUBJECTS_MAX;)
		word = read_subject(&subjects[n++], word + 1, count);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < n; j++) {
			struct subject *s = &subjects[(i + j) % n];
			uint64_t start = clock_ns();

			run_once(argv[2], s->environment);
			s->ns[i] = clock_ns() - start;
		}
	for (size_t j = 0; j < n; j++) {
		printf(j ? "," : "[");
		print(&subjects[j], count);
		free(subjects[j].environment);
		free(subjects[j].ns);
	}
	printf("]\n");
	return 0;
}
