/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/past_print.h"
#include "fs/cli/progress.h"
#include "fs/cli/target.h"

static void print_cost(const json_t *answer)
{
	char bytes[OUTPUT_TEXT_BYTES], n[OUTPUT_TEXT_BYTES];

	print_path_of(answer, "path");
	printf(", %s\n", output_get_text(answer, "moment"));
	printf("  %-12s the present: %s files\n",
	       output_bytes(output_get_number(answer, "present_bytes"), bytes),
	       output_count(output_get_number(answer, "files"), n));
	printf("  %-12s its past alone: %s versions in all",
	       output_bytes(output_get_number(answer, "past_bytes"), bytes),
	       output_count(output_get_number(answer, "versions"), n));
	printf(", %s files that are gone\n", output_count(output_get_number(answer, "removed"), n));
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "history", 0, NULL, 'H' }, { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	struct target target = { .path = NULL };
	struct hf_error err = HF_ERROR_INIT;
	struct operation_listener listener = { .arg = NULL };
	struct progress progress;
	json_t *request, *answer = NULL;
	bool json = false;
	int o;

	while ((o = cli_option(self, argc, argv, "jh", longs)) != -1) {
		if (o == 'j')
			json = true;
		else if (o != 'H')
			return cli_option_code(o);
	}
	if (!cli_operands(self, argc, 0, 2))
		return CLI_FAILED;
	request = json_pack("{s:s}", "do", "cost");
	listener.progress = progress_begin(&progress);
	if (!request)
		hf_error_set(&err, -ENOMEM, "no memory");
	else if (target_of_words(argc - optind, argv + optind, NULL, &target, &err) == 0 &&
		 target_to_request(&target, request, &err) == 0)
		answer = location_ask(&target.location, request, &listener, &err);
	progress_end(&progress);
	json_decref(request);
	target_release(&target);
	if (!answer)
		return cli_fail_error(&err);
	if (json)
		output_json(answer);
	else
		print_cost(answer);
	json_decref(answer);
	return CLI_FINE;
}

const struct command command_du = {
	.name = "du",
	.summary = "what the past of a tree takes",
	.usage = "holdfast du --history [PATH | STORE PATH] [--json]\n"
		 "\n"
		 "How many bytes the files below PATH are made of now, and how many more only\n"
		 "their past is made of: earlier contents, and files that were removed there. What\n"
		 "is the same is stored once and counted once; before compression. A file that was\n"
		 "moved elsewhere takes its past with it. PATH need not exist any more.\n"
		 "\n"
		 "  holdfast du --history /srv/git/project\n"
		 "  holdfast du --history /var/lib/volume\n",
	.run = run,
	.takes_keys = true,
};
