/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "fs/cli/cli.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"

static int run(const struct command *self, int argc, char **argv)
{
	struct hf_error err = HF_ERROR_INIT;
	json_t *answer;
	bool json;
	int code;

	code = cli_json_only(self, argc, argv, &json);
	if (code >= 0)
		return code;
	answer = location_ask_take(argv[optind], json_pack("{s:s}", "do", "head"), &err);
	if (!answer)
		return cli_fail_error(&err);
	if (json)
		output_json(answer);
	else
		puts(output_get_text(answer, "head"));
	json_decref(answer);
	return CLI_FINE;
}

const struct command command_head = {
	.name = "head",
	.summary = "a line that proves later how new a recovery is",
	.usage = "holdfast head [STORE|DIR] [--json]\n"
		 "\n"
		 "Make everything durable and print one line that names the newest commit, signed.\n"
		 "Keep it where neither this machine nor a replica reaches: print it, mail it, put\n"
		 "it with another provider; one a day is fine, in one file too. After the worst\n"
		 "day, holdfast recover --head proves with it that the replica serves nothing older.\n"
		 "There is no secret in it.\n"
		 "\n"
		 "  holdfast head /srv/files | mail -s head me@example.org\n"
		 "  holdfast head /var/lib/volume >> /media/elsewhere/heads\n",
	.run = run,
	.takes_keys = true,
};
