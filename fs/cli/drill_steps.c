/* SPDX-License-Identifier: MIT */
/*
 * A drill, step by step, in a process that has the replica and the keys and nothing else. Each step is told
 * as it ends. What could not be done because an earlier step failed is told as that, so that no step is ever
 * missing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/cli/cli.h"
#include "fs/cli/drill.h"
#include "fs/cli/drill_moment.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "holdfast/op.h"

enum { PASSPHRASE_BYTES = 64 };
#define PROGRESS_EVERY_SECONDS 0.1

struct steps {
	const struct drill_plan *plan;
	FILE *out;
	double progress_at, began;
	struct hf_progress progress;
	struct operation_listener listener;

	char *store; /* the scratch one's path */
	char passphrase[PASSPHRASE_BYTES + 1];
	bool fetched, failed, no_room;
	struct hf_recovery recovery;
	struct hf_store *open;
	bool behind, verified;
	double fetch_s, rebuild_s, restore_s;
	struct drill_moment newest;
	uint64_t compared, past_bytes, live_bytes, pruned_frames, segments;
	struct hf_drill_sampled sampled;
};

/* --- telling */

static void say(struct steps *s, json_t *line)
{
	if (line && json_dumpf(line, s->out, JSON_COMPACT) == 0) {
		(void)fputc('\n', s->out);
		(void)fflush(s->out);
	}
	json_decref(line);
}

static void show(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct steps *s = arg;
	const double now = progress_now();

	if (now - s->progress_at < PROGRESS_EVERY_SECONDS)
		return;
	s->progress_at = now;
	say(s, json_pack("{s:s, s:o, s:o}", "progress", what, "done", output_number(done), "total",
			 output_number(total)));
}

/* Words may hold what a replica said: what is not UTF-8 is not told. */
static void step_took(struct steps *s, const char *step, enum hf_drill_verdict verdict, const char *words,
		      double seconds)
{
	json_t *line = json_pack("{s:s, s:s, s:s, s:f}", "step", step, "verdict",
				 hf_drill_verdict_name(verdict), "words", words, "seconds", seconds);

	if (!line)
		line = json_pack("{s:s, s:s, s:s, s:f}", "step", step, "verdict",
				 hf_drill_verdict_name(verdict), "words", "(its words are not text)",
				 "seconds", seconds);
	s->failed = s->failed || verdict == HF_DRILL_FAIL;
	say(s, line);
}

static void step(struct steps *s, const char *name, enum hf_drill_verdict verdict, const char *words)
{
	step_took(s, name, verdict, words, progress_now() - s->began);
}

static void skip(struct steps *s, const char *name, const char *words)
{
	step_took(s, name, HF_DRILL_SKIP, words, 0);
}

static void begin(struct steps *s)
{
	s->began = progress_now();
}

/* The words of an error, or of its code. */
static const char *why(const struct hf_error *err)
{
	return err->text[0] ? err->text : hf_strerror(err->code);
}

/*
 * What could not be written here for want of room says nothing of the replica: the step was not done. Of a
 * file that was not written the words alone may be left.
 */
static void fail(struct steps *s, const char *name, int code, const char *words)
{
	char text[HF_ERROR_TEXT_BYTES + 40];

	if (code != -ENOSPC && code != -EDQUOT && !strstr(words, strerror(ENOSPC)) &&
	    !strstr(words, strerror(EDQUOT))) {
		step(s, name, HF_DRILL_FAIL, words);
		return;
	}
	s->no_room = true;
	(void)snprintf(text, sizeof(text), "could not be done here: %s", words);
	step(s, name, HF_DRILL_SKIP, text);
}

/* --- the keys of the store that is made: under a passphrase that is nowhere but in this process */

static ssize_t answer_passphrase(void *arg, const char *path, char ret[HF_PASSPHRASE_BYTES_MAX],
				 struct hf_error *err)
{
	const struct steps *s = arg;

	(void)path;
	(void)err;
	memcpy(ret, s->passphrase, PASSPHRASE_BYTES);
	return PASSPHRASE_BYTES;
}

