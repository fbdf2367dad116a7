/* SPDX-License-Identifier: BSD-2-Clause */
/* Once a line has come, shuts itself up by libseccomp, loaded as a plugin's library is: whatever thread removes
   a name is killed. Then it ends as programs do. */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* seccomp.h is not there where only the library is. */
#define SCMP_ACT_KILL_THREAD 0x00000000U
#define SCMP_ACT_ALLOW 0x7fff0000U

static void *(*filter_new)(uint32_t otherwise);
static int (*filter_add)(void *filter, uint32_t action, int number, unsigned count, const void *conditions);
static int (*filter_load)(const void *filter);

static int find(void *library, const char *name, void *slot)
{
	void *at = dlsym(library, name);

	memcpy(slot, &at, sizeof(at));
	return at ? 0 : -1;
}

int main(void)
{
	void *library = dlopen("libseccomp.so.2", RTLD_NOW | RTLD_LOCAL), *filter;
	int rc;

	if (!library || find(library, "seccomp_init", &filter_new) ||
	    find(library, "seccomp_rule_add_array", &filter_add) || find(library, "seccomp_load", &filter_load)) {
		printf("%s\n", dlerror());
		return 1;
	}
	if (getchar() == EOF || !(filter = filter_new(SCMP_ACT_ALLOW)))
		return 2;
#ifdef SYS_unlink
	if (filter_add(filter, SCMP_ACT_KILL_THREAD, SYS_unlink, 0, NULL))
		return 2;
#endif
	if (filter_add(filter, SCMP_ACT_KILL_THREAD, SYS_unlinkat, 0, NULL))
		return 2;
	rc = filter_load(filter);
	printf("shut up: %d, errno %d\n", rc, errno);
	return 3;
}
