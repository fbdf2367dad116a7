#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a system runs at all times: names, logs, logins, jobs. Each in the foreground with a configuration of
its own, those that insist on fixed places in a mount namespace of their own."""

import os
import re
import signal
import socket
import subprocess
import time

from harness import PATIENCE_S, Program, children, pid_lives, run_facts, wait_for
from matrix import program
from usage import Server, binary, free_port, here, killed, plain, read, write


def descendants(pid, name):
    """The processes below it that have this name."""
    found = []
    for child in children(pid):
        try:
            with open(f"/proc/{child}/comm") as comm:
                found += [child] if comm.read().strip() == name else []
        except OSError:
            continue  # it has ended meanwhile
        found += descendants(child, name)
    return found


def dig(run, port, *words):
    """What a client of the DNS server gets."""
    return run.command(binary("dig"), "@127.0.0.1", "-p", str(port), "+short", "+tries=1", "+time=60",
                       *words, env=plain(run))


def resolved(run, port):
    """The same questions by UDP and TCP, many of them at once."""
    names = ["one.example.test", "two.example.test", "none.example.test"]
    one_by_one = [dig(run, port, *how, name) for name in names for how in (["+notcp"], ["+tcp"])]
    many = write(run, "names", "\n".join(names * 100) + "\n")
    status, out, errors = dig(run, port, "-f", many)
    # dig remarks now and then on its own bookkeeping ("query response not set"), with whatever server.
    answers = (line for line in out.splitlines() if not line.startswith(";;"))
    return one_by_one, status, sorted(set(answers)), errors


def dns_answers(run, port, server):
    """Waits until it does."""
    def one():
        assert pid_lives(server.pid), read(run, "log")
        return dig(run, port, "one.example.test")[1].startswith("10.")
    wait_for(one, "the server to answer")


DNSMASQ = """
port={port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
log-facility={path}/log
log-queries
addn-hosts={path}/hosts
local=/example.test/
"""


@program("dnsmasq", "/usr/sbin/dnsmasq --version")
def dnsmasq_resolves_the_same(run):
    port = free_port()
    config = write(run, "dnsmasq.conf", DNSMASQ.format(port=port, path=run.path))
    write(run, "hosts", "10.1.2.3 one.example.test\n10.1.2.4 two.example.test\n")
    checked = run.command(binary("dnsmasq"), "--test", "-C", config)
    with Server([binary("dnsmasq"), "-k", "-C", config, "--pid-file="], env=run.env()) as server:
        dns_answers(run, port, server)
        seen = [resolved(run, port)]
        run.drill(server.pid)
        # Over TCP it forks a child for each connection, which lives as long as that.
        with socket.create_connection(("127.0.0.1", port)):
            for child in wait_for(lambda: children(server.pid), "a child for the connection"):
                run.drill(child)
        wait_for(lambda: children(server.pid) == [], "the child to end")
        seen.append(resolved(run, port))
        write(run, "hosts", "10.1.2.5 one.example.test\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "10.1.2.5" in dig(run, port, "one.example.test")[1], "the new name")
        seen.append(resolved(run, port))
        return checked, seen, server.stop()


UNBOUND = """
server:
    interface: 127.0.0.1@{port}
    num-threads: 2
    do-daemonize: no
    username: "{user}"
    chroot: ""
    directory: "{path}"
    pidfile: ""
    use-syslog: no
    logfile: "{path}/log"
    module-config: "iterator"
    local-zone: "example.test." static
    local-data: "one.example.test. IN A 10.1.2.3"
    local-data: "two.example.test. IN A 10.1.2.4"
remote-control:
    control-enable: yes
    control-use-cert: no
    control-interface: {path}/control
"""


@program("unbound", "/usr/sbin/unbound -V")
def unbound_resolves_the_same(run):
    port = free_port()
    os.chmod(run.path, 0o777)  # it makes its control socket with the rights of its user
    config = write(run, "unbound.conf", UNBOUND.format(port=port, path=run.path, user="unbound"))
    broken = write(run, "broken.conf", "server:\n    num-threads: many\n")
    checked = [run.command(binary("unbound-checkconf"), path) for path in (config, broken)]

    def control(*words):
        status, out, errors = run.command(binary("unbound-control"), "-c", config, *words)
        return status, re.sub(r"\d+", "N", here(run, out)), errors

    with Server([binary("unbound"), "-c", config], env=run.env(), stderr=subprocess.PIPE) as server:
        dns_answers(run, port, server)
        seen = [resolved(run, port)]
        run.drill(server.pid)
        seen += [resolved(run, port), control("local_data", "three.example.test", "A", "10.1.2.5"),
                 dig(run, port, "three.example.test"), control("reload")]
        dns_answers(run, port, server)
        run.drill(server.pid)
        seen += [resolved(run, port), control("status"), control("stop")]
        return here(run, str(checked)), seen, server.process.wait(PATIENCE_S), server.process.stderr.read()


RSYSLOG = """
global(workDirectory="{path}")
module(load="imuxsock" SysSock.Use="off")
module(load="imtcp")
input(type="imuxsock" Socket="{path}/log.sock" CreatePath="off")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="short" type="string" string="%syslogseverity-text% %syslogtag%%msg%\\n")
if $programname == "rsyslogd" then stop
action(type="omfile" file="{path}/all.log" template="short" queue.type="LinkedList")
if $msg contains "urgent" then action(type="omfile" file="{path}/urgent.log" template="short")
"""


@program("rsyslogd", "/usr/sbin/rsyslogd -v")
def rsyslogd_logs_the_same(run):
    port = free_port()
    config = write(run, "rsyslog.conf", RSYSLOG.format(path=run.path, port=port))
    checked = run.command(binary("rsyslogd"), "-N1", "-f", config, "-i", "NONE")

    def logged(first, last, name="all.log"):
        """Sends lines by both ways, one after another, and waits until they are in the file."""
        for n in range(first, last):
            way = ["--tcp", "-n", "127.0.0.1", "-P", str(port)] if n % 2 else ["-u", f"{run.path}/log.sock"]
            word = "urgent" if n % 5 == 0 else "calm"
            status = run.command(binary("logger"), *way, "-t", "host", "-p", "user.notice",
                                 f"{word} line {n}")
            assert status == (0, "", ""), status
            wait_for(lambda: f" line {n}\n" in read(run, name), f"line {n}")

    with Server([binary("rsyslogd"), "-n", "-f", config, "-i", "NONE"], env=run.env(),
                stderr=subprocess.PIPE) as server:
        wait_for(lambda: os.path.exists(f"{run.path}/log.sock"), "its socket")
        logged(0, 20)
        run.drill(server.pid)
        logged(20, 40)
        os.rename(f"{run.path}/all.log", f"{run.path}/old.log")
        server.process.send_signal(signal.SIGHUP)
        # It closes its files some time after the signal.
        fds = f"/proc/{server.pid}/fd"
        wait_for(lambda: not any(os.path.realpath(f"{fds}/{fd}").endswith("/old.log")
                                 for fd in os.listdir(fds)), "the file to be closed")
        logged(40, 60)
        run.drill(server.pid)
        status = server.stop()
        return (here(run, str(checked)), status, here(run, server.process.stderr.read().decode()),
                [read(run, name) for name in ("old.log", "all.log", "urgent.log")])


SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {path}/host_key
PidFile none
AuthorizedKeysFile {path}/client_key.pub
StrictModes no
UsePAM {pam}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
Subsystem sftp {sftp}
"""

