/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/past_print.h"
#include "fs/cli/progress.h"
#include "fs/cli/target.h"

struct printing {
	struct progress progress;
	struct target target;
	bool json;
	uint64_t found;
};

static int print_row(void *arg, const json_t *row)
{
	struct printing *p = arg;
	CLEANUP(cli_cleanup_free) char *path = output_get_path(row, "path");
	CLEANUP(cli_cleanup_free) char *command = NULL;
	const json_t *removed = json_object_get(row, "removed");
	char user[PRINT_USER_BYTES], bytes[OUTPUT_TEXT_BYTES];
	json_t *line;

	progress_end(&p->progress);
	command =
		path ? restore_command(&p->target.location, path, output_get_number(row, "last_tid")) : NULL;
	if (!command)
		return 1;
	p->found++;
	if (p->json) {
		line = json_copy((json_t *)row);
		/* not UTF-8 only when the store's own path is not: then the parts are there to be put
		 * together */
		json_object_set_new(line, "restore", json_string(command));
		print_json_line(line);
		json_decref(line);
	} else {
		print_path_of(row, "path");
		printf("\n  %s", output_get_text(row, "type"));
		if (strcmp(output_get_text(row, "type"), "directory"))
			printf(" of %s", output_bytes(output_get_number(row, "bytes"), bytes));
		printf(", removed %s by %s\n  %s\n", output_get_text(removed, "moment"),
		       print_user(json_object_get(row, "uid"), user), command);
	}
	return ferror(stdout);
}

static int search(const char *pattern, int count, char **words, struct printing *printing)
{
	struct operation_listener listener = { .row = print_row, .arg = printing };
	struct hf_error err = HF_ERROR_INIT;
	json_t *request = NULL, *answer = NULL;

	listener.progress = progress_begin(&printing->progress);
	if (target_of_words(count, words, NULL, &printing->target, &err) == 0) {
		request = json_pack("{s:s}", "do", "gone");
		if (!request || output_set_path(request, "pattern", pattern) < 0)
			hf_error_set(&err, -ENOMEM, "no memory");
		else if (printing->target.moment && !printing->target.maybe_name)
			hf_error_set(&err, -EINVAL, "find looks for what is gone now: name no moment");
		else if (target_to_request(&printing->target, request, &err) == 0)
			answer = location_ask(&printing->target.location, request, &listener, &err);
	}
	progress_end(&printing->progress);
	json_decref(request);
	target_release(&printing->target);
	if (!answer)
		return cli_fail_rows(&err);
	json_decref(answer);
	return CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 } };
	struct printing printing = { .json = false };
	const char *pattern;
	char *words[2];
	int o, code = CLI_FINE, n;

	while ((o = cli_option(self, argc, argv, "jh", longs)) != -1) {
		if (o != 'j')
			return cli_option_code(o);
		printing.json = true;
	}
	if (!cli_operands(self, argc, 1, 1000))
		return CLI_FAILED;
	pattern = argv[optind++];
	n = argc - optind;
	if (n == 0)
		code = search(pattern, 0, NULL, &printing);
	/* a store comes first, and all the others are paths in it */
	if (n > 1 && location_is_store(argv[optind])) {
		words[0] = argv[optind];
		for (int i = 1; i < n && code == CLI_FINE; i++) {
			words[1] = argv[optind + i];
			code = search(pattern, 2, words, &printing);
		}
	} else {
		for (int i = 0; i < n && code == CLI_FINE; i++)
			code = search(pattern, 1, argv + optind + i, &printing);
	}
	if (code == CLI_FINE && printing.found == 0) {
		if (!printing.json)
			fprintf(stderr, "holdfast: nothing that is gone matches %s\n", pattern);
		code = CLI_FOUND;
	}
	return code;
}

const struct command command_find = {
	.name = "find",
	.summary = "find names that were removed",
	.usage = "holdfast find PATTERN [PATH... | STORE PATH...] [--json]\n"
		 "\n"
		 "Names that were removed and are not there any more, with when and by whom, and\n"
		 "the command that brings each back. PATTERN is a glob, in quotes so that the shell\n"
		 "leaves it alone: of the name, or of the path from the volume's root when it has a\n"
		 "/ in it. PATH is where to look, a directory that may be gone itself; without one\n"
		 "the working directory, or the only mount there is.\n"
		 "\n"
		 "Exit code 1: nothing was found. --json prints one object a line.\n"
		 "\n"
		 "  holdfast find '*.odt' /srv/files\n"
		 "  holdfast find 'docs/*/report-20??.pdf' /srv/files\n"
		 "  holdfast find '*' /var/lib/volume projects\n",
	.run = run,
	.takes_keys = true,
};