static bool make_passphrase(struct steps *s)
{
	const struct hf_unlock unlock = { .passphrase = answer_passphrase, .arg = s };
	unsigned char raw[PASSPHRASE_BYTES / 2];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return false;
	for (size_t i = 0; i < sizeof(raw); i++)
		(void)snprintf(s->passphrase + 2 * i, 3, "%02x", raw[i]);
	explicit_bzero(raw, sizeof(raw));
	hf_unlock_by(&unlock);
	return true;
}

/* --- the steps */

static bool shut_off(struct steps *s, int fd)
{
	struct hf_error err = HF_ERROR_INIT;
	char words[400];
	int r;

	begin(s);
	r = drill_apart(&s->plan->apart, fd, words, sizeof(words), &err);
	if (r == 0)
		step(s, "apart", HF_DRILL_PASS, words);
	else if (r == -EOPNOTSUPP) {
		(void)snprintf(words, sizeof(words),
			       "that no file of the primary was opened is not proved: %.300s", why(&err));
		step(s, "apart", HF_DRILL_WEAK, words);
	} else {
		step(s, "apart", HF_DRILL_FAIL, why(&err));
	}
	return r == 0 || r == -EOPNOTSUPP;
}

static bool reach(struct steps *s)
{
	char moment[OUTPUT_TEXT_BYTES], words[700];
	struct hf_error err = HF_ERROR_INIT;
	struct hf_point head;

	begin(s);
	if (hf_drill_reach(s->plan->drill, &head, &err) < 0) {
		step(s, "reach", HF_DRILL_FAIL, why(&err));
		return false;
	}
	(void)snprintf(words, sizeof(words), "%s has it, up to tid-%llu of %s", s->plan->about.url,
		       (unsigned long long)head.tid, hf_moment_format(head.time_ns, moment, sizeof(moment)));
	step(s, "reach", HF_DRILL_PASS, words);
	return true;
}

static bool fetch(struct steps *s)
{
	const struct hf_keeping keeping = { .how = HF_KEY_PASSPHRASE,
					    .passphrase = s->passphrase,
					    .passphrase_len = PASSPHRASE_BYTES,
					    .passes = 1,
					    .memory_kib = 64 };
	char moment[OUTPUT_TEXT_BYTES], bytes[OUTPUT_TEXT_BYTES], words[400];
	struct hf_error err = HF_ERROR_INIT;
	int r;

	begin(s);
	r = hf_drill_recover(s->plan->drill, s->store, &keeping, &s->progress, &s->recovery, &err);
	s->fetch_s = progress_now() - s->began;
	if (r < 0) {
		fail(s, "fetch", r, why(&err));
		return false;
	}
	s->fetched = true;
	s->segments = s->recovery.segments;
	(void)snprintf(words, sizeof(words),
		       "%s in %llu segment%s, chain and signature of every commit verified, up to %s "
		       "(tid-%llu)%s%s",
		       output_bytes(s->recovery.bytes, bytes), (unsigned long long)s->segments,
		       s->segments == 1 ? "" : "s",
		       hf_moment_format(s->recovery.time_ns, moment, sizeof(moment)),
		       (unsigned long long)s->recovery.tid,
		       s->recovery.newest_only ? "; older versions of objects could not be listed" : "",
		       s->recovery.behind ? "; objects lie behind the end that nothing leads to" : "");
	step(s, "fetch", HF_DRILL_PASS, words);
	return true;
}

static void fresh(struct steps *s)
{
	char words[HF_ERROR_TEXT_BYTES];
	enum hf_drill_verdict verdict;

	begin(s);
	verdict = hf_drill_fresh(s->plan->drill, s->store, &s->behind, words);
	step(s, "fresh", verdict, words);
}

static bool rebuild(struct steps *s)
{
	const struct hf_open_options options = {
		.flags = HF_OPEN_NO_REPLICATION | (s->plan->with_kit ? 0u : HF_OPEN_READ_ONLY),
		.holder = "in use by a drill",
		.progress = s->progress,
	};
	char files[OUTPUT_TEXT_BYTES], bytes[OUTPUT_TEXT_BYTES], words[200];
	struct hf_error err = HF_ERROR_INIT;
	struct hf_status status;
	int r;

	begin(s);
	r = hf_store_open(s->store, &options, &s->open, &err);
	s->rebuild_s = progress_now() - s->began;
	if (r < 0) {
		fail(s, "rebuild", r, why(&err));
		return false;
	}
	hf_store_status(s->open, &status);
	s->live_bytes = status.live_bytes;
	if (status.failed) { /* opened as it was before something that was rightly signed, and no holdfast
				wrote */
		step(s, "rebuild", HF_DRILL_FAIL,
		     status.failed_text[0] ? status.failed_text : hf_strerror(status.failed));
		return false;
	}
	(void)snprintf(words, sizeof(words), "the index was built from the log alone: %s in %s inodes",
		       output_bytes(status.live_bytes, bytes), output_count(status.live_inodes, files));
	step(s, "rebuild", HF_DRILL_PASS, words);
	return true;
}

