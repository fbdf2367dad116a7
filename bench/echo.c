/* SPDX-License-Identifier: BSD-2-Clause */
/* echo SOCKET: answers whatever comes with seven bytes, one client at a time, in a bare recv and send loop:
   what a round trip costs on this machine before anybody does anything. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	char buffer[65536];

	if (argc != 2)
		return 2;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 64) < 0)
		return 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		while (recv(fd, buffer, sizeof(buffer), 0) > 0)
			if (send(fd, "200 OK\n", 7, MSG_NOSIGNAL) < 0)
				break;
		close(fd);
	}
	return 0;
}
