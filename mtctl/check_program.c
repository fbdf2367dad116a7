/* SPDX-License-Identifier: BSD-2-Clause */
/* Would a program load the library? Told from its file, without running it. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "inside.h"

#define GLIBC "libc.so.6"
#define LINKS_MAX 8

static enum level script(struct subject *s, struct buf *text)
{
	if (!s->scripts.len)
		return LEVEL_NONE;
	buf_printf(text, "%s%s; what follows is about that", s->called, s->scripts.data);
	return LEVEL_NOTE;
}

static enum level format(struct subject *s, struct buf *text)
{
	if (s->elf_rc == 0)
		return LEVEL_NONE;
	if (s->elf_rc == -ENOEXEC)
		buf_printf(text, "%s is neither an ELF program nor a script with #!", s->file);
	else
		buf_printf(text, "%s cannot be read: %s", s->file, strerror(-s->elf_rc));
	return LEVEL_PROBLEM;
}

static enum level static_program(struct subject *s, struct buf *text)
{
	if (s->elf.foreign_order || s->elf.interpreter[0])
		return LEVEL_NONE;
	buf_printf(text, "%s is a static%s program: no loader runs in it that would read LD_PRELOAD",
		   s->file, s->elf.type == ET_DYN ? "-pie" : "");
	return LEVEL_PROBLEM;
}

/* Those for which the library has its system calls in assembler. */
static bool is_supported(const struct elf *e)
{
	return e->wide && !e->foreign_order && (e->machine == EM_X86_64 || e->machine == EM_AARCH64);
}

static enum level machine(struct subject *s, struct buf *text)
{
	const struct elf *p = &s->elf, *l = &s->library_elf;

	if (l->fd < 0)
		return LEVEL_NONE;
	if (p->wide != l->wide || p->machine != l->machine || p->foreign_order) {
		buf_printf(text, "%s is for %s, %d bit", s->file, elf_machine(p), p->wide ? 64 : 32);
		if (is_supported(p))
			buf_printf(text, ", the library for %s, %d bit", elf_machine(l), l->wide ? 64 : 32);
		else
			buf_str(text, ", which the library does not support: x86-64 and ARM 64 are, 64 bit");
		return LEVEL_PROBLEM;
	}
	buf_printf(text, "%s, %d bit, as the library", elf_machine(p), p->wide ? 64 : 32);
	return LEVEL_OK;
}

static enum level libc(struct subject *s, struct buf *text)
{
	const char *slash = strrchr(s->elf.interpreter, '/');
	bool is_musl = strncmp(slash ? slash + 1 : s->elf.interpreter, "ld-musl", 7) == 0;

	if (s->library_elf.fd < 0 || is_musl != elf_needs(&s->library_elf, GLIBC))
		return LEVEL_NONE;
	buf_printf(text, "%s runs with %s (%s), the library was built for %s: its loader would end it",
		   s->file, is_musl ? "musl" : "glibc", s->elf.interpreter,
		   is_musl ? "glibc" : "another C library");
	return LEVEL_PROBLEM;
}

static enum level loader(struct subject *s, struct buf *text)
{
	struct stat st;
	int rc = inside_stat(s->proc.pid, s->elf.interpreter, &st);

	if (rc == 0)
		return LEVEL_NONE;
	buf_printf(text, "%s needs the loader %s: %s", s->file, s->elf.interpreter, strerror(-rc));
	return LEVEL_PROBLEM;
}

/* The C library lies beside its loader, of which it is a part, behind one of the loader's links. */
static bool open_libc(const struct subject *s, struct elf *libc)
{
	char at[PATH_MAX], path[PATH_MAX + 64], target[PATH_MAX];
	int fd;

	snprintf(at, sizeof(at), "%s", s->elf.interpreter);
	for (int i = 0; i < LINKS_MAX && strchr(at, '/'); i++) {
		int head = (int)(strrchr(at, '/') - at);
		ssize_t n;

		snprintf(path, sizeof(path), "%.*s/" GLIBC, head, at);
		fd = inside_find(s->proc.pid, path, 0);
		if (fd >= 0)
			return elf_open(libc, fd) == 0;
		fd = inside_find(s->proc.pid, at, O_NOFOLLOW);
		n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);
		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return false;
		target[n] = '\0';
		if (*target == '/')
			snprintf(path, sizeof(path), "%s", target);
		else
			snprintf(path, sizeof(path), "%.*s/%.*s", head, at, PATH_MAX / 2, target);
		snprintf(at, sizeof(at), "%.*s", PATH_MAX - 1, path);
	}
	return false;
}

