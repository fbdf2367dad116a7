/* SPDX-License-Identifier: BSD-2-Clause */
/* A program with an allocator of its own, of the whole family. */
#define OWN_ALL
#include "tests/family.h"
