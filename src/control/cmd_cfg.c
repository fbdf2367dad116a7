/* SPDX-License-Identifier: BSD-2-Clause */
/* cfg.*: the settings at runtime, under the names that kamcmd uses. */
#include <errno.h>
#include <string.h>

#include "base/nearest.h"
#include "control/cmd.h"
#include "control/setting.h"

static bool group_is_ours(const struct args *a, struct reply *r)
{
	if (strcmp(arg_text(a, "group"), SETTING_GROUP) == 0)
		return true;
	reply_fault(r, 400, "group '%.100s' not found (the only one is " SETTING_GROUP ")",
		    arg_text(a, "group"));
	return false;
}

static const struct setting *find_or_fault(const struct args *a, struct reply *r)
{
	const char *name = arg_text(a, "name");
	const struct setting *s = setting_find(name);
	struct nearest n = { .word = name };

	if (s)
		return s;
	for (unsigned i = 0; i < setting_count; i++)
		nearest_offer(&n, settings[i].name);
	if (n.best)
		reply_fault(r, 400, "setting '%.100s' not found, did you mean %s?", name, n.best);
	else
		reply_fault(r, 400, "setting '%.100s' not found (cfg.list shows all)", name);
	return NULL;
}

void cmd_cfg_list(const struct args *a, struct reply *r)
{
	if (arg_given(a, "group") && !group_is_ours(a, r))
		return;
	reply_open(r, NULL, '[');
	for (unsigned i = 0; i < setting_count; i++)
		reply_format(r, NULL, SETTING_GROUP ": %s", settings[i].name);
	reply_close(r, ']');
}

void cmd_cfg_get(const struct args *a, struct reply *r)
{
	const struct setting *s;

	if (!group_is_ours(a, r) || !(s = find_or_fault(a, r)))
		return;
	if (setting_is_text(s))
		reply_text(r, NULL, setting_text(s));
	else
		reply_number(r, NULL, atomic_load(s->value));
}

static void set(const struct setting *s, const char *value, struct reply *r)
{
	char forms[SETTING_FORMS_MAX], why[SETTING_WHY_MAX];
	int rc = setting_set(s, value, why);

	if (rc && *why)
		reply_fault(r, 400, "%s '%.255s': %s (accepted: %s)", s->name, value, why, setting_forms(s, forms));
	else if (rc == -EINVAL || rc == -ERANGE || rc == -EDOM)
		reply_fault(r, 400, "bad value '%.100s' for %s (accepted: %s)", value, s->name,
			    setting_forms(s, forms));
	else if (rc == -ENODATA)
		reply_fault(r, 400, "%s '%.100s': this process cannot read the size of the memory (accepted: %s)", s->name, value,
			    setting_forms(s, forms));
	else if (rc)
		reply_fault(r, 400, "%s '%.100s': %s", s->name, value, strerror(-rc));
}

void cmd_cfg_set_int(const struct args *a, struct reply *r)
{
	const struct setting *s;

	if (!group_is_ours(a, r) || !(s = find_or_fault(a, r)))
		return;
	if (setting_is_text(s))
		reply_fault(r, 400, "%s is a string: use cfg.set_now_string", s->name);
	else
		set(s, arg_text(a, "value"), r);
}

void cmd_cfg_set_string(const struct args *a, struct reply *r)
{
	const struct setting *s;

	if (group_is_ours(a, r) && (s = find_or_fault(a, r)))
		set(s, arg_text(a, "value"), r);
}

void cmd_cfg_help(const struct args *a, struct reply *r)
{
	const struct setting *s;

	if (group_is_ours(a, r) && (s = find_or_fault(a, r)))
		reply_text(r, NULL, s->help);
}
