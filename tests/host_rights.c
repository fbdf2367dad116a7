/* SPDX-License-Identifier: BSD-2-Clause */
/* Does, with one thread, what only a process with one thread can: keeps its capabilities while it gives up its user,
   then changes its group with them. Prints what each call said, and lives on. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say(const char *what, int rc)
{
	printf("%s: %s\n", what, rc < 0 ? strerror(errno) : "done");
}

/* For this thread alone, as there is no other way. */
static int raise_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -1;
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	return (int)syscall(SYS_capset, &header, data);
}

int main(void)
{
	say("keep", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	say("user", setresuid(1000, 1000, 65534));
	say("raise", raise_capabilities());
	say("groups", setgroups(0, NULL));
	say("group", setresgid(65534, 65534, 65534));
	say("back", seteuid(65534));
	say("group again", setegid(1000));
	say("for good", setuid(1000));
	say("and no more", setuid(0));
	printf("ready\n");
	fflush(stdout);
	return getchar() == EOF ? 0 : 3;
}
