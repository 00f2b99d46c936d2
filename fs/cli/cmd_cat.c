/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/target.h"

static int write_out(void *arg, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*(int *)arg = errno;
			return 1;
		}
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int show(int count, char **words, const char *at)
{
	int failed = 0;
	struct operation_listener listener = { .data = write_out, .arg = &failed };
	struct target target = { .path = NULL };
	struct hf_error err = HF_ERROR_INIT;
	json_t *request = json_pack("{s:s}", "do", "cat"), *answer = NULL;

	if (!request)
		hf_error_set(&err, -ENOMEM, "no memory");
	else if (target_of_words(count, words, at, &target, &err) == 0 &&
		 target_to_request(&target, request, &err) == 0)
		answer = location_ask(&target.location, request, &listener, &err);
	json_decref(request);
	target_release(&target);
	json_decref(answer);
	if (failed)
		return cli_fail("cat: cannot write: %s", strerror(failed));
	return answer ? CLI_FINE : cli_fail_error(&err);
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "at", 1, NULL, 'a' }, { "help", 0, NULL, 'h' }, { 0 } };
	const char *at = NULL;
	int o;

	while ((o = cli_option(self, argc, argv, "a:h", longs)) != -1) {
		if (o != 'a')
			return cli_option_code(o);
		at = optarg;
	}
	if (!cli_operands(self, argc, 1, 2))
		return CLI_FAILED;
	return show(argc - optind, argv + optind, at);
}

const struct command command_cat = {
	.name = "cat",
	.summary = "print a file as it was",
	.usage = "holdfast cat PATH@MOMENT\n"
		 "holdfast cat STORE PATH@MOMENT\n"
		 "holdfast cat PATH --at MOMENT\n"
		 "\n"
		 "A file's bytes as they were at a moment; without one as they are now. PATH need\n"
		 "not exist any more. When the file was not there at that moment, the nearest one\n"
		 "at which it was is shown.\n"
		 "\n"
		 "  --at MOMENT   2026-11-21T101530Z, a date, 10m or 3d (ago), @epoch, tid-N, a\n"
		 "                snapshot's name\n"
		 "\n"
		 "  holdfast cat /srv/git/notes.txt@2h\n"
		 "  holdfast cat /var/lib/volume notes.txt@2026-11-21 > notes.txt\n",
	.run = run,
	.takes_keys = true,
};
