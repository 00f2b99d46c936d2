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
	bool json;
};

static int print_row(void *arg, const json_t *row)
{
	struct printing *p = arg;

	progress_end(&p->progress);
	if (p->json)
		print_json_line(row);
	else
		print_log_row(row);
	return ferror(stdout);
}

struct wanted {
	const char *since, *until, *at, *count;
	bool oldest_first, deleted;
};

/* A member that is a moment, read in our time zone. */
static int add_moment(json_t *request, const char *key, const char *text, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *moment = NULL;
	int r = text ? target_moment(text, &moment, err) : 0;

	if (r == 0 && moment && json_object_set_new(request, key, json_string(moment)) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory");
	return r;
}

static json_t *make_request(const struct wanted *w, const struct target *target, struct hf_error *err)
{
	unsigned long long count = 0;
	char *end = NULL;
	json_t *request;

	if (w->count) {
		count = strtoull(w->count, &end, 10);
		if (*end || *w->count < '0' || *w->count > '9' || count == 0 || count > 1ull << 62) {
			hf_error_set(err, -EINVAL, "-n %s: how many lines is a number from 1 on", w->count);
			return NULL;
		}
	}
	request = json_pack("{s:s, s:o, s:b, s:b}", "do", "log", "count", output_number(count),
			    "oldest_first", w->oldest_first, "deleted", w->deleted);
	if (!request)
		hf_error_set(err, -ENOMEM, "no memory");
	else if (target_to_request(target, request, err) < 0 ||
		 add_moment(request, "since", w->since, err) < 0 ||
		 add_moment(request, "until", w->until, err) < 0)
		json_decref(request);
	else
		return request;
	return NULL;
}

static int show(int count, char **words, const struct wanted *w, bool json)
{
	struct printing printing = { .json = json };
	struct operation_listener listener = { .row = print_row, .arg = &printing };
	struct target target = { .path = NULL };
	struct hf_error err = HF_ERROR_INIT;
	json_t *request = NULL, *answer = NULL;

	if (target_of_words(count, words, w->at, &target, &err) == 0)
		request = make_request(w, &target, &err);
	if (request) {
		listener.progress = progress_begin(&printing.progress);
		answer = location_ask(&target.location, request, &listener, &err);
		progress_end(&printing.progress);
	}
	json_decref(request);
	target_release(&target);
	if (!answer)
		return cli_fail_rows(&err);
	json_decref(answer);
	return CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "since", 1, NULL, 's' },   { "until", 1, NULL, 'u' },
					       { "at", 1, NULL, 'a' },      { "oldest-first", 0, NULL, 'o' },
					       { "deleted", 0, NULL, 'd' }, { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' },    { 0 } };
	struct wanted w = { .since = NULL };
	bool json = false;
	int o;

	while ((o = cli_option(self, argc, argv, "n:s:u:a:odjh", longs)) != -1) {
		switch (o) {
		case 'n':
			w.count = optarg;
			break;
		case 's':
			w.since = optarg;
			break;
		case 'u':
			w.until = optarg;
			break;
		case 'a':
			w.at = optarg;
			break;
		case 'o':
			w.oldest_first = true;
			break;
		case 'd':
			w.deleted = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 0, 2))
		return CLI_FAILED;
	return show(argc - optind, argv + optind, &w, json);
}

const struct command command_log = {
	.name = "log",
	.summary = "what happened to a file or tree, when, by whom",
	.usage = "holdfast log [PATH | STORE PATH] [-n N] [--since MOMENT] [--until MOMENT]\n"
		 "             [--deleted] [--oldest-first] [--json]\n"
		 "\n"
		 "One line an operation, the newest first: when, by which user (? when that is not\n"
		 "known), what, to what. Of a directory, all that happened in it, and the snapshots that\n"
		 "were named meanwhile. PATH need not exist any more; renames are followed back. The\n"
		 "times can be pasted wherever a MOMENT is wanted: into .history/at/, behind PATH@, into\n"
		 "--at.\n"
		 "\n"
		 "  -n N            no more than N lines\n"
		 "  --since MOMENT  what came after it\n"
		 "  --until MOMENT  up to it; PATH@MOMENT means the same\n"
		 "  --deleted       removals only\n"
		 "  --oldest-first  from the beginning on\n"
		 "  --json          one object a line\n"
		 "\n"
		 "A MOMENT is 2026-11-21T101530Z, a date, 10m or 3d (ago), @epoch, tid-N, a\n"
		 "snapshot's name.\n"
		 "\n"
		 "  holdfast log /srv/git/project/README\n"
		 "  holdfast log /srv/git --since 1h --deleted\n"
		 "  holdfast log /var/lib/volume project -n 20\n",
	.run = run,
	.takes_keys = true,
};
