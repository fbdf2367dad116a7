/* SPDX-License-Identifier: BSD-2-Clause */
/* Appends lines to the log file. No syslog, no stdio: with a private descriptor table their
   hidden descriptors would be the host's numbers in the wrong table. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"

#define LINE_MAX_BYTES 1024

static int log_fd = -1;

int log_open(const char *path)
{
	int fd = -1;

	if (*path) {
		/* Not blocking: a FIFO that nobody reads would hold our thread, and the gate with it. */
		fd = kernel_open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
				 0600);
		if (fd < 0)
			return -errno;
	}
	if (log_fd >= 0)
		kernel_close(log_fd);
	log_fd = fd;
	return 0;
}

void log_forget(void)
{
	log_fd = -1;
}

/* "2026-03-01T12:00:00.123Z" from days since 1970 (Howard Hinnant, "chrono-compatible low-level
   date algorithms"). gmtime_r takes the C library's time zone lock, which a host thread that
   forks could then leave locked in its child. */
static int format_time(char *out, size_t cap)
{
	struct timespec ts;
	int64_t days, era, doe, yoe, doy, mp;
	int seconds;

	kernel_clock_gettime(CLOCK_REALTIME, &ts);
	days = ts.tv_sec / 86400 + 719468;
	seconds = (int)(ts.tv_sec % 86400);
	era = days / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	return snprintf(out, cap, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			(int)(yoe + era * 400 + (mp >= 10)), (int)(mp < 10 ? mp + 3 : mp - 9),
			(int)(doy - (153 * mp + 2) / 5 + 1), seconds / 3600, seconds / 60 % 60,
			seconds % 60, (int)(ts.tv_nsec / 1000000));
}

void log_line(const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	if (log_fd < 0)
		return;
	n = format_time(line, sizeof(line));
	n += snprintf(line + n, sizeof(line) - (size_t)n, " %d ", (int)kernel_pid());
	va_start(ap, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20)
			line[i] = '?'; /* a caller's words must not look like lines of ours */
	line[n++] = '\n';
	/* A full disk loses lines of ours; the host must not suffer for them. */
	if (kernel_write(log_fd, line, (size_t)n) < 0)
		return;
}
