/* SPDX-License-Identifier: MIT */
#include "fs/cli/head_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cli/cli.h"

#define HEAD_FILE_BYTES_MAX (1 << 20)

static char *read_head_file(const char *command, const char *name)
{
	char *text = calloc(1, HEAD_FILE_BYTES_MAX + 1);
	FILE *file = text ? fopen(name, "re") : NULL;
	size_t len = file ? fread(text, 1, HEAD_FILE_BYTES_MAX, file) : 0;
	bool whole = file && !ferror(file) && fgetc(file) == EOF;

	if (file)
		(void)fclose(file);
	if (whole && strlen(text) == len)
		return text;
	free(text);
	cli_fail("%s: %s: %s", command, name,
		 file ? "not a text file with saved heads in it" : strerror(errno));
	return NULL;
}

bool head_files_add(struct head_files *h, const char *command, const char *given)
{
	char *text;

	if (h->n == HEAD_FILES_MAX) {
		cli_fail("%s: at most %d times --head; several heads may be in one file", command,
			 HEAD_FILES_MAX);
		return false;
	}
	text = given[0] == '@' ? read_head_file(command, given + 1) : strdup(given);
	if (!text)
		return false;
	h->texts[h->n++] = text;
	return true;
}

void head_files_release(struct head_files *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->texts[i]);
	h->n = 0;
}
