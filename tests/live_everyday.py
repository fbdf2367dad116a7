#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Everyday commands do the same bare and with the library, whichever side of it another allocator is preloaded on.
Output, errors and exit status are compared. A function that one of the two lacks is what such commands trip over."""

import functools
import os
import re
import shutil
import subprocess

from harness import ALLOCATORS, LIB, PATIENCE_S, Place, equal, fact, library, run_facts

JEMALLOC, TCMALLOC, MIMALLOC = ALLOCATORS

# The words of each, for sh. They run in a directory with the files below, and leave it as it was.
COMMANDS = r"""
ls
ls -la --time-style=+%Y text tree
ls -R tree
ls nothing-of-this-name
cat text
cat -n text - <numbers
tac numbers
rev text
nl text
od -c text
head -n 5 numbers
tail -n 5 numbers
head -c 100 numbers
wc text numbers
sort numbers
sort -n -r -u numbers
sort -R --random-source=text -k 2 text
uniq -c sorted
comm -12 sorted sorted
cut -d ' ' -f 2,3 text
paste text numbers
join sorted sorted
fold -w 20 text
fmt -w 40 text
expand -t 3 text
pr -t -2 numbers
split -l 500 --filter='md5sum' numbers
csplit -f out/part -n 1 text 2
tr a-z A-Z <text
tee out/tee <text
seq -w 1 3 300
shuf --random-source=numbers -n 5 numbers
numfmt --to=iec 123456789
factor 123456789012345
expr 12 '*' 34
env printf '%05d|%s|%q\n' 42 word 'a b'
date -u -d @86400 +%FT%T
env -i A=1 env
id -u
basename /a/b.c .c
dirname /a/b/c
readlink -f tree/../text
realpath --relative-to=tree text
stat -c '%s %F %a' text tree
du --apparent-size -b tree/branch/leaf
touch -r text out/touched
mkdir -p out/a/b/c
cp -r tree out/copy
mv nothing-of-this-name out
ln -sf text out/link
rm -rf out/nothing-of-this-name
chmod 640 out
dd if=numbers bs=1000 count=2 status=none
truncate -s 5000 out/long
md5sum text numbers
sha256sum text numbers
sha512sum text
b2sum text
cksum text
base64 text
base32 text
timeout 5 cat text
test -d tree
false
grep -n line text
grep -r -l leaf tree
grep -E -o '[0-9]{3}$' numbers
grep -P '(?<=line )\w+' text
grep -v -c 7 numbers
grep nothing-of-this-name text
sed -n '2,4p' text
sed -E 's/(line) (\w+)/\2 \1/g; y/abc/xyz/' text
sed 's/unterminated' text
awk '{ n[$1 % 10] += $1 } END { for (k = 0; k < 10; k++) print k, n[k] }' numbers
awk 'BEGIN { s = "x"; for (i = 0; i < 16; i++) s = s s; print length(s), substr(s, 7, 3), toupper(s s) ~ /X/ }'
find tree -type f -name 'l*' -size -9k
find tree -exec basename {} ';'
find . -newer nothing-of-this-name
xargs -n 100 echo <numbers
tar -cf - --sort=name --mtime=@0 --owner=0 --group=0 tree | md5sum
tar -czf - --mtime=@0 tree | tar -tzf -
gzip -nc numbers | gzip -dc | md5sum
diff text sorted
diff -r -u tree tree
cmp text sorted
file_name=$(basename "$PWD"/text); echo "${file_name%t}"; for n in 1 2 3; do (exit $n) || echo $?; done
bash -c 'mapfile -t l <numbers; echo ${#l[@]} ${l[7]}; echo {1..9}; diff <(sort numbers) sorted | head -n 3'
perl -ne 'push @l, $_; END { print((sort @l)[3], scalar(@l), "\n") }' numbers
man -l page.1
ssh -G -F none host.example
getent passwd root
locale -a
nproc --all
"""

# These are to fail.
MAY_FAIL = re.compile("nothing-of-this-name|false|unterminated|diff text|cmp")

PAGE = ".TH PAGE 1\n.SH NAME\npage \\- a page\n.SH DESCRIPTION\nWords that are\n.B bold\nand many more.\n"


def fill(path):
    """The files that the commands work on."""
    os.makedirs(os.path.join(path, "tree/branch"))
    numbers = [n * 7919 % 10007 for n in range(3000)]
    files = {
        "text": "line one of a\tfew\nline two,  with blanks\n\nline four: ünïcode\nlast line" + " and on" * 30 + "\n",
        "numbers": "".join(f"{n}\n" for n in numbers),
        "sorted": "".join(f"{n}\n" for n in sorted(map(str, numbers[:500]))),
        "tree/branch/leaf": "a leaf\n" * 100,
        "tree/bark": "bark\n",
        "page.1": PAGE,
    }
    for name, content in files.items():
        with open(os.path.join(path, name), "w", encoding="utf-8") as file:
            file.write(content)


def outcome(place, command, preload):
    """What its user sees of one command. Only our own variables and those that a shell needs are set."""
    path, out = os.path.join(place.path, "work"), os.path.join(place.path, "work/out")
    env = {"PATH": os.environ["PATH"], "HOME": path, "LC_ALL": "C.UTF-8", "TZ": "UTC", "COLUMNS": "80", "MANWIDTH": "78",
           "MTPRELOAD_DIR": place.run} | ({"LD_PRELOAD": preload} if preload else {})
    os.mkdir(out)
    done = subprocess.run(["sh", "-c", command], cwd=path, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=PATIENCE_S)
    made = sorted(os.path.relpath(os.path.join(top, name), out)
                  for top, folders, names in os.walk(out) for name in folders + names)
    shutil.rmtree(out)
    said = (text.replace(path.encode(), b"PLACE") for text in (done.stdout, done.stderr))
    return done.returncode, *said, made


def outcomes(preload):
    with Place() as place:
        fill(os.path.join(place.path, "work"))
        return {command: outcome(place, command, preload) for command in COMMANDS.strip().split("\n")}


@functools.cache
def bare():
    return outcomes("")


def same(*preload):
    """With these in LD_PRELOAD each command does what it does bare. All that differ are told."""
    differ = [(command, bare()[command], got) for command, got in outcomes(":".join(preload)).items()
              if got != bare()[command]]
    assert not differ, f"{len(differ)} differ:" + "".join(
        f"\n{command}\n  bare {wanted}\n  with {got}" for command, wanted, got in differ)


@fact
def the_commands_are_what_they_should_be():
    """Most of them work and say something; those that are to fail do."""
    statuses = [(command, status) for command, (status, *_) in bare().items() if status]
    failing = [command for command, _ in statuses]
    assert len(bare()) >= 60, len(bare())
    equal([command for command in failing if not MAY_FAIL.search(command)], [], statuses)


@fact
def everyday_commands_do_the_same_with_the_library_alone():
    same(LIB)


@fact
def everyday_commands_do_the_same_behind_jemalloc():
    same(library(JEMALLOC), LIB)


@fact
def everyday_commands_do_the_same_before_jemalloc():
    same(LIB, library(JEMALLOC))


@fact
def everyday_commands_do_the_same_behind_tcmalloc():
    same(library(TCMALLOC), LIB)


@fact
def everyday_commands_do_the_same_before_tcmalloc():
    same(LIB, library(TCMALLOC))


@fact
def everyday_commands_do_the_same_behind_mimalloc():
    same(library(MIMALLOC), LIB)


@fact
def everyday_commands_do_the_same_before_mimalloc():
    same(LIB, library(MIMALLOC))


run_facts()
