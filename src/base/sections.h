/* SPDX-License-Identifier: BSD-2-Clause */
/* Where variables lie: each page that a program's start touches costs a fault. The linker sorts by these names. */
#ifndef MT_BASE_SECTIONS_H
#define MT_BASE_SECTIONS_H

/* An array of many pages: behind all other variables, so that those lie together. */
#define LARGE_STATE __attribute__((section(".bss.large")))

/* What every program touches, also one that is left alone: in a page that the loader has written to already. */
#define START_STATE __attribute__((section(".data.start")))

#endif
