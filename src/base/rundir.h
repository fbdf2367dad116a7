/* SPDX-License-Identifier: BSD-2-Clause */
/* Where sockets live and what they are called. Shared by the library, which binds on our thread
   and removes on the host's, and mtctl, which looks for them. Nothing here allocates. */
#ifndef MT_BASE_RUNDIR_H
#define MT_BASE_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define RUNDIR_PATH_MAX 256
#define RUNDIR_NAME_MAX 40
#define RUNDIR_NAMES_MAX 1000 /* that are tried for one pid */

/* The parts of the environment that matter; NULL where unset. */
struct rundir_env {
	const char *mtpreload_dir;
	const char *runtime_directory;
	const char *xdg_runtime_dir;
};

/* A place for sockets. */
struct rundir {
	char path[RUNDIR_PATH_MAX]; /* empty: not set in the environment, or too long */
	bool make;                  /* we may create it, with mode 0700 */
	bool strict;                /* its parent is open to others: it has to be ours and closed */
	bool of_root;               /* it has to be root's, and nobody else may make names in it but their own */
};

/* Candidate `index` (from 0), in the order in which they are tried: $MTPRELOAD_DIR,
   $RUNTIME_DIRECTORY (its first path), /run/mtpreload, $XDG_RUNTIME_DIR/mtpreload,
   /tmp/mtpreload-UID, and /tmp/mtpreload-UID.2 to .9 for whoever finds that taken: uid 0 of a user namespace is another
   user than root. False past the last. */
bool rundir_candidate(const struct rundir_env *env, int index, uid_t uid, struct rundir *dir);

#define RUNDIR_TMP "/tmp/mtpreload-"

/* Opens the directory for binding: it has to be ours or root's, and no link.
   A descriptor that can be read, or -errno. */
int rundir_open(const struct rundir *dir);

/* "mtpreload.PID.sock", or with ".NTH" behind the pid from the second on: processes of several pid namespaces may
   have one pid and one directory. And back to the pid; 0 where the name is another. While a socket is bound and not
   yet listening its name has a dot in front, which rundir_pid accepts too. */
void rundir_name(pid_t pid, unsigned nth, char name[RUNDIR_NAME_MAX]);
pid_t rundir_pid(const char *name);

/* The same for a name that is no file: "@mtpreload.PID", with ".NTH" behind from the second on. They belong to a
   network namespace, in which several pid namespaces may be. */
void rundir_abstract(pid_t pid, unsigned nth, char name[RUNDIR_NAME_MAX]);

/* The address of `name` in the open directory `dir_fd`: through /proc where the path is longer
   than an address holds (107 bytes). 0 or -ENAMETOOLONG. */
int rundir_address(const char *dir, int dir_fd, const char *name, struct sockaddr_un *address);

/* Calls `each` with every socket name in the directory until it returns false. `each` may
   remove the name. */
void rundir_each(int dir_fd, bool (*each)(void *context, const char *name, pid_t pid),
		 void *context);

/* Gives a file another name, which nobody may have: 0, -EEXIST where somebody has it, or -errno. It never replaces. */
int rundir_move(int dir_fd, const char *from, const char *to);

/* Removes a socket's name if it refuses connections, under the directory's lock. Whoever shares the open directory
   `dir_fd` shares the lock. False: it is in use, or no socket's, or somebody else is removing names. */
bool rundir_remove_dead(const char *dir, int dir_fd, const char *name);

/* The same for a name whose process is gone. Its pid must be unknown here *and* its socket refuse connections: a
   pid of another namespace is unknown here while its socket lives. A name with a dot in front has to be old instead: it
   refuses connections for a moment in any case. */
bool rundir_remove_stale(const char *dir, int dir_fd, const char *name, pid_t pid);

/* Removes stale names; returns how many. It looks at so many names: whoever fills a directory that is open to all must
   not hold up a program's start and end. What stays is in nobody's way. */
#define RUNDIR_PRUNED_MAX 300
int rundir_prune(const char *dir, int dir_fd);

#endif
