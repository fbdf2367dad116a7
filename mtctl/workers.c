/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker writes what it has to say into a pipe, and ends. */
#include "workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define READ_BYTES ((size_t)16 << 10)

struct crew {
	struct piece *pieces;
	size_t count, begun, busy;
	void (*work)(void *context, size_t piece, struct buf *out);
	void *context;
};

/* Never returns. */
static void be_worker(const struct crew *c, size_t n, pid_t parent, int to)
{
	struct buf out = { 0 };
	size_t written = 0;
	ssize_t more = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	c->work(c->context, n, &out);
	while (written < out.len && (more = write(to, out.data + written, out.len - written)) >= 0)
		written += (size_t)more;
	_exit(out.failed || more < 0);
}

/* False where no process can be had. */
static bool send_worker(struct crew *c, size_t n)
{
	const pid_t parent = getpid();
	struct piece *p = &c->pieces[n];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	p->worker = fork();
	if (p->worker == 0)
		be_worker(c, n, parent, ends[1]);
	close(ends[1]);
	if (p->worker < 0) {
		p->worker = 0;
		close(ends[0]);
		return false;
	}
	p->fd = ends[0];
	c->busy++;
	return true;
}

static void begin(struct crew *c)
{
	size_t n = c->begun++;

	if (send_worker(c, n))
		return;
	c->work(c->context, n, &c->pieces[n].out);
	c->pieces[n].done = !c->pieces[n].out.failed;
}

/* One that was killed may be held up in the kernel: nobody waits for that, and it is init's once we have ended. */
static void finish(struct crew *c, struct piece *p, bool kill_it)
{
	int status = -1;

	if (kill_it)
		kill(p->worker, SIGKILL);
	if (waitpid(p->worker, &status, kill_it ? WNOHANG : 0) == p->worker && !kill_it)
		p->done = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !p->out.failed;
	close(p->fd);
	p->worker = 0;
	c->busy--;
}

static void hear(struct crew *c, struct piece *p)
{
	char *room = buf_room(&p->out, READ_BYTES);
	ssize_t n = room ? read(p->fd, room, READ_BYTES) : 0;

	if (n > 0)
		p->out.len += (size_t)n;
	else if (n == 0 || errno != EINTR)
		finish(c, p, !room);
}

static void wait_for_any(struct crew *c, uint64_t deadline_ns)
{
	struct pollfd polled[WORKERS_AT_ONCE];
	struct piece *of[WORKERS_AT_ONCE];
	struct timespec left = clock_until(deadline_ns, clock_ns());
	nfds_t count = 0;

	for (size_t n = 0; n < c->begun; n++)
		if (c->pieces[n].worker) {
			of[count] = &c->pieces[n];
			polled[count++] = (struct pollfd){ .fd = c->pieces[n].fd, .events = POLLIN };
		}
	if (ppoll(polled, count, deadline_ns == CLOCK_NEVER ? NULL : &left, NULL) <= 0)
		return;
	for (nfds_t i = 0; i < count; i++)
		if (polled[i].revents)
			hear(c, of[i]);
}

void workers_run(struct piece *pieces, size_t count, void (*work)(void *context, size_t piece, struct buf *out),
		 void *context, uint64_t deadline_ns)
{
	struct crew c = { .pieces = pieces, .count = count, .work = work, .context = context };

	while (clock_ns() < deadline_ns && (c.busy || c.begun < count)) {
		if (c.begun < count && c.busy < WORKERS_AT_ONCE)
			begin(&c);
		else
			wait_for_any(&c, deadline_ns);
	}
	for (size_t n = 0; n < c.begun; n++)
		if (pieces[n].worker)
			finish(&c, &pieces[n], true);
}
