#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Commands that start, work and end, most of them by way of many children. They are drilled where they wait
for somebody: for their input, an editor, a pager, an answer."""

import hashlib
import os
import re
import subprocess

from harness import MTCTL, PATIENCE_S, Program, children, run_facts, wait_for
from matrix import program
from servers import let_drop_late
from usage import Server, binary, dialogue, here, killed, plain, write

# What a program runs to be drilled: it prints the pids of its caller and of itself, and waits for a line.
WAIT = 'echo "drill $PPID $$"; read line'


def files(run, under="."):
    """Every file below and what is in it, in short."""
    found = {}
    top = os.path.join(run.path, under)
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, top)] = hashlib.sha256(file.read()).hexdigest()[:16]
    return found


@program("sort", "sort --version")
def sort_sorts_the_same(run):
    lines = "".join(f"{n * 7919 % 100003}\n" for n in range(200000))
    with Program(["sort", "-n"], env=run.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                 text=True) as sort:
        sort.process.stdin.write(lines)
        sort.process.stdin.flush()
        run.drill(sort.pid)
        out, _ = sort.process.communicate()
        return sort.process.returncode, out


SHELL = r"""
total=0
for n in $(seq 300); do tens=$(echo $n | sed 's/$/0/'); total=$((total + tens)); done
echo "total $total"
seq 20000 | sort -rn | tail -3 | tr '\n' ' '
n=0; while [ $n -lt 200 ]; do (exit $((n % 7))) || n=$((n + $? - $?)); n=$((n + 1)); done; echo $n
trap 'echo "trapped"' USR1
trap 'echo "ends with $?"' EXIT
kill -USR1 $$
( trap - EXIT; sh -c 'echo "drill $PPID"'; read line; echo "a subshell goes on" )
echo "drill $$"; read line
for n in 1 2 3 4 5 6 7 8; do (exit $n) & done
wait; echo "waited"
cat <<END | wc
$(seq 5000)
END
nothing-of-this-name 2>/dev/null || echo "status $?"
exec 5>&1; echo "by fd 5" >&5
exit 4
"""

BASH = SHELL.replace("exit 4", r"""
diff <(seq 10) <(seq 2 11)
(read -r line < <(echo word); echo "$line"; kill -KILL $BASHPID); echo "killed: $?"
mapfile -t lines < <(seq 1000); echo "${#lines[@]} ${lines[999]}"
set -m
sleep 300 & job=$!
until grep -q sleep /proc/$job/comm; do :; done  # stopped before that, bash itself stumbles
kill -STOP %sleep
until grep -q '^State:.T' /proc/$job/status; do :; done
jobs -s >stopped; read -r _ state <stopped; echo ${state}
bg %sleep >/dev/null
kill %sleep
wait $job; echo "the job: $?"
for n in {1..3000}; do echo $((n * 7919 % 3001)); done | sort -n | md5sum >sum &
fg %+; cat sum
coproc both { while read -r word; do echo "<$word>"; done; }
echo "to a coprocess" >&${both[1]}; read -r word <&${both[0]}; echo "$word"
pid=$both_PID; eval "exec ${both[1]}>&-"; wait $pid; echo "coprocess $?"
echo "${PIPESTATUS[@]}" $(true | false | (exit 3) | cat; echo "${PIPESTATUS[@]}")
exit 4""")


@program("dash", "dpkg-query -W -f='dash ${Version}\\n' dash")
def dash_scripts_do_the_same(run):
    return dialogue(run, binary("dash"), write(run, "script", SHELL))


@program("bash", "bash --version")
def bash_scripts_do_the_same(run):
    status, out, errors = dialogue(run, binary("bash"), write(run, "script", BASH))
    killed(run)
    return status, out, re.sub(r"\[\d+\]| *\d+ Killed", "N", errors)


GIT = r"""
set -e
echo first >file
git init -q -b main .
git add file
git commit -q
for n in 1 2 3 4 5 6 7 8 9 10; do
    seq $n 2000 >file; echo "$n" >"new $n"; git add .; git commit -q -m "change $n"
