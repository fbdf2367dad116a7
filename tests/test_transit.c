/* SPDX-License-Identifier: BSD-2-Clause */
/* One chunk on its way in and out, whole and part by part. */
#include "inject/transit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/real.h"
#include "inject/content.h"
#include "inject/release.h"
#include "inject/system.h"
#include "tests/unit.h"

#define PART ((size_t)256 << 10)

static void come_in(struct transit *t, size_t size, struct slice slice)
{
	size_t before;

	*t = (struct transit){ 0 };
	ck_assert_int_eq(transit_in(t, &(struct want){ .size = size }, NULL), 0);
	do {
		before = t->done;
		ck_assert_int_eq(t->stage, TRANSIT_FILLING);
		if (transit_in_step(t, &slice))
			break;
		ck_assert_uint_gt(t->done, before);
		ck_assert(slice.until_ns || t->done - before <= PART);
	} while (true);
	ck_assert_int_eq(t->stage, TRANSIT_IDLE);
	ck_assert_uint_eq(t->chunk.size, size);
}

/* Returns how many times it was found damaged. */
static uint64_t go_out(struct transit *t, bool for_good, struct slice slice)
{
	struct chunk c = t->chunk;
	uint64_t damaged = 0;
	unsigned steps = 0;

	transit_out(t, &c, for_good);
	while (!transit_out_step(t, &slice, &damaged))
		ck_assert_uint_lt(++steps, 100);
	ck_assert_int_eq(t->stage, TRANSIT_IDLE);
	ck_assert_uint_eq(budget_used(), 0);
	return damaged;
}

/* A thread of the host's allocates. */
static void be_host(void)
{
	free(HEAP_CALL(malloc)(1));
}

static const size_t sizes[] = { 0, 1, 7, 8, 4097, PART - 1, PART, PART + 1, 5 * PART + 3, 4 << 20 };

START_TEST(chunk_goes_in_and_out_whole_or_in_parts)
{
	const struct slice slices[] = { UNIT_MUCH_TIME, UNIT_NO_TIME };

	for (unsigned i = 0; i < 2 * COUNT(sizes); i++)
		for (unsigned check = 0; check < 2; check++) {
			struct transit t;

			atomic_store(&content_check, check);
			come_in(&t, sizes[i / 2], slices[i % 2]);
			ck_assert_uint_eq(budget_used(), sizes[i / 2]);
			ck_assert_uint_eq(t.chunk.flags, CHUNK_TOUCHED | (check ? CHUNK_PATTERN : 0));
			if (check)
				ck_assert_uint_eq(content_verify(t.chunk.addr, 0, t.chunk.size),
						  SIZE_MAX);
			ck_assert_uint_eq(go_out(&t, false, slices[i % 2]), 0);
		}
}
END_TEST

START_TEST(damaged_chunk_is_counted_once)
{
	const struct slice slices[] = { UNIT_MUCH_TIME, UNIT_NO_TIME };

	atomic_store(&content_check, 1);
	for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
		size_t size = sizes[i / 2];
		uint64_t before = transit_corruptions();
		struct transit t;

		if (!size)
			continue;
		come_in(&t, size, slices[i % 2]);
		((char *)t.chunk.addr)[0] ^= 1;
		((char *)t.chunk.addr)[size / 2] ^= 2;
		((char *)t.chunk.addr)[size - 1] ^= 4;
		ck_assert_uint_eq(go_out(&t, false, slices[i % 2]), 1);
		ck_assert_uint_eq(transit_corruptions(), before + 1);
	}
}
END_TEST

START_TEST(half_filled_chunk_has_no_pattern_yet)
{
	struct transit t = { 0 };
	struct slice slice = UNIT_NO_TIME;

	atomic_store(&content_check, 1);
	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = 4 * PART }, NULL), 0);
	ck_assert(!transit_in_step(&t, &slice));
	ck_assert_uint_eq(t.chunk.flags, CHUNK_TOUCHED);
	atomic_store(&content_check, 0); /* is read once for each chunk */
	ck_assert_uint_eq(go_out(&t, false, UNIT_NO_TIME), 0);
	come_in(&t, 100, UNIT_MUCH_TIME);
	atomic_store(&content_check, 1);
	ck_assert_uint_eq(t.chunk.flags, CHUNK_TOUCHED);
	ck_assert_uint_eq(go_out(&t, false, UNIT_MUCH_TIME), 0);
}
END_TEST

