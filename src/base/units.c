/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes and times as people write them. Used by the command binder, the settings and mtctl. */
#include "units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FRACTION_ONE UINT64_C(1000000000)

/* A decimal number, its fraction in billionths. */
struct decimal {
	uint64_t whole;
	uint64_t billionths;
	bool has_fraction;
	const char *rest;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_decimal(const char *text, struct decimal *d)
{
	uint64_t place = FRACTION_ONE / 10;

	*d = (struct decimal){ 0 };
	if (!is_digit(*text))
		return -EINVAL;
	for (; is_digit(*text); text++)
		if (__builtin_mul_overflow(d->whole, UINT64_C(10), &d->whole) ||
		    __builtin_add_overflow(d->whole, (uint64_t)(*text - '0'), &d->whole))
			return -ERANGE;
	if (*text == '.') {
		if (!is_digit(*++text))
			return -EINVAL;
		d->has_fraction = true;
		/* Digits past the ninth say less than a byte of a gigabyte. */
		for (; is_digit(*text); text++, place /= 10)
			d->billionths += (uint64_t)(*text - '0') * place;
	}
	d->rest = text;
	return 0;
}

static int scale(const struct decimal *d, uint64_t factor, uint64_t *out)
{
	uint64_t whole, part;

	if (d->has_fraction && factor == 1)
		return -EINVAL;
	if (__builtin_mul_overflow(d->whole, factor, &whole))
		return -ERANGE;
	part = (factor / FRACTION_ONE) * d->billionths +
	       (factor % FRACTION_ONE) * d->billionths / FRACTION_ONE;
	if (__builtin_add_overflow(whole, part, &whole))
		return -ERANGE;
	*out = whole;
	return 0;
}

int units_shift(const char *word)
{
	static const char letters[] = "bkmgt";
	char first = (char)(word[0] | 0x20);
	const char *at = first ? strchr(letters, first) : NULL;

	return at && *at ? (int)(at - letters) * 10 : -1;
}

static int suffix_shift(const char *suffix)
{
	int shift = units_shift(suffix);

	if (shift < 0)
		return -1;
	suffix++;
	if (!*suffix || (shift > 0 && (!strcasecmp(suffix, "b") || !strcasecmp(suffix, "i") || !strcasecmp(suffix, "ib"))))
		return shift;
	return -1;
}

int units_parse_size(const char *text, int shift, uint64_t *bytes)
{
	struct decimal d;
	int rc = parse_decimal(text, &d);

	if (rc)
		return rc;
	if (*d.rest && (shift = suffix_shift(d.rest)) < 0)
		return -EINVAL;
	return scale(&d, UINT64_C(1) << shift, bytes);
}

int units_parse_percent(const char *text, uint64_t *millionths)
{
	struct decimal d;
	uint64_t value;
	int rc = parse_decimal(text, &d);

	if (rc == -EINVAL || (rc == 0 && strcmp(d.rest, "%") != 0))
		return -EINVAL;
	if (rc || d.whole > 100)
		return -EDOM;
	value = d.whole * UNITS_PERCENT + d.billionths / (FRACTION_ONE / UNITS_PERCENT);
	if (d.whole == 100 && d.billionths)
		return -EDOM;
	if (value == 0)
		return -EINVAL;
	*millionths = value;
	return 0;
}

int units_parse_ms(const char *text, uint64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	struct decimal d;
	int rc = parse_decimal(text, &d);

	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcasecmp(d.rest, units[i].name))
			return scale(&d, units[i].ms, ms);
	return -EINVAL;
}

int units_parse_number(const char *text, uint64_t *number)
{
	struct decimal d;
	int rc = parse_decimal(text, &d);

	if (rc)
		return rc;
	if (*d.rest || d.has_fraction)
		return -EINVAL;
	*number = d.whole;
	return 0;
}

char *units_bytes(uint64_t bytes, char out[UNITS_TEXT_MAX])
{
	static const char letters[] = "bkmgt";
	int power = 0;
	unsigned tenth;

	while (power < 4 && bytes >> (10 * (power + 1)))
		power++;
	if (power == 0) {
		snprintf(out, UNITS_TEXT_MAX, "%llub", (unsigned long long)bytes);
		return out;
	}
	tenth = (unsigned)(((bytes >> (10 * (power - 1))) & 1023) * 10 / 1024);
	if (tenth)
		snprintf(out, UNITS_TEXT_MAX, "%llu.%u%c",
			 (unsigned long long)(bytes >> (10 * power)), tenth, letters[power]);
	else
		snprintf(out, UNITS_TEXT_MAX, "%llu%c", (unsigned long long)(bytes >> (10 * power)),
			 letters[power]);
	return out;
}
