/* SPDX-License-Identifier: BSD-2-Clause */
/* A program without an allocator. */
#include "tests/family.h"
