/* SPDX-License-Identifier: BSD-2-Clause */
/* The handlers, declared from the table's rows. On our thread, inside the gate. */
#ifndef MT_CONTROL_CMD_H
#define MT_CONTROL_CMD_H

#include "control/command.h"
#include "control/rpc.h"

#define COMMAND(method, handler, signature, flags, help) \
	void handler(const struct args *a, struct reply *r);
#include "control/commands.def"
#undef COMMAND

/* Can it be allocated there (an enum where)? Else the fault is sent. */
bool where_is_possible(uint64_t where, struct reply *r);

#endif
