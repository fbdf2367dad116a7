#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Web servers: a main process whose workers have other rights, and are replaced while it serves."""

import json
import os
import pwd
import signal
import subprocess

from harness import MTCTL, PATIENCE_S, Program, children, nginx_user, run_facts, wait_for
from servers import (Web, crash, free_port, let_drop_late, log_of, own_directory, owner,
                     program_of, rights, served, server, tool, wait_answer, wait_gone, wait_pruned,
                     write)
from usage import plain

PAGE = b"a page that is the same each time\n"
SITE_TIME = 1_700_000_000
SCRIPT = r"""#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n%s:' "$REQUEST_METHOD"
cat
"""
BRIEF = ["-o", os.devnull, "-w", "%{http_code} %{size_download}\\n"]


def make_site(run):
    """A page, a long file, a script."""
    site = os.path.join(run.path, "site")
    os.mkdir(site)
    write(os.path.join(site, "page"), PAGE)
    write(os.path.join(site, "long"), bytes(range(256)) * 8192)
    script = write(os.path.join(site, "script.cgi"), SCRIPT)
    os.chmod(script, 0o755)
    for name in os.listdir(site):
        os.utime(os.path.join(site, name), (SITE_TIME, SITE_TIME))
    return site


def ask_all(web, script=True):
    """One of each kind of request, as a person sees the replies."""
    seen = [web.curl("page"), web.curl("absent"), web.curl("page", "--head"),
            web.curl("long", "-r", "97-110"), web.curl("long", *BRIEF),
            web.curl("page", "-X", "BREW"), web.curl("page?[1-20]", *BRIEF)]
    # Without headers: it comes in chunks where its end had not been seen when it began.
    return seen + ([web.curl("script.cgi", "--data", "a=1", "--no-include")] if script else [])


def workers_of(pid, count, but=()):
    """The workers that are not in `but`, once they are all there and have dropped their rights."""
    uid = pwd.getpwnam("www-data").pw_uid if os.getuid() == 0 else os.getuid()

    def all_there():
        new = [child for child in children(pid) if child not in but]
        return len(new) == count and all(owner(child) == uid for child in new) and new
    return wait_for(all_there, f"{count} workers of {pid}")


def drill_all(run, web, main, worker):
    """The drill in both while pages are served; what was wrong with them."""
    with web.traffic(PAGE) as traffic:
        run.drill(main)
        run.drill(worker)
        return served(traffic)


def replace_worker(run, main, workers):
    """One is killed, and another takes its place, whose first act is to clear up after it."""
    theirs = crash(run, workers[0])
    new = workers_of(main, len(workers), but=workers[:1])
    if theirs:
        wait_pruned(run, workers[0])
    return new


APACHE = """
ServerRoot {path}
ServerName localhost
PidFile {path}/apache.pid
DefaultRuntimeDir {path}
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule cgi_module {modules}/mod_cgi.so
Listen 127.0.0.1:{port}
{user}
StartServers 4
ServerLimit 4
MaxRequestWorkers 4
MinSpareServers 4
MaxSpareServers 5
ErrorLog {path}/error.log
LogFormat "%h %t \\"%r\\" %>s %b \\"%{{User-Agent}}i\\"" line
CustomLog {path}/access.log line
DocumentRoot {site}
<Directory {site}>
    Options +ExecCGI
    <Files "*.cgi">
        SetHandler cgi-script
    </Files>
    Require all granted
</Directory>
"""


@server("Apache httpd (prefork)", "/usr/sbin/apache2 -v")
def apache_serves_and_replaces_its_workers(run):
    web, site = Web(run, free_port()), make_site(run)
    config = write(os.path.join(run.path, "apache.conf"), APACHE.format(
        path=run.path, port=web.address, site=site, modules="/usr/lib/apache2/modules",
        user="User www-data\nGroup www-data" if os.getuid() == 0 else ""))
    apache = [program_of("apache2"), "-f", config]
    seen = [tool(run, *apache, "-t")]
    # A group of its own: apache signals the whole of the one that it is in.
    with Program([*apache, "-D", "FOREGROUND"], env=run.env(), start_new_session=True) as main:
        web.wait_started(main, PAGE)
        old = workers_of(main.pid, 4)
        seen += ask_all(web) + [drill_all(run, web, main.pid, old[0])] + ask_all(web)
        old = replace_worker(run, main.pid, old)
        with web.traffic(PAGE) as traffic:
            seen += [tool(run, *apache, "-k", "graceful")]
            wait_gone(*old)
            new = workers_of(main.pid, 4, but=old)
            run.drill(new[0])
            seen += [served(traffic), owner(main.pid)]
        seen += ask_all(web) + [tool(run, *apache, "-k", "stop")]
        seen += [main.process.wait(timeout=PATIENCE_S), sorted(os.listdir(run.path))]
    # Busy workers are told twice to stop; all may be busy, which it says.
    return seen + [log_of(run, os.path.join(run.path, name), but='"traffic"|AH0004[56]|AH0016[12]')
                   for name in ("error.log", "access.log")]


