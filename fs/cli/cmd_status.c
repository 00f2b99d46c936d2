/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/location.h"
#include "fs/cli/status.h"

static int run(const struct command *self, int argc, char **argv)
{
	struct hf_error err = HF_ERROR_INIT;
	bool json;
	json_t *status;
	int code;

	code = cli_json_only(self, argc, argv, &json);
	if (code >= 0)
		return code;
	status = location_ask_take(argv[optind], json_pack("{s:s}", "do", "status"), &err);
	if (!status)
		return cli_fail_error(&err);
	code = status_is_bad(status) || status_has_alarms(status) ? CLI_FOUND : CLI_FINE;
	if (json)
		output_json(status);
	else
		status_print(status);
	json_decref(status);
	return code;
}

const struct command command_status = {
	.name = "status",
	.summary = "health, how far each replica is behind, sizes",
	.usage = "holdfast status [STORE|DIR] [--json]\n"
		 "\n"
		 "How a volume is: what is durable, how far each replica is behind, what takes how\n"
		 "much room, and how the last drill went. Without a name: the volume the working\n"
		 "directory is in, or the only one mounted, which is said then.\n"
		 "\n"
		 "Exit code 1 when a person must look: an alarm is open (see holdfast alarms),\n"
		 "writing has failed, there is no room below to write anything, its disk is read-only,\n"
		 "the index is damaged, a replica refuses this log, is full or went back, or an\n"
		 "fsync waited for receipts in vain (-o sync=replica).\n"
		 "\n"
		 "  holdfast status /srv/git\n"
		 "  holdfast status /var/lib/volume --json | jq '.replicas[].lag_seconds'\n",
	.run = run,
	.takes_keys = true,
};
