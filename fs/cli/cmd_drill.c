/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/drill.h"
#include "fs/cli/head_files.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "fs/mount/mount.h"

#define BYTES_OF_A_MOMENT (UINT64_C(10) << 30)

enum { MOMENTS = 3, MOMENTS_MAX = 1000, RECORD_BYTES_MAX = 1 << 20, KIT_TEXT_BYTES_MAX = 64 << 10 };

struct arguments {
	const char *store, *from, *kit_file, *dir, *record;
	struct head_files heads;
	uint64_t bytes, sample_bytes;
	unsigned moments;
	bool no_alarm, json;
};

/* While it goes on. */
struct drilling {
	const struct arguments *a;
	struct progress progress;
	json_t *steps;
};

static void take_step(void *arg, const json_t *step)
{
	struct drilling *d = arg;

	progress_end(&d->progress);
	json_array_append_new(d->steps, json_deep_copy(step));
	if (!d->a->json)
		drill_print_step(step);
}

/* --- all of it */

/* What it came to is worth the same where nothing can be kept of it. */
static int keep(const char *store, struct hf_drill_result *r, const json_t *steps, const json_t *not_proven,
		const json_t *end, int code)
{
	const bool verified = json_is_true(json_object_get(end, "verified"));
	struct hf_error err = HF_ERROR_INIT;
	const int kept = drill_keep(store, r, steps, not_proven, end, verified, &err);

	if (kept == 0)
		return code;
	(void)cli_fail("drill: it is over, but what came of it is not kept: %s", err.text);
	return kept == -EROFS ? code : CLI_FAILED;
}

static int report(const struct drill_plan *plan, const struct arguments *a, const char *store,
		  struct drilling *d, const json_t *end, uint64_t began_ns)
{
	struct hf_drill_result r = drill_judge(plan, d->steps, end, began_ns);
	json_t *not_proven = drill_not_proven(plan, &r, end);
	json_t *whole;
	int code = r.failed_step[0] ? CLI_FOUND : CLI_FINE;

	r.share_verified = drill_own_share(&r, end);
	if (store)
		code = keep(store, &r, d->steps, not_proven, end, code);
	whole = drill_to_json(plan, &r, d->steps, end, not_proven);
	if (a->json)
		output_json(whole);
	else
		drill_print(whole);
	json_decref(whole);
	json_decref(not_proven);
	return code;
}

/*
 * What it had is not what it has, after it was tried: then what was fetched before may be the better copy.
 * All of it is left where it is.
 */
static void say_kept(const struct drill_plan *plan)
{
	fprintf(stderr,
		"holdfast: the replica has changed under what was tried. What it had before is kept in "
		"%s/store: as long as "
		"you need it, holdfast recover --from %s/store --kit KIT STORE\n",
		plan->scratch, plan->scratch);
}

/* *ret_keep: what was fetched is not to be taken away. */
static int rehearse(const struct arguments *a, struct drill_plan *plan, const char *store, bool *ret_keep)
{
	struct drilling d = { .a = a, .steps = json_array() };
	struct drill_watch watch = { .step = take_step, .arg = &d };
	struct hf_error err = HF_ERROR_INIT;
	const uint64_t began_ns = drill_now_ns();
	json_t *end;
	int code;

	watch.progress = progress_begin(&d.progress);
	end = drill_child(plan, &watch, &err);
	progress_end(&d.progress);
	if (!end)
		code = cli_fail_error(&err);
	else if (drill_step_was(d.steps, "apart", "FAIL"))
		code = cli_fail("drill: could not be shut off from the primary, so nothing was rehearsed%s%s",
				a->json ? ": " : "",
				a->json ? output_get_text(json_array_get(d.steps, 0), "words") : "");
	else if (json_is_true(json_object_get(end, "no_room")) && !drill_step_was(d.steps, NULL, "FAIL"))
		code = cli_fail(
			"drill: it could not be run, and nothing was noted: there is no room in %s; name "
			"another folder with --dir, or restore less with --bytes",
			plan->scratch);
	else
		code = report(plan, a, store, &d, end, began_ns);
	*ret_keep = drill_step_was(d.steps, "unchanged", "FAIL") && drill_step_was(d.steps, "fetch", "PASS");
	if (*ret_keep)
		say_kept(plan);
	json_decref(end);
	json_decref(d.steps);
	return code;
}

/* What may not be reached, and what may. */
static void set_apart(struct drill_plan *plan, const struct location *location)
{
	plan->apart.scratch = plan->scratch;
	plan->apart.readable[0] = plan->about.folder;
	plan->apart.readable[1] = plan->about.ca;
	plan->apart.primary[0] = location->store;
	plan->apart.primary[1] = location->mount;
}

