/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads /proc. A process may end between two reads: whatever cannot be read is left empty. */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/label.h"
#include "effort.h"
#include "library.h"

#define READ_BYTES ((size_t)16 << 10)
#define KEPT_BYTES ((size_t)64 << 10)

/* A process may have any mapping shown as its environment (PR_SET_MM_MAP), and as many mappings as the kernel lets it.
   exec takes less than the first; the others are more than any use of theirs. */
static const struct cap {
	const char *file;
	size_t bytes;
} caps[] = {
	{ "environ", (size_t)6 << 20 },
	{ "cmdline", (size_t)6 << 20 },
	{ "maps", (size_t)16 << 20 },
	{ "net/unix", (size_t)64 << 20 },
	{ NULL, (size_t)1 << 20 },
};

static size_t cap_of(const char *file)
{
	const struct cap *cap = caps;

	while (cap->file && strcmp(cap->file, file) != 0)
		cap++;
	return cap->bytes;
}

/* A file to read, until a line is found in it, unless that is NULL. */
struct wanted {
	const char *file;
	bool (*is_it)(const char *line, size_t len);
	struct buf *out;
	size_t seen; /* of `out`: whole lines that were looked at */
	bool found;
	int rc;
};

static void look_at_lines(struct wanted *w)
{
	const char *end;

	while (!w->found && (end = memchr(w->out->data + w->seen, '\n', w->out->len - w->seen))) {
		const char *line = w->out->data + w->seen;

		w->found = w->is_it(line, (size_t)(end - line));
		w->seen += (size_t)(end - line) + 1;
	}
}

/* One that is too long, or takes too long, is read as if it were not there. */
static int read_some(int fd, struct wanted *w)
{
	const size_t cap = cap_of(w->file);
	ssize_t n = -1;

	while (!w->found && buf_room(w->out, READ_BYTES) &&
	       (n = read(fd, w->out->data + w->out->len, READ_BYTES)) > 0) {
		w->out->len += (size_t)n;
		if (w->is_it)
			look_at_lines(w);
		if (w->out->len > cap)
			return -EFBIG;
		if (effort_is_over("/proc"))
			return -ETIME;
	}
	return w->out->failed ? -ENOMEM : n < 0 ? -errno : 0;
}

static int read_file(const char *path, struct wanted *w)
{
	int fd;

	w->seen = 0;
	buf_clear(w->out, KEPT_BYTES);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	w->rc = read_some(fd, w);
	close(fd);
	if (w->rc < 0)
		buf_clear(w->out, KEPT_BYTES);
	buf_add(w->out, "", 1);
	return w->out->failed ? -ENOMEM : w->rc;
}

static bool is_limited(int rc)
{
	return rc == -EFBIG || rc == -ETIME;
}

static bool is_still_empty(void *context, pid_t pid, pid_t thread)
{
	struct wanted *w = context;
	char path[96];
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)thread, w->file);
	rc = read_file(path, w);
	return (rc < 0 || w->out->len <= 1) && !is_limited(rc) && !effort_is_over("/proc");
}

static int read_wanted(pid_t pid, struct wanted *w)
{
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, w->file);
	rc = read_file(path, w);
	/* Once the first thread of a process has ended, only the others know. */
	if ((rc < 0 || w->out->len <= 1) && !is_limited(rc))
		proc_each_thread(pid, is_still_empty, w);
	if (w->out->len > 1)
		rc = 0;
	else if (rc == 0 && is_limited(w->rc))
		rc = w->rc;
	else if (rc == 0 && !w->out->len)
		buf_add(w->out, "", 1);
	return w->out->failed ? -ENOMEM : rc;
}

int proc_file(pid_t pid, const char *file, struct buf *out)
{
	struct wanted w = { .file = file, .out = out };

	return read_wanted(pid, &w);
}

long proc_field(const char *status, const char *label, bool last)
{
	const char *at = strstr(status, label);
	long value = 0;
	char *end;

	if (!at)
		return 0;
	for (at += strlen(label); *at && *at != '\n'; at = end) {
		value = strtol(at, &end, 10);
		if (end == at || !last)
			break;
	}
	return value;
}

void proc_clean(char *name)
{
	struct buf shown = { 0 };

	label_line(&shown, name);
	buf_char(&shown, '\0');
	if (!shown.failed)
		strcpy(name, shown.data); /* it is never longer */
	buf_free(&shown);
}

