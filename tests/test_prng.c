/* SPDX-License-Identifier: BSD-2-Clause */
/* The random numbers, against values computed from the published algorithms by another program. */
#include "base/prng.h"
#include "tests/unit.h"

static const struct {
	uint64_t seed, first[4];
} reference[] = {
	{ 0,
	  { 0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c } },
	{ 1,
	  { 0xb3f2af6d0fc710c5, 0x853b559647364cea, 0x92f89756082a4514, 0x642e1c7bc266a3a7 } },
	{ 42,
	  { 0x15780b2e0c2ec716, 0x6104d9866d113a7e, 0xae17533239e499a1, 0xecb8ad4703b360a1 } },
	{ UINT64_MAX,
	  { 0x8f5520d52a7ead08, 0xc476a018caa1802d, 0x81de31c0d260469e, 0xbf658d7e065f3c2f } },
};

START_TEST(sequence_is_that_of_xoshiro256_seeded_by_splitmix64)
{
	struct prng r;

	for (size_t i = 0; i < COUNT(reference); i++) {
		prng_seed(&r, reference[i].seed);
		for (size_t n = 0; n < COUNT(reference[i].first); n++)
			ck_assert_uint_eq(prng_next(&r), reference[i].first[n]);
	}
	prng_seed(&r, 1);
	for (int i = 0; i < 999; i++)
		prng_next(&r);
	ck_assert_uint_eq(prng_next(&r), UINT64_C(13281533337853546835));
}
END_TEST

START_TEST(range_draws_are_lemires)
{
	static const uint64_t small[] = { 6, 25, 44, 60, 64, 50, 47, 55, 49, 38 };
	/* A span that rejects half of all draws. */
	static const uint64_t large[] = { 0x7ef36e3ff1762f37, 0x6286d29880bca921,
					  0x5c10aa42ad32eede, 0x6174b739374bb244,
					  0x2534edcc39d7c4b7, 0x6687f6d498036360 };
	struct prng r;

	prng_seed(&r, 42);
	for (size_t i = 0; i < COUNT(small); i++)
		ck_assert_uint_eq(prng_range(&r, 1, 64), small[i]);
	prng_seed(&r, 42);
	for (size_t i = 0; i < COUNT(large); i++)
		ck_assert_uint_eq(prng_range(&r, 5, 5 + (UINT64_C(1) << 63)), large[i]);
}
END_TEST

START_TEST(range_includes_both_ends_and_nothing_beyond)
{
	struct prng r;
	unsigned seen[5] = { 0 };

	prng_seed(&r, 7);
	for (int i = 0; i < 50000; i++) {
		uint64_t v = prng_range(&r, 3, 7);

		ck_assert_uint_ge(v, 3);
		ck_assert_uint_le(v, 7);
		seen[v - 3]++;
	}
	/* The seed is fixed, so this is no matter of luck. */
	for (size_t i = 0; i < COUNT(seen); i++) {
		ck_assert_uint_ge(seen[i], 9500);
		ck_assert_uint_le(seen[i], 10500);
	}
}
END_TEST

START_TEST(range_may_be_one_value_or_all)
{
	struct prng r, same;

	prng_seed(&r, 3);
	ck_assert_uint_eq(prng_range(&r, 9, 9), 9);
	ck_assert_uint_eq(prng_range(&r, 0, 0), 0);
	ck_assert_uint_eq(prng_range(&r, UINT64_MAX, UINT64_MAX), UINT64_MAX);
	same = r;
	ck_assert_uint_eq(prng_range(&r, 0, UINT64_MAX), prng_next(&same));
}
END_TEST

START_TEST(same_seed_gives_same_sequence)
{
	struct prng a, b;

	prng_seed(&a, 99);
	prng_seed(&b, 99);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(prng_range(&a, 1, 1000), prng_range(&b, 1, 1000));
}
END_TEST

START_TEST(entropy_differs_from_call_to_call)
{
	ck_assert_uint_ne(prng_entropy(), prng_entropy());
}
END_TEST

UNIT_SUITE(prng, sequence_is_that_of_xoshiro256_seeded_by_splitmix64, range_draws_are_lemires,
	   range_includes_both_ends_and_nothing_beyond, range_may_be_one_value_or_all,
	   same_seed_gives_same_sequence, entropy_differs_from_call_to_call)
