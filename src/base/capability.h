/* SPDX-License-Identifier: BSD-2-Clause */
/* The calling thread's capabilities, as capget(2) gives them. The kernel's header is not there for every C library. */
#ifndef MT_BASE_CAPABILITY_H
#define MT_BASE_CAPABILITY_H

#include <stdint.h>

#include "base/kernel.h"

#define CAPABILITY_VERSION 0x20080522 /* 3: in two halves of 32 each */

struct capabilities {
	uint32_t effective, permitted, inheritable;
};

/* 0, or -1 with errno set. */
static inline int capability_get(struct capabilities halves[2])
{
	struct {
		uint32_t version;
		int pid; /* 0: the calling thread */
	} header = { .version = CAPABILITY_VERSION };

	return (int)kernel_syscall(SYS_capget, &header, halves);
}

#endif
