/* SPDX-License-Identifier: BSD-2-Clause */
/* A program with an allocator of its own, of five functions: others that align can be made of one that does. */
#define OWN_SOME
#include "tests/family.h"
