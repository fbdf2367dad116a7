/* SPDX-License-Identifier: BSD-2-Clause */
/* Whoever may command a process names a path, and others may have made directories on the way. No step follows a link,
   so they cannot lead us to another place. What they move into their own directory, or hard-link there, has another owner
   or a second name. So the directories' owners do not matter. Opening can be an act (a device) or wait (a FIFO): what is
   there is looked at first, and again once it is open. */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/kernel.h"
#include "base/uid.h"

#define NAME_MAX_BYTES 256
#define TRIES 5 /* somebody may make or remove the file meanwhile */
#define HOW (O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* A directory on the way, and what is looked up in it. */
struct step {
	int dir_fd;
	char name[NAME_MAX_BYTES];
};

static int refuse(char *why, int error, const char *name, const char *what)
{
	snprintf(why, LOG_WHY_MAX, "'%.100s' %s", name, what);
	return -error;
}

static int refuse_error(char *why, int error, const char *name)
{
	snprintf(why, LOG_WHY_MAX, "'%.100s': %s", name, strerror(error));
	return -error;
}

static bool is_link(const struct step *s)
{
	struct stat st;

	return kernel_fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* Takes the next name off the path. */
static int next_name(const char **path, struct step *s)
{
	size_t length;

	*path += strspn(*path, "/");
	length = strcspn(*path, "/");
	if (length >= sizeof(s->name))
		return -ENAMETOOLONG;
	memcpy(s->name, *path, length);
	s->name[length] = '\0';
	*path += length;
	return 0;
}

/* The name just taken is a directory's. */
static int enter(struct step *s, char *why)
{
	int error, fd = kernel_openat(s->dir_fd, s->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd >= 0) {
		kernel_close(s->dir_fd);
		s->dir_fd = fd;
		return 0;
	}
	error = errno;
	if (error == ENOTDIR && is_link(s))
		return refuse(why, ELOOP, s->name, "is a link");
	return refuse_error(why, error, s->name);
}

/* Leaves the last name, and the directory that it is looked up in. */
static int walk(const char *path, struct step *s, char *why)
{
	int rc = next_name(&path, s);

	while (rc == 0 && *path == '/') {
		rc = enter(s, why);
		if (rc == 0)
			rc = next_name(&path, s);
	}
	return rc == -ENAMETOOLONG ? refuse_error(why, ENAMETOOLONG, path) : rc;
}

static int judge(const struct stat *st, const char *name, char *why)
{
	char what[80];

	if (S_ISLNK(st->st_mode))
		return refuse(why, ELOOP, name, "is a link");
	if (!S_ISREG(st->st_mode))
		return refuse(why, EINVAL, name, "is no regular file");
	if (!uid_is_ours(st->st_uid)) {
		snprintf(what, sizeof(what), "belongs to uid %u, and the process is uid %u's", (unsigned)st->st_uid,
			 (unsigned)kernel_euid());
		return refuse(why, EPERM, name, what);
	}
	/* Of the file's own user any directory may hold one more name of it. */
	if (st->st_nlink != 1)
		return refuse(why, EMLINK, name, "has another name");
	return 0;
}

static int open_judged(const struct step *s, int how, char *why)
{
	int rc, fd = kernel_openat(s->dir_fd, s->name, how, 0600);
	struct stat st;

	if (fd < 0)
		return refuse_error(why, errno, s->name);
	rc = kernel_fstat(fd, &st) < 0 ? refuse_error(why, errno, s->name) : judge(&st, s->name, why);
	if (rc == 0)
		return fd;
	kernel_close(fd);
	return rc;
}

static int open_last(const struct step *s, char *why)
{
	struct stat st;
	int rc = -EAGAIN;

	if (!*s->name)
		return refuse(why, EISDIR, "/", "at the end: a directory is no log");
	for (int try = 0; try < TRIES && (rc == -EAGAIN || rc == -EEXIST || rc == -ENOENT); try++) {
		if (kernel_fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			rc = judge(&st, s->name, why);
			if (rc == 0)
				rc = open_judged(s, HOW, why);
		} else if (errno == ENOENT) {
			rc = open_judged(s, HOW | O_CREAT | O_EXCL, why);
		} else {
			rc = refuse_error(why, errno, s->name);
		}
	}
	return rc;
}

int log_file_open(const char *path, char why[LOG_WHY_MAX])
{
	struct step s = { .dir_fd = kernel_open("/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0) };
	int rc;

	if (s.dir_fd < 0)
		return refuse_error(why, errno, "/");
	if (!uid_has_number())
		rc = refuse(why, EPERM, path, "could be anybody's: this process's user has no number in its user namespace");
	else
		rc = *path == '/' ? walk(path, &s, why) : refuse(why, EINVAL, path, "is no absolute path");
	if (rc == 0)
		rc = open_last(&s, why);
	kernel_close(s.dir_fd);
	return rc;
}

bool log_file_is_ours(int fd)
{
	uid_t real, effective, saved;
	struct stat st;

	return kernel_fstat(fd, &st) == 0 && kernel_getresuid(&real, &effective, &saved) == 0 &&
	       (st.st_uid == real || st.st_uid == effective || st.st_uid == saved) && uid_is_one_user_s(st.st_uid);
}
