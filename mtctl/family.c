/* SPDX-License-Identifier: BSD-2-Clause */
/* Families by /proc's parents and real uids. */
#include "family.h"

#include <stdlib.h>

#define USERS_LISTED_MAX 10

static int by_pid(const void *pid, const void *at)
{
	const pid_t wanted = *(const pid_t *)pid;
	const struct instance *i = at;

	return (wanted > i->proc.pid) - (wanted < i->proc.pid);
}

/* What was read while processes ended may go round in a ring. */
static const struct instance *first_of(const struct instances *found, const struct instance *i)
{
	const struct instance *above;

	for (size_t step = 0; step < found->count; step++) {
		above = bsearch(&i->proc.parent, found->at, found->count, sizeof(*found->at), by_pid);
		if (!above)
			break;
		i = above;
	}
	return i;
}

void family_users(const struct instances *found, uid_t *users)
{
	for (size_t n = 0; n < found->count; n++)
		users[n] = first_of(found, &found->at[n])->proc.uids[0];
}

void family_own_users(const struct instances *found, uid_t *users)
{
	for (size_t n = 0; n < found->count; n++)
		users[n] = found->at[n].proc.uids[0];
}

bool family_is_first(const uid_t *users, size_t n)
{
	for (size_t before = 0; before < n; before++)
		if (users[before] == users[n])
			return false;
	return true;
}

size_t family_count(const uid_t *users, size_t count)
{
	size_t different = 0;

	for (size_t n = 0; n < count; n++)
		different += family_is_first(users, n);
	return different;
}

void family_list(struct buf *b, const struct instances *found, const uid_t *users)
{
	size_t listed = 0;

	for (size_t n = 0; n < found->count && listed < USERS_LISTED_MAX; n++) {
		size_t more = 0;

		if (!family_is_first(users, n))
			continue;
		for (size_t later = n + 1; later < found->count; later++)
			more += users[later] == users[n];
		buf_printf(b, "%suid %u has %d", listed++ ? "; " : "", (unsigned)users[n], (int)found->at[n].proc.pid);
		if (more)
			buf_printf(b, " and %zu more", more);
	}
	buf_char(b, '\0');
}
