/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has which place, and the memory of each: mapped when somebody comes, given back when he has gone. */
#include "places.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pool.h"
#include "control/wire.h"

/* A silent client keeps a reserved place for so long at the least: a busy machine may not let it speak sooner. */
#define PATIENCE_NS (250 * NS_PER_MS)

#define TOUCHED ((size_t)4096) /* of its struct with its requests, and of its replies */

struct place {
	struct conn conn;
	bool used; /* since its pages were last given back */
	char input[WIRE_REQUEST_MAX + 1];
};

/* Two are always there. The last resort is for whoever comes when no other can be mapped. */
enum { ALWAYS, LAST_RESORT, KEPT };

static struct place *places[PLACES_MAX];

static struct place *new_place(void)
{
	struct place *p = pool_map(sizeof(*p));

	if (p && conn_reserve(&p->conn, p->input, sizeof(p->input)) < 0) {
		pool_unmap(p, sizeof(*p));
		p = NULL;
	}
	return p;
}

int places_start(void)
{
	for (unsigned i = 0; i < KEPT; i++) {
		if (places[i])
			continue;
		places[i] = new_place();
		if (!places[i])
			return -ENOMEM;
		places[i]->conn.out.data[0] = '\0'; /* present from now on, as is the struct */
	}
	return 0;
}

static bool is_free(unsigned i)
{
	return places[i] && places[i]->conn.state == CONN_FREE;
}

struct conn *places_at(unsigned i)
{
	return !places[i] || is_free(i) || places[i]->conn.state == CONN_GONE ? NULL : &places[i]->conn;
}

static bool can_make_room(const struct conn *c)
{
	return c && c->place != CONN_ORDINARY && !c->reply.deferred;
}

/* Processes of other pid namespaces are all 0 here, which tells nothing. */
static unsigned reserved_of(pid_t pid)
{
	unsigned count = 0;

	for (unsigned i = 0; pid && i < PLACES_MAX; i++) {
		const struct conn *c = places_at(i);

		count += c && c->place != CONN_ORDINARY && c->pid == pid;
	}
	return count ? count : 1;
}

/* Of the silent ones on reserved places: of the process that has most of these, the one that has been silent for longest.
   `*ready_ns`: from when on it has to. */
static struct conn *who_makes_room(uint64_t *ready_ns)
{
	struct conn *chosen = NULL;
	unsigned most = 0;

	*ready_ns = CLOCK_NEVER;
	for (unsigned i = 0; i < PLACES_MAX; i++) {
		struct conn *c = places_at(i);
		unsigned count;

		if (!can_make_room(c))
			continue;
		count = reserved_of(c->pid);
		if (chosen && (count < most || (count == most && c->heard_ns >= chosen->heard_ns)))
			continue;
		most = count;
		chosen = c;
		*ready_ns = count > 1 ? 0 : c->heard_ns + PATIENCE_NS;
	}
	return chosen;
}

static bool has_room(void)
{
	return conn_count() < CONN_ORDINARY_MAX || conn_reserved_count() < PLACES_RESERVED;
}

uint64_t places_free_ns(void)
{
	uint64_t ready_ns = 0;

	if (!has_room())
		who_makes_room(&ready_ns);
	return ready_ns;
}

bool places_make_room(uint64_t now_ns, uint64_t *ready_ns)
{
	struct conn *c = who_makes_room(ready_ns);

	if (!c || *ready_ns > now_ns)
		return false;
	conn_hang_up(c);
	return true;
}

static struct conn *free_place(void)
{
	for (unsigned i = 0; i < PLACES_MAX; i++) {
		if (i == LAST_RESORT)
			continue;
		if (!places[i])
			places[i] = new_place();
		if (is_free(i))
			return &places[i]->conn;
	}
	return is_free(LAST_RESORT) ? &places[LAST_RESORT]->conn : NULL;
}

struct conn *places_vacant(uint64_t now_ns, uint64_t *again_ns)
{
	struct conn *c = has_room() ? free_place() : NULL;

	if (!c && places_make_room(now_ns, again_ns))
		c = free_place();
	return c;
}

void places_take(struct conn *c, int fd, pid_t pid, uid_t uid, bool last_descriptor)
{
	enum conn_place place = CONN_ORDINARY;

	if (conn_count() >= CONN_ORDINARY_MAX)
		place = CONN_TOO_MANY;
	else if (c == &places[LAST_RESORT]->conn)
		place = CONN_NO_MEMORY;
	else if (last_descriptor)
		place = CONN_NO_DESCRIPTOR;
	((struct place *)c)->used = true; /* its first member */
	conn_open(c, fd, pid, uid, place);
}

/* What a long request or reply has touched. */
static void return_pages(struct place *p)
{
	pool_return((char *)p + TOUCHED, sizeof(*p) - TOUCHED);
	pool_return(p->conn.out.data + TOUCHED, p->conn.out.cap - TOUCHED);
}

void places_tidy(void)
{
	for (unsigned i = 0; i < PLACES_MAX; i++) {
		struct place *p = places[i];

		if (!is_free(i))
			continue;
		if (i < KEPT) {
			if (p->used)
				return_pages(p);
			p->used = false;
			continue;
		}
		places[i] = NULL;
		conn_end(&p->conn);
		pool_unmap(p, sizeof(*p));
	}
}

void places_forget(void)
{
	for (unsigned i = 0; i < PLACES_MAX; i++)
		if (places[i])
			conn_forget(&places[i]->conn);
	places_tidy();
}
