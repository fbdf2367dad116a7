/* SPDX-License-Identifier: BSD-2-Clause */
/* mtctl doctor: why the library is not at work, or only half. */
#ifndef MT_CTL_DOCTOR_H
#define MT_CTL_DOCTOR_H

#include <stddef.h>

#include "ctl.h"

int doctor_run(const struct options *o, int count, char **words);

/* Would the loader end this program because of the library? Says why, in `why`. */
bool doctor_is_fatal(const char *program, const char *library, char *why, size_t cap);

#endif