static bool middle_is_resident(const struct transit *t)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t middle = ((uintptr_t)t->chunk.addr + t->chunk.size / 2) & ~(page - 1);
	unsigned char in;

	ck_assert_int_eq(mincore((void *)middle, page, &in), 0);
	return in & 1;
}

START_TEST(touch_decides_whether_pages_are_resident)
{
	for (unsigned touch = 0; touch < 2; touch++) {
		struct transit t;

		atomic_store(&content_touch, touch);
		come_in(&t, 64 << 20, UNIT_MUCH_TIME);
		ck_assert_int_eq(middle_is_resident(&t), touch == 1);
		go_out(&t, false, UNIT_MUCH_TIME);
	}
}
END_TEST

static void *refuse(size_t size)
{
	(void)size;
	return NULL;
}

START_TEST(refusals_take_nothing)
{
	void *(*allocator)(size_t) = real.malloc;
	struct transit t = { 0 };
	char why[BUDGET_WHY_MAX] = "";

	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = CHUNK_BYTES_MAX + 1 }, why), -ENOMEM);
	real.malloc = refuse;
	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = 10 }, why), -ENOMEM);
	real.malloc = allocator;
	ck_assert_str_eq(why, "");
	atomic_store(&budget_max_bytes, 9);
	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = 10 }, why), -EDQUOT);
	ck_assert_str_eq(why, "10 bytes asked, 0 held, max_bytes is 9");
	ck_assert_int_eq(t.stage, TRANSIT_IDLE);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

START_TEST(drain_empties_a_pool)
{
	struct chunk_pool pool = { 0 };
	struct transit t = { 0 };
	struct slice slice = UNIT_NO_TIME;
	uint64_t damaged = 0, calls = 0;

	atomic_store(&content_check, 1);
	for (size_t i = 0; i < 100; i++) {
		come_in(&t, i, UNIT_MUCH_TIME);
		ck_assert_int_eq(chunk_push(&pool, &t.chunk), 0);
		if (i % 10 == 5)
			*(char *)t.chunk.addr ^= 1;
	}
	while (!transit_drain(&t, &pool, false, &slice, &damaged)) {
		ck_assert_uint_lt(++calls, 1000);
		ck_assert_uint_eq(budget_used(),
				  pool.bytes + (t.stage == TRANSIT_IDLE ? 0 : t.chunk.size));
	}
	ck_assert_uint_ge(calls, 99); /* one chunk at least goes in each slice, no more than one here */
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_uint_eq(damaged, 10);
	ck_assert_uint_eq(pool.chunks, 0);
}
END_TEST

START_TEST(interrupted_chunk_is_adopted_in_any_stage)
{
	struct chunk_pool pool = { 0 };
	struct transit in = { 0 }, out = { 0 }, idle = { 0 };
	struct slice slice = UNIT_NO_TIME;
	uint64_t damaged = 0;

	atomic_store(&content_check, 1);
	ck_assert_int_eq(transit_in(&in, &(struct want){ .size = 4 * PART }, NULL), 0);
	ck_assert(!transit_in_step(&in, &slice));
	come_in(&out, 4 * PART, UNIT_MUCH_TIME);
	transit_out(&out, &out.chunk, true);
	ck_assert(!transit_out_step(&out, &slice, &damaged));
	transit_adopt(&in, &pool);
	transit_adopt(&out, &pool);
	transit_adopt(&idle, &pool);
	ck_assert_uint_eq(pool.chunks, 2);
	ck_assert_uint_eq(pool.bytes, 8 * PART);
	budget_adopt(pool.bytes);
	slice = UNIT_MUCH_TIME;
	ck_assert(transit_drain(&idle, &pool, true, &slice, &damaged));
	ck_assert_uint_eq(damaged, 0);
}
END_TEST

/* Were the untouched rest of a cancelled chunk still pending, there would seem to be no memory left. */
START_TEST(cancelled_chunk_leaves_nothing_pending)
{
	const size_t size = (size_t)1 << 30;
	struct headroom h;

	ck_assert_int_eq(system_headroom(0, &h), 0);
	for (uint64_t sum = 0; sum <= h.total_bytes; sum += size) {
		struct transit t = { 0 };

		ck_assert_int_eq(transit_in(&t, &(struct want){ .size = size }, NULL), 0);
		go_out(&t, false, UNIT_MUCH_TIME);
	}
	atomic_store(&budget_available_percent, 1);
	ck_assert_int_eq(budget_check(1, NULL), 0);
}
END_TEST

