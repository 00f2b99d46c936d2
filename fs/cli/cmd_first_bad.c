/* SPDX-License-Identifier: MIT */
/*
 * Bisecting time. The states are those behind each operation on the path, oldest first; one is known to be
 * bad (the last), one to be good, and the test is run in the middle until they are neighbours. When nobody
 * named a good one it is looked for backwards in steps that double, so that a test which fails for the file's
 * first, empty state misleads nobody.
 *
 * A program that saves a file often empties it first and then writes: for some microseconds every version was
 * bad. So states that lasted are tried first, and the others only once they lie between two neighbours of
 * those.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/past_print.h"
#include "fs/cli/progress.h"
#include "fs/cli/time_test.h"

enum { UNKNOWN = 0, GOOD, BAD, SKIPPED };
#define LASTING_NS (100 * 1000000ull)

struct state {
	uint64_t tid, time_ns; /* of the operation that made it */
	uint8_t verdict;
	bool lasting;
};

struct bisection {
	struct time_test test;
	struct progress progress;
	struct state *states;
	size_t n, cap;
	bool good_named; /* the first state is the one that was named */
	bool json;
};

static int add_state(struct bisection *b, uint64_t tid, uint64_t time_ns)
{
	if (b->n > 0 && b->states[b->n - 1].tid == tid)
		return 0;
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 256;
		struct state *grown = realloc(b->states, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		b->states = grown;
		b->cap = cap;
	}
	if (b->n > 0)
		b->states[b->n - 1].lasting = time_ns - b->states[b->n - 1].time_ns >= LASTING_NS;
	b->states[b->n++] = (struct state){ .tid = tid, .time_ns = time_ns, .lasting = true };
	return 0;
}

static int take_row(void *arg, const json_t *row)
{
	return add_state(arg, output_get_number(row, "tid"), output_get_number(row, "time_ns")) < 0;
}

/* What happened to the path within the two moments; when both are NULL, ever. */
static int collect(struct bisection *b, const char *good, const char *bad, struct hf_error *err)
{
	struct operation_listener listener = { .row = take_row, .arg = b };
	uint64_t tid = 0;
	json_t *request, *answer = NULL;
	int r = 0;

	if (good) {
		r = time_test_find(&b->test, good, &tid, err);
		if (r == 0)
			r = add_state(b, tid, 0);
		b->good_named = true;
	}
	if (r < 0)
		return r;
	request = json_pack("{s:s, s:b, s:b, s:s}", "do", "log", "brief", 1, "oldest_first", 1, "until",
			    bad ? bad : "");
	if (request && good)
		json_object_set_new(request, "since", json_string(good));
	listener.progress = progress_begin(&b->progress);
	if (request && output_set_path(request, "path", b->test.target.path) == 0)
		answer = location_talk_ask(&b->test.talk, request, &listener, err);
	progress_end(&b->progress);
	json_decref(request);
	if (!answer)
		return err->code ? err->code : hf_error_set(err, -ENOMEM, "no memory");
	json_decref(answer);
	if (b->n < 1 + (size_t)b->good_named)
		return hf_error_set(err, -ENOENT, "nothing happened to it between those moments");
	return 0;
}

static int test(struct bisection *b, size_t i, struct hf_error *err)
{
	static const char *const words[] = { [GOOD] = "good", [BAD] = "bad", [SKIPPED] = "skipped" };
	struct state *state = &b->states[i];
	int code;

	if (state->verdict != UNKNOWN)
		return state->verdict;
	code = time_test_run(&b->test, state->tid, err);
	if (code < 0)
		return code;
	state->verdict = code == 0 ? GOOD : code == 125 ? SKIPPED : BAD;
	fprintf(stderr, "tid-%" PRIu64 ": %s\n", state->tid, words[state->verdict]);
	return state->verdict;
}

/* Backwards from one that is bad: 1, with a good one and the bad one that was seen next to it; 0: none. */
static int look_back(struct bisection *b, bool lasting, size_t *ret_good, size_t *ret_bad,
		     struct hf_error *err)
{
	size_t at = *ret_bad, bad = *ret_bad;
	int verdict;

