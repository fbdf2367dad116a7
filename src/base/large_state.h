/* SPDX-License-Identifier: BSD-2-Clause */
/* LARGE_STATE puts an array of many pages behind all other variables (the linker sorts by this name). What every
   process touches at its start then lies together, in few pages: each page costs a fault. */
#ifndef MT_BASE_LARGE_STATE_H
#define MT_BASE_LARGE_STATE_H

#define LARGE_STATE __attribute__((section(".bss.large")))

#endif
