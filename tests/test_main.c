/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs all suites in one runner; Check forks for each test unless CK_FORK=no. */
#include <stdlib.h>

#include "tests/unit.h"

#define UNIT_ROW(name) name##_suite,

int main(void)
{
	Suite *(*const suites[])(void) = { UNIT_SUITES(UNIT_ROW) };
	SRunner *runner = srunner_create(NULL);
	int failed;

	for (size_t i = 0; i < COUNT(suites); i++)
		srunner_add_suite(runner, suites[i]());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
