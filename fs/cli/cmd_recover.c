/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "fs/cli/cli.h"
#include "fs/cli/head_files.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "fs/cli/unlock.h"
#include "holdfast/key.h"
#include "holdfast/moment.h"
#include "holdfast/replica.h"

struct arguments {
	const char *from, *kit_file, *store;
	struct head_files heads;
	bool accept_stale, passphrase, json;
};

/* What proves that nothing newer was withheld, or that nothing does. */
static void print_freshness(const struct hf_recovery *r)
{
	char moment[OUTPUT_TEXT_BYTES];

	switch (r->freshness) {
	case HF_FRESHNESS_PROVEN:
		printf("freshness proven by the saved head of %s: nothing from before it is missing\n",
		       hf_moment_format(r->proven_ns, moment, sizeof(moment)));
		break;
	case HF_FRESHNESS_STALE:
		printf("STALE, as you accepted: %s\n", r->stale_text);
		break;
	case HF_FRESHNESS_UNPROVEN:
		printf("freshness unproven: nothing but this replica says that this is the newest\n");
	}
}

/* Nobody was told: who takes the old key still, and what ends that. */
static void print_untold(const struct hf_recovery *r, const char *from, const char *store)
{
	switch (r->source) {
	case HF_RECOVERED_FROM_NODE:
		printf("epoch %u has begun, BUT THE REPLICA WAS NOT TOLD: the writer key of the lost machine counts "
		       "there still, and nothing is replicated.\n  %s\n  When it takes again: holdfast node invite "
		       "DIR --volume ID there, then holdfast replica add %s INVITATION\n",
		       r->epoch, r->untold_text, store);
		break;
	case HF_RECOVERED_FROM_FOLDER:
		printf("epoch %u has begun, BUT THE REPLICA WAS NOT TOLD: the writer key of the lost machine counts "
		       "there still, and nothing is replicated.\n  %s\n  Keep that machine from the folder, for what "
		       "it adds locks this store out; when the folder takes again: holdfast replica add %s %s\n",
		       r->epoch, r->untold_text, store, from);
		break;
	case HF_RECOVERED_FROM_STORE:
		printf("epoch %u has begun, BUT NO REPLICA WAS TOLD: the writer key of before counts at each of them "
		       "still, and nothing is replicated.\n  %s\n  Add each again: holdfast replica add %s "
		       "INVITATION|DIR, of a node with an invitation made there by holdfast node invite DIR --volume "
		       "ID. And mount the old store no more\n",
		       r->epoch, r->untold_text, store);
		break;
	case HF_RECOVERED_FROM_BUCKET:
		printf("epoch %u has begun, BUT THE BUCKET WAS NOT TOLD: it takes what the lost machine's "
		       "credentials put there still, and nothing is replicated.\n  %s\n  Withdraw those "
		       "credentials; then holdfast replica add %s BUCKET, with others that cannot delete\n",
		       r->epoch, r->untold_text, store);
	}
}

static void print_epoch(const struct hf_recovery *r, const char *from, const char *store)
{
	if (r->newest_only)
		printf("these credentials may not list versions: only the newest of each object was seen, whoever "
		       "put it\n");
	if (r->behind)
		printf("%llu objects lie behind the end, and nothing leads to them: put there by others, or what "
		       "leads to them is gone\n",
		       (unsigned long long)r->behind);
	if (r->untold_text[0])
		print_untold(r, from, store);
	else
		printf("epoch %u has begun, and the %s was told: it refuses the writer key of the lost machine. "
		       "Replication goes on from here. If there are other replicas, they know nothing of that until "
		       "each is added again: holdfast replica add %s INVITATION|DIR\n",
		       r->epoch, r->source == HF_RECOVERED_FROM_FOLDER ? "folder" : "replica", store);
}

static void print_result(const struct hf_recovery *r, double seconds, const char *from, const char *store,
			 bool json)
{
	char moment[OUTPUT_TEXT_BYTES], a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES];
	json_t *answer;

	hf_moment_format(r->time_ns, moment, sizeof(moment));
	if (json) {
		answer = json_pack(
			"{s:s, s:o, s:o, s:s, s:o, s:o, s:i, s:f, s:s, s:o, s:s, s:s, s:b, s:b, s:o}",
			"store", store, "tid", output_number(r->tid), "time", output_time(r->time_ns),
			"moment", moment, "bytes", output_number(r->bytes), "segments",
			output_number(r->segments), "epoch", (int)r->epoch, "seconds", seconds, "freshness",
			hf_freshness_name(r->freshness), "proven_time", output_time(r->proven_ns), "stale",
			r->stale_text, "replica_not_told", r->untold_text, "replication", r->goes_on,
			"newest_only", r->newest_only, "behind", output_number(r->behind));
		output_json(answer);
		json_decref(answer);
		return;
	}
	printf("recovered to %s (tid-%llu): %s fetched and verified in %s\n", moment,
	       (unsigned long long)r->tid, output_bytes(r->bytes, a), output_duration(seconds, b));
	print_freshness(r);
	print_epoch(r, from, store);
	printf("Next: holdfast mount %s DIR\n", store);
}