LIGHTTPD = """
server.document-root = "{site}"
server.bind = "{path}/http.sock"
server.pid-file = "{path}/lighttpd.pid"
server.errorlog = "{path}/error.log"
server.upload-dirs = ("{path}")
server.max-worker = {workers}
server.modules = ("mod_accesslog", "mod_cgi")
accesslog.filename = "{path}/access.log"
accesslog.format = "%h %t \\"%r\\" %>s %b \\"%{{User-Agent}}i\\""
cgi.assign = (".cgi" => "")
{user}
"""


def lighttpd_config(run, path, site, workers=0):
    user = 'server.username = "www-data"\nserver.groupname = "www-data"\n'
    return write(os.path.join(path, "lighttpd.conf"), LIGHTTPD.format(
        path=path, site=site, workers=workers, user=user if os.getuid() == 0 else ""))


@server("lighttpd", "/usr/sbin/lighttpd -v")
def lighttpd_serves_and_replaces_its_workers(run):
    let_drop_late(run)
    site = make_site(run)
    path = own_directory(os.path.join(run.path, "web"), "www-data")
    web = Web(run, os.path.join(path, "http.sock"))
    config = lighttpd_config(run, path, site, workers=2)
    lighttpd = [program_of("lighttpd"), "-f", config]
    seen = [tool(run, *lighttpd, "-tt")]
    with Program([*lighttpd, "-D"], env=run.env()) as main:
        web.wait_started(main, PAGE)
        old = workers_of(main.pid, 2)
        seen += ask_all(web) + [drill_all(run, web, main.pid, old[0])] + ask_all(web)
        new = replace_worker(run, main.pid, old)
        run.drill(new[-1])
        seen += ask_all(web) + [owner(main.pid)]
        seen += [main.stop(signal.SIGINT)]
        wait_gone(*new)
        seen += [sorted(os.listdir(path))]
    return seen + [log_of(run, os.path.join(path, name), but='"traffic"|clock jumped')
                   for name in ("error.log", "access.log")]


HAPROXY = """
global
    {user}
    pidfile {path}/haproxy.pid
    stats socket {path}/stats.sock mode 600 level admin expose-fd listeners
    log stdout format raw daemon
    nbthread 2
defaults
    mode http
    log global
    option httplog
    timeout connect 300s
    timeout client 300s
    timeout server 300s
frontend front
    bind {path}/http.sock
    http-request deny if {{ path /denied }}
    default_backend back
backend back
    http-response set-header X-Through haproxy
    server one {path}/back/http.sock
"""
HAPROXY_UNSTEADY = [(r"\[\d+/.*?\]", "[TIME]"), (r" -?\d+(/-?\d+){4} ", " N "),
                    (r" \d+(/\d+){4} \d+/\d+ ", " N "), (r"\(\d{2,}\)", "(N)"),
                    (r"(FE|BE): \d+", r"\1: N")]


def wait_settled(run, pid):
    """Once its worker is there, the main process executes itself again, only to wait."""
    def waits():
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"HAPROXY_MWORKER_WAIT_ONLY=1" in file.read()
    wait_for(waits, "haproxy's second exec")
    wait_answer(run, pid)


@server("HAProxy (master-worker)", "/usr/sbin/haproxy -v")
def haproxy_passes_on_and_reloads(run):
    site = make_site(run)
    back = own_directory(os.path.join(run.path, "back"), "www-data")
    web = Web(run, os.path.join(run.path, "http.sock"))
    config = write(os.path.join(run.path, "haproxy.conf"), HAPROXY.format(
        path=run.path, user="user www-data\n    group www-data" if os.getuid() == 0 else ""))
    log = os.path.join(run.path, "log")
    haproxy = [program_of("haproxy"), "-W", "-f", config]
    seen = [tool(run, *haproxy, "-c")]
    plain = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    with open(log, "w") as out, \
            Program([program_of("lighttpd"), "-D", "-f", lighttpd_config(run, back, site)],
                    env=plain, **rights("www-data")), \
            Program(haproxy, env=run.env(), stdout=out, stderr=out) as main:
        web.wait_started(main, PAGE)
        old = workers_of(main.pid, 1)
        wait_settled(run, main.pid)
        seen += ask_all(web) + [web.curl("denied"), drill_all(run, web, main.pid, old[0])]
        with web.traffic(PAGE) as traffic:
            main.process.send_signal(signal.SIGUSR2)
            new = workers_of(main.pid, 1, but=old)
            wait_gone(*old)
            seen += [served(traffic)]
        wait_settled(run, main.pid)
        seen += [drill_all(run, web, main.pid, new[0])] + ask_all(web) + [web.curl("denied")]
        seen += [main.stop(signal.SIGUSR1)]
    return seen + [log_of(run, log, *HAPROXY_UNSTEADY, but=r'HTTP/1\.0"')]