static void read_names(struct proc *p, struct buf *scratch)
{
	char path[64], target[4096];
	const char *slash;
	ssize_t n;

	if (proc_file(p->pid, "comm", scratch) == 0)
		snprintf(p->name, sizeof(p->name), "%.*s",
			 (int)(scratch->len > 2 ? scratch->len - 2 : 0), scratch->data);
	proc_clean(p->name);
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	slash = strrchr(target, '/');
	snprintf(p->program, sizeof(p->program), "%.*s", PROC_NAME_MAX - 1,
		 slash ? slash + 1 : target);
	if (strstr(p->program, " (deleted)"))
		*strstr(p->program, " (deleted)") = '\0';
	proc_clean(p->program);
}

static void read_uids(struct proc *p, const char *status)
{
	const char *at = strstr(status, "\nUid:\t");
	char *end;

	if (!at)
		return;
	at += strlen("\nUid:\t");
	for (size_t i = 0; i < sizeof(p->uids) / sizeof(p->uids[0]); i++, at = end)
		p->uids[i] = (uid_t)strtoul(at, &end, 10);
	p->uid = p->uids[1];
}

bool proc_read(pid_t pid, struct proc *p)
{
	struct buf scratch = { 0 };
	bool found;

	*p = (struct proc){ .pid = pid, .inner = pid };
	found = proc_file(pid, "status", &scratch) == 0;
	if (found) {
		p->parent = (pid_t)proc_field(scratch.data, "\nPPid:\t", false);
		read_uids(p, scratch.data);
		if (strstr(scratch.data, "\nNSpid:\t"))
			p->inner = (pid_t)proc_field(scratch.data, "\nNSpid:\t", true);
		read_names(p, &scratch);
	}
	buf_free(&scratch);
	return found;
}

/* What is behind the name may say that a newer one has been installed over it meanwhile: " (deleted)". */
static bool is_library_s(const char *line, size_t len)
{
	static const char name[] = "/" LIBRARY_STEM;
	const char *at = line, *end = line + len, *slash;

	while ((at = memmem(at, (size_t)(end - at), name, strlen(name)))) {
		at++;
		slash = memchr(at, '/', (size_t)(end - at));
		if (!slash)
			return library_is_named(at, (size_t)(end - at));
		at = slash;
	}
	return false;
}

int proc_has_library(pid_t pid, struct buf *scratch)
{
	struct wanted w = { .file = "maps", .is_it = is_library_s, .out = scratch };
	int rc = read_wanted(pid, &w);

	if (rc < 0 && !is_limited(rc))
		return rc;
	return w.found || proc_our_thread(pid, NULL) != 0; /* its file may have any name */
}

const char *proc_env(const struct buf *environment, const char *name)
{
	const char *at = environment->data, *end = at + environment->len;
	const size_t length = strlen(name);

	for (; (at = memmem(at, (size_t)(end - at), name, length)); at++)
		if ((at == environment->data || !at[-1]) && at[length] == '=')
			return at + length + 1;
	return NULL;
}

void proc_each_thread(pid_t pid, bool (*each)(void *context, pid_t pid, pid_t thread), void *context)
{
	char path[64];
	struct dirent *entry;
	bool on = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return;
	while (on && (entry = readdir(dir))) {
		long thread = strtol(entry->d_name, NULL, 10);

		if (thread > 0)
			on = each(context, pid, (pid_t)thread) && !effort_is_over("/proc");
	}
	closedir(dir);
}

struct search {
	struct buf name;
	pid_t found;
	long filters;
};

/* "mtpreload", or with ":N" behind: the filters that were there when it started. */
static bool is_our_name(const char *name, long *filters)
{
	static const char ours[] = "mtpreload";
	char *end = NULL;

	if (strncmp(name, ours, strlen(ours)) != 0)
		return false;
	name += strlen(ours);
	*filters = *name == ':' ? strtol(name + 1, &end, 10) : 0;
	return strcmp(end ? end : name, "\n") == 0;
}

static bool is_not_ours(void *context, pid_t pid, pid_t thread)
{
	struct search *s = context;
	char file[48];

	snprintf(file, sizeof(file), "task/%d/comm", (int)thread);
	/* The first one has its name from the program. */
	if (thread != pid && proc_file(pid, file, &s->name) == 0 && is_our_name(s->name.data, &s->filters))
		s->found = thread;
	return !s->found;
}

