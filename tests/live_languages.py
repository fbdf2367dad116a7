#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Languages whose runtimes have threads, workers and collectors of their own. Each program prints "drill
PID ..." where it and its workers may be injected into, and goes on when it gets a line."""

import os
import signal
import urllib.error
import urllib.request

from harness import NO_FORK_WARNING, PATIENCE_S, children, run_facts, wait_for
from matrix import program
from usage import Server, binary, dialogue, free_port, write

PYTHON_METHODS = """
import multiprocessing, os, sys

def square(n):
    return n * n

def worker(pipe):
    pipe.send(os.getpid())
    words = [str(n) for n in range(50000)]
    pipe.recv()
    pipe.send(sum(map(int, words)))

def main(method):
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    child = context.Process(target=worker, args=(theirs,))
    child.start()
    print("drill", os.getpid(), ours.recv(), flush=True)
    sys.stdin.readline()
    ours.send("go on")
    print(method, ours.recv())
    child.join()
    print(child.exitcode)
    with context.Pool(3) as pool:
        print(sum(pool.map(square, range(3000), 100)))
        pool.close()
        pool.join()
    queue, done = context.Queue(), context.Queue()
    for n in range(100):
        queue.put(n)
    queue.put(None)
    copier = context.Process(target=copy, args=(queue, done))
    copier.start()
    print(sum(iter(done.get, None)))
    copier.join()

def copy(queue, done):
    for item in iter(queue.get, None):
        done.put(item)
    done.put(None)

if __name__ == "__main__":
    main(sys.argv[1])
"""

PYTHON_THREADS = """
import concurrent.futures, gc, hashlib, os, subprocess, sys, threading, time
lock, total = threading.Lock(), 0

def work(seed):
    global total
    data = {}
    for n in range(20000):
        data[n % 500] = b"x" * ((n * seed) % 3000)
    with lock:
        total += sum(map(len, data.values()))

threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(total)

over = threading.Event()
def churn():
    while not over.is_set():
        hashlib.sha256(bytes(100000)).digest()
        [[] for _ in range(1000)]
        gc.collect()
churning = [threading.Thread(target=churn) for _ in range(2)]
for thread in churning: thread.start()
cat = subprocess.Popen(["cat"], stdin=-1, stdout=-1)
print("drill", os.getpid(), cat.pid, flush=True)
sys.stdin.readline()
print(cat.communicate(b"through a child")[0], cat.returncode)
for n in range(50):
    done = subprocess.run(["sh", "-c", f"echo {n}; exit {n}"], capture_output=True)
    assert (done.returncode, done.stdout) == (n, b"%d\\n" % n), done
over.set()
for thread in churning: thread.join()
def last(pid): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
statuses = []
for n in range(200):
    pid = os.fork()
    if pid == 0:
        if n % 2: os._exit(n)
        sys.exit(n)
    statuses.append(last(pid))
print(statuses == list(range(200)))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda n: len(str(n ** 50)), range(2000))))
print(len(threading.enumerate()), threading.active_count())
"""


@program("python3 (multiprocessing)", "/usr/bin/python3 --version")
def python_multiprocessing_works_the_same(run):
    script = write(run, "methods.py", PYTHON_METHODS)
    return [dialogue(run, binary("python3"), script, method)
            for method in ("fork", "spawn", "forkserver")]


@program("python3 (threads, subprocess)", "/usr/bin/python3 --version")
def python_threads_and_children_work_the_same(run):
    return dialogue(run, binary("python3"), *NO_FORK_WARNING, write(run, "threads.py", PYTHON_THREADS))


NODE = """
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { fork, execFileSync, spawn } = require('child_process');
const crypto = require('crypto'), zlib = require('zlib'), readline = require('readline');
if (process.argv[2] === 'child') {
    process.on('message', (word) => {
        const kept = [];
        for (let n = 0; n < 20000; n++) kept.push({ n, text: 'x'.repeat(n % 100) });
        process.send({ got: word, kept: kept.length });
        if (word === 'end') process.disconnect();
    });
    process.send({ ready: process.pid });
} else if (!isMainThread) {
    let hash = Buffer.alloc(32);
    for (let n = 0; n < 2000; n++)
        hash = crypto.createHash('sha256').update(hash).update(Buffer.alloc(n)).digest();
    parentPort.postMessage([workerData, hash.toString('hex')]);
} else {
    const lines = readline.createInterface({ input: process.stdin });
    const line = () => new Promise((done) => lines.once('line', done));
    const message = (from) => new Promise((done) => from.once('message', done));
    const work = (n) => new Promise((done, wrong) => {
        const worker = new Worker(__filename, { workerData: n });
        worker.on('message', done); worker.on('error', wrong);
    });
    (async () => {
        console.log(await Promise.all([1, 2, 3, 4].map(work)));
        const child = fork(__filename, ['child']);
        const ready = await message(child);
        const churning = Promise.all([5, 6].map(work));
        console.log('drill', process.pid, ready.ready);
        await line();
        console.log((await churning).length);
        for (const word of ['more', 'end']) { child.send(word); console.log(await message(child)); }
        console.log('ended with', await new Promise((done) => child.once('exit', done)));
        for (let n = 0; n < 20; n++) execFileSync('sh', ['-c', 'echo out; echo err >&2'], { stdio: 'pipe' });
        const big = Buffer.from('0123456789'.repeat(300000));
        console.log(zlib.gunzipSync(zlib.gzipSync(big)).equals(big));
        const cat = spawn('cat');
        let text = '';
        cat.stdout.on('data', (piece) => { text += piece; });
        cat.stdin.end('x'.repeat(200000));
        console.log(await new Promise((done) => cat.on('close', done)), text.length);
        lines.close();
    })();
}
"""


