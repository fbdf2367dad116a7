/* SPDX-License-Identifier: BSD-2-Clause */
/* host_plugin PLUGIN: loads it with RTLD_DEEPBIND, so that its malloc is looked up past everything preloaded, and
   lets blocks cross from one side to the other before and after it is unloaded; many times. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	int crossed = 0;

	for (int i = 0; argc > 1 && i < 100; i++) {
		void *plugin = dlopen(argv[1], RTLD_NOW | (i % 2 ? RTLD_DEEPBIND : 0));
		char *(*give)(size_t) = NULL;
		void (*take)(char *) = NULL;
		char *block;

		if (!plugin) {
			printf("%s\n", dlerror());
			return 1;
		}
		*(void **)&give = dlsym(plugin, "plugin_give");
		*(void **)&take = dlsym(plugin, "plugin_take");
		take(malloc(1000));
		block = give(200000);
		free(give(10));
		dlclose(plugin);
		crossed += strcmp(block, "loaded") == 0;
		free(realloc(block, 5));
	}
	printf("%d blocks crossed\n", crossed);
	return 0;
}
