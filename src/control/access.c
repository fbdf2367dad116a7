/* SPDX-License-Identifier: BSD-2-Clause */
/* A peer's rights cannot be known without a race, its uid can. So the process's own rights decide whether its user may
   command it: none beyond that uid. Asked by server.c at accept, by conn.c before each batch, by socket.c at the bind. */
#include "access.h"

#include <stddef.h>
#include <sys/un.h>

#include "base/capability.h"
#include "base/uid.h"

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
	return peer->uid == uid;
}

bool access_lasts(uid_t peer)
{
	uid_t uid;

	return peer == ROOT || (obeys_its_user(&uid) && (peer == uid || peer == OVERFLOW_UID));
}