/* A passphrase for the new store, when one is wanted; it is remembered, for a run that goes on where one was.
 */
static int prepare_keeping(const struct arguments *a, struct secret *secret, struct hf_keeping *ret,
			   struct hf_error *err)
{
	int fd = unlock_passphrase_fd(), r;

	*ret = (struct hf_keeping){ .how = HF_KEY_PLAIN };
	if (!a->passphrase && fd < 0)
		return 0;
	r = unlock_new_passphrase(fd, a->store, true, secret, err);
	*ret = (struct hf_keeping){ .how = HF_KEY_PASSPHRASE,
				    .passphrase = secret->text,
				    .passphrase_len = secret->len };
	return r;
}

static int recover(const struct arguments *a)
{
	struct hf_heads heads = { (const char *const *)a->heads.texts, a->heads.n, a->accept_stale };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_recovery recovery;
	struct hf_progress hook;
	struct progress progress;
	struct hf_kit *kit = NULL;
	struct secret secret = SECRET_INIT;
	struct hf_keeping keeping;
	double start = progress_now();
	int r;

	r = hf_kit_read(a->kit_file, &kit, &err);
	if (r == 0)
		r = prepare_keeping(a, &secret, &keeping, &err);
	hook = progress_begin(&progress);
	if (r == 0)
		r = hf_recover_kept(a->from, kit, a->store, &heads, &keeping, &hook, &recovery, &err);
	progress_end(&progress);
	hf_kit_free(kit);
	secret_release(&secret);
	if (r < 0)
		return cli_fail_error(&err);
	print_result(&recovery, progress_now() - start, a->from, a->store, a->json);
	return CLI_FINE;
}

/* Negative: go on; else the exit code. */
static int read_arguments(const struct command *self, int argc, char **argv, struct arguments *a)
{
	static const struct option longs[] = {
		{ "from", 1, NULL, 'f' },       { "kit", 1, NULL, 'k' },
		{ "head", 1, NULL, 'H' },       { "accept-stale", 0, NULL, 's' },
		{ "passphrase", 0, NULL, 'p' }, { "json", 0, NULL, 'j' },
		{ "help", 0, NULL, 'h' },       { 0 }
	};
	int o;

	while ((o = cli_option(self, argc, argv, "f:k:H:jh", longs)) != -1) {
		switch (o) {
		case 'f':
			a->from = optarg;
			break;
		case 'k':
			a->kit_file = optarg;
			break;
		case 'H':
			if (!head_files_add(&a->heads, self->name, optarg))
				return CLI_FAILED;
			break;
		case 's':
			a->accept_stale = true;
			break;
		case 'p':
			a->passphrase = true;
			break;
		case 'j':
			a->json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 1))
		return CLI_FAILED;
	a->store = argv[optind];
	if (!a->from || !a->kit_file)
		return cli_fail("recover: say from where and with which kit: --from PLACE --kit KIT; see "
				"holdfast recover --help");
	return -1;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct arguments a = { .from = NULL };
	int code = read_arguments(self, argc, argv, &a);

	if (code < 0)
		code = recover(&a);
	head_files_release(&a.heads);
	return code;
}

const struct command command_recover = {
	.name = "recover",
	.summary = "a new store from a replica and the kit alone",
	.usage =
		"holdfast recover --from INVITATION|URL|BUCKET|DIR --kit KIT [--head HEAD|@FILE]…\n"
		"                 [--accept-stale] [--passphrase | --passphrase-fd N] STORE [--json]\n"
		"\n"
		"Make a new store from one replica and the recovery kit, on a bare machine: fetch\n"
		"the log, verify every signature, start a new epoch with a new key. A node or a\n"
		"folder that is told of it takes nothing more from whoever holds the old one; it\n"
		"says so, and where none was told. When it is cut short, run it again: it goes on\n"
		"where it was.\n"
		"\n"
		"  --from PLACE   an invitation made on the node with holdfast node invite DIR\n"
		"                 --volume ID, the node's URL as status prints it, a bucket\n"
		"                 (s3://…, as status prints it; with credentials, in the same\n"
		"                 variables as for holdfast replica, that may list versions), or\n"
		"                 a folder that was a replica, or a store's own, which tells no\n"
		"                 replica: each of them is to be added again\n"
		"  --kit KIT      the kit file, or a file with its HF1- line\n"
		"  --head HEAD    a line that holdfast head once printed, or a file of them: proves\n"
		"                 that this replica serves nothing older than that. If its log has\n"
		"                 not that very commit, it is refused before it is told anything.\n"
		"                 Without one nothing but the replica says how new it is\n"
		"  --accept-stale take what it has all the same\n"
		"  --passphrase   wrap the new store's keys by one, asked for twice, or a line read\n"
		"                 from descriptor N\n"
		"\n"
		"  holdfast recover --from holdfast-invite:… --kit /media/stick/volume.kit /var/lib/volume\n",
	.run = run,
	.takes_keys = true,
};
