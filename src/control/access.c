/* SPDX-License-Identifier: BSD-2-Clause */
/* A peer's rights cannot be known without a race; its uid and groups, of when it connected, can. So the process's own
   rights decide whether its user may command it: none beyond that uid and the peer's groups. Asked by server.c at accept,
   by conn.c before each request, by command.c once its line is in the log, by socket.c at the bind. */
#include "access.h"

#include <errno.h>
#include <stddef.h>
#include <sys/un.h>

#include "base/capability.h"
#include "base/uid.h"
#include "control/life.h"

#define ROOT ((uid_t)0)
#define OVERFLOW_UID ((uid_t)65534) /* what the kernel shows for a uid that has no number in our user namespace */

struct ids {
	uid_t real, effective, saved;
};

static bool read_ids(struct ids *ids)
{
	return kernel_getresuid(&ids->real, &ids->effective, &ids->saved) == 0;
}

static bool are_one(const struct ids *ids)
{
	return ids->real == ids->effective && ids->real == ids->saved;
}

bool access_is_user(uid_t uid)
{
	struct ids ids;

	return read_ids(&ids) && (uid == ids.real || uid == ids.effective || uid == ids.saved);
}

bool access_ids_differ(void)
{
	struct ids ids;

	return !read_ids(&ids) || !are_one(&ids);
}

static bool has_capabilities(void)
{
	struct capabilities halves[2] = { { .permitted = 1 } };

	return capability_get(halves) < 0 || halves[0].permitted || halves[1].permitted;
}

/* May the process's own user command it? `*uid` is that user. */
static bool obeys_its_user(uid_t *uid)
{
	struct ids ids;

	if (!read_ids(&ids) || !are_one(&ids))
		return false;
	*uid = ids.real;
	return ids.real == ROOT || !has_capabilities();
}

/* Was it reached by a file? Then the file's mode, 0600, has let the peer in. */
static bool came_by_file(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(name);

	return kernel_getsockname(fd, &name, &size) == 0 && size > offsetof(struct sockaddr_un, sun_path) &&
	       name.sun_path[0];
}

#define FIRST_GROUPS 3 /* real, effective and saved */
#define GROUPS_MAX 1024 /* supplementary ones; who is in more is not compared */

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

struct groups {
	gid_t id[FIRST_GROUPS + GROUPS_MAX];
	unsigned count;
};

/* The first ones, and the supplementary ones. */
static bool read_groups(struct groups *g)
{
	int more = kernel_getresgid(&g->id[0], &g->id[1], &g->id[2]);

	if (more == 0)
		more = kernel_getgroups(GROUPS_MAX, g->id + FIRST_GROUPS);
	g->count = more < 0 ? 0 : FIRST_GROUPS + (unsigned)more;
	return more >= 0;
}

/* False where the kernel does not tell the supplementary ones, as before 4.13 and under qemu-user. */
static bool read_peer_groups(int fd, gid_t first, struct groups *g)
{
	socklen_t size = GROUPS_MAX * sizeof(gid_t);
	bool told = kernel_getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, g->id + 1, &size) == 0;

	g->id[0] = first;
	g->count = 1 + (told ? size / (socklen_t)sizeof(gid_t) : 0);
	return told || errno == ERANGE;
}

static bool has(const struct groups *g, gid_t id)
{
	for (unsigned i = 0; i < g->count; i++)
		if (g->id[i] == id)
			return true;
	return false;
}

/* A log is made with the process's groups, so in directories that are closed to a user without them. The process gains
   none while such a user is connected: for that it would have to hold a capability. */
static bool has_our_groups(int fd, gid_t first)
{
	struct groups ours, peers = { .count = 0 };
	unsigned i = 0;

	if (!read_groups(&ours))
		return false;
	if (!read_peer_groups(fd, first, &peers))
		ours.count = FIRST_GROUPS;
	while (i < ours.count && has(&peers, ours.id[i]))
		i++;
	return i == ours.count;
}

bool access_begins(int fd, struct ucred *peer)
{
	socklen_t size = sizeof(*peer);
	uid_t uid;

	if (kernel_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) < 0)
		return false;
	if (!uid_has_number())
		return false; /* 0 is then whoever made the namespace, and may be far below us */
	if (peer->uid == ROOT)
		return true;
	if (!obeys_its_user(&uid))
		return false;
	/* It may stand for anybody, our own user among them, whom only a file's mode can tell apart. */
	if (!uid_is_one_user_s(peer->uid))
		return came_by_file(fd);
	return peer->uid == uid && has_our_groups(fd, peer->gid);
}

bool access_lasts(uid_t peer)
{
	uid_t uid;

	if (life_is_left())
		return false; /* held up, our thread has still what the process has given up */
	return peer == ROOT || (obeys_its_user(&uid) && (peer == uid || peer == OVERFLOW_UID));
}
