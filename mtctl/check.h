/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of mtctl doctor: each is a row of a table, which knows one cause and its remedy. */
#ifndef MT_CTL_CHECK_H
#define MT_CTL_CHECK_H

#include <limits.h>

#include "base/buf.h"
#include "base/json.h"
#include "ctl.h"
#include "elf.h"
#include "find.h"
#include "link.h"
#include "proc.h"

enum level {
	LEVEL_NONE, /* nothing to say */
	LEVEL_OK,
	LEVEL_NOTE,
	LEVEL_PROBLEM
};

/* What is looked at; the parts that are not known are empty. */
struct subject {
	/* The library that is, or would be, loaded. */
	char library[PATH_MAX];
	struct elf library_elf;

	/* The program: its file as we reach it, and what it was called. */
	char file[PATH_MAX];
	const char *called;
	struct elf elf;
	int elf_rc;
	struct buf scripts; /* " is a script of INTERPRETER" for each on the way to the file */

	/* The process; pid 0 where it is only about a program. */
	struct proc proc;
	struct buf status, environment, maps;
	const char *preload; /* its LD_PRELOAD, where that names the library; NULL */
	char entry[PATH_MAX]; /* the library in it */
	bool asked;          /* for this one, not for all */
	pid_t thread;        /* the library's; 0: it has none */
	bool untouchable;    /* to be asked could end it */
	struct instances found;
	struct link link;
	int silence;      /* 0, or -errno: it did not answer */
	bool foreign;     /* what answered is not the library */
	struct json info; /* what it says of itself, while `link` is open */
};

struct check {
	const char *name;
	/* Appends what there is to say. */
	enum level (*look)(struct subject *s, struct buf *text);
	const char *remedy; /* of a note or problem; "" where the text has it */
	bool ends;          /* the checks behind it have nothing to add to a problem */
	bool fatal;         /* the loader ends such a program, instead of going on without us */
};

/* Each ends with a row without a name. */
extern const struct check program_checks[]; /* check_program.c: would this file load it? */
extern const struct check absent_checks[];  /* check_absent.c: why is it not in this process? */
extern const struct check puzzle_checks[];  /* check_absent.c: where its program is not to blame */
extern const struct check present_checks[]; /* check_present.c: it is there; is it at work? */
extern const struct check still_checks[];   /* check_still.c: does nothing in the process move? */
extern const struct check thread_checks[];  /* check_present.c: why may it have no thread of ours? */
extern const struct check reach_checks[];   /* check_answer.c: can it be reached, and does it answer? */
extern const struct check starved_checks[]; /* check_still.c: where something is lacking: does its thread get no turn? */
extern const struct check limit_checks[];   /* check_limit.c: or is it limited? */
extern const struct check lack_checks[];    /* check_answer.c: or is only known what is lacking? */
extern const struct check answer_checks[];  /* check_answer.c: it works; wholly? */
extern const struct check library_checks[]; /* check_machine.c: what all of them need */
extern const struct check machine_checks[]; /* check_machine.c: what has been left behind */

/* subject.c. Finds the file behind a word that a shell would run, scripts followed.
   0 or -errno. */
int subject_program(struct subject *s, const char *word);

/* 0 or -errno: -ESRCH where there is none, -EACCES where we may not look. Where it can be looked at
   `*has_library` tells whether it is mapped. */
int subject_process(struct subject *s, pid_t pid, bool *has_library);

/* `path` as the process `pid` sees it; 0 is ourselves. */
void subject_library(struct subject *s, pid_t pid, const char *path);

/* What is lacking, for which a cause is looked for: a thread, a socket, an answer. NULL where all is there. */
const char *subject_lack(const struct subject *s);
void subject_free(struct subject *s);

/* place_why.c. Appends why each directory for sockets that the process (or, with pid 0, a program of ours)
   would try cannot be used; the first that can is appended to `usable`. */
void place_explain(const struct subject *s, struct buf *why, struct buf *usable);

/* The one place that its environment leaves it, by MTPRELOAD_SOCKET; NULL. */
const char *place_fixed(const struct subject *s);

#define FIXED_REMEDY \
	"give MTPRELOAD_SOCKET a path in a directory that it can write, or unset it; beside it MTPRELOAD_DIR " \
	"does nothing"

#endif
