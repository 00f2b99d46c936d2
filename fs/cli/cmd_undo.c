/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/past_print.h"
#include "fs/cli/restore_print.h"

enum { SHOWN_MAX = 20 };

struct undo {
	struct target target;
	const char *since;
	bool dry, yes, json, verbose;
	json_t *last;    /* what was last done, unless since is said */
	char moment[48]; /* the moment to go back to, for the second time the same */
	json_t *shown;   /* where the volume was when somebody was shown what would be done, and asked */
};

static void undo_release(struct undo *u)
{
	target_release(&u->target);
	json_decref(u->last);
	json_decref(u->shown);
}

/* Just before what was last done. */
static int find_last(struct undo *u, struct hf_error *err)
{
	struct restore_report report = { .most = 0 };
	json_t *request = json_pack("{s:s}", "do", "last-change");
	int r = request ? target_to_request(&u->target, request, err) :
			  hf_error_set(err, -ENOMEM, "no memory");

	if (r == 0)
		u->last = restore_ask(&u->target, json_incref(request), &report, err);
	json_decref(request);
	if (!u->last)
		return err->code;
	snprintf(u->moment, sizeof(u->moment), "tid-%" JSON_INTEGER_FORMAT,
		 json_integer_value(json_object_get(u->last, "tid")));
	return 0;
}

static json_t *ask(struct undo *u, bool dry, struct restore_report *report, struct hf_error *err)
{
	json_t *request = json_pack("{s:s, s:b, s:b, s:b}", "do", "put-back", "undo", 1, "dry", dry, "tell",
				    dry || u->verbose),
	       *answer;

	free(u->target.moment);
	u->target.moment = strdup(u->moment);
	if (request && u->shown)
		(void)json_object_set(request, "shown", u->shown);
	if (!request || !u->target.moment) {
		json_decref(request);
		hf_error_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	if (target_to_request(&u->target, request, err) < 0) {
		json_decref(request);
		return NULL;
	}
	answer = restore_ask(&u->target, request, report, err);
	if (answer) /* what is done is what was shown */
		snprintf(u->moment, sizeof(u->moment), "tid-%" JSON_INTEGER_FORMAT,
			 json_integer_value(json_object_get(answer, "tid")));
	return answer;
}

static void print_what(const struct undo *u)
{
	CLEANUP(cli_cleanup_free) char *shown = restore_shown_path(&u->target, u->target.path);
	const json_t *first = json_object_get(u->last, "first"), *last = json_object_get(u->last, "last");
	char n[OUTPUT_TEXT_BYTES];

	print_name(stdout, shown && *shown ? shown : u->target.location.store);
	fputs(": ", stdout);
	if (!u->last) {
		printf("everything since %s\n", u->since);
		return;
	}
	printf("what was done last, %s operation%s",
	       output_count(output_get_number(u->last, "operations"), n),
	       output_get_number(u->last, "operations") == 1 ? "" : "s");
	if (json_is_integer(json_object_get(u->last, "uid")))
		printf(" of uid %" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(u->last, "uid")));
	printf(", %s", output_get_text(first, "moment"));
	if (output_get_number(u->last, "operations") > 1)
		printf(" to %s", output_get_text(last, "moment"));
	printf("\n");
}

/* 1: go on; 0: rather not; else an exit code is -1. */
static int confirm(struct undo *u, const json_t *answer)
{
	char line[16] = "";

	if (u->yes)
		return 1;
	if (!isatty(STDIN_FILENO) || u->json) {
		(void)fflush(stdout);
		cli_fail("undo: nothing was done yet: say --yes to do it");
		return -1;
	}
	printf("Do that? [y/N] ");
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 0;
	u->shown = json_incref(json_object_get(json_object_get(answer, "before"), "tid"));
	return line[0] == 'y' || line[0] == 'Y';
}

static int print_json(const struct undo *u, json_t *answer, struct restore_report *report, bool done)
{
	CLEANUP(cli_cleanup_free) char *back = restore_undo_command(&u->target, u->target.path, answer);

	(void)output_set_path(answer, "path", u->target.path);
	json_object_set_new(answer, "done", json_boolean(done));
	if (u->last)
		json_object_set(answer, "last", u->last);
	if (report->changes)
		json_object_set(answer, "changes", report->changes);
	if (done && back)
		json_object_set_new(answer, "undo", json_string(back));
	output_json(answer);
	return CLI_FINE;
}

