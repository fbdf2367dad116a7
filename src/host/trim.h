/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving pages that are free back to the system: each allocator has a function of its own for that, which is
   looked for when it is first wanted. On our thread, valid after real_settle. */
#ifndef MT_HOST_TRIM_H
#define MT_HOST_TRIM_H

/* The name of the allocator's function; "none" where it has none. */
const char *trim_how(void);

/* Calls it, after the allocator has taken back what it keeps for the calling thread alone. One call, of the whole
   heap: the more is free the longer it takes, and the host's threads wait meanwhile where they need the
   allocator's locks. */
void trim(void);

#endif
