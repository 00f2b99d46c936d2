/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "fs/cli/unlock.h"
#include "holdfast/prune.h"

static const struct option longs[] = { { "before", 1, NULL, 'b' },
				       { "kit", 1, NULL, 'k' },
				       { "replica", 1, NULL, 'r' },
				       { "help", 0, NULL, 'h' },
				       { 0 } };

struct arguments {
	const char *before, *kit, *replica;
};

static int plan_on(struct hf_store *store, const struct hf_kit *kit, const struct arguments *a, void **list,
		   size_t *len, struct hf_prune_plan *plan, struct hf_error *err)
{
	struct hf_point before;
	int r = hf_moment_find(store, a->before, &before, err);

	return r < 0 ? r : hf_prune_plan(store, kit, &before, a->replica, list, len, plan, err);
}

static int plan(const char *path, const struct arguments *a, void **list, size_t *len,
		struct hf_prune_plan *ret, struct hf_error *err)
{
	struct progress progress;
	struct hf_open_options options = { .holder = "planning what can go",
					   .progress = progress_begin(&progress) };
	struct hf_store *store = NULL;
	struct hf_kit *kit = NULL;
	int r = hf_kit_read(a->kit, &kit, err);

	if (r == 0)
		r = hf_store_open(path, &options, &store, err);
	if (r == 0)
		r = plan_on(store, kit, a, list, len, ret, err);
	progress_end(&progress);
	if (store && hf_store_close(store, r < 0 ? NULL : err) < 0 && r == 0)
		r = err->code;
	hf_kit_free(kit);
	return r;
}

static void print_plan(const struct hf_prune_plan *p)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES], c[OUTPUT_TEXT_BYTES], d[OUTPUT_TEXT_BYTES];

	fprintf(stderr,
		"holdfast: %s in %s frames of %s segments, which nothing from tid-%llu of %s on is made of\n"
		"Next, on the node: holdfast node prune DIR LIST\n",
		output_bytes(p->bytes, a), output_count(p->frames, b), output_count(p->segments, c),
		(unsigned long long)p->before.tid, output_rfc3339(p->before.time_ns, d));
}

static int run_plan(const char *path, const struct arguments *a)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_prune_plan result;
	void *list = NULL;
	size_t len = 0;
	int code = CLI_FINE;

	if (!a->before || !a->kit)
		return cli_fail("prune plan: say --before MOMENT and --kit KIT");
	if (isatty(STDOUT_FILENO))
		return cli_fail("prune plan: the list is not for a terminal: send it to a file, > LIST");
	if (plan(path, a, &list, &len, &result, &err) < 0)
		return cli_fail_error(&err);
	if (fwrite(list, 1, len, stdout) != len || fflush(stdout) != 0)
		code = CLI_FAILED; /* main.c says why */
	else
		print_plan(&result);
	free(list);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct arguments a = { NULL, NULL, NULL };
	int o;

	while ((o = cli_option(self, argc, argv, "b:k:r:h", longs)) != -1) {
		if (o == 'h' || o == '?')
			return cli_option_code(o);
		*(o == 'b' ? &a.before : o == 'k' ? &a.kit : &a.replica) = optarg;
	}
	if (!cli_operands(self, argc, 2, 2))
		return CLI_FAILED;
	if (strcmp(argv[optind], "plan"))
		return cli_fail("prune: what is %s? See holdfast prune --help", argv[optind]);
	return run_plan(argv[optind + 1], &a);
}

const struct command command_prune = {
	.name = "prune",
	.summary = "let a node give up what only old moments need",
	.usage = "holdfast prune plan STORE --before MOMENT --kit KIT [--replica NAME] > LIST\n"
		 "\n"
		 "Find the contents that no moment from MOMENT on, and no snapshot, is made of, and\n"
		 "write a list of them, signed with the owner key from the kit, for one node. The\n"
		 "store itself keeps everything; it must not be mounted. From then on it names none\n"
		 "of that again: what has the same bytes is stored anew.\n"
		 "\n"
		 "The list does nothing by itself. The operator of the node announces it there with\n"
		 "holdfast node prune DIR LIST; after two weeks or more on the node's own clock, in\n"
		 "which anybody on the node may cancel it and any open alarm stops it, the node\n"
		 "takes away what it names.\n"
		 "\n"
		 "  --before MOMENT   the first moment that stays whole: 30d, 2026-05-01, a snapshot\n"
		 "  --kit KIT         the recovery kit of the volume\n"
		 "  --replica NAME    which node, when there are several; see holdfast replica "
		 "list\n" UNLOCK_USAGE "\n"
		 "  holdfast prune plan /var/lib/volume --before 365d --kit volume.kit > prune.list\n",
	.run = run,
	.takes_keys = true,
};