done
git checkout -q -b side HEAD~3; echo side >side; git add side; git commit -q -m side
git checkout -q main; git merge -q -m merge side
git log --oneline --graph --stat | cat
git gc -q --prune=now
git repack -q -a -d -f --threads=2
git fsck --strict
git clone -q --no-local . ../clone
git -C ../clone log --format=%H%n%B | cksum
git -C ../clone diff HEAD~5 | cksum
git grep -c 19 HEAD~2 -- file
git bundle create -q ../bundle main
git bundle verify -q ../bundle
git stash list; git status --short
! git checkout nothing
"""


@program("git", "git --version")
def git_keeps_the_same(run):
    """The editor of the first commit waits, and `git cat-file` for the names of objects."""
    write(run, "home/.gitconfig", "[user]\n name = A\n email = a@example.test\n[gc]\n auto = 0\n")
    editor = write(run, "editor", f'#!/bin/sh\n{WAIT}\necho "the first" >"$1"\n', 0o755)
    dates = {f"GIT_{who}_DATE": "1700000000 +0000" for who in ("AUTHOR", "COMMITTER")}
    env = run.env(HOME=f"{run.path}/home", GIT_EDITOR=editor, GIT_CONFIG_NOSYSTEM="1", LC_ALL="C", **dates)
    os.mkdir(f"{run.path}/work")
    seen = dialogue(run, "sh", "-c", f"cd work\n{GIT}", env=env)
    with Program(["git", "-C", f"{run.path}/work", "cat-file", "--batch"], env=env, stdin=-1, stdout=-1,
                 text=True) as git:
        git.process.stdin.write("HEAD\n")
        git.process.stdin.flush()
        first = git.process.stdout.readline()
        run.drill(git.pid)
        git.process.stdin.write("HEAD~4:file\nnothing\n")
        git.process.stdin.close()
        rest = git.process.stdout.read()
        return seen, first, rest, git.process.wait(PATIENCE_S)


C_PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int twice(int n);
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

int main(void)
{
        char *words[5000], line[32];
        for (int n = 0; n < 5000; n++) {
                snprintf(line, sizeof line, "%d", n * 7919 % 5003);
                words[n] = strdup(line);
        }
        qsort(words, 5000, sizeof *words, compare);
        printf("%s %s %s %d\n", words[0], words[2500], words[4999], twice(21));
        for (int n = 0; n < 5000; n++)
                free(words[n]);
        return 5;
}
"""

# Enough work for the optimiser, and the same object each time.
C_LIBRARY = "int twice(int n) { return 2 * n; }\n" + "".join(
    f"int f{n}(int *a, int c) {{ int s = {n}; for (int i = 0; i < c; i++) s += a[i] * i ^ {n}; return s; }}\n"
    for n in range(200))


@program("gcc", "gcc --version")
def gcc_compiles_the_same(run):
    """The driver and the compiler proper are drilled while they wait for the rest of the source."""
    write(run, "main.c", C_PROGRAM)
    write(run, "library.c", C_LIBRARY)
    os.mkdir(f"{run.path}/tmp")
    env = run.env(TMPDIR=f"{run.path}/tmp", LC_ALL="C")

    def gcc(*words):
        status, out, errors = run.command("gcc", *words, cwd=run.path, env=env)
        return status, out, here(run, errors)

    seen = [gcc("-O2", "-Wall", "-c", name) for name in ("main.c", "library.c")]
    seen.append(gcc("-o", "plain", "main.o", "library.o"))
    seen.append(gcc("-O2", "-flto=2", "-o", "lto", "main.c", "library.c"))
    seen += [run.command(f"{run.path}/{name}") for name in ("plain", "lto")]
    seen.append(gcc("-c", "-x", "c", "/dev/null", "-DX=(", "-include", "nothing.h"))
    write(run, "wrong.c", "int main(void) { return nothing + ; }\n")
    seen.append(gcc("wrong.c"))
    with Server(["gcc", "-pipe", "-O2", "-c", "-x", "c", "-", "-o", "read.o"], env=env, cwd=run.path,
                stdin=-1, text=True) as driver:
        source = C_PROGRAM + C_LIBRARY
        driver.process.stdin.write(source[:200])
        driver.process.stdin.flush()
        compilers = wait_for(lambda: len(children(driver.pid)) == 2 and children(driver.pid),
                             "cc1 and the assembler")
        for pid in [driver.pid] + compilers:
            run.drill(pid)
        driver.process.communicate(source[200:], PATIENCE_S)
        seen.append(driver.process.returncode)
    return seen, {name: sum_ for name, sum_ in files(run).items() if name != "lto"}