/* By kind: its flags where pages are touched, and with the pattern. */
static const struct {
	enum kind kind;
	unsigned touched, patterned;
} kinds[] = {
	{ KIND_HEAP, CHUNK_TOUCHED, CHUNK_TOUCHED | CHUNK_PATTERN },
	{ KIND_UNTOUCHED, 0, 0 },
	{ KIND_MMAP, CHUNK_MAPPED | CHUNK_TOUCHED, CHUNK_MAPPED | CHUNK_TOUCHED | CHUNK_PATTERN },
	{ KIND_SHMEM, CHUNK_MAPPED | CHUNK_TOUCHED, CHUNK_MAPPED | CHUNK_TOUCHED | CHUNK_PATTERN },
};

/* No page of the range is mapped any more. */
static bool is_unmapped(void *addr, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char resident;

	for (size_t at = 0; at < size; at += page)
		if (mincore((char *)addr + at, 1, &resident) == 0 || errno != ENOMEM)
			return false;
	return true;
}

START_TEST(kinds_come_in_as_what_they_are_and_leave_nothing)
{
	static const size_t lengths[] = { 1, 4096, 5000, PART + 1, 4 << 20 };
	const struct slice slices[] = { UNIT_MUCH_TIME, UNIT_NO_TIME };

	for (unsigned i = 0; i < COUNT(kinds) * COUNT(lengths) * 8; i++) {
		size_t size = lengths[i / 8 % COUNT(lengths)];
		unsigned kind = i / 8 / COUNT(lengths);
		bool check = i & 1, for_good = i & 2;
		struct slice slice = slices[i >> 2 & 1];
		struct transit t = { 0 };
		void *addr;

		atomic_store(&content_check, check);
		ck_assert_int_eq(transit_in(&t, &(struct want){ .size = size, .kind = kinds[kind].kind }, NULL), 0);
		ck_assert_uint_eq(budget_used(), size);
		while (!transit_in_step(&t, &slice))
			continue;
		ck_assert_uint_eq(t.chunk.flags, check ? kinds[kind].patterned : kinds[kind].touched);
		if (t.chunk.flags & CHUNK_PATTERN)
			ck_assert_uint_eq(content_verify(t.chunk.addr, 0, size), SIZE_MAX);
		addr = t.chunk.addr;
		if (t.chunk.flags & CHUNK_MAPPED)
			ck_assert(!is_unmapped(addr, 1));
		ck_assert_uint_eq(go_out(&t, for_good, slice), 0);
		if (kinds[kind].touched & CHUNK_MAPPED)
			ck_assert(is_unmapped(addr, size));
	}
}
END_TEST

START_TEST(untouched_stays_so_whatever_the_settings_say)
{
	struct transit t = { 0 };
	struct slice slice = UNIT_NO_TIME;

	atomic_store(&content_check, 1);
	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = 64 << 20, .kind = KIND_UNTOUCHED }, NULL), 0);
	ck_assert(transit_in_step(&t, &slice));
	ck_assert(!middle_is_resident(&t));
	go_out(&t, true, UNIT_MUCH_TIME);
}
END_TEST

START_TEST(mappings_are_touched_as_touch_says)
{
	for (unsigned i = 0; i < 4; i++) {
		struct slice slice = UNIT_MUCH_TIME;
		struct transit t = { 0 };

		atomic_store(&content_touch, i % 2);
		ck_assert_int_eq(transit_in(&t, &(struct want){ .size = 1 << 20, .kind = i / 2 ? KIND_SHMEM : KIND_MMAP }, NULL), 0);
		ck_assert(transit_in_step(&t, &slice));
		ck_assert_int_eq(middle_is_resident(&t), i % 2);
		ck_assert_uint_eq(t.chunk.flags, CHUNK_MAPPED | (i % 2 ? CHUNK_TOUCHED : 0));
		go_out(&t, true, UNIT_MUCH_TIME);
	}
}
END_TEST

START_TEST(mapping_that_the_system_refuses_takes_nothing)
{
	struct rlimit before, limit;
	struct transit t = { 0 };

	getrlimit(RLIMIT_AS, &before);
	limit = before;
	limit.rlim_cur = (rlim_t)1 << 40;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = CHUNK_BYTES_MAX, .kind = KIND_SHMEM }, NULL), -ENOMEM);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
	ck_assert_int_eq(t.stage, TRANSIT_IDLE);
	ck_assert_uint_eq(budget_used(), 0);
	atomic_store(&budget_max_bytes, 4096);
	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = 4097, .kind = KIND_MMAP }, NULL), -EDQUOT);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