static int run_drill(const struct arguments *a, const struct location *location, const struct hf_kit *kit)
{
	const struct hf_heads heads = { (const char *const *)a->heads.texts, a->heads.n, false };
	const struct hf_drill_options o = { location->store, a->from, kit, &heads };
	struct drill_plan plan = { .with_kit = kit != NULL,
				   .alarms = !a->no_alarm,
				   .bytes = a->bytes,
				   .moments = a->moments,
				   .sample_bytes = a->sample_bytes };
	struct hf_error err = HF_ERROR_INIT;
	char *scratch = NULL;
	bool kept = false;
	int code = CLI_FAILED, r = hf_drill_open(&o, &plan.drill, &err);

	if (r == 0) {
		hf_drill_about(plan.drill, &plan.about);
		if (a->sample_bytes && plan.about.place == HF_DRILL_BUCKET)
			r = hf_error_set(
				&err, -EINVAL,
				"drill: a bucket is recovered whole or not at all: leave --sample out");
	}
	drill_catch_signals();
	if (r == 0)
		r = drill_make_scratch(a->dir, &scratch, &err);
	if (r == 0) {
		plan.scratch = scratch;
		set_apart(&plan, location);
		code = rehearse(a, &plan, location->store, &kept);
		if (!kept)
			drill_remove_scratch(scratch);
	}
	free(scratch);
	hf_drill_free(plan.drill);
	return r < 0 ? cli_fail_error(&err) : code;
}

/* --- the kit */

/* "-": as it is typed, or piped in. */
static int read_kit(const char *file, struct hf_kit **ret, struct hf_error *err)
{
	char text[KIT_TEXT_BYTES_MAX];
	size_t len;
	int r;

	if (strcmp(file, "-") != 0)
		return hf_kit_read(file, ret, err);
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "The kit's HF1- line, then Ctrl-D:\n");
	len = fread(text, 1, sizeof(text), stdin);
	r = ferror(stdin) || len == sizeof(text) ?
		    hf_error_set(err, -EUCLEAN, "there is no kit on standard input") :
		    hf_kit_parse(text, len, ret, err);
	explicit_bzero(text, sizeof(text));
	return r;
}

static int run_record(const char *store, const char *file)
{
	json_t *o = strcmp(file, "-") != 0 ? json_load_file(file, JSON_REJECT_DUPLICATES, NULL) :
					     json_loadf(stdin, JSON_REJECT_DUPLICATES, NULL);
	struct hf_error err = HF_ERROR_INIT;
	struct hf_drill_state state;
	int r;

	if (!json_is_object(o)) {
		json_decref(o);
		return cli_fail("drill: %s is not what holdfast drill --json prints", file);
	}
	r = hf_drill_state(store, &state, &err);
	if (r == 0 && strcmp(state.volume_id, output_get_text(o, "volume_id")) != 0)
		r = hf_error_set(&err, -EINVAL, "drill: this is of volume %.32s, and %s is volume %s",
				 output_get_text(o, "volume_id"), store, state.volume_id);
	if (r == 0)
		r = drill_take_result(store, o, &err);
	if (r == 0)
		printf("kept: the drill of %s, which %s\n", output_get_text(o, "time"),
		       json_is_true(json_object_get(o, "passed")) ? "passed" : "did not pass");
	json_decref(o);
	return r < 0 ? cli_fail_error(&err) : CLI_FINE;
}

/* --- arguments */

static bool parse_bytes(const char *text, uint64_t *ret)
{
	return mount_parse_size(text, ret) && *ret > 0;
}

static bool parse_moments(const char *text, unsigned *ret)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || *text == '-' || n > MOMENTS_MAX)
		return false;
	*ret = (unsigned)n;
	return true;
}

static int bad_value(const char *option, const char *text)
{
	return cli_fail("drill: --%s %s is not a number%s", option, text,
			!strcmp(option, "moments") ? " of moments, 0 to 1000" : ", as 500M or 10G");
}

