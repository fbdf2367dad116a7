/* SPDX-License-Identifier: BSD-2-Clause */
/* Appends lines to the log file. No syslog, no stdio: with a private descriptor table their
   hidden descriptors would be the host's numbers in the wrong table. */
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "quote.h"

#define LINE_MAX_BYTES 1024

static struct {
	int fd; /* -1: none is open */
	char path[LOG_PATH_MAX];
	char complaint[LOG_PATH_MAX + 80];
} file = { .fd = -1 };

void log_want(const char *path)
{
	snprintf(file.path, sizeof(file.path), "%s", path);
}

static void close_file(void)
{
	if (file.fd >= 0)
		kernel_close(file.fd);
	file.fd = -1;
}

int log_open(const char *path, char why[LOG_WHY_MAX])
{
	int fd = -1;

	*why = '\0';
	if (*path)
		fd = log_file_open(path, why);
	if (*path && fd < 0)
		return fd;
	close_file();
	file.fd = fd;
	log_want(path);
	file.complaint[0] = '\0';
	return 0;
}

const char *log_path(void)
{
	return file.path;
}

void log_forget(void)
{
	file.fd = -1;
}

const char *log_complaint(void)
{
	return file.complaint[0] ? file.complaint : NULL;
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

/* Whoever commands the process now could not write it without us. */
static bool is_lost(void)
{
	if (log_file_is_ours(file.fd))
		return false;
	snprintf(file.complaint, sizeof(file.complaint), "log=%s: closed, since the process has given up the uid that it belongs to",
		 file.path);
	close_file();
	file.path[0] = '\0';
	return true;
}

void log_line_of(const char *format, va_list ap)
{
	char text[LINE_MAX_BYTES], line[2 * LINE_MAX_BYTES];
	size_t length;
	int n;

	if (file.fd < 0 || is_lost())
		return;
	n = format_time(text, sizeof(text));
	n += snprintf(text + n, sizeof(text) - (size_t)n, " %d ", (int)kernel_pid());
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
	length = quote_line(line, sizeof(line) - 1, text);
	line[length++] = '\n';
	/* A full disk loses lines of ours; the host must not suffer for them. */
	if (kernel_write(file.fd, line, length) < 0)
		return;
}

void log_line(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_line_of(format, ap);
	va_end(ap);
}
