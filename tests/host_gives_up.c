/* SPDX-License-Identifier: BSD-2-Clause */
/* host_gives_up WAY: once a line has come, gives up rights of its main thread alone, says what came of it, and ends with
   its input. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USER 1000

/* Of Linux 5.13, alike on all processors. */
enum { LANDLOCK_CREATE_RULESET = 444, LANDLOCK_RESTRICT_SELF = 446 };
enum { LANDLOCK_WRITE_FILE = 1 << 1, LANDLOCK_MAKE_REG = 1 << 8 };

int capset(void *header, const void *data);

static struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
static const struct __user_cap_data_struct none[2];

static int by_capset(void)
{
	return capset(&header, none);
}

static int by_capset_number(void)
{
	return (int)syscall(SYS_capset, &header, none);
}

static int by_bounding_set(void)
{
	return prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0);
}

static int by_bounding_set_number(void)
{
	return (int)syscall(SYS_prctl, PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0);
}

static int by_landlock(void)
{
	const uint64_t handled = LANDLOCK_WRITE_FILE | LANDLOCK_MAKE_REG;
	long fd = syscall(LANDLOCK_CREATE_RULESET, &handled, sizeof(handled), 0);

	if (fd < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(LANDLOCK_RESTRICT_SELF, fd, 0);
}

static int by_setresuid(void)
{
	return setresuid(USER, USER, USER);
}

static int by_setresuid_number(void)
{
	return (int)syscall(SYS_setresuid, USER, USER, USER);
}

static int by_setuid(void)
{
	return setuid(USER);
}

static int by_setresgid(void)
{
	return setresgid(USER, USER, USER);
}

static int by_setgroups(void)
{
	const gid_t group = USER;

	return setgroups(1, &group);
}

static const struct {
	const char *name;
	int (*give_up)(void);
} ways[] = {
	{ "capset", by_capset },
	{ "capset-number", by_capset_number },
	{ "bounding", by_bounding_set },
	{ "bounding-number", by_bounding_set_number },
	{ "landlock", by_landlock },
	{ "setresuid", by_setresuid },
	{ "setresuid-number", by_setresuid_number },
	{ "setuid", by_setuid },
	{ "setresgid", by_setresgid },
	{ "setgroups", by_setgroups },
};

int main(int argc, char **argv)
{
	if (argc < 2 || getchar() == EOF)
		return 2;
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			printf("%s\n", ways[i].give_up() == 0 ? "given up" : strerror(errno));
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	return 0;
}
