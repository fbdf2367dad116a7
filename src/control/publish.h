/* SPDX-License-Identifier: BSD-2-Clause */
/* Our name is there exactly while it is served: bound once all is there that serving takes, taken back when clients could
   only wait, bound again when somebody has removed it. On our thread, inside the gate. */
#ifndef MT_CONTROL_PUBLISH_H
#define MT_CONTROL_PUBLISH_H

#include <stdint.h>

/* A life of our thread begins: nothing is bound before that time. */
void publish_begin(uint64_t first_ns);

/* At each turn of the loop. */
void publish_run(void);

/* When publish_run has to be called at the latest; CLOCK_NEVER. */
uint64_t publish_next_ns(void);

#endif
