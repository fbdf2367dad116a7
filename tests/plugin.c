/* SPDX-License-Identifier: BSD-2-Clause */
/* A plugin for host_plugin: allocates at load, gives blocks away, takes blocks, allocates and frees at unload. */
#include <stdlib.h>
#include <string.h>

static char *kept;

__attribute__((constructor)) static void load(void)
{
	kept = strdup("loaded");
}

__attribute__((destructor)) static void unload(void)
{
	kept = realloc(kept, 300000);
	free(calloc(10, 1000));
	free(kept);
}

char *plugin_give(size_t size);
void plugin_take(char *block);

char *plugin_give(size_t size)
{
	return realloc(strdup(kept), size);
}

void plugin_take(char *block)
{
	free(block);
}
