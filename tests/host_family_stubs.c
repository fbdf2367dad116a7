/* SPDX-License-Identifier: BSD-2-Clause */
/* A position dependent program without an allocator, with a stub for each function. */
#include "tests/family.h"
