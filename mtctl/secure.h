/* SPDX-License-Identifier: BSD-2-Clause */
/* Was a process given more rights than its caller had? */
#ifndef MT_CTL_SECURE_H
#define MT_CTL_SECURE_H

#include "check.h"

/* AT_SECURE, as the kernel told its loader. */
bool secure_is(const struct subject *s);

#endif
