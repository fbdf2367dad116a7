/* SPDX-License-Identifier: BSD-2-Clause */
/* What every instance on this machine needs: the library, and directories for sockets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "effort.h"
#include "inside.h"
#include "library.h"
#include "place.h"
#include "prune.h"
#include "shun.h"
#include "verify.h"

static enum level library(struct subject *s, struct buf *text)
{
	char path[PATH_MAX], why[LIBRARY_WHY_MAX];

	if (library_find(path, why) != CTL_DONE) {
		buf_str(text, why);
		return LEVEL_PROBLEM;
	}
	subject_library(s, 0, path);
	if (s->library_elf.fd < 0 || s->library_elf.type != 3 /* ET_DYN */) {
		buf_printf(text, "%s is no library", path);
		return LEVEL_PROBLEM;
	}
	buf_printf(text, "%s, %s, %d bit", path, elf_machine(&s->library_elf),
		   s->library_elf.wide ? 64 : 32);
	return LEVEL_OK;
}

static enum level readable(struct subject *s, struct buf *text)
{
	struct persona other;
	char part[PATH_MAX];

	persona_other(&other);
	if (!*s->library || !persona_is_kept_from(&other, 0, s->library, part, sizeof(part)))
		return LEVEL_NONE;
	buf_printf(text, "not everybody may read %s: programs started by other users do not load the library",
		   part);
	return LEVEL_NOTE;
}

static enum level directories(struct subject *s, struct buf *text)
{
	struct buf why = { 0 }, usable = { 0 };
	enum level level = LEVEL_OK;

	place_explain(s, &why, &usable);
	if (usable.len) {
		buf_printf(text, "sockets of this environment's programs go to %.*s",
			   (int)(usable.len - strspn(usable.data, "; ")),
			   usable.data + strspn(usable.data, "; "));
	} else {
		buf_add(text, why.data, why.len);
		level = LEVEL_NOTE;
	}
	buf_free(&why);
	buf_free(&usable);
	return level;
}

static enum level fixed_directory(struct subject *s, struct buf *text)
{
	return place_fixed(s) ? directories(s, text) : LEVEL_NONE;
}

static enum level any_directory(struct subject *s, struct buf *text)
{
	return place_fixed(s) ? LEVEL_NONE : directories(s, text);
}

static enum level stale(struct subject *s, struct buf *text)
{
	struct instances shunned = { 0 };
	int removed;

	(void)s;
	effort_begin(EFFORT_SHUN_NS + EFFORT_PRUNE_NS);
	removed = shun_find(&shunned, 0) ? prune_dirs(&shunned) : 0;
	effort_end();
	find_free(&shunned);
	if (!removed)
		return LEVEL_NONE;
	buf_printf(text, "%d %s left by dead processes removed", removed, removed == 1 ? "name" : "names");
	return LEVEL_OK;
}

struct names {
	struct buf *text, scratch;
	struct instances shunned;
	const char *dir;
	int dir_fd;
};

/* Names of processes that are looked at on their own are left out here. */
static bool try_name(void *context, const char *name, pid_t pid)
{
	struct names *n = context;
	char path[FIND_PATH_MAX];
	struct instance *shunned;
	struct dialled d;
	int rc;

	if (effort_is_over(n->dir))
		return false;
	if (n->text->failed || *name == '.' || proc_has_library(pid, &n->scratch) == 1)
		return true;
	snprintf(path, sizeof(path), "%s/%s", n->dir, name);
	rc = shun_dial_at(&n->shunned, n->dir_fd, name, &d, &shunned);
	if (shunned)
		return true;
	if (d.fd >= 0)
		close(d.fd);
	if (rc == -EAGAIN || (rc == 0 && proc_has_library(d.peer, &n->scratch) != 0))
		return true;
	/* One of root's own directories comes twice. */
	if (n->text->len && memmem(n->text->data, n->text->len, path, strlen(path)))
		return true;
	buf_printf(n->text, "%s%s: %s", n->text->len ? "; " : "", path,
		   rc ? strerror(-rc) : "its listener has no library in it");
	return true;
}

static void try_dir(void *context, const char *dir, int dir_fd)
{
	struct names *n = context;

	n->dir = dir;
	n->dir_fd = dir_fd;
	rundir_each(dir_fd, try_name, n);
}

static enum level unreachable(struct subject *s, struct buf *text)
{
	struct names n = { .text = text };

	(void)s;
	effort_begin(EFFORT_SHUN_NS + EFFORT_NAMES_NS);
	if (shun_find(&n.shunned, 0))
		place_each_dir(try_dir, &n);
	effort_end();
	find_free(&n.shunned);
	buf_free(&n.scratch);
	return text->len ? LEVEL_NOTE : LEVEL_NONE;
}

const struct check library_checks[] = {
	{ "library", library, "make, make install, or MTPRELOAD_LIB=PATH", false, false },
	{ "readable", readable, "make install puts it where all can read it", false, false },
	{ "directory", fixed_directory, FIXED_REMEDY, false, false },
	{ "directory", any_directory, "MTPRELOAD_DIR names one; without any a socket has no file", false, false },
	{ 0 },
};

const struct check machine_checks[] = {
	{ "stale", stale, "", false, false },
	{ "unreachable", unreachable, "run mtctl as their user, or as root", false, false },
	{ 0 },
};
