/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the commands on stdin, one a line, on one connection a target. A refused one does not stop
   those behind it; a lost target does, once none is left. */
#include "batch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "session.h"

/* Room for more words than any command takes: the server says which are too many. */
#define WORDS_MAX 64

/* Cuts the next word off, in place. Double quotes keep blanks together. NULL at the end. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, " \t\r\n"), *end;

	if (!*word)
		return NULL;
	if (*word == '"' && strchr(word + 1, '"'))
		end = strchr(++word, '"');
	else
		end = word + strcspn(word, " \t\r\n");
	*at = end + (*end != '\0');
	*end = '\0';
	return word;
}

/* How many words the line has; WORDS_MAX + 1 stands for more. */
static unsigned split(char *line, char *words[WORDS_MAX])
{
	unsigned count = 0;
	char *word;

	while ((word = next_word(&line))) {
		if (count == 1 && strcmp(word, "--") == 0)
			continue;
		if (count == WORDS_MAX)
			return WORDS_MAX + 1;
		words[count++] = word;
	}
	return count;
}

static int run_line(struct session *s, char *line)
{
	char *words[WORDS_MAX];
	unsigned count;

	if (line[strspn(line, " \t\r\n")] == '#')
		return CTL_DONE;
	count = split(line, words);
	if (count == 0)
		return CTL_DONE;
	if (count > WORDS_MAX)
		return out_error(CTL_USAGE, "'%s' with more than %d words on a line", words[0],
				 WORDS_MAX);
	return session_ask(s, words, count);
}

int batch_run(const struct options *o, int count, char **words)
{
	struct session s;
	char *line = NULL;
	size_t room = 0;
	int worst;

	if (count > 1)
		return out_error(CTL_USAGE, "'%s' behind -: commands come from stdin", words[1]);
	worst = session_open(&s, o);
	if (worst != CTL_DONE)
		return worst;
	while (s.left && getline(&line, &room, stdin) > 0)
		worst = ctl_worse(worst, run_line(&s, line));
	if (ferror(stdin))
		worst = ctl_worse(worst, out_error(CTL_USAGE, "cannot read commands from stdin: %s",
						   strerror(errno)));
	free(line);
	session_close(&s);
	return worst;
}
