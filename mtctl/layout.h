/* SPDX-License-Identifier: BSD-2-Clause */
/* A result as people read it: kamcmd's layout, the same as that of the text format. */
#ifndef MT_CTL_LAYOUT_H
#define MT_CTL_LAYOUT_H

#include "base/buf.h"
#include "base/json.h"
#include "base/label.h"

/* Appends a checked result: nothing for null, a line for a number or string (a string of several
   lines stays so), an array's elements one after the other, an object in braces. */
void layout_result(struct buf *b, struct json result);

#endif
