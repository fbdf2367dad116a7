/* SPDX-License-Identifier: BSD-2-Clause */
/* The number tells a child that has our memory. One with a copy may have the same number, as the first process
   of each pid namespace is 1: there the kernel has wiped a page. */
#include "process.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/kernel.h"

#define PAGE 4096 /* or less than one */
#define WIPE_ON_FORK 18 /* MADV_WIPEONFORK */

static struct {
	_Atomic pid_t pid;
	_Atomic(atomic_bool *) mark; /* set but in a copy; NULL where the kernel wipes no pages */
} ours;

static atomic_bool *new_mark(void)
{
	void *page = kernel_mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (kernel_madvise(page, PAGE, WIPE_ON_FORK) == 0)
		return page;
	kernel_munmap(page, PAGE);
	return NULL;
}

void process_begin(void)
{
	int saved = errno;

	if (!atomic_load(&ours.mark))
		atomic_store(&ours.mark, new_mark());
	if (atomic_load(&ours.mark))
		atomic_store(atomic_load(&ours.mark), true);
	atomic_store(&ours.pid, kernel_pid());
	errno = saved;
}

bool process_is_ours(void)
{
	atomic_bool *mark = atomic_load(&ours.mark);

	return atomic_load(&ours.pid) == kernel_pid() && (!mark || atomic_load(mark));
}
