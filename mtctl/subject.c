/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathers what the checks look at. */
#include "library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "inside.h"
#include "regular.h"

#define SCRIPTS_MAX 5
#define LINE_MAX_BYTES 256 /* as the kernel reads */
#define SEPARATORS " :"

static int is_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, X_OK) < 0 ? -errno : 0;
}

/* As execvp: a refusal is told only where nothing better comes. */
static int look_up(const char *word, char out[PATH_MAX])
{
	const char *path = getenv("PATH");
	int rc, worst = -ENOENT;

	if (strchr(word, '/') || !*word) {
		snprintf(out, PATH_MAX, "%s", word);
		return is_executable(word);
	}
	for (const char *at = path ? path : "/bin:/usr/bin";; at++) {
		int length = (int)strcspn(at, ":");

		snprintf(out, PATH_MAX, "%.*s/%s", length ? length : 1, length ? at : ".", word);
		rc = is_executable(out);
		if (rc == 0)
			return 0;
		if (rc == -EACCES)
			worst = rc;
		at += length;
		if (!*at)
			return worst;
	}
}

/* The first word of a script's line behind "#!", and the next one where env is to look it up. */
static const char *interpreter(char *line)
{
	char *rest = line + 2, *word;
	bool is_env;

	line[strcspn(line, "\n")] = '\0';
	do
		word = strsep(&rest, " \t");
	while (word && !*word);
	if (!word)
		return NULL;
	is_env = strlen(word) >= 4 && strcmp(word + strlen(word) - 4, "/env") == 0;
	while (is_env && rest && (!*word || *word == '-' || *word == '/' || strchr(word, '=')))
		word = strsep(&rest, " \t");
	return word;
}

static bool follow_script(struct subject *s, char line[LINE_MAX_BYTES + 1])
{
	int fd = regular_open(inside_find(0, s->file, 0));
	ssize_t n = fd < 0 ? -1 : read(fd, line, LINE_MAX_BYTES);

	if (fd >= 0)
		close(fd);
	line[n > 0 ? n : 0] = '\0';
	return strncmp(line, "#!", 2) == 0;
}

int subject_program(struct subject *s, const char *word)
{
	char line[LINE_MAX_BYTES + 1];
	int rc;

	s->called = word;
	rc = look_up(word, s->file);
	for (int i = 0; rc == 0 && i < SCRIPTS_MAX && follow_script(s, line); i++) {
		const char *next = interpreter(line);

		if (!next)
			break;
		buf_printf(&s->scripts, "%s is a script of %s", i ? ", which" : "", next);
		rc = look_up(next, s->file);
	}
	if (s->scripts.len)
		buf_char(&s->scripts, '\0');
	if (rc == 0)
		s->elf_rc = elf_open(&s->elf, inside_find(0, s->file, 0));
	return rc;
}

void subject_library(struct subject *s, pid_t pid, const char *path)
{
	snprintf(s->library, sizeof(s->library), "%.*s", PATH_MAX - 1, path);
	elf_close(&s->library_elf);
	elf_open(&s->library_elf, inside_find(pid, path, 0)); /* the checks see whether it is open */
}

/* Finds the library's entry in the process's LD_PRELOAD. */
static void read_preload(struct subject *s)
{
	const char *value = proc_env(&s->environment, "LD_PRELOAD"), *at = value, *base;
	size_t length;

	for (; at && *at; at += length + strspn(at + length, SEPARATORS)) {
		length = strcspn(at, SEPARATORS);
		snprintf(s->entry, sizeof(s->entry), "%.*s", (int)length, at);
		base = strrchr(s->entry, '/') ? strrchr(s->entry, '/') + 1 : s->entry;
		if (library_is_named(base, strlen(base))) {
			s->preload = value;
			return;
		}
	}
	s->entry[0] = '\0';
}

static void read_program(struct subject *s)
{
	char path[PATH_MAX], link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)s->proc.pid);
	s->elf_rc = elf_open(&s->elf, inside_find(0, link, 0));
	n = readlink(link, path, sizeof(path) - 1);
	snprintf(s->file, sizeof(s->file), "%.*s", n > 0 ? (int)n : 0, path);
}

int subject_process(struct subject *s, pid_t pid, bool *has_library)
{
	int rc;

	if (!proc_read(pid, &s->proc) || proc_file(pid, "status", &s->status) < 0)
		return -ESRCH;
	rc = proc_has_library(pid, &s->maps);
	if (rc < 0)
		return rc == -ENOENT || rc == -ESRCH ? -ESRCH : -EACCES;
	proc_file(pid, "maps", &s->maps); /* all of it */
	*has_library = rc == 1;
	s->thread = proc_our_thread(pid, NULL);
	if (proc_file(pid, "environ", &s->environment) == 0)
		read_preload(s);
	read_program(s);
	if (*s->entry == '/')
		subject_library(s, pid, s->entry);
	return 0;
}

const char *subject_lack(const struct subject *s)
{
	if (!s->thread)
		return "it has no thread of the library";
	if (s->untouchable)
		return NULL;
	if (!s->found.count)
		return "it has no socket";
	return s->silence ? "it does not answer" : NULL;
}

void subject_free(struct subject *s)
{
	elf_close(&s->library_elf);
	elf_close(&s->elf);
	buf_free(&s->scripts);
	buf_free(&s->status);
	buf_free(&s->environment);
	buf_free(&s->maps);
	find_free(&s->found);
	link_close(&s->link);
}
