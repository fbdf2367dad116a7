/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processes of a name a role and an index mean. These have no command line: who started whom decides. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mtctl/ctl.h"
#include "mtctl/family.h"
#include "mtctl/role.h"
#include "tests/unit.h"

#define FIRST 2000000000 /* no process has such a pid */
#define MANY 16

/* A process, by its pid's last part, its parent's and its real uid. */
struct member {
	int pid, parent;
	uid_t uid;
};

static void gather(struct instances *found, const struct member *members, size_t count)
{
	*found = (struct instances){ 0 };
	for (size_t i = 0; i < count; i++) {
		struct instance *new = find_append(found);

		*new = (struct instance){ .proc = { .pid = FIRST + members[i].pid, .parent = FIRST + members[i].parent } };
		new->proc.uids[0] = members[i].uid;
		strcpy(new->proc.name, "d");
	}
}

/* What is said of a refusal is for people: tests of mtctl as a whole read it. */
static int keep_quietly(const struct role *r, bool each, struct instances *found)
{
	int kept = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC), status;

	dup2(nowhere, STDERR_FILENO);
	status = role_keep(r, each, found);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(nowhere);
	return status;
}

/* Whom the role means, as their pids' last parts; -1: it is refused. */
static int chosen(const char *text, bool each, const struct member *members, size_t count, int pids[MANY])
{
	struct instances found;
	struct role r;
	int kept = -1, status;

	ck_assert_int_eq(role_read(text, &r), CTL_DONE);
	gather(&found, members, count);
	status = keep_quietly(&r, each, &found);
	if (status == CTL_DONE) {
		kept = (int)found.count;
		for (int i = 0; i < kept; i++)
			pids[i] = found.at[i].proc.pid - FIRST;
	}
	find_free(&found);
	return kept;
}

static void means(const char *text, const struct member *members, size_t count, int pid)
{
	int pids[MANY];

	ck_assert_int_eq(chosen(text, false, members, count, pids), 1);
	ck_assert_int_eq(pids[0], pid);
}

static void is_refused(const char *text, const struct member *members, size_t count)
{
	int pids[MANY];

	ck_assert_int_eq(chosen(text, false, members, count, pids), -1);
}

/* Root's master and its workers, two lures before and between them, one of which is another's child. */
static const struct member lured[] = { { 10, 1, 1000 }, { 11, 10, 1000 }, { 20, 1, 0 }, { 21, 20, 33 },
				       { 22, 1, 1000 }, { 23, 20, 33 } };

START_TEST(workers_belong_to_their_master_s_user)
{
	static const uid_t wanted[] = { 1000, 1000, 0, 0, 1000, 0 };
	uid_t users[COUNT(lured)];
	struct instances found;

	gather(&found, lured, COUNT(lured));
	family_users(&found, users);
	ck_assert_mem_eq(users, wanted, sizeof(wanted));
	family_own_users(&found, users);
	ck_assert_uint_eq(users[3], 33);
	find_free(&found);
}
END_TEST

/* A reused pid. */
START_TEST(ring_of_parents_has_an_end)
{
	static const struct member ring[] = { { 10, 11, 1 }, { 11, 10, 1 } };
	struct instances found;
	uid_t users[2];

	gather(&found, ring, COUNT(ring));
	family_users(&found, users);
	ck_assert_uint_eq(users[0], 1);
	find_free(&found);
}
END_TEST

START_TEST(processes_of_several_users_are_counted_for_nobody)
{
	static const char *const roles[] = { "d:worker:1", "d:worker", "d:master", "d::1", "d:worker:2", "d:child:3" };

	for (size_t i = 0; i < COUNT(roles); i++)
		is_refused(roles[i], lured, COUNT(lured));
	for (size_t i = 0; i < COUNT(roles); i++) /* where nothing of root's has the role, too */
		is_refused(roles[i], lured, 3);
	means("d:worker:1", lured + 2, 2, 21);
	means("d:master", lured + 2, 2, 20);
}
END_TEST

START_TEST(each_user_s_are_counted_for_themselves)
{
	int pids[MANY];

	ck_assert_int_eq(chosen("d:worker:1", true, lured, COUNT(lured), pids), 2);
	ck_assert_int_eq(pids[0], 11);
	ck_assert_int_eq(pids[1], 21);
	ck_assert_int_eq(chosen("d:worker:2", true, lured, COUNT(lured), pids), 1);
	ck_assert_int_eq(pids[0], 23);
	ck_assert_int_eq(chosen("d:worker", true, lured, COUNT(lured), pids), 3);
	ck_assert_int_eq(chosen("d", true, lured, COUNT(lured), pids), 6);
	ck_assert_int_eq(chosen("d:worker:3", true, lured, COUNT(lured), pids), -1);
}
END_TEST

/* As a session of a daemon that becomes other users. */
START_TEST(index_counts_no_children_of_a_third_user)
{
	static const struct member sessions[] = { { 10, 1, 0 }, { 11, 10, 1000 }, { 12, 10, 33 }, { 13, 10, 33 } };
	int pids[MANY];

	is_refused("d:worker:1", sessions, COUNT(sessions));
	is_refused("d::2", sessions, COUNT(sessions));
	ck_assert_int_eq(chosen("d:worker:1", true, sessions, COUNT(sessions), pids), -1);
	ck_assert_int_eq(chosen("d:worker", false, sessions, COUNT(sessions), pids), 3);
	means("d:master", sessions, COUNT(sessions), 10);
	means("d:master:1", sessions, COUNT(sessions), 10);
	means("d:worker:1", (const struct member[]){ { 10, 1, 0 }, { 12, 10, 33 }, { 13, 10, 33 } }, 3, 12);
}
END_TEST

UNIT_SUITE(role, workers_belong_to_their_master_s_user, ring_of_parents_has_an_end,
	   processes_of_several_users_are_counted_for_nobody, each_user_s_are_counted_for_themselves,
	   index_counts_no_children_of_a_third_user)
