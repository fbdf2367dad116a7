/* SPDX-License-Identifier: BSD-2-Clause */
/* Has much static thread local storage, which the C library takes from each thread's stack. */
#include <stdio.h>
#include <string.h>

static _Thread_local char big[300 << 10];

int main(void)
{
	memset(big, 1, sizeof(big));
	printf("%d\n", big[sizeof(big) / 2]);
	fflush(stdout);
	return getchar() == EOF ? 0 : 3;
}
