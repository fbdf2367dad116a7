/* SPDX-License-Identifier: BSD-2-Clause */
/* The arrows between folders: each #include "..." of the sources is checked against them. Reads the
   tree at $MT_TOP, or in the working directory. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

/* What a folder may include: whole folders, or single files of them. */
static const struct {
	const char *folder;
	const char *may[6];
} arrows[] = {
	{ "base", { "base/" } },
	{ "host", { "host/", "base/" } },
	{ "inject", { "inject/", "host/real.h", "host/post.h", "host/trim.h", "base/" } },
	{ "control", { "control/", "inject/", "host/", "base/" } },
	{ "mtctl", { "mtctl/", "base/", "include/" } },
	{ "doorway", { "base/sections.h", "control/", "host/real.h", "host/family.def", "inject/budget.h", "include/" } },
};

static bool is_allowed(const char *folder, const char *included)
{
	char whole[300];

	snprintf(whole, sizeof(whole), "%s%s%s", strchr(included, '/') ? "" : folder,
		 strchr(included, '/') ? "" : "/", included);
	if (strstr(whole, ".."))
		return false;
	for (size_t i = 0; i < COUNT(arrows); i++)
		for (size_t n = 0; strcmp(arrows[i].folder, folder) == 0 && n < COUNT(arrows[i].may); n++) {
			const char *may = arrows[i].may[n];

			if (may && strncmp(whole, may, strlen(may)) == 0 &&
			    (may[strlen(may) - 1] == '/' || strcmp(whole, may) == 0))
				return true;
		}
	return false;
}

static unsigned includes_seen;

static void check_file(const char *folder, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[512], included[256];

	ck_assert_msg(f != NULL, "cannot read %s", path);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " # include \"%255[^\"]\"", included) != 1)
			continue;
		includes_seen++;
		ck_assert_msg(is_allowed(folder, included), "%s must not include %s", path, included);
	}
	fclose(f);
}

static bool is_source(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0 || strcmp(dot, ".def") == 0);
}

static unsigned check_folder(const char *top, const char *parent, const char *folder)
{
	char directory[300], path[600];
	struct dirent *entry;
	unsigned files = 0;
	DIR *dir;

	snprintf(directory, sizeof(directory), "%s/%s%s", top, parent, folder);
	dir = opendir(directory);
	ck_assert_msg(dir != NULL, "cannot read %s: run from the top, or set MT_TOP", directory);
	while ((entry = readdir(dir)))
		if (is_source(entry->d_name)) {
			snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
			check_file(folder, path);
			files++;
		}
	closedir(dir);
	return files;
}

static const char *top(void)
{
	const char *given = getenv("MT_TOP");

	return given ? given : ".";
}

START_TEST(includes_follow_the_arrows)
{
	static const char *const layers[] = { "base", "host", "inject", "control" };
	char path[300];

	includes_seen = 0;
	for (size_t i = 0; i < COUNT(layers); i++)
		ck_assert_uint_ge(check_folder(top(), "src/", layers[i]), 4);
	check_folder(top(), "", "mtctl");
	snprintf(path, sizeof(path), "%s/libmtpreload.c", top());
	check_file("doorway", path);
	ck_assert_uint_gt(includes_seen, 100);
}
END_TEST

START_TEST(every_folder_of_src_is_a_layer)
{
	char path[300];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/src", top());
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ck_assert_msg(strstr("base host inject control", entry->d_name),
				      "src/%s has no arrows", entry->d_name);
	closedir(dir);
}
END_TEST

START_TEST(arrows_point_one_way)
{
	static const struct {
		const char *folder, *included;
		bool allowed;
	} cases[] = {
		{ "base", "buf.h", true },
		{ "base", "base/buf.h", true },
		{ "base", "host/real.h", false },
		{ "base", "inject/chunk.h", false },
		{ "host", "base/log.h", true },
		{ "host", "inject/gate.h", false },
		{ "inject", "host/real.h", true },
		{ "inject", "host/boot.h", false },
		{ "inject", "control/rpc.h", false },
		{ "control", "control/rpc.h", true },
		{ "control", "host/boot.h", true },
		{ "control", "include/mtpreload.h", false },
		{ "mtctl", "term.h", true },
		{ "mtctl", "include/mtpreload.h", true },
		{ "mtctl", "control/rpc.h", false },
		{ "mtctl", "../src/control/rpc.h", false },
		{ "doorway", "control/control.h", true },
		{ "doorway", "inject/budget.h", true },
		{ "doorway", "inject/chunk.h", false },
		{ "doorway", "host/boot.h", false },
		{ "nowhere", "base/buf.h", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_msg(is_allowed(cases[i].folder, cases[i].included) == cases[i].allowed,
			      "%s includes %s", cases[i].folder, cases[i].included);
}
END_TEST

/* What a handler asks for that no signature has would read as not given. */
START_TEST(arguments_that_handlers_ask_for_are_in_the_signatures)
{
	static char signatures[65536];
	char path[600], line[512], directory[300];
	unsigned asked = 0;
	struct dirent *entry;
	FILE *f;
	DIR *dir;

	snprintf(directory, sizeof(directory), "%s/src/control", top());
	snprintf(path, sizeof(path), "%s/commands.def", directory);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	signatures[fread(signatures, 1, sizeof(signatures) - 1, f)] = '\0';
	fclose(f);
	dir = opendir(directory);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "cmd_", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		f = fopen(path, "r");
		ck_assert_ptr_nonnull(f);
		while (fgets(line, sizeof(line), f))
			for (char *at = line; (at = strstr(at, "(a, \"")); at++) {
				char name[64], found[80];

				ck_assert_int_eq(sscanf(at, "(a, \"%60[a-z_]\"", name), 1);
				snprintf(found, sizeof(found), "%s:", name);
				ck_assert_msg(strstr(signatures, found) != NULL, "%s asks for %s", path, name);
				asked++;
			}
		fclose(f);
	}
	closedir(dir);
	ck_assert_uint_gt(asked, 20);
}
END_TEST

UNIT_SUITE(layers, includes_follow_the_arrows, every_folder_of_src_is_a_layer, arrows_point_one_way,
	   arguments_that_handlers_ask_for_are_in_the_signatures)
