/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.mem_trim. One call of the allocator's, which cannot be cut into slices. */
#include "control/cmd.h"
#include "host/trim.h"
#include "inject/system.h"

void cmd_mem_trim(const struct args *a, struct reply *r)
{
	uint64_t before = system_resident();

	trim();
	reply_open(r, NULL, '{');
	reply_text(r, "how", trim_how());
	reply_number(r, "resident_before", before >> a->shift);
	reply_number(r, "resident_after", system_resident() >> a->shift);
	reply_close(r, '}');
}