START_TEST(damaged_mapping_is_counted)
{
	struct slice slice = UNIT_MUCH_TIME;
	struct transit t = { 0 };

	atomic_store(&content_check, 1);
	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = 1 << 20, .kind = KIND_SHMEM }, NULL), 0);
	ck_assert(transit_in_step(&t, &slice));
	((char *)t.chunk.addr)[(1 << 20) - 1] ^= 1;
	ck_assert_uint_eq(go_out(&t, true, UNIT_NO_TIME), 1);
}
END_TEST

/* Nobody has allocated it before a thread of the host's does; the limits count it all the same. */
START_TEST(posted_chunk_is_taken_but_not_held)
{
	const struct want want = { .size = 1000, .where = WHERE_HOST };
	struct slice slice = UNIT_MUCH_TIME;
	struct transit t = { 0 };
	uint64_t failed = 0;

	ck_assert_int_eq(transit_in(&t, &want, NULL), 0);
	ck_assert_int_eq(t.stage, TRANSIT_POSTED);
	ck_assert_uint_eq(budget_used(), 1000);
	ck_assert_uint_eq(budget_posted(), 1000);
	ck_assert_uint_eq(budget_held(), 0);
	ck_assert(transit_withdraw(&t));
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_uint_eq(budget_posted(), 0);
	ck_assert_int_eq(transit_in(&t, &want, NULL), 0);
	ck_assert(!transit_arrived(&t, &failed));
	be_host();
	ck_assert(transit_arrived(&t, &failed));
	ck_assert_uint_eq(failed, 0);
	ck_assert_uint_eq(budget_posted(), 0);
	ck_assert_uint_eq(budget_held(), 1000);
	ck_assert(transit_in_step(&t, &slice));
	go_out(&t, true, UNIT_MUCH_TIME);
}
END_TEST

/* Of those that find no slot none is refused: they wait for one. */
START_TEST(posts_beyond_the_slots_wait_for_one)
{
	const struct want want = { .size = 10, .where = WHERE_HOST };
	struct transit many[260] = { 0 };
	struct slice slice = UNIT_MUCH_TIME;
	uint64_t failed = 0;
	unsigned waiting = 0, arrived = 0;

	for (size_t i = 0; i < COUNT(many); i++) {
		ck_assert_int_eq(transit_in(&many[i], &want, NULL), 0);
		ck_assert_int_eq(many[i].stage, TRANSIT_POSTED);
		waiting += many[i].slot < 0;
	}
	ck_assert_uint_eq(waiting, 4);
	ck_assert_uint_eq(budget_posted(), 10 * COUNT(many));
	ck_assert(!transit_arrived(&many[259], &failed));
	ck_assert(transit_withdraw(&many[258])); /* one that waits */
	ck_assert(transit_withdraw(&many[0]));
	ck_assert(!transit_arrived(&many[259], &failed)); /* has that one's slot now */
	ck_assert_int_ge(many[259].slot, 0);
	for (unsigned turns = 0; arrived < COUNT(many) - 2; turns++) {
		ck_assert_uint_lt(turns, COUNT(many));
		be_host();
		for (size_t i = 0; i < COUNT(many); i++) {
			if (many[i].stage != TRANSIT_POSTED || !transit_arrived(&many[i], &failed))
				continue;
			arrived++;
			ck_assert(transit_in_step(&many[i], &slice));
		}
	}
	ck_assert_uint_eq(failed, 0);
	ck_assert_uint_eq(budget_posted(), 0);
	ck_assert_uint_eq(budget_held(), 10 * (COUNT(many) - 2));
	for (size_t i = 1; i < COUNT(many); i++)
		if (i != 258)
			release_chunk(&many[i].chunk, false);
}
END_TEST

UNIT_SUITE(transit, chunk_goes_in_and_out_whole_or_in_parts, damaged_chunk_is_counted_once,
	   half_filled_chunk_has_no_pattern_yet, touch_decides_whether_pages_are_resident,
	   refusals_take_nothing, drain_empties_a_pool,
	   interrupted_chunk_is_adopted_in_any_stage, cancelled_chunk_leaves_nothing_pending,
	   kinds_come_in_as_what_they_are_and_leave_nothing, untouched_stays_so_whatever_the_settings_say,
	   mappings_are_touched_as_touch_says, mapping_that_the_system_refuses_takes_nothing,
	   damaged_mapping_is_counted, posted_chunk_is_taken_but_not_held,
	   posts_beyond_the_slots_wait_for_one)
