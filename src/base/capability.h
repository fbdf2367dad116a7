/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread's capabilities, as capget(2) gives them. The kernel's header is not there for every C library. */
#ifndef MT_BASE_CAPABILITY_H
#define MT_BASE_CAPABILITY_H

#include <stdint.h>

#include "base/kernel.h"

#define CAPABILITY_VERSION 0x20080522 /* 3: in two halves of 32 each */

struct capabilities {
	uint32_t effective, permitted, inheritable;
};

/* Of the calling thread, or another. 0, or -1 with errno set. */
static inline int capability_get_of(pid_t tid, struct capabilities halves[2])
{
	struct {
		uint32_t version;
		int pid; /* 0: the calling thread */
	} header = { CAPABILITY_VERSION, tid };

	return (int)kernel_syscall(SYS_capget, &header, halves);
}

static inline int capability_get(struct capabilities halves[2])
{
	return capability_get_of(0, halves);
}

#endif