@program("node", "/usr/bin/node --version")
def node_workers_and_children_work_the_same(run):
    return dialogue(run, binary("node"), "--expose-gc", write(run, "work.js", NODE))


# The runtime alone can compile a single source file: Debian's JRE has the module jdk.compiler.
JAVA = """
import java.io.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Work {
    static long churn(int seed) {
        Map<Integer, byte[]> kept = new HashMap<>();
        long sum = 0;
        for (int n = 0; n < 40000; n++) {
            kept.put(n % 300, new byte[(n * seed) % 5000]);
            sum += kept.get(n % 300).length;
        }
        return sum;
    }

    public static void main(String[] words) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<Long>> sums = new ArrayList<>();
        for (int n = 1; n <= 8; n++) {
            int seed = n;
            sums.add(pool.submit(() -> churn(seed)));
        }
        for (Future<Long> sum : sums)
            System.out.println(sum.get());
        Process cat = new ProcessBuilder("cat").start();
        var churning = IntStream.range(1, 5).mapToObj(n -> pool.submit(() -> churn(n))).toList();
        System.out.println("drill " + ProcessHandle.current().pid() + " " + cat.pid());
        in.readLine();
        for (Future<Long> sum : churning)
            System.out.println(sum.get());
        cat.getOutputStream().write("through a child".getBytes());
        cat.getOutputStream().close();
        System.out.println(new String(cat.getInputStream().readAllBytes()) + cat.waitFor());
        for (int n = 0; n < 20; n++)
            if (new ProcessBuilder("sh", "-c", "exit " + n).start().waitFor() != n)
                System.out.println("status of " + n);
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (var zip = new java.util.zip.GZIPOutputStream(packed)) {
            zip.write(new byte[3000000]);
        }
        System.out.println(packed.size());
        System.gc();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        pool.shutdown();
        System.exit(pool.awaitTermination(5, TimeUnit.MINUTES) ? 3 : 4);
    }
}
"""


@program("java", "/usr/bin/java -version")
def java_threads_and_children_work_the_same(run):
    source = write(run, "Work.java", JAVA)
    return [dialogue(run, binary("java"), "-Xmx64m", collector, source)
            for collector in ("-XX:+UseSerialGC", "-XX:+UseG1GC")]


PERL = """
use strict; use warnings; use threads; use threads::shared; use POSIX '_exit';
$| = 1;
my @lines = sort { $a <=> $b } map { $_ * 7919 % 100003 } 1 .. 200000;
print "$lines[0] $lines[100000] $lines[-1]\\n";
my %count; $count{length $_}++ for @lines; print join(" ", map { "$_=$count{$_}" } sort keys %count), "\\n";
undef @lines;
my $ok = 0;
my $main = $$;
for my $n (1 .. 200) { my $pid = fork; $pid or $n % 2 ? exit $n : _exit $n; waitpid $pid, 0; $ok++ if $? >> 8 == $n }
print "forks $ok\\n";
$ok = 0; for my $n (1 .. 100) { my $got = `echo $n`; $ok++ if $got == $n } print "backticks $ok\\n";
my $sum : shared = 0;
my @threads = map { my $n = $_; threads->create(sub {
    my @kept; push @kept, "x" x ($_ * $n % 500) for 1 .. 5000; lock $sum; $sum += length join "", @kept }) } 1 .. 6;
$_->join for @threads;
print "threads $sum\\n";
pipe my $out, my $in or die;
my $child = fork;
if (!$child) { close $in; my $line = <$out>; my @kept = map { "k" x $_ } 1 .. 2000; print "child got $line"; exit 5 }
close $out;
print "drill $$ $child\\n";
my $line = <STDIN>;
print $in "a word\\n"; close $in;
waitpid $child, 0; print "child ended ", $? >> 8, "\\n";
$SIG{ALRM} = sub { print "alarm\\n" }; $SIG{CHLD} = 'IGNORE';
kill ALRM => $$;
END { print "end\\n" if $$ == $main && !threads->tid }
"""