MAKEFILE = """
names := $(shell seq 60)
all: waits $(names:%=%.out) total
.PHONY: all waits
waits:
	@echo drill $$PPID $$$$; read line
%.out: waits
	@seq $* 500 | sort -rn | cksum >$@
	@echo made $@
total: $(names:%=%.out)
	@cat $(sort $^) | cksum >$@
	+@$(MAKE) -s again
again:
	@echo "level $(MAKELEVEL)"
fails: ; @exit 3
"""


@program("make", "make --version")
def make_makes_the_same(run):
    write(run, "Makefile", MAKEFILE)
    status, out, errors = dialogue(run, "make", "-j2")
    built = files(run)
    again = run.command("make", "-k", "fails", "nothing", cwd=run.path)
    return status, sorted(out.splitlines()), errors, built, again


@program("tar", "tar --version")
def tar_keeps_the_same(run):
    """It and its gzip wait for the names of more files."""
    for n in range(300):
        write(run, f"tree/{n % 7}/file {n}", f"line {n}\n" * (n * 13 % 900))
    names = [f"tree/{n % 7}/file {n}\n" for n in range(300)]
    options = ["--mtime=@1700000000", "--owner=0", "--group=0", "--numeric-owner"]
    with Server(["tar", "-czf", "packed.tar.gz", *options, "-T", "-"], env=run.env(), cwd=run.path, stdin=-1,
                text=True) as tar:
        tar.process.stdin.write("".join(names[:100]))
        tar.process.stdin.flush()
        for pid in [tar.pid] + wait_for(lambda: children(tar.pid), "gzip"):
            run.drill(pid)
        tar.process.communicate("".join(names[100:]), PATIENCE_S)
    seen = [tar.process.returncode, run.command("tar", "-tzvf", "packed.tar.gz", cwd=run.path)]
    os.mkdir(f"{run.path}/again")
    seen.append(run.command("tar", "-xzf", "packed.tar.gz", "-C", "again", cwd=run.path))
    seen.append(run.command("diff", "-r", "tree", "again/tree", cwd=run.path))
    seen.append(run.command("tar", "-xf", "/dev/null/none", cwd=run.path))
    return seen, files(run)


@program("find, xargs, cp, ls", "find --version")
def find_and_its_friends_do_the_same(run):
    for n in range(200):
        write(run, f"tree/{n % 5}/{n}", f"{n}\n" * n)
    waits = write(run, "waits", f"#!/bin/sh\n{WAIT}\n", 0o755)
    script = r"""
        find tree -name 7 -exec %s ';'
        find tree -type f -print0 | sort -z >names
        xargs -0 -a names -n 300 sh -c '%s; echo "$# names"'
        xargs -0 -a names -n 3 -P 2 cksum | sort | cksum
        cp -a tree copy && diff -r tree copy && rm -r tree/3 && ls -R tree copy && mv copy moved
        find moved -size +1k -delete; find moved -type f | wc -l; ls nothing; ls -1 moved | tac
        find moved -type f -exec grep -l 11 {} + | sort | tr '\n' ' '; du -a --apparent-size moved | sort | cksum
    """ % (waits, WAIT)
    return dialogue(run, "sh", "-c", script), files(run, "moved")


