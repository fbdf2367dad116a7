/* SPDX-License-Identifier: BSD-2-Clause */
/* A program with an allocator of its own, of the four functions that every one has. */
#define OWN_FOUR
#include "tests/family.h"