static void moment_words(const struct drill_moment *m, char *out, size_t size)
{
	char files[OUTPUT_TEXT_BYTES], bytes[OUTPUT_TEXT_BYTES], moment[OUTPUT_TEXT_BYTES];

	(void)snprintf(out, size, "%s files, %s, %s of %s (tid-%llu)", output_count(m->files, files),
		       output_bytes(m->bytes, bytes), m->whole ? "everything" : "chosen at random,",
		       hf_moment_format(m->time_ns, moment, sizeof(moment)), (unsigned long long)m->tid);
}

static bool restore(struct steps *s)
{
	struct hf_error err = HF_ERROR_INIT;
	char words[600];
	int r;

	begin(s);
	s->newest = (struct drill_moment){ .store = s->open,
					   .tid = s->recovery.tid,
					   .time_ns = s->recovery.time_ns,
					   .bytes_max = s->plan->bytes,
					   .scratch = s->plan->scratch };
	r = drill_moment_restore(&s->newest, &s->listener, &err);
	s->restore_s = progress_now() - s->began;
	if (r < 0 || s->newest.failed > 0) {
		fail(s, "restore", r, r < 0 ? why(&err) : s->newest.first);
		return false;
	}
	moment_words(&s->newest, words, sizeof(words));
	step(s, "restore", HF_DRILL_PASS, words);
	return true;
}

static void compare(struct steps *s)
{
	char files[OUTPUT_TEXT_BYTES], bytes[OUTPUT_TEXT_BYTES], words[300];
	struct hf_error err = HF_ERROR_INIT;
	struct compare_summary sum = { .files = 0 };
	int r;

	begin(s);
	r = drill_moment_compare(&s->newest, &s->listener, &sum, &err);
	drill_moment_release(&s->newest);
	s->compared += sum.files;
	if (r < 0 || sum.differ > 0) {
		step(s, "compare", HF_DRILL_FAIL, r < 0 ? why(&err) : sum.first);
		return;
	}
	(void)snprintf(words, sizeof(words),
		       "%s files, %s, read back from the disk and the same as in the log, with names, "
		       "modes, times, attributes",
		       output_count(sum.files, files), output_bytes(sum.bytes, bytes));
	step(s, "compare", HF_DRILL_PASS, words);
}

struct faults {
	long n;
	char first[HF_ERROR_TEXT_BYTES];
};

static void found_fault(void *arg, const char *what)
{
	struct faults *f = arg;

	if (f->n++ == 0)
		(void)snprintf(f->first, sizeof(f->first), "%s", what);
}

static void verify(struct steps *s)
{
	char bytes[OUTPUT_TEXT_BYTES], chunks[OUTPUT_TEXT_BYTES], words[300];
	struct faults faults = { 0, "" };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_check_summary sum;
	long r;

	begin(s);
	r = hf_store_check_open(s->open, found_fault, &faults, &sum, &s->progress, &err);
	if (r != 0) {
		step(s, "verify", HF_DRILL_FAIL, r < 0 ? why(&err) : faults.first);
		return;
	}
	s->verified = true;
	s->pruned_frames = sum.pruned_frames;
	(void)snprintf(words, sizeof(words),
		       "every frame of %s opens, and %s chunks are what their names say%s",
		       output_bytes(sum.bytes, bytes), output_count(sum.chunks, chunks),
		       sum.pruned_frames ? ", but for what the owner let go" : "");
	step(s, "verify", HF_DRILL_PASS, words);
}