@program("apt", "apt-get --version")
def apt_answers_the_same(run):
    """An update from a repository in a directory, with lists and states of its own. Its hook waits."""
    entry = "Package: {0}\nVersion: 1.{1}\nArchitecture: all\nMaintainer: A <a@example.test>\n" \
            "Depends: {2}\nFilename: ./{0}.deb\nSize: 1\nSHA256: {3}\nDescription: {0}\n\n"
    names = [f"package-{n}" for n in range(500)]
    write(run, "repository/Packages", "".join(
        entry.format(name, n, names[n // 2] if n else "base", hashlib.sha256(name.encode()).hexdigest())
        for n, name in enumerate(names)) + entry.format("base", 1, "base", "0" * 64))
    with open(f"{run.path}/repository/Packages", "rb") as file:
        packages = file.read()
    write(run, "repository/Release", "Date: Tue, 14 Nov 2023 22:13:20 UTC\nSHA256:\n"
          f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n")
    write(run, "etc/sources.list", f"deb [trusted=yes] file:{run.path}/repository ./\n")
    for name in ("state/lists/partial", "cache/archives/partial", "etc/parts"):
        os.makedirs(f"{run.path}/{name}")
    write(run, "state/status", "")
    own = {"Dir::State": "state", "Dir::State::status": "state/status", "Dir::Cache": "cache",
           "Dir::Etc::sourcelist": "etc/sources.list", "Dir::Etc::sourceparts": "etc/parts",
           "Dir::Log": "log"}
    options = [word for key, name in own.items() for word in ("-o", f"{key}={run.path}/{name}")]
    options += ["-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]

    def apt(*words):
        status, out, errors = run.command(*words[:1], *options, *words[1:], env=run.env(LC_ALL="C"))
        # Names of lists have the directory's in their own spelling.
        return status, re.sub(r"_tmp_.*_repository", "HERE", here(run, out)), here(run, errors)

    status, out, errors = dialogue(run, "apt-get", *options, "-o", f"APT::Update::Pre-Invoke::={WAIT}",
                                   "update", env=run.env(LC_ALL="C"))
    killed(run)  # apt interrupts its methods when it needs them no more
    updated = status, sorted({line for line in out.splitlines() if "Fetched" not in line}), errors
    return [updated, apt("apt-get", "--simulate", "install", "package-499"),
            apt("apt-get", "--simulate", "install", "no-such-package"), apt("apt-get", "indextargets"),
            apt("apt-cache", "policy", "package-7", "base"), apt("apt-cache", "depends", "package-300"),
            apt("apt-cache", "search", "package-4"), apt("apt-cache", "stats"),
            run.command("apt-cache", "policy", "bash", env=run.env(LC_ALL="C"))]


MAN_PAGE = ".TH EXAMPLE 1\n.SH NAME\nexample \\- one\n.SH DESCRIPTION\n" + "".join(
    f"Word {n} of \\fBthe page\\fR.\n.PP\n" for n in range(500))


@program("man", "man --version")
def man_shows_the_same(run):
    """It waits for the rest of a page. Its helpers run under a seccomp filter."""
    page = write(run, "man/man1/example.1", MAN_PAGE)
    env = run.env(MANWIDTH="80", LC_ALL="C.UTF-8", MANPATH=f"{run.path}/man")
    with Server([binary("man"), "-P", "cat", "-l", "-"], env=env, stdin=-1, stdout=-1, text=True) as man:
        man.process.stdin.write(MAN_PAGE[:100])
        man.process.stdin.flush()
        run.drill(man.pid)
        seen = [(man.process.communicate(MAN_PAGE[100:], PATIENCE_S)[0], man.process.returncode)]
    seen += [run.command("man", "-P", "cat", *words, env=env)
             for words in ([page], ["example"], ["-w", "example"], ["-k", "."], ["no-such-page"])]
    seen.append(run.command("mandb", "-u", "-q", f"{run.path}/man", env=env))
    seen.append(run.command("whatis", "example", env=env))
    seen.append(run.command("man", "-P", "cat", "tar", env=run.env(MANWIDTH="80", LC_ALL="C.UTF-8")))
    return [tuple(here(run, str(word)) for word in done) for done in seen]


NAMESPACES = r"""
unshare -U true; echo "status $?"
unshare -U id -u
unshare -Ur id
unshare -Urmi sh -c 'id -u; readlink /proc/self/ns/user | sed s/[0-9].*//; mount -t tmpfs none /mnt && ls /mnt'
unshare -Urpf --mount-proc sh -c 'echo "$$"; cat /proc/1/comm'
unshare -n sh -c 'cat /proc/net/dev | wc -l'
unshare -Ur false; echo "status $?"
chroot / id -u
exec 3<&0
unshare -Ur sh -c 'echo inside >/proc/$$/comm; echo "drill $$"; read line <&3; echo "inside $(id -u)"
    nsenter -t $$ -U --preserve-credentials sh -c "echo entered again" 2>&1
    sleep 300 & sleeper=$!
    echo "$sleeper" >sleeper; wait $sleeper; echo "slept $?"' &
while [ ! -s sleeper ] && kill -0 $!; do sleep 0.01; done
nsenter -t $(cat sleeper) -U --preserve-credentials id
nsenter -t $(cat sleeper) -U --preserve-credentials sh -c 'echo "drill $$"; read line; id -u'
nsenter -t $(cat sleeper) -U -S 0 -G 0 sh -c 'id -u; kill $(cat sleeper)'
wait
echo end
"""


@program("setpriv", "setpriv --version")
def privileges_are_dropped_the_same(run):
    """It keeps capabilities (a thread's own) across setresuid to call setgroups after it: glibc aborts when
    that succeeds in one thread and is refused in another."""
    let_drop_late(run)
    waits = write(run, "waits", "#!/bin/sh\nid; echo \"drill $$\"; read line\n", 0o755)
    seen = dialogue(run, "sh", "-c", f"""
        for groups in --clear-groups --keep-groups --init-groups; do
            setpriv --reuid 65534 --regid 65534 $groups id; echo $?
        done
        setpriv --no-new-privs --inh-caps=-all --bounding-set=-all grep Cap /proc/self/status
        exec setpriv --reuid 65534 --clear-groups {waits}""")
    run.prune()
    return seen


@program("unshare, nsenter", "unshare --version")
def namespaces_are_entered_the_same(run):
    """unshare(CLONE_NEWUSER) and setns into a user namespace are refused to a process with two threads."""
    seen = dialogue(run, "sh", "-c", NAMESPACES)
    killed(run)
    return seen


@program("bwrap", "bwrap --version")
def bwrap_confines_the_same(run):
    common = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/mnt", "--bind", run.path, run.path]
    inside = f'{WAIT}; echo "uid $(id -u)"; ls /mnt; touch /usr/x 2>/dev/null || echo "read-only"; exit 7'
    return [dialogue(run, *common, "sh", "-c", inside),
            dialogue(run, *common, "--unshare-user", "--unshare-net", "--uid", "5", "sh", "-c", inside),
            run.command(*common, "--unshare-all", "--proc", "/proc", "--die-with-parent",
                        "sh", "-c", 'echo "pid $$"; id -u; exit 6'),
            run.command("bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
                        "--symlink", "usr/lib64", "/lib64", "--clearenv", "/usr/bin/env"),
            run.command("bwrap", "--no-such-option")]


@program("busybox-static", "busybox | head -1", drilled=False)
def a_static_program_does_the_same_and_has_no_name(run):
    with Program([binary("busybox"), "sh", "-c", "read word; echo $word | busybox sha256sum; exit 3"],
                 env=run.env(), stdin=-1, stdout=-1, text=True) as busybox:
        # Another, started later, that can be injected into: this one had more time than it.
        with Program(["cat"], env=run.env(), stdin=-1) as cat:
            if run.watched:
                run.place.wait_socket(cat.pid)
            assert not os.path.exists(run.place.socket(busybox.pid))
            cat.process.communicate()
        if run.watched:
            for of in (["--", binary("busybox")], [str(busybox.pid)]):
                status, out, errors = run.command(MTCTL, "doctor", *of, env=plain(run))
                assert (status, errors) == (1, "") and f"{binary('busybox')} is a static program" in out, out
        out, _ = busybox.process.communicate("word\n", PATIENCE_S)
        return out, busybox.process.returncode


run_facts()
