/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the log's file system is frozen, a line waits until it thaws: our thread, but neither the host's calls nor a
   fork. */
#include "record.h"

#include <stdarg.h>

#include "base/log.h"
#include "inject/gate.h"

void record_line(const char *format, ...)
{
	bool was_inside = gate_step_out();
	va_list ap;

	va_start(ap, format);
	log_line_of(format, ap);
	va_end(ap);
	gate_step_in(was_inside);
}