static int do_it(struct undo *u, struct restore_report *plan)
{
	CLEANUP(cli_cleanup_free) char *back = NULL;
	struct restore_report report = { .changes = u->json ? plan->changes : NULL };
	struct hf_error err = HF_ERROR_INIT;
	json_t *answer;

	u->verbose = u->verbose && !u->json; /* the plan has it all */
	answer = ask(u, false, &report, &err);
	if (!answer)
		return cli_fail_error(&err);
	back = restore_undo_command(&u->target, u->target.path, answer);
	if (u->json) {
		(void)print_json(u, answer, plan, true);
	} else {
		restore_print_counts(answer, false);
		if (back)
			printf("to take that back: %s\n", back);
		restore_print_held(&u->target, answer);
	}
	json_decref(answer);
	return CLI_FINE;
}

static int run_undo(struct undo *u)
{
	struct restore_report plan = { .changes = u->json ? json_array() : NULL,
				       .most = u->verbose || u->dry ? 0 : SHOWN_MAX };
	struct hf_error err = HF_ERROR_INIT;
	int code = CLI_FINE, go;
	json_t *answer;

	if (!u->json)
		print_what(u);
	answer = ask(u, true, &plan, &err);
	if (!answer) {
		json_decref(plan.changes);
		return cli_fail_error(&err);
	}
	if (!u->json)
		restore_print_counts(answer, true);
	if (u->dry || restore_count(answer) == 0) {
		code = u->json ? print_json(u, answer, &plan, false) : CLI_FINE;
	} else {
		go = confirm(u, answer);
		if (go < 0)
			code = CLI_FAILED;
		else if (go > 0)
			code = do_it(u, &plan);
	}
	json_decref(answer);
	json_decref(plan.changes);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "since", 1, NULL, 's' },
					       { "dry-run", 0, NULL, 'n' },
					       { "yes", 0, NULL, 'y' },
					       { "json", 0, NULL, 'j' },
					       { "verbose", 0, NULL, 'v' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	CLEANUP(undo_release) struct undo u = { .since = NULL };
	CLEANUP(cli_cleanup_free) char *moment = NULL;
	struct hf_error err = HF_ERROR_INIT;
	int o, r;

	while ((o = cli_option(self, argc, argv, "s:nyjvh", longs)) != -1) {
		switch (o) {
		case 's':
			u.since = optarg;
			break;
		case 'n':
			u.dry = true;
			break;
		case 'y':
			u.yes = true;
			break;
		case 'j':
			u.json = true;
			break;
		case 'v':
			u.verbose = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 2))
		return CLI_FAILED;
	r = target_of_words(argc - optind, argv + optind, NULL, &u.target, &err);
	if (r == 0 && u.target.moment && !u.target.maybe_name)
		r = hf_error_set(&err, -EINVAL, "undo: say the moment with --since, and PATH without one");
	if (r == 0 && u.target.maybe_name) { /* there is no moment here: it is a part of the name */
		target_release(&u.target);
		r = target_of_words(argc - optind, argv + optind, "now", &u.target, &err);
	}
	if (r == 0 && u.since) {
		r = target_moment(u.since, &moment, &err);
		if (r == 0 && (size_t)snprintf(u.moment, sizeof(u.moment), "%s", moment) >= sizeof(u.moment))
			r = hf_error_set(
				&err, -EINVAL,
				"--since: a snapshot's name that is so long is to be said as its tid-N");
	} else if (r == 0) {
		r = find_last(&u, &err);
	}
	return r < 0 ? cli_fail_error(&err) : run_undo(&u);
}

const struct command command_undo = {
	.name = "undo",
	.summary = "take back what was done last to a file or a tree",
	.usage = "holdfast undo PATH [--since MOMENT] [--dry-run] [--yes] [-v] [--json]\n"
		 "holdfast undo STORE|DIR [PATH] ...\n"
		 "\n"
		 "Take back what was last done to PATH or below it: the last operation, and those before\n"
		 "it of the same user that came in one go with it, without a pause of a second (an\n"
		 "rm -r, a checkout, a save). Or, with --since, all that was done there after MOMENT.\n"
		 "PATH may be deleted by now. What was moved away or here since is moved back.\n"
		 "\n"
		 "What would be changed is shown first, and asked; if something is done there before\n"
		 "the answer, nothing is undone. Where nobody can be asked it takes --yes. Nothing is\n"
		 "lost by it: the command that takes it back in turn is printed.\n"
		 "\n"
		 "  --since MOMENT  2026-11-21T101530Z, a date, 10m or 3d (ago), @epoch, tid-N, a\n"
		 "                  snapshot's name\n"
		 "  -n, --dry-run   show it, and do nothing\n"
		 "  -y, --yes       do it without asking\n"
		 "  -v, --verbose   show every change, not the first 20\n"
		 "\n"
		 "  holdfast undo /srv/git/project\n"
		 "  holdfast undo /srv/git/project --since 10m\n"
		 "  holdfast undo /srv/files/thesis.odt --dry-run\n",
	.run = run,
	.takes_keys = true,
};
