/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory the machine and our control groups have left, and how much of it this process has. */
#ifndef MT_INJECT_SYSTEM_H
#define MT_INJECT_SYSTEM_H

#include <stdint.h>

#define SYSTEM_PLACE_MAX 160

struct headroom {
	uint64_t total_bytes;     /* of the machine, or the group's limit */
	uint64_t available_bytes; /* free, or reclaimable without swapping */
	char place[SYSTEM_PLACE_MAX];
};

/* The tightest of MemAvailable and the limits of our memory cgroup (v1 or v2) and its ancestors, judged
   by what is left above `keep_percent` of the total. The page cache does not count as used.
   Costs tens of microseconds. 0, or -errno where nothing could be read. Any thread; it
   opens and closes files, so on a host thread a number in its table for a moment. */
int system_headroom(unsigned keep_percent, struct headroom *tightest);

/* The same, judged by the total alone: the tightest limit, else the machine. Results as above. */
int system_memory(struct headroom *smallest);

/* What may be taken from `h` while leaving `keep_percent` of its total; 0 where nothing. */
uint64_t system_spare(const struct headroom *h, unsigned keep_percent);

/* The number behind `key` at the start of a line of a small file; 0 where there is none. Opens a file, like
   system_headroom. */
uint64_t system_field(const char *path, const char *key);

/* Resident bytes of this process, as the kernel counts them without looking at each page: it may lag by
   some hundred KiB. 0 where /proc cannot be read. Opens a file, like system_headroom. */
uint64_t system_resident(void);

#endif