CHROOTED = """
global
    chroot {jail}
    user www-data
    group www-data
    log stdout format raw daemon
defaults
    mode http
    log global
    option httplog
    timeout client 300s
frontend front
    bind {path}/http.sock
    http-request deny if {{ path /denied }}
    http-request return content-type text/plain file {site}/page
"""


def socket_by_pid(run, pid):
    """Where mtctl finds it, wherever that is by now: in our place if it was bound before the root was changed."""
    def found():
        done = subprocess.run([MTCTL, "ls", "-j", "-p", str(pid)], capture_output=True, text=True,
                              timeout=PATIENCE_S, env=plain(run))
        return done.returncode == 0 and json.loads(done.stdout)[0]["socket"]
    return wait_for(found, f"mtctl to find {pid}") if run.watched else None


def answers_in_its_jail(run, jail, site):
    """Its worker is chrooted and somebody else before the library binds, unless the machine is very slow."""
    config = write(os.path.join(run.path, "haproxy.conf"),
                   CHROOTED.format(path=run.path, jail=jail, site=site))
    web, log = Web(run, os.path.join(run.path, "http.sock")), os.path.join(run.path, "log")
    with open(log, "w") as out, Program([program_of("haproxy"), "-W", "-f", config], env=run.env(),
                                        stdout=out, stderr=out) as main:
        web.wait_started(main, PAGE)
        worker, = workers_of(main.pid, 1)
        wait_settled(run, main.pid)
        seen = [os.path.realpath(f"/proc/{worker}/root") == jail, web.curl("page"), web.curl("denied")]
        path = socket_by_pid(run, worker)
        with web.traffic(PAGE) as traffic:
            run.drill(main.pid)
            run.drill(worker, path)
            seen += [served(traffic)]
        seen += [web.curl("page"), web.curl("denied"), main.stop(signal.SIGUSR1)]
    return path, seen + [log_of(run, log, *HAPROXY_UNSTEADY, but=r'HTTP/1\.0"')]


@server("HAProxy (chroot)", "/usr/sbin/haproxy -v")
def haproxy_answers_in_an_empty_root_and_in_one_with_a_place_for_sockets(run):
    site, jail = make_site(run), os.path.join(run.path, "jail")
    inside = jail + run.place.run
    os.mkdir(jail)
    path, seen = answers_in_its_jail(run, jail, site)
    assert not path or path.startswith(("@", run.place.run)), path
    os.makedirs(inside)
    os.chmod(inside, 0o1777)
    path, more = answers_in_its_jail(run, jail, site)
    assert not path or path.startswith(("/proc/", run.place.run)), path
    return seen + more + [os.listdir(inside), sorted(os.listdir(run.path))]


NGINX = """
daemon off;
pid {path}/nginx.pid;
error_log {path}/error.log notice;
worker_processes 2;
{user}
events {{ worker_connections 64; }}
http {{
    log_format line '$time_local "$request" $status $body_bytes_sent "$http_user_agent"';
    access_log {path}/access.log line;
    client_body_temp_path {path}/t1; proxy_temp_path {path}/t2; fastcgi_temp_path {path}/t3;
    uwsgi_temp_path {path}/t4; scgi_temp_path {path}/t5;
    server {{ listen unix:{path}/http.sock; root {site}; }}
}}
"""


@server("nginx", "/usr/sbin/nginx -v")
def nginx_serves_and_replaces_its_workers(run):
    web, site = Web(run, os.path.join(run.path, "http.sock")), make_site(run)
    config = write(os.path.join(run.path, "nginx.conf"), NGINX.format(
        path=run.path, site=site, user=nginx_user("www-data")))
    nginx = [program_of("nginx"), "-c", config]
    seen = [tool(run, *nginx, "-t")]
    with Program(nginx, env=run.env()) as main:
        web.wait_started(main, PAGE)
        old = workers_of(main.pid, 2)
        seen += ask_all(web, False) + [drill_all(run, web, main.pid, old[0])]
        old = replace_worker(run, main.pid, old)
        with web.traffic(PAGE) as traffic:
            seen += [tool(run, *nginx, "-s", "reload")]
            wait_gone(*old)
            new = workers_of(main.pid, 2, but=old)
            run.drill(new[0])
            seen += [served(traffic), owner(main.pid)]
        seen += ask_all(web, False) + [tool(run, *nginx, "-s", "quit")]
        seen += [main.process.wait(timeout=PATIENCE_S), sorted(os.listdir(run.path))]
    return seen + [log_of(run, os.path.join(run.path, name),
                          (r"received from \d+", "received"),
                          but='"traffic"|SIGIO')
                   for name in ("error.log", "access.log")]


run_facts()