# Its separation directory, its logs of logins and one more user, all of them only in its own mounts.
SSHD_MOUNTS = """
set -e
mount -t tmpfs none /run
mkdir /run/sshd
mount --bind "$1/log" /var/log
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/shadow" /etc/shadow
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""


def sshd(run, pam, sftp):
    """Logs in as root, who has one process a session, and as another, who has two."""
    port = free_port()
    for name in ("host_key", "client_key"):
        made = run.command(binary("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f",
                           f"{run.path}/{name}")
        assert made == (0, "", ""), made
    write(run, "sshd_config", SSHD.format(port=port, path=run.path, pam=pam, sftp=sftp))
    write(run, "log/lastlog", "")
    for name, line, mode in (("passwd", "visitor:x:65533:65533::/:/bin/sh", 0o644),
                             ("shadow", "visitor:*:19000::::::", 0o640)):
        with open(f"/etc/{name}") as file:
            # Root's own shell is none of our business: its start-up files may take any time.
            whole = re.sub(r"(?m)^root:(.*):[^:\n]*:[^:\n]*$", rf"root:\1:{run.path}:/bin/sh",
                           file.read()) if name == "passwd" else file.read()
            write(run, name, whole + line + "\n", mode)
    options = ["-F", "none", "-i", f"{run.path}/client_key", "-o", "BatchMode=yes",
               "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={run.path}/known",
               "-o", "LogLevel=ERROR"]

    def ssh(user, *words):
        return [binary("ssh"), *options, "-p", str(port), f"{user}@127.0.0.1", *words]

    def login(user):
        command = 'id -un; echo "preload ${LD_PRELOAD-none}"; echo error >&2; seq 50000 | cksum; exit 7'
        return [run.command(*ssh(user, command), env=plain(run)),
                run.command(*ssh(user, "-tt", "test -t 0 && echo a terminal"), env=plain(run))]

    def copy(user):
        there = f"{run.path}/for-{user}"
        os.mkdir(there)
        os.chmod(there, 0o777)
        batch = write(run, "batch", f"put {run.path}/sent {there}/put\nget {there}/put {there}/got\n")
        done = run.command(binary("sftp"), "-q", *options, "-P", str(port), "-b", batch,
                           f"{user}@127.0.0.1", env=plain(run))
        return done[0], done[2], [len(read(run, f"for-{user}/{name}")) for name in ("put", "got")]

    def alone():
        wait_for(lambda: children(server.pid) == [], "earlier sessions to end")

    def session(user, processes):
        """A session that lasts while each of its processes is drilled."""
        alone()
        with Program(ssh(user, "echo ready; read word; echo got $word; exit 9"), env=plain(run),
                     stdin=-1, stdout=-1, text=True) as client:
            said = client.process.stdout.readline()
            pids = descendants(server.pid, "sshd")
            assert len(pids) == processes, pids
            for pid in pids:
                run.drill(pid)
            out, _ = client.process.communicate("a-word\n", PATIENCE_S)
            alone()
            return said, out, client.process.returncode

    def unauthenticated():
        """Drills the process that waits for a login."""
        alone()
        with socket.create_connection(("127.0.0.1", port)) as client:
            banner = client.recv(100)
            pid = wait_for(lambda: children(server.pid), "its process")[0]
            run.drill(pid)
        return banner

    write(run, "sent", "x" * 3000000)
    with open(f"{run.path}/errors", "w") as errors, \
            Server([binary("unshare"), "-m", "sh", "-c", SSHD_MOUNTS, "sh", run.path], env=run.env(),
                   stdin=-3, stderr=errors) as server:
        def listening(times):
            assert pid_lives(server.pid), read(run, "errors")
            return read(run, "errors").count("Server listening") == times
        wait_for(lambda: listening(1), "sshd to listen")
        seen = [login("root"), login("visitor"), unauthenticated()]
        run.drill(server.pid)
        seen += [session("root", 1), session("visitor", 2), copy("root"), copy("visitor")]
        server.process.send_signal(signal.SIGHUP)  # it executes itself anew
        wait_for(lambda: listening(2), "sshd to listen again")
        run.drill(server.pid)
        seen += [login("root"), login("visitor")]
        alone()  # or they would not have said all that they have to say
        seen.append(server.stop())
    log = re.sub(r"port \d+|SHA256:\S+|pid \d+|\[\d+\]", "N", read(run, "errors"))
    return seen, sorted(log.splitlines())


@program("sshd", "ssh -V")
def sshd_logs_in_the_same(run):
    return sshd(run, "no", "internal-sftp")


@program("sshd (PAM)", "ssh -V")
def sshd_with_pam_logs_in_the_same(run):
    return sshd(run, "yes", "/usr/lib/openssh/sftp-server")


CRONTAB = """
GREETING=hello
@reboot echo "started $GREETING $HOME" >>{path}/started
* * * * * {path}/minute {path}
"""

# The first minute's job stays until it gets a word.
CRON_JOB = """#!/bin/sh
cd "$1" && mkdir once 2>/dev/null || exit
echo "$GREETING $HOME $LOGNAME $PATH $SHELL ${LD_PRELOAD-none}" >job
read word <words
echo "got $word" >>job
"""

CRON_MOUNTS = """
set -e
mount -t tmpfs none /run
mount --bind "$1/spool" /var/spool/cron
mount --bind "$1/empty" /etc/cron.d
mount --bind "$1/crontab" /etc/crontab
crontab "$1/tab"
crontab -l
exec /usr/sbin/cron -f
"""


@program("cron", "dpkg-query -W -f='cron ${Version}\\n' cron")
def cron_runs_jobs_the_same(run):
    spool, words = f"{run.path}/spool/crontabs", f"{run.path}/words"
    os.makedirs(spool)
    os.makedirs(f"{run.path}/empty")
    os.chown(spool, 0, os.stat("/var/spool/cron/crontabs").st_gid)
    os.chmod(spool, 0o1730)
    os.mkfifo(words)
    write(run, "crontab", "")
    write(run, "minute", CRON_JOB, 0o755)
    write(run, "tab", CRONTAB.format(path=run.path))
    with open(f"{run.path}/output", "w") as output, \
            Server([binary("unshare"), "-m", "sh", "-c", CRON_MOUNTS, "sh", run.path], env=run.env(),
                   stdin=-3, stdout=output, stderr=output) as server:
        wait_for(lambda: read(run, "started"), "the job at start")
        run.drill(server.pid)
        wait_for(lambda: read(run, "job") or time.time() % 60 > 30, "half a minute to pass")
        wait_for(lambda: read(run, "job"), "the minute's job")
        for pid in descendants(server.pid, "cron"):
            run.drill(pid)
        with open(words, "w") as file:
            file.write("a-word\n")
        wait_for(lambda: "got a-word" in read(run, "job"), "the job to end")
        wait_for(lambda: children(server.pid) == [], "its processes to end")
        status = server.stop()
    killed(run)
    return read(run, "started"), read(run, "job"), read(run, "output"), status


run_facts()
