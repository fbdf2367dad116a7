/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings table. Read at start on the host's thread, changed on ours. */
#ifndef MT_CONTROL_SETTING_H
#define MT_CONTROL_SETTING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

#define SETTING_GROUP "malloc_test"
#define SETTING_TEXT_MAX LOG_PATH_MAX

enum setting_type { SETTING_NUMBER, SETTING_SIZE, SETTING_CHOICE, SETTING_TEXT };

/* One row of settings.def. */
struct setting {
	const char *name;
	enum setting_type type;
	_Atomic uint64_t *value; /* NULL for a text */
	uint64_t least, most;    /* of a text: its length */
	const char *initial, *unit; /* of a choice: its words, as "follow|off" */
	int (*changed)(void); /* on our thread; 0, or -errno: the change is undone. NULL for a text */
	const char *help;
};

extern const struct setting settings[];
extern const unsigned setting_count;

const struct setting *setting_find(const char *name);

/* Is its value a word, not a number? */
bool setting_is_text(const struct setting *s);

/* The present value of a text or a choice. It lives until the next call. */
const char *setting_text(const struct setting *s);

/* Sets from text. 0, or -EINVAL (not of its type), -ERANGE (outside its range), or the error of
   what the change set off, where it can with a reason in words; nothing is changed then. Our thread. */
#define SETTING_WHY_MAX LOG_WHY_MAX
int setting_set(const struct setting *s, const char *text, char why[SETTING_WHY_MAX]);

/* "a whole number, 0 to 100" */
#define SETTING_FORMS_MAX 192
char *setting_forms(const struct setting *s, char forms[SETTING_FORMS_MAX]);

/* Takes the initial values from MTPRELOAD_* and from the table. Host's thread, once. */
void setting_read_environment(void);

/* Does what the initial values ask for. Our thread, once in each process. */
void setting_start(void);

/* What was wrong in the environment; NULL past the last. */
const char *setting_complaint(unsigned index);

#endif
