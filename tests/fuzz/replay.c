/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over files and the files of folders, without a fuzzer: for compilers that have none. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_BYTES_MAX);
	size_t len;

	if (!f || !data) {
		perror(path);
		free(data);
		if (f)
			(void)fclose(f);
		return 1;
	}
	len = fread(data, 1, INPUT_BYTES_MAX, f);
	(void)fclose(f);
	data = realloc(data, len ? len : 1); /* so that one byte too far is one too far */
	(void)LLVMFuzzerTestOneInput(data, len);
	free(data);
	printf("ok - %s\n", path);
	(void)fflush(stdout);
	return 0;
}

static int replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *e;
	int failed = folder == NULL;

	while (folder && (e = readdir(folder))) {
		char name[1024];

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		failed |= replay_file(name);
	}
	if (folder)
		(void)closedir(folder);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		failed |= stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? replay_folder(argv[i]) :
									   replay_file(argv[i]);
	}
	return failed;
}
