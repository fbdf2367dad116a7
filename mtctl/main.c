/* SPDX-License-Identifier: BSD-2-Clause */
/* mtctl: talks to programs that run with libmtpreload.so. */
#include <stdio.h>

#include "ctl.h"
#include "local.h"
#include "option.h"
#include "out.h"
#include "session.h"

static int dispatch(const struct options *o, int count, char **words)
{
	const struct local *l = count ? local_find(words[0]) : NULL;

	if (o->help)
		return local_help(o, 0, words);
	if (o->version) {
		printf("mtctl %s\n", CTL_VERSION);
		return CTL_DONE;
	}
	if (!count)
		return out_error(CTL_USAGE, "what to do? A method as mt.mem_used, or ls, run, - or help");
	if (l)
		return l->run(o, count, words);
	return session_once(o, words, (unsigned)count);
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	int count = 0, status = CTL_DONE;

	if (argc > 0)
		status = option_read(&o, argv + 1, &count);
	if (status == CTL_DONE)
		status = dispatch(&o, count, argv + 1);
	return out_finish(status);
}