	for (size_t step = 1; at > 0; step *= 2) {
		at = at > step ? at - step : 0;
		while (lasting && at > 0 && !b->states[at].lasting)
			at--;
		verdict = test(b, at, err);
		if (verdict < 0)
			return verdict;
		if (verdict == BAD)
			bad = at;
		if (verdict == GOOD) {
			*ret_good = at;
			*ret_bad = bad;
			return 1;
		}
	}
	return 0;
}

/* *ret_bad comes in as one that is bad, and may go out as an earlier one. */
static int find_good(struct bisection *b, size_t *ret_good, size_t *ret_bad, struct hf_error *err)
{
	int verdict, r;

	if (b->good_named) {
		verdict = test(b, 0, err);
		*ret_good = 0;
		if (verdict < 0 || verdict == GOOD)
			return verdict < 0 ? verdict : 0;
		return hf_error_set(err, -EINVAL, "the test is not passed at the moment that was named good");
	}
	r = look_back(b, true, ret_good, ret_bad, err);
	if (r == 0)
		r = look_back(b, false, ret_good, ret_bad, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return hf_error_set(err, -ENOENT,
			    "no moment was found at which the test is passed; name one with --good");
}

static bool may_try(const struct state *state, bool lasting)
{
	return state->verdict != SKIPPED && (state->lasting || !lasting);
}

/* One that is not skipped, as near to the middle as there is. SIZE_MAX: none. */
static size_t middle(const struct bisection *b, size_t good, size_t bad, bool lasting)
{
	size_t mid = good + (bad - good) / 2;

	for (size_t d = 0; d < bad - good; d++) {
		if (mid + d < bad && mid + d > good && may_try(&b->states[mid + d], lasting))
			return mid + d;
		if (mid > good + d && mid - d < bad && may_try(&b->states[mid - d], lasting))
			return mid - d;
	}
	return SIZE_MAX;
}

static int narrow(struct bisection *b, size_t *good, size_t *bad, struct hf_error *err)
{
	int verdict = test(b, b->n - 1, err);
	int r;

	if (verdict < 0)
		return verdict;
	if (verdict != BAD)
		return hf_error_set(err, -EINVAL,
				    "the test does not fail at the end: name a moment at which it does with "
				    "--bad");
	*bad = b->n - 1;
	r = find_good(b, good, bad, err);
	while (r == 0) {
		size_t mid = middle(b, *good, *bad, true);

		if (mid == SIZE_MAX)
			mid = middle(b, *good, *bad, false);
		if (mid == SIZE_MAX)
			break;
		r = test(b, mid, err);
		if (r == GOOD)
			*good = mid;
		else if (r == BAD)
			*bad = mid;
		r = r < 0 ? r : 0;
	}
	return r;
}

static int print_culprit(void *arg, const json_t *row)
{
	const struct bisection *b = arg;

	if (b->json) /* the last one, of several that share a moment */
		json_object_set((json_t *)b->test.result, "first_bad", (json_t *)row);
	else
		print_log_row(row);
	return 0;
}

static int report(struct bisection *b, size_t good, size_t bad, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *command = NULL;
	struct operation_listener listener = { .row = print_culprit, .arg = b };
	char since[32], until[32];
	json_t *request, *answer = NULL;

	snprintf(since, sizeof(since), "tid-%" PRIu64, b->states[good].tid);
	snprintf(until, sizeof(until), "tid-%" PRIu64, b->states[bad].tid);
	if (!b->json)
		puts(bad - good > 1 ? "first bad, one of these (those between could not be tested):" :
				      "first bad:");
	request = json_pack("{s:s, s:s, s:s, s:b}", "do", "log", "since", since, "until", until,
			    "oldest_first", 1);
	if (request && output_set_path(request, "path", b->test.target.path) == 0)
		answer = location_talk_ask(&b->test.talk, request, &listener, err);
	json_decref(request);
	command = restore_command(&b->test.target.location, b->test.target.path, b->states[good].tid);
	if (!answer || !command) {
		json_decref(answer);
		return err->code ? err->code : hf_error_set(err, -ENOMEM, "no memory");
	}
	json_decref(answer);
	if (b->json) {
		json_object_set_new(b->test.result, "last_good", output_number(b->states[good].tid));
		json_object_set_new(b->test.result, "certain", json_boolean(bad - good == 1));
		json_object_set_new(b->test.result, "restore", json_string(command));
		output_json(b->test.result);
	} else {
		printf("good just before, at tid-%" PRIu64 "; this brings it back:\n  %s\n",
		       b->states[good].tid, command);
	}
	return 0;
}

static int bisect(struct bisection *b, int count, char **words, const char *good, const char *bad,
		  struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *moment_good = NULL;
	CLEANUP(cli_cleanup_free) char *moment_bad = NULL;
	size_t from = 0, to = 0;
	int r = 0;

	if (good)
		r = target_moment(good, &moment_good, err);
	if (r == 0 && bad)
		r = target_moment(bad, &moment_bad, err);
	if (r == 0)
		r = time_test_begin(&b->test, count, words, err);
	/* PATH@MOMENT: the bad one */
	if (r == 0 && b->test.target.moment && !bad) {
		moment_bad = b->test.target.moment;
		b->test.target.moment = NULL;
	}
	if (r == 0)
		r = collect(b, moment_good, moment_bad, err);
	if (r == 0)
		r = narrow(b, &from, &to, err);
	return r == 0 ? report(b, from, to, err) : r;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "test", 1, NULL, 't' }, { "good", 1, NULL, 'g' },
					       { "bad", 1, NULL, 'b' },  { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' }, { 0 } };
	const char *good = NULL, *bad = NULL;
	struct bisection b = { .json = false };
	struct hf_error err = HF_ERROR_INIT;
	int o, r;

	while ((o = cli_option(self, argc, argv, "t:g:b:jh", longs)) != -1) {
		switch (o) {
		case 't':
			b.test.command = optarg;
			break;
		case 'g':
			good = optarg;
			break;
		case 'b':
			bad = optarg;
			break;
		case 'j':
			b.json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 2))
		return CLI_FAILED;
	if (!b.test.command)
		return cli_fail(
			"first-bad: say how to test, with --test 'COMMAND'; see holdfast first-bad --help");
	b.test.result = json_object();
	r = bisect(&b, argc - optind, argv + optind, good, bad, &err);
	time_test_end(&b.test);
	free(b.states);
	return r < 0 ? cli_fail_error(&err) : CLI_FINE;
}

const struct command command_first_bad = {
	.name = "first-bad",
	.summary = "find the operation that broke something, by a test",
	.usage = "holdfast first-bad --test COMMAND PATH [--good MOMENT] [--bad MOMENT] [--json]\n"
		 "holdfast first-bad --test COMMAND STORE PATH ...\n"
		 "\n"
		 "Which operation on a file or tree made it bad? COMMAND is run by sh at some of the\n"
		 "moments in between, as few as will do, with the path of what PATH was then as $1\n"
		 "and in HOLDFAST_PATH. Its exit code says what it thinks: 0 good, 1 to 124 bad, 125\n"
		 "cannot tell (skip); anything else ends it. What was not there at a moment is not\n"
		 "there for the command either. Printed are the first bad operation, and the command\n"
		 "that brings back the moment just before it.\n"
		 "\n"
		 "  --good MOMENT  it was good then; else a good moment is looked for, backwards\n"
		 "  --bad MOMENT   it was bad then; else now\n"
		 "\n"
		 "On a mount, COMMAND looks into .history/at; of a store at rest, what it needs is\n"
		 "written out into a temporary folder (TMPDIR says where).\n"
		 "\n"
		 "  holdfast first-bad --test 'grep -q \"^listen\" \"$1\"' /srv/files/server.conf\n"
		 "  holdfast first-bad --test 'git -C \"$1\" fsck' /srv/git/project.git --good 3d\n",
	.run = run,
	.takes_keys = true,
};