pid_t proc_our_thread(pid_t pid, long *filters)
{
	struct search s = { .found = 0 };

	proc_each_thread(pid, is_not_ours, &s);
	buf_free(&s.name);
	if (filters)
		*filters = s.filters;
	return s.found;
}

/* Anybody's processes may take long, so root's and our own come first, and then one of each user's in turn. */
struct one {
	pid_t pid;
	uid_t uid;
	unsigned turn; /* 0 for root's and ours; else which it is of its user's, from 1 */
	size_t user;   /* of all users, by their numbers */
};

/* What may not be traced seems to be root's, but its status tells. */
static uid_t owner_of(pid_t pid, struct buf *scratch)
{
	struct proc p = { .uids = { 0 } };
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) < 0 || st.st_uid != 0)
		return st.st_uid;
	if (proc_file(pid, "status", scratch) == 0)
		read_uids(&p, scratch->data);
	return p.uids[0];
}

static int by_uid(const void *a, const void *b)
{
	const struct one *x = a, *y = b;

	return x->uid != y->uid ? (x->uid > y->uid) - (x->uid < y->uid) : (x->pid > y->pid) - (x->pid < y->pid);
}

static int by_turn(const void *a, const void *b)
{
	const struct one *x = a, *y = b;

	return x->turn != y->turn ? (x->turn > y->turn) - (x->turn < y->turn) : by_uid(a, b);
}

static struct one *list_all(size_t *count)
{
	DIR *dir = opendir("/proc");
	struct buf list = { 0 }, scratch = { 0 };
	struct dirent *entry;
	struct one *all;

	while (dir && (entry = readdir(dir))) {
		struct one one = { .pid = (pid_t)strtol(entry->d_name, NULL, 10) };

		if (one.pid <= 0)
			continue;
		one.uid = owner_of(one.pid, &scratch);
		buf_add(&list, &one, sizeof(one));
	}
	if (dir)
		closedir(dir);
	buf_free(&scratch);
	*count = list.len / sizeof(*all);
	all = calloc(*count + 1, sizeof(*all));
	if (all && *count)
		memcpy(all, list.data, *count * sizeof(*all));
	buf_free(&list);
	return all;
}

/* Sorts them; each knows its turn. */
static void take_turns(struct one *all, size_t count)
{
	const uid_t us = geteuid();

	qsort(all, count, sizeof(*all), by_uid);
	for (size_t i = 0; i < count; i++) {
		bool first = i == 0 || all[i - 1].uid != all[i].uid;

		all[i].user = i == 0 ? 0 : all[i - 1].user + first;
		all[i].turn = all[i].uid == 0 || all[i].uid == us ? 0 : first ? 1 : all[i - 1].turn + 1;
	}
	qsort(all, count, sizeof(*all), by_turn);
}

/* No process and no user takes what is for all of them. */
#define PROCESS_PERCENT 12
#define USER_PERCENT 75

/* False: this user's have had their share, or all have. */
static bool give_turn(const struct one *one, uint64_t *took_ns)
{
	const uint64_t process_ns = effort_part(PROCESS_PERCENT), user_ns = effort_part(USER_PERCENT);

	effort_turn(0);
	if (effort_is_over("/proc"))
		return false;
	if (one->turn == 0)
		return true;
	if (*took_ns >= user_ns && effort_is_limited())
		return false;
	effort_turn(process_ns < user_ns - *took_ns ? process_ns : user_ns - *took_ns);
	return true;
}

size_t proc_each(void (*each)(void *context, pid_t pid), void *context)
{
	size_t count, left = 0;
	struct one *all = list_all(&count);
	uint64_t *took_ns = calloc(count + 1, sizeof(*took_ns));
	const bool all_listed = all && took_ns;

	if (all_listed)
		take_turns(all, count);
	for (size_t i = 0; all_listed && i < count; i++) {
		if (all[i].turn && i && !all[i - 1].turn)
			effort_again();
		if (!give_turn(&all[i], &took_ns[all[i].user])) {
			left++;
			continue;
		}
		each(context, all[i].pid);
		if (all[i].turn)
			took_ns[all[i].user] += effort_turn_took();
	}
	effort_turn(0);
	free(took_ns);
	free(all);
	return all_listed ? left : count + 1;
}