/* One past moment: negative and words, or 0. */
static int try_moment(struct steps *s, uint64_t tid, char *words, size_t size)
{
	struct drill_moment m = {
		.store = s->open, .tid = tid, .bytes_max = s->plan->bytes, .scratch = s->plan->scratch
	};
	struct compare_summary sum = { .files = 0 };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_point point = { 0, 0 };
	int r;

	(void)hf_point_of_tid(s->open, tid, &point, NULL);
	m.time_ns = point.time_ns;
	r = drill_moment_restore(&m, &s->listener, &err);
	if (r == 0 && m.failed > m.pruned)
		r = hf_error_set(&err, -EIO, "%s", m.first);
	if (r == 0)
		r = drill_moment_compare(&m, &s->listener, &sum, &err);
	if (r == 0 && sum.differ > 0)
		r = hf_error_set(&err, -EUCLEAN, "%s", sum.first);
	if (r < 0)
		(void)snprintf(words, size, "tid-%llu: %.400s", (unsigned long long)tid, why(&err));
	s->compared += sum.files;
	s->past_bytes += m.bytes;
	drill_moment_release(&m);
	return r;
}

static void past(struct steps *s)
{
	char words[600] = "", tids[300] = "", bytes[OUTPUT_TEXT_BYTES];
	unsigned done = 0;

	if (s->plan->moments == 0) {
		skip(s, "past", "no past moments were asked for");
		return;
	}
	if (s->recovery.tid < 2) {
		skip(s, "past", "the volume has no past yet");
		return;
	}
	begin(s);
	for (; done < s->plan->moments; done++) {
		const uint64_t tid = 1 + drill_random(s->recovery.tid - 1);
		const size_t at = strlen(tids);

		if (try_moment(s, tid, words, sizeof(words)) < 0) {
			fail(s, "past", 0, words);
			return;
		}
		(void)snprintf(tids + at, sizeof(tids) - at, "%stid-%llu", at ? ", " : "",
			       (unsigned long long)tid);
	}
	(void)snprintf(words, sizeof(words), "%u moments at random, restored and compared, %s: %s", done,
		       output_bytes(s->past_bytes, bytes), tids);
	step(s, "past", HF_DRILL_PASS, words);
}

/* The new epoch's writer key is good for something: a moment is named with it, and that is durable. */
static void epoch(struct steps *s)
{
	struct hf_error err = HF_ERROR_INIT;
	char words[200];
	int r;

	if (!s->plan->with_kit) {
		skip(s, "epoch", "without the kit no new epoch can begin: drill with it, on another machine");
		return;
	}
	begin(s);
	r = hf_tag(s->open, "rehearsed-recovery", HF_TID_HEAD, &err);
	if (r == -EEXIST)
		r = hf_untag(s->open, "rehearsed-recovery", &err);
	if (r == 0)
		r = hf_store_commit(s->open, &err);
	if (r < 0) {
		fail(s, "epoch", r, why(&err));
		return;
	}
	(void)snprintf(words, sizeof(words),
		       "epoch %u, by the kit's owner key: it takes writes. The replica was not told, so "
		       "the primary's key is good as before",
		       s->recovery.epoch);
	step(s, "epoch", HF_DRILL_PASS, words);
}

static void attempted(void *arg, const char *name, enum hf_drill_verdict verdict, const char *words)
{
	step(arg, name, verdict, words);
	begin(arg);
}

static void attempts(struct steps *s)
{
	static const char *const names[] = { "delete", "overwrite", "fork", "unchanged" };
	const struct hf_drill_told told = { attempted, s };
	struct hf_error err = HF_ERROR_INIT;
	int r;

	if (!s->fetched) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			skip(s, names[i], "not tried, for nothing was fetched");
		return;
	}
	begin(s);
	r = hf_drill_attempts(s->plan->drill, s->store, s->plan->alarms, &told, &err);
	if (r < 0) {
		step(s, "delete", HF_DRILL_FAIL, why(&err));
		return;
	}
	r = hf_drill_unchanged(s->plan->drill, &err);
	if (r == -EOPNOTSUPP)
		skip(s, "unchanged", "what was tried was on objects of its own");
	else
		step(s, "unchanged", r < 0 ? HF_DRILL_FAIL : HF_DRILL_PASS,
		     r < 0 ? why(&err) : "after all that it gives the same bytes, and has no less");
}

