/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "holdfast/moment.h"
#include "holdfast/replica.h"

static void print_result(const struct hf_recovery *r, double seconds, const char *store, bool json)
{
	char moment[OUTPUT_TEXT_BYTES], a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES];
	json_t *answer;

	hf_moment_format(r->time_ns, moment, sizeof(moment));
	if (json) {
		answer = json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:i, s:f}", "store", store, "tid",
				   output_number(r->tid), "time", output_time(r->time_ns), "moment", moment,
				   "bytes", output_number(r->bytes), "segments", output_number(r->segments),
				   "epoch", (int)r->epoch, "seconds", seconds);
		output_json(answer);
		json_decref(answer);
		return;
	}
	printf("recovered to %s (tid-%llu): %s fetched and verified in %s\n", moment,
	       (unsigned long long)r->tid, output_bytes(r->bytes, a), output_duration(seconds, b));
	printf("epoch %u has begun: the writer key of the lost machine is dead. Replication goes on from "
	       "here.\n",
	       r->epoch);
	printf("Next: holdfast mount %s DIR\n", store);
}

static int recover(const char *from, const char *kit_file, const char *store, bool json)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_recovery recovery;
	struct hf_progress hook;
	struct progress progress;
	struct hf_kit *kit = NULL;
	double start = progress_now();
	int r;

	hook = progress_begin(&progress);
	r = hf_kit_read(kit_file, &kit, &err);
	if (r == 0)
		r = hf_recover(from, kit, store, &hook, &recovery, &err);
	progress_end(&progress);
	hf_kit_free(kit);
	if (r < 0)
		return cli_fail_error(&err);
	print_result(&recovery, progress_now() - start, store, json);
	return CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "from", 1, NULL, 'f' },
					       { "kit", 1, NULL, 'k' },
					       { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	const char *from = NULL, *kit = NULL;
	bool json = false;
	int o;

	while ((o = cli_option(self, argc, argv, "f:k:jh", longs)) != -1) {
		switch (o) {
		case 'f':
			from = optarg;
			break;
		case 'k':
			kit = optarg;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 1))
		return CLI_FAILED;
	if (!from || !kit)
		return cli_fail("recover: say from where and with which kit: --from PLACE --kit KIT; see "
				"holdfast recover --help");
	return recover(from, kit, argv[optind], json);
}

const struct command command_recover = {
	.name = "recover",
	.summary = "a new store from a replica and the kit alone",
	.usage =
		"holdfast recover --from INVITATION|URL|DIR --kit KIT STORE [--json]\n"
		"\n"
		"Make a new store from one replica and the recovery kit, on a bare machine: fetch\n"
		"the log, verify every signature, start a new epoch with a new key, so that\n"
		"whoever holds the old one can write no more. When it is cut short, run it again:\n"
		"it goes on where it was.\n"
		"\n"
		"  --from PLACE   an invitation made on the node with holdfast node invite DIR\n"
		"                 --volume ID, the node's URL as status prints it, or a folder\n"
		"                 that was a replica\n"
		"  --kit KIT      the kit file, or a file with its HF1- line\n"
		"\n"
		"  holdfast recover --from holdfast-invite:… --kit /media/stick/volume.kit /var/lib/volume\n",
	.run = run,
};
