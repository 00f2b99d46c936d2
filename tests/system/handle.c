/* SPDX-License-Identifier: MIT */
/*
 * File handles that outlive a mount, as an NFS server keeps them: `handle of FILE` prints one, `handle open
 * DIR HANDLE` prints the contents of the file of the file system at DIR that it names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct handle {
	struct file_handle h;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static int print_handle(const char *path)
{
	struct handle handle = { .h = { .handle_bytes = MAX_HANDLE_SZ } };
	int id;

	if (name_to_handle_at(AT_FDCWD, path, &handle.h, &id, 0) < 0)
		return -1;
	printf("%d:", handle.h.handle_type);
	for (unsigned k = 0; k < handle.h.handle_bytes; k++)
		printf("%02x", handle.h.f_handle[k]);
	printf("\n");
	return 0;
}

static int print_contents(const char *dir, const char *text)
{
	struct handle handle = { .h = { .handle_type = (int)strtol(text, NULL, 10) } };
	const char *hex = strchr(text, ':');
	int at = open(dir, O_RDONLY | O_DIRECTORY), fd;
	char bytes[4096];
	unsigned byte;
	ssize_t n;

	for (hex = hex ? hex + 1 : "";
	     sscanf(hex, "%2x", &byte) == 1 && handle.h.handle_bytes < MAX_HANDLE_SZ; hex += 2)
		handle.h.f_handle[handle.h.handle_bytes++] = (unsigned char)byte;
	fd = open_by_handle_at(at, &handle.h, O_RDONLY);
	if (fd < 0)
		return -1;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (write(1, bytes, (size_t)n) != n)
			return -1;
	return (int)n;
}

int main(int argc, char **argv)
{
	int r = -1;

	errno = EINVAL;
	if (argc == 3 && strcmp(argv[1], "of") == 0)
		r = print_handle(argv[2]);
	else if (argc == 4 && strcmp(argv[1], "open") == 0)
		r = print_contents(argv[2], argv[3]);
	if (r < 0)
		perror("handle");
	return r < 0;
}