struct floor {
	struct buf defined, missing;
};

static void note_defined(void *context, const char *version)
{
	struct floor *f = context;

	buf_printf(&f->defined, "\n%s\n", version);
}

static void note_missing(void *context, const char *version)
{
	struct floor *f = context;
	char line[128];

	snprintf(line, sizeof(line), "\n%.120s\n", version);
	if (!strstr(f->defined.data, line))
		buf_printf(&f->missing, "%s%s", f->missing.len ? ", " : "", version);
}

static enum level glibc(struct subject *s, struct buf *text)
{
	struct floor f = { { 0 }, { 0 } };
	struct elf of = ELF_CLOSED;
	enum level level = LEVEL_NONE;

	if (s->library_elf.fd >= 0 && open_libc(s, &of) &&
	    elf_each_version(&of, NULL, note_defined, &f) && f.defined.len) {
		buf_char(&f.defined, '\0');
		elf_each_version(&s->library_elf, GLIBC, note_missing, &f);
	}
	buf_char(&f.missing, '\0');
	if (f.missing.len > 1) {
		buf_printf(text, "the glibc of %s is older than the library, which needs %s of it: its "
				 "loader would end it",
			   s->file, f.missing.data);
		level = LEVEL_PROBLEM;
	}
	elf_close(&of);
	buf_free(&f.defined);
	buf_free(&f.missing);
	return level;
}

/* Whether the kernel would let the program have more rights than its caller. */
static enum level rights(struct subject *s, struct buf *text)
{
	char bytes[64];
	struct statvfs fs;
	struct stat st;
	const char *what = NULL;
	bool gains = false;

	if (s->proc.pid || stat(s->file, &st) < 0)
		return LEVEL_NONE;
	if (getxattr(s->file, "security.capability", bytes, sizeof(bytes)) > 0) {
		what = "file capabilities";
		gains = getuid() != 0;
	}
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
		what = "the setgid bit";
		gains |= st.st_gid != getgid();
	}
	if (st.st_mode & S_ISUID) {
		what = "the setuid bit";
		gains |= st.st_uid != getuid();
	}
	if (!what || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
	    (statvfs(s->file, &fs) == 0 && (fs.f_flag & ST_NOSUID)))
		return LEVEL_NONE;
	buf_printf(text, "%s has %s: %s, for its loader then ignores a path in LD_PRELOAD", s->file, what,
		   gains ? "it would not load the library" :
			   "run by others than you it would not load the library");
	return gains ? LEVEL_PROBLEM : LEVEL_NOTE;
}

static enum level own_malloc(struct subject *s, struct buf *text)
{
	if (!elf_defines(&s->elf, "malloc"))
		return LEVEL_NONE;
	buf_printf(text, "%s defines malloc itself: the library injects through that, and sees none of its "
			 "calls",
		   s->file);
	return LEVEL_PROBLEM;
}

static enum level would_load(struct subject *s, struct buf *text)
{
	if (s->proc.pid || s->library_elf.fd < 0)
		return LEVEL_NONE;
	buf_printf(text, "%s would load %s", s->file, s->library);
	return LEVEL_OK;
}

const struct check program_checks[] = {
	{ "script", script, "", false, false },
	{ "format", format, "name the program itself", true, false },
	{ "static", static_program, "take a dynamically linked build of it", true, false },
	{ "machine", machine, "build the library for that machine, where it is supported: make CC=…", true, false },
	{ "loader", loader, "install the C library that the program was built for", true, false },
	{ "libc", libc, "build the library with the program's C library, or take another build of it",
	  true, true },
	{ "glibc", glibc, "build the library on the oldest system that it has to run on", true, true },
	{ "rights", rights, "run it as the file's owner, or a copy without these rights", true, false },
	{ "malloc", own_malloc, "build it without an allocator of its own; mt.mem_* and tests work all "
				"the same", true, false },
	{ "program", would_load, "", false, false },
	{ 0 },
};