static void skip_from(struct steps *s, const char *first)
{
	static const char *const names[] = { "fetch",   "fresh",  "rebuild", "restore",
					     "compare", "verify", "past",    "epoch" };
	bool on = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		on = on || !strcmp(names[i], first);
		if (on)
			skip(s, names[i], "not done, for a step before it was not");
	}
}

static void recover_all(struct steps *s)
{
	if (!reach(s) || !fetch(s)) {
		skip_from(s, s->fetch_s > 0 ? "fresh" : "fetch");
		return;
	}
	fresh(s);
	if (!rebuild(s)) {
		skip_from(s, "restore");
		return;
	}
	if (restore(s))
		compare(s);
	else
		skip(s, "compare", "not done, for a step before it was not");
	verify(s);
	past(s);
	epoch(s);
}

/* --- a sample: no recovery */

static void sample(struct steps *s)
{
	char bytes[OUTPUT_TEXT_BYTES], words[300];
	struct hf_error err = HF_ERROR_INIT;
	int r;

	if (!reach(s)) {
		skip(s, "sample", "not done, for a step before it was not");
		return;
	}
	begin(s);
	r = hf_drill_sample(s->plan->drill, s->store, s->plan->sample_bytes, &s->progress, &s->sampled, &err);
	s->fetch_s = progress_now() - s->began;
	if (r < 0) {
		fail(s, "sample", r, why(&err));
		return;
	}
	s->segments = s->sampled.of;
	(void)snprintf(words, sizeof(words),
		       "%zu of %u segments, %s: certificate, chain, every signature, every frame, every "
		       "chunk's name",
		       s->sampled.n, s->sampled.of, output_bytes(s->sampled.bytes, bytes));
	step(s, "sample", HF_DRILL_PASS, words);
}

/* --- the end */

static json_t *sampled_to_json(const struct steps *s)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < s->sampled.n; i++)
		json_array_append_new(array, output_number(s->sampled.segments[i]));
	return array;
}

static void say_end(struct steps *s)
{
	json_t *end =
		json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:f, s:f, s:f}", "tid",
			  output_number(s->recovery.tid), "time_ns", output_number(s->recovery.time_ns),
			  "read_bytes", output_number(s->fetched ? s->recovery.bytes : s->sampled.bytes),
			  "segments", output_number(s->segments), "fetched", s->fetched, "behind", s->behind,
			  "verified", s->verified, "fetch_seconds", s->fetch_s, "rebuild_seconds",
			  s->rebuild_s, "restore_seconds", s->restore_s);

	if (end)
		json_object_update_new(end,
				       json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:s, s:o, s:o}",
						 "restored_bytes", output_number(s->newest.bytes),
						 "past_bytes", output_number(s->past_bytes), "live_bytes",
						 output_number(s->live_bytes), "whole", s->newest.whole,
						 "compared_files", output_number(s->compared),
						 "pruned_frames", output_number(s->pruned_frames),
						 "freshness", hf_freshness_name(s->recovery.freshness),
						 "sampled", sampled_to_json(s), "log_bytes",
						 output_number(s->sampled.log_bytes)));
	if (end && s->no_room)
		json_object_set_new(end, "no_room", json_true());
	say(s, json_pack("{s:o}", "end", end ? end : json_null()));
}

void drill_steps(const struct drill_plan *plan, int fd)
{
	struct steps s = { .plan = plan, .out = fdopen(fd, "w") };

	s.progress = (struct hf_progress){ show, &s };
	s.listener = (struct operation_listener){ .progress = s.progress };
	if (!s.out || asprintf(&s.store, "%s/store", plan->scratch) < 0)
		return;
	if (!make_passphrase(&s)) {
		begin(&s);
		step(&s, "apart", HF_DRILL_FAIL, "the system gives no random bytes");
	} else if (shut_off(&s, fd)) {
		if (plan->sample_bytes) {
			sample(&s);
		} else {
			recover_all(&s);
			attempts(&s);
		}
	}
	if (s.open && hf_store_close(s.open, NULL) < 0 && !s.failed) {
		begin(&s);
		step(&s, "epoch", HF_DRILL_FAIL, "the recovered store could not be closed well");
	}
	say_end(&s);
	free(s.sampled.segments);
	free(s.store);
	explicit_bzero(s.passphrase, sizeof(s.passphrase));
	(void)fclose(s.out);
}
