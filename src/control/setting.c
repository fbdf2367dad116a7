/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings: from the environment at start, through cfg.* later. */
#include "setting.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/prng.h"
#include "base/units.h"
#include "control/fork.h"
#include "control/size.h"
#include "inject/budget.h"
#include "inject/bulk.h"
#include "inject/content.h"
#include "inject/gate.h"
#include "inject/lease.h"
#include "inject/sched.h"

static int reseed(void)
{
	bulk_reseed();
	return 0;
}

static int forget_reading(void)
{
	budget_forget();
	return 0;
}

static int renew_lease(void)
{
	lease_renew(atomic_load(&lease_ms));
	return 0;
}

#define SETTING(name, type, value, least, most, initial, unit, changed, help) \
	{ #name, SETTING_##type, value, least, most, initial, unit, changed, help },
const struct setting settings[] = {
#include "control/settings.def"
};
#undef SETTING
const unsigned setting_count = sizeof(settings) / sizeof(settings[0]);

const struct setting *setting_find(const char *name)
{
	for (unsigned i = 0; i < setting_count; i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

bool setting_is_text(const struct setting *s)
{
	return s->type == SETTING_TEXT || s->type == SETTING_CHOICE;
}

/* The word at this place in "follow|off", and its length. */
static const char *word_at(const struct setting *s, uint64_t index, size_t *length)
{
	const char *at = s->unit;

	for (; index; index--)
		at += strcspn(at, "|") + 1;
	*length = strcspn(at, "|");
	return at;
}

const char *setting_text(const struct setting *s)
{
	static char word[32];
	const char *at;
	size_t length;

	if (s->type == SETTING_TEXT)
		return log_path();
	at = word_at(s, atomic_load(s->value), &length);
	snprintf(word, sizeof(word), "%.*s", (int)length, at);
	return word;
}

char *setting_forms(const struct setting *s, char forms[SETTING_FORMS_MAX])
{
	const char *what = s->type == SETTING_SIZE ? SIZE_FORMS : "a whole number";

	if (s->type == SETTING_TEXT)
		snprintf(forms, SETTING_FORMS_MAX, LOG_FILE_FORMS ", or nothing");
	else if (s->type == SETTING_CHOICE)
		snprintf(forms, SETTING_FORMS_MAX, "%s", s->unit);
	else if (s->most == UINT64_MAX)
		snprintf(forms, SETTING_FORMS_MAX, "%s", what);
	else
		snprintf(forms, SETTING_FORMS_MAX, "%s, %" PRIu64 " to %" PRIu64, what, s->least,
			 s->most);
	return forms;
}

static int parse_choice(const struct setting *s, const char *text, uint64_t *value)
{
	size_t length;

	for (*value = 0; *value <= s->most; ++*value) {
		const char *word = word_at(s, *value, &length);

		if (strlen(text) == length && strncmp(word, text, length) == 0)
			return 0;
	}
	return -EINVAL;
}

static int parse(const struct setting *s, const char *text, uint64_t *value)
{
	int rc;

	if (s->type == SETTING_CHOICE)
		return parse_choice(s, text, value);
	rc = s->type == SETTING_SIZE ? size_parse(text, 0, value) :
				       units_parse_number(text, value);

	if (rc == 0 && (*value < s->least || *value > s->most))
		rc = -ERANGE;
	return rc;
}

/* Stores without its consequences. */
static int store(const struct setting *s, const char *text)
{
	uint64_t value;
	int rc;

	if (s->type == SETTING_TEXT) {
		if (strlen(text) > s->most)
			return -ERANGE;
		log_want(text);
		return 0;
	}
	rc = parse(s, text, &value);
	if (rc == 0)
		atomic_store(s->value, value);
	return rc;
}

/* A file system may hold us up. */
static int open_log(const char *path, char why[SETTING_WHY_MAX])
{
	bool was_inside = gate_step_out();
	int rc = log_open(path, why);

	gate_step_in(was_inside);
	return rc;
}

static int set_text(const struct setting *s, const char *text, char why[SETTING_WHY_MAX])
{
	if (strlen(text) > s->most)
		return -ERANGE;
	if (*text && *text != '/')
		return -EINVAL; /* relative to what? the host may change its directory */
	return open_log(text, why);
}

int setting_set(const struct setting *s, const char *text, char why[SETTING_WHY_MAX])
{
	uint64_t old_value;
	int rc;

	*why = '\0';
	if (s->type == SETTING_TEXT)
		return set_text(s, text, why);
	old_value = atomic_load(s->value);
	rc = store(s, text);
	if (rc || !s->changed)
		return rc;
	rc = s->changed();
	if (rc)
		atomic_store(s->value, old_value);
	return rc;
}

#define COMPLAINTS_MAX 8

static char complaints[COMPLAINTS_MAX][512];
static unsigned complaint_count;

const char *setting_complaint(unsigned index)
{
	if (index == complaint_count)
		return log_complaint();
	return index < complaint_count ? complaints[index] : NULL;
}

static void complain(const char *name, const char *value, const char *why)
{
	if (complaint_count < COMPLAINTS_MAX)
		snprintf(complaints[complaint_count++], sizeof(complaints[0]), "%.40s=%.240s: %s",
			 name, value, why);
}

#define PREFIX "MTPRELOAD_"

/* Without snprintf and toupper: the start of every program would bring in four pages for them. */
static void environment_name(const struct setting *s, char out[64])
{
	char *to = stpcpy(out, PREFIX);

	for (const char *from = s->name; *from; from++)
		*to++ = *from >= 'a' && *from <= 'z' ? (char)(*from - 'a' + 'A') : *from;
	*to = '\0';
}

static void read_one(const struct setting *s)
{
	char name[64], forms[SETTING_FORMS_MAX], why[SETTING_FORMS_MAX + 32];
	const char *value;

	environment_name(s, name);
	value = getenv(name);
	if (value && store(s, value) == 0)
		return;
	if (value) {
		snprintf(why, sizeof(why), "the default is used (accepted: %s)",
			 setting_forms(s, forms));
		complain(name, value, why);
	}
	if (strcmp(s->initial, "random") == 0)
		atomic_store(s->value, prng_entropy());
	else
		store(s, s->initial);
}

static bool is_known(const char *name)
{
	static const char *const others[] = { PREFIX "DIR", PREFIX "SOCKET", PREFIX "ONLY", PREFIX "LIB" /* mtctl's */ };
	char known[64];

	for (unsigned i = 0; i < setting_count; i++) {
		environment_name(&settings[i], known);
		if (strcmp(name, known) == 0)
			return true;
	}
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(name, others[i]) == 0)
			return true;
	return false;
}

static void find_unknown(void)
{
	for (char **at = environ; at && *at; at++) {
		const char *equals = strchr(*at, '=');
		char name[64];

		if (!equals || strncmp(*at, PREFIX, strlen(PREFIX)) != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(equals - *at), *at);
		if (!is_known(name))
			complain(name, equals + 1, "no such setting");
	}
}

void setting_read_environment(void)
{
	for (unsigned i = 0; i < setting_count; i++)
		read_one(&settings[i]);
	find_unknown();
}

static void start_log(const struct setting *s)
{
	char path[SETTING_TEXT_MAX], why[SETTING_WHY_MAX];

	strcpy(path, log_path());
	if (open_log(path, why) == 0)
		return;
	complain(s->name, path, why);
	log_want("");
}

void setting_start(void)
{
	for (unsigned i = 0; i < setting_count; i++) {
		const struct setting *s = &settings[i];

		if (s->type == SETTING_TEXT)
			start_log(s);
		else if (s->changed && s->value != &lease_ms) /* which goes on while our thread is away: lease_begin has begun it */
			s->changed();
	}
}
