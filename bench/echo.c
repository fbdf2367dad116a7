/* SPDX-License-Identifier: BSD-2-Clause */
/* echo SOCKET [spin]: answers whatever comes with the same seven bytes, one connection at a time: what a
   round trip costs at the least with a server that sleeps in recv, or with one that never sleeps. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	int flags = argc == 3 && strcmp(argv[2], "spin") == 0 ? MSG_DONTWAIT : 0;
	char buffer[65536];
	ssize_t n;

	if (argc < 2)
		return 2;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 64) < 0)
		return 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		while ((n = recv(fd, buffer, sizeof(buffer), flags)) > 0 || (n < 0 && errno == EAGAIN))
			if (n > 0 && send(fd, "200 OK\n", 7, MSG_NOSIGNAL) < 0)
				break;
		close(fd);
	}
	return 0;
}
