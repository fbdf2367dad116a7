/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the log and pages of our records, as the gate sees them. What hangs is in held_up_test.py. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "inject/gate.h"
#include "inject/record.h"
#include "inject/store.h"
#include "tests/unit.h"

START_TEST(line_is_written_and_the_gate_is_as_it_was)
{
	char directory[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8], why[LOG_WHY_MAX], text[256] = "";
	FILE *f;

	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/log", directory);
	ck_assert_int_eq(log_open(path, why), 0);
	for (int inside = 0; inside < 2; inside++) {
		gate_step_in(inside);
		record_line("inside %d", inside);
		ck_assert_int_eq(gate_step_out(), inside);
	}
	ck_assert_int_eq(log_open("", why), 0);
	f = fopen(path, "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, " inside 0\n"));
	ck_assert_ptr_nonnull(strstr(text, " inside 1\n"));
	unit_remove(directory);
}
END_TEST

/* 304 bytes, as aligned as a slab wants it: some lie on two pages. */
struct object {
	_Alignas(void *) char bytes[304];
};

START_TEST(objects_of_a_store_are_a_slabs)
{
	static struct slab slab = SLAB_OF(struct object);
	struct object *objects[4000];

	for (size_t i = 0; i < COUNT(objects); i++) {
		objects[i] = store_get(&slab);
		ck_assert_ptr_nonnull(objects[i]);
		memset(objects[i], (int)(i % 251), sizeof(*objects[i]));
	}
	ck_assert_uint_eq(slab.blocks, 2);
	for (size_t i = 0; i < COUNT(objects); i++) {
		ck_assert_int_eq(objects[i]->bytes[0], (char)(i % 251));
		ck_assert_int_eq(objects[i]->bytes[303], (char)(i % 251));
		slab_put(&slab, objects[i]);
	}
	ck_assert_uint_eq(atomic_load(&gate_passage.calls) % 2, 0);
}
END_TEST

UNIT_SUITE(record, line_is_written_and_the_gate_is_as_it_was, objects_of_a_store_are_a_slabs)
