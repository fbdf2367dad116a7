/* SPDX-License-Identifier: BSD-2-Clause */
/* Two processes that have one pid, as in two pid namespaces, and one directory: each keeps a name of its own. */
#include "control/name.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit.h"

#define ROUNDS 1000
#define PEERS 2
#define THE_PID 4242

static char directory[UNIT_PATH_MAX];
static int dir_fd;

static void nth_of_the_pid(unsigned nth, char name[RUNDIR_PATH_MAX])
{
	rundir_name(THE_PID, nth, name);
}

static bool answers(const char *name)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	ck_assert_int_eq(rundir_address(directory, dir_fd, name, &address), 0);
	rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return rc == 0;
}

/* Every third time it ends as if it were killed, and leaves its name. */
static void keep_a_name(pthread_barrier_t *together, int peer)
{
	struct name name;
	int fd;

	/* Processes that do not share it: its lock is one for all who do. */
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(together);
		fd = name_publish(&name, directory, dir_fd, nth_of_the_pid);
		ck_assert_msg(fd >= 0, "%s", strerror(-fd));
		ck_assert(name_is_in_place(&name, dir_fd));
		pthread_barrier_wait(together);
		ck_assert_msg(name_is_in_place(&name, dir_fd), "round %d: %s is another's", round, name.path);
		ck_assert(answers(name.last));
		pthread_barrier_wait(together);
		if ((round + peer) % 3)
			name_remove(&name);
		close(fd);
	}
}

START_TEST(processes_of_one_pid_keep_a_name_each)
{
	pthread_barrierattr_t shared;
	pthread_barrier_t *together = mmap(NULL, sizeof(*together), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[PEERS];
	int status;

	unit_directory(directory);
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(together, &shared, PEERS);
	for (int i = 0; i < PEERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			keep_a_name(together, i);
			_exit(0);
		}
	}
	for (int i = 0; i < PEERS; i++) {
		ck_assert_int_eq(waitpid(-1, &status, 0) > 0, 1);
		if (status != 0) /* the other one would wait for it */
			for (int k = 0; k < PEERS; k++)
				kill(pids[k], SIGKILL);
		ck_assert_int_eq(status, 0);
	}
	unit_remove(directory);
	munmap(together, sizeof(*together));
}
END_TEST

START_TEST(name_that_is_no_socket_is_left_alone)
{
	struct name name;
	int fd;

	unit_directory(directory);
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(openat(dir_fd, "mtpreload.4242.sock", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	fd = name_publish(&name, directory, dir_fd, nth_of_the_pid);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(name.last, "mtpreload.4242.2.sock");
	name_remove(&name);
	close(fd);
	close(dir_fd);
	unit_remove(directory);
}
END_TEST

START_TEST(name_is_closed_whatever_umask_takes)
{
	static const mode_t masks[] = { 0, 022, 0777 };

	unit_directory(directory);
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < COUNT(masks); i++) {
		mode_t before = umask(masks[i]);
		struct name name;
		struct stat st;
		int fd = name_publish(&name, directory, dir_fd, nth_of_the_pid);

		umask(before);
		ck_assert_msg(fd >= 0, "%s", strerror(-fd));
		ck_assert_int_eq(stat(name.path, &st), 0);
		ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0600);
		name_remove(&name);
		close(fd);
	}
	close(dir_fd);
	unit_remove(directory);
}
END_TEST

UNIT_SUITE(name, name_is_closed_whatever_umask_takes, processes_of_one_pid_keep_a_name_each, name_that_is_no_socket_is_left_alone)