@program("perl", "perl -e 'print \"$^V\\n\"'")
def perl_threads_and_forks_work_the_same(run):
    return dialogue(run, binary("perl"), write(run, "work.pl", PERL))


RUBY = """
$stdout.sync = true
require 'digest/sha2'  # loaded by two threads at once it fails now and then, in any ruby
sums = 6.times.map { |n| Thread.new { (1..3000).map { |i| ('x' * (i * n % 700)).dup }.sum(&:size) } }
p sums.map(&:value)
GC.stress = true
p 200.times.map { |n| "#{n}" * 3 }.join.size
GC.stress = false
GC.compact if GC.respond_to?(:compact)
p 100.times.map { |n| pid = fork { exit!(n) }; Process.wait2(pid)[1].exitstatus }.sum
p 50.times.map { |n| `echo #{n}`.to_i }.sum
out, inn = IO.pipe
child = fork { inn.close; word = out.gets; puts "child got #{word}"; at_exit { puts 'child ends' }; exit 7 }
out.close
over = false
churning = 2.times.map { Thread.new { Digest::SHA256.digest('x' * 100_000) until over } }
puts "drill #{$$} #{child}"
$stdin.gets
over = true
churning.each(&:join)
inn.puts 'a word'
inn.close
p Process.wait2(child)[1].exitstatus
r = Ractor.new { 1000.times.map { |n| n.to_s * 10 }.sum(&:size) } if defined?(Ractor)
p r&.take
at_exit { puts 'parent ends' }
trap('TERM') { puts 'TERM'; exit 9 }
Process.kill('TERM', $$)
sleep
"""


@program("ruby", "ruby --version")
def ruby_threads_and_forks_work_the_same(run):
    return dialogue(run, binary("ruby"), "-W0", write(run, "work.rb", RUBY))


PHP = """<?php
$data = [];
for ($n = 0; $n < 300000; $n++) $data["key" . ($n * 7919 % 100003)] = str_repeat("x", $n % 50);
ksort($data);
echo count($data), " ", md5(serialize($data)), "\\n";
unset($data);
gc_collect_cycles();
$pipes = [];
$child = proc_open(["cat"], [["pipe", "r"], ["pipe", "w"]], $pipes);
echo "drill ", getmypid(), " ", proc_get_status($child)["pid"], "\\n";
fgets(STDIN);
fwrite($pipes[0], str_repeat("word ", 1000)); fclose($pipes[0]);
echo strlen(stream_get_contents($pipes[1])), " ", proc_close($child), "\\n";
for ($n = 0, $sum = 0; $n < 50; $n++) $sum += (int) shell_exec("echo $n");
echo $sum, "\\n";
$ok = 0;
if (function_exists("pcntl_fork")) {
    for ($n = 1; $n <= 100; $n++) {
        $pid = pcntl_fork();
        if (!$pid) exit($n);
        pcntl_waitpid($pid, $status);
        $ok += pcntl_wexitstatus($status) == $n;
    }
}
echo "forks $ok\\n";
register_shutdown_function(function () { echo "end\\n"; });
exit(6);
"""

PAGE = """<?php
header("X-Served: yes");
echo array_sum(array_map(fn($n) => strlen(str_repeat("x", $n)), range(1, 2000))), " ", $_GET["word"] ?? "", "\\n";
"""


@program("php", "php --version")
def php_script_works_the_same(run):
    return dialogue(run, binary("php"), write(run, "work.php", PHP))


@program("php -S", "php --version", unsteady=[(r"^\[\d+\]", "[N]")])
def php_server_serves_the_same(run):
    write(run, "www/index.php", PAGE)
    write(run, "www/plain.txt", "plain\n" * 1000)
    port = free_port()

    def get(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=PATIENCE_S) as reply:
                return reply.status, reply.headers.get("X-Served"), reply.read()
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def served():
        return [get(f"index.php?word={n}") for n in range(50)] + [get("plain.txt"), get("none.txt")]

    with Server([binary("php"), "-q", "-S", f"127.0.0.1:{port}", "-t", f"{run.path}/www"],
                env=run.env(PHP_CLI_SERVER_WORKERS="2"), stdin=-3,
                start_new_session=True) as server:
        wait_for(lambda: get("plain.txt"), "the server to answer")
        workers = wait_for(lambda: len(children(server.pid)) == 2 and children(server.pid), "workers")
        seen = served()
        for pid in [server.pid] + workers:
            run.drill(pid)
        seen += served()
        os.killpg(server.pid, signal.SIGINT)  # as a terminal does
        return seen, server.process.wait(PATIENCE_S)


run_facts()