/* Negative: go on; else the exit code. */
static int read_arguments(const struct command *self, int argc, char **argv, struct arguments *a)
{
	static const struct option longs[] = { { "from", 1, NULL, 'f' },
					       { "kit", 1, NULL, 'k' },
					       { "head", 1, NULL, 'H' },
					       { "dir", 1, NULL, 'd' },
					       { "bytes", 1, NULL, 'b' },
					       { "moments", 1, NULL, 'm' },
					       { "full", 0, NULL, 'F' },
					       { "sample", 1, NULL, 's' },
					       { "no-alarm", 0, NULL, 'q' },
					       { "record", 1, NULL, 'r' },
					       { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	int o;

	while ((o = cli_option(self, argc, argv, "f:k:H:d:b:m:Fs:qr:jh", longs)) != -1) {
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
		case 'd':
			a->dir = optarg;
			break;
		case 'b':
			if (!parse_bytes(optarg, &a->bytes))
				return bad_value("bytes", optarg);
			break;
		case 'm':
			if (!parse_moments(optarg, &a->moments))
				return bad_value("moments", optarg);
			break;
		case 'F':
			a->bytes = UINT64_MAX;
			break;
		case 's':
			if (!parse_bytes(optarg, &a->sample_bytes))
				return bad_value("sample", optarg);
			break;
		case 'q':
			a->no_alarm = true;
			break;
		case 'r':
			a->record = optarg;
			break;
		case 'j':
			a->json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 0, 1))
		return CLI_FAILED;
	a->store = argv[optind];
	return -1;
}

/* A store named, or found; with a place and a kit it can do without. */
static int find_store(const struct arguments *a, struct location *ret, struct hf_error *err)
{
	if (!a->store && a->from && a->kit_file && !a->record)
		return 0;
	return location_find(a->store, ret, err);
}

static int run_asked(const struct arguments *a)
{
	struct location location = { .store = NULL };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_kit *kit = NULL;
	int code, r = find_store(a, &location, &err);

	if (r == 0 && !a->record && a->kit_file)
		r = read_kit(a->kit_file, &kit, &err);
	if (r < 0)
		code = cli_fail_error(&err);
	else if (a->record)
		code = run_record(location.store, a->record);
	else
		code = run_drill(a, &location, kit);
	hf_kit_free(kit);
	location_release(&location);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct arguments a = { .bytes = BYTES_OF_A_MOMENT, .moments = MOMENTS };
	int code = read_arguments(self, argc, argv, &a);

	if (code < 0)
		code = run_asked(&a);
	head_files_release(&a.heads);
	return code;
}

const struct command command_drill = {
	.name = "drill",
	.summary = "rehearse a recovery, and report what it takes",
	.usage = "holdfast drill [STORE|DIR] [--from PLACE] [--kit KIT|-] [--head HEAD|@FILE]…\n"
		 "               [--full | --bytes N] [--moments N] [--dir DIR] [--no-alarm] [--json]\n"
		 "holdfast drill --from PLACE --kit KIT|- [the same]       where there is no store\n"
		 "holdfast drill [STORE|DIR] --sample N [--from PLACE] [--kit KIT|-] [--dir DIR] [--json]\n"
		 "holdfast drill STORE|DIR --record RESULT|-\n"
		 "\n"
		 "Rehearse the bad day: in a process that the kernel lets open nothing of the store,\n"
		 "recover the volume from a replica, verify chain, signatures and contents, restore\n"
		 "the newest moment and some past ones at random, and compare them with the log, byte\n"
		 "by byte. Then try to delete, overwrite and fork what the replica has, by what is\n"
		 "kept on this machine, and want that refused. A step each: PASS, FAIL, WEAK (there\n"
		 "is no defence that could fail, as in a folder) or SKIP (why). The volume itself, its\n"
		 "keys and its replication go on as they are; what was made is taken away.\n"
		 "\n"
		 "The real drill has the kit, and is run on another machine. Without a kit the keys in\n"
		 "the store are used, as a scheduled one does: it says what it does not prove. Results\n"
		 "are kept in the store; holdfast status shows the last. See holdfast-drill@.timer.\n"
		 "\n"
		 "  --from PLACE   as for holdfast recover, or the name of a replica of the store;\n"
		 "                 else that of its replicas which was drilled longest ago\n"
		 "  --kit KIT      the kit file, or -: as it is typed or piped in\n"
		 "  --head HEAD    a line that holdfast head once printed, or a file of them: a replica\n"
		 "                 that has it not serves an older state, and fails\n"
		 "  --bytes N      restore about so much of a moment, of files at random, when it has\n"
		 "                 more (10G)\n"
		 "  --full         restore all of each\n"
		 "  --moments N    past ones (3)\n"
		 "  --dir DIR      where there is room for the log and what is restored; it is all taken\n"
		 "                 away afterwards. $TMPDIR, or /var/tmp\n"
		 "  --no-alarm     leave out what a node alarms its operator of: overwriting and forking\n"
		 "  --sample N     no recovery: verify about so much of the log, what no drill has seen\n"
		 "                 first. For a log that is too large; it is no drill that passes\n"
		 "  --record RESULT   keep, in this store, what a drill elsewhere printed with --json\n"
		 "\n"
		 "Exit code 0: nothing failed; 1: a step did; 2: it could not be run (what is named is\n"
		 "no replica or no head, there is no room in DIR): nothing is kept then.\n"
		 "\n"
		 "  holdfast drill /srv/git\n"
		 "  holdfast drill --from 'https://replica.example.net:7443/v1/volumes/…' --kit - --json > "
		 "result\n"
		 "  holdfast drill /srv/git --record result\n"
		 "  holdfast drill /var/lib/volume --sample 2G\n",
	.run = run,
	.takes_keys = true,
};
