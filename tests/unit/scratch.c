/* SPDX-License-Identifier: MIT */
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void give_up(const char *what)
{
	perror(what);
	abort();
}

char *scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	if (asprintf(&dir, "%s/holdfast-test-XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0 || !mkdtemp(dir))
		give_up("make a scratch folder");
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void scratch_remove(char **dir)
{
	if (*dir)
		(void)nftw(*dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*dir);
	*dir = NULL;
}

static void harm_file(const char *path, enum scratch_harm harm)
{
	int fd = open(path, O_RDWR);
	struct stat st;
	uint8_t *data;
	size_t len;

	if (fd < 0 || fstat(fd, &st) < 0)
		give_up(path);
	len = (size_t)st.st_size;
	data = calloc(1, len + 1);
	if (!data || pread(fd, data, len, 0) != (ssize_t)len)
		give_up(path);
	if (harm == SCRATCH_GARBAGE)
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(data[i] * 7 + i + 0x55);
	if (harm == SCRATCH_FLIP)
		for (size_t i = 0; i < len / 2; i += 16)
			data[i] ^= 0x10;
	if (harm == SCRATCH_REMOVE ? unlink(path) < 0 : pwrite(fd, data, len, 0) != (ssize_t)len)
		give_up(path);
	if (harm == SCRATCH_TRUNCATE && ftruncate(fd, st.st_size / 2) < 0)
		give_up(path);
	free(data);
	(void)close(fd);
}

int scratch_harm(const char *dir, const char *name, enum scratch_harm harm)
{
	DIR *folder = opendir(dir);
	size_t name_len = strlen(name);
	struct dirent *d;
	int n = 0;

	if (!folder)
		give_up(dir);
	while ((d = readdir(folder))) {
		size_t len = strlen(d->d_name);
		char path[PATH_MAX];

		if (len < name_len || (strncmp(d->d_name, name, name_len) != 0 &&
				       strcmp(d->d_name + len - name_len, name) != 0))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		harm_file(path, harm);
		n++;
	}
	(void)closedir(folder);
	return n;
}

unsigned long scratch_seed(void)
{
	const char *given = getenv("HOLDFAST_TEST_SEED");
	struct timespec now;
	unsigned long seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoul(given, NULL, 0) : (unsigned long)now.tv_nsec ^ (unsigned long)now.tv_sec;
	printf("HOLDFAST_TEST_SEED=%lu\n", seed);
	return seed;
}
