/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads ids, groups and capabilities. A process of uid 0 has the capabilities that its user has anyway. */
#include "access_why.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"
#include "users.h"

/* By number, as in capabilities(7). */
static const char *const capabilities[] = {
	"chown",	    "dac_override",	"dac_read_search",  "fowner",	       "fsetid",
	"kill",		    "setgid",		"setuid",	    "setpcap",	       "linux_immutable",
	"net_bind_service", "net_broadcast",	"net_admin",	    "net_raw",	       "ipc_lock",
	"ipc_owner",	    "sys_module",	"sys_rawio",	    "sys_chroot",      "sys_ptrace",
	"sys_pacct",	    "sys_admin",	"sys_boot",	    "sys_nice",	       "sys_resource",
	"sys_time",	    "sys_tty_config",	"mknod",	    "lease",	       "audit_write",
	"audit_control",    "setfcap",		"mac_override",	    "mac_admin",       "syslog",
	"wake_alarm",	    "block_suspend",	"audit_read",	    "perfmon",	       "bpf",
	"checkpoint_restore",
};

#define NAMED (sizeof(capabilities) / sizeof(capabilities[0]))
#define SHOWN_MAX 3

static void add_name(struct buf *why, unsigned number)
{
	if (number < NAMED)
		buf_printf(why, "cap_%s", capabilities[number]);
	else
		buf_printf(why, "capability %u", number);
}

/* "cap_chown, cap_kill and 12 more". */
static void add_names(struct buf *why, uint64_t held)
{
	unsigned shown = 0;

	for (unsigned n = 0; n < 64 && shown < SHOWN_MAX; n++) {
		if (!(held >> n & 1))
			continue;
		held &= ~(UINT64_C(1) << n);
		buf_str(why, shown++ ? ", " : "");
		add_name(why, n);
	}
	if (held)
		buf_printf(why, " and %d more", __builtin_popcountll(held));
}

#define GROUPS_MAX 1024

/* Of the process's groups, one that we have not; -1 where there is none. The kernel writes them in our numbers. */
static long group_that_we_lack(const char *status)
{
	static const char *const labels[] = { "\nGid:\t", "\nGroups:\t" };
	gid_t ours[1 + GROUPS_MAX] = { getegid() };
	int more = getgroups(GROUPS_MAX, ours + 1);

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		const char *at = strstr(status, labels[i]);
		char *end;

		for (at = at ? at + strlen(labels[i]) : ""; *at >= '0' && *at <= '9'; at = end + strspn(end, " \t")) {
			gid_t id = (gid_t)strtoul(at, &end, 10);
			int known = 0;

			while (known <= more && ours[known] != id)
				known++;
			if (more >= 0 && known > more)
				return (long)id;
		}
	}
	return -1;
}

enum access access_why(pid_t pid, const char *status, struct buf *why)
{
	const char *uids = strstr(status, "\nUid:\t"), *permitted = strstr(status, "\nCapPrm:\t");
	unsigned long id[3] = { 0 };
	uint64_t held = permitted ? strtoull(permitted + strlen("\nCapPrm:\t"), NULL, 16) : 0;
	uid_t inside;
	long group;
	char *end = (char *)(uids ? uids + strlen("\nUid:\t") : "");

	for (int i = 0; i < 3; i++)
		id[i] = strtoul(end, &end, 10);
	if (id[0] != id[1] || id[0] != id[2]) {
		buf_printf(why, "its real, effective and saved uid differ (%lu, %lu, %lu): only root may command it", id[0],
			   id[1], id[2]);
		return ACCESS_ROOT;
	}
	group = id[0] && id[0] == geteuid() ? group_that_we_lack(status) : -1;
	if (group >= 0) {
		buf_printf(why, "it is in group %ld, and this mtctl is not: only root and users of that group may command it", group);
		return ACCESS_GROUP;
	}
	/* uid 0 of a user namespace has there what its capabilities are good for. */
	if (!held || !id[0] || (users_number(pid, (uid_t)id[0], &inside) && !inside))
		return ACCESS_USER;
	buf_str(why, "it holds ");
	add_names(why, held);
	buf_str(why, ": only root may command it");
	return ACCESS_ROOT;
}

enum access access_why_process(pid_t pid, struct buf *why)
{
	struct buf status = { 0 };
	enum access who = ACCESS_USER;

	if (pid && proc_file(pid, "status", &status) == 0)
		who = access_why(pid, status.data, why);
	buf_free(&status);
	return who;
}
