/* SPDX-License-Identifier: MIT */
/* A store and a node, each with a disk and a clock of its own, and the link between them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/node.h"
#include "holdfast/replica.h"
#include "tests/fault/copy.h"
#include "tests/fault/link.h"
#include "tests/sim/sched.h"

enum {
	SLICE_OPS = 15,
	SLICES = 6,
	LAST_OPS = 5,
	DRAIN_MS = 600000,
	CALLS_OF_SLICE = 150,
	STEP_MS = 3000,
	SKEW_S = 1000,
	PEM_BYTES = 4096,
};

struct pair {
	const struct life_options *o;
	struct shelter shelter;
	struct storm *storm;
	struct machine *here, *there; /* the store's, the node's */
	struct hf_kit *kit;
	struct hf_node *node; /* NULL: it is down */
	char node_dir[MACHINE_PATH_BYTES + 16];
	struct copy copy;
	bool failed; /* a receipt was a lie: the words have been said */
};

/* --- the node's life */

/*
 * A TLS key's encoding is now and then a byte longer than another's: with lines behind it each is as long,
 * and one life is like another with the same seed.
 */
static void pad_file(const struct os *os, const char *dir, const char *name)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;

	buf_add_text(&path, "%s/keys/%s", dir, name);
	if (os_read_file(os, buf_cstr(&path), PEM_BYTES, &text) < 0)
		abort();
	while (text.len < PEM_BYTES)
		buf_add_u8(&text, '\n');
	if (buf_status(&text) < 0 || os_write_file(os, buf_cstr(&path), text.data, text.len, 0600) < 0)
		abort();
}

static int node_up(struct pair *p)
{
	struct machine *before = machine_enter(p->there);
	struct hf_error err = HF_ERROR_INIT;
	int r = hf_node_start(p->node_dir, &p->node, &err);

	p->o->totals->node_starts++;
	if (r < 0) { /* its disk fails as it starts; then it must start when that is over */
		p->node = NULL;
		if (!machine_was_hit(p->there))
			(void)storm_fail(p->storm, "the node does not start: %d %s", r, err.text);
		else
			r = 0;
	}
	(void)machine_enter(before);
	return r;
}

static void node_down(struct pair *p, bool cut)
{
	struct machine *before = machine_enter(p->there);

	if (cut)
		sim_power_cut(p->there->sim);
	hf_node_stop(p->node);
	p->node = NULL;
	(void)machine_enter(before);
}

/* Up again with a disk that is well, and what it has is what it said it had. */
static int node_again(struct pair *p)
{
	const struct arm nothing = { .kind = ARM_NONE };

	machine_mend(p->there);
	machine_arm(p->there, &nothing);
	if (node_up(p) < 0)
		return -1;
	return copy_check(&p->copy, false) < 0 ? storm_fail(p->storm, "%s", p->copy.words) : 0;
}

static int make_node(struct pair *p, char **ret_line)
{
	struct machine *before = machine_enter(p->there);
	struct hf_error err = HF_ERROR_INIT;
	int r;

	(void)snprintf(p->node_dir, sizeof(p->node_dir), "%s/node", p->there->dir);
	(void)mkdir(p->node_dir, 0700);
	r = hf_node_init(p->node_dir, "127.0.0.1:0", &err);
	if (r == 0) {
		pad_file(os_posix(), p->node_dir, "tls.pem");
		pad_file(os_posix(), p->node_dir, "tls.key");
		sim_trace_begin(p->there->sim);
		r = node_up(p);
	}
	if (r == 0)
		r = hf_node_invite(p->node_dir, NULL, NULL, 0, ret_line, &err);
	(void)machine_enter(before);
	return r < 0 ? storm_fail(p->storm, "the node cannot be made: %d %s", r, err.text) : 0;
}

/* --- what is seen on the way */

static void see_receipt(void *arg, const void *text, size_t len, const char *signature)
{
	struct pair *p = arg;

	p->o->totals->receipts++;
	if (!p->failed && copy_receipt(&p->copy, text, len, signature) < 0) {
		p->failed = true;
		(void)storm_fail(p->storm, "a receipt lies: %s", p->copy.words);
	}
}

/* What the primary says of the node is no more than the node has. */
static int check_belief(struct pair *p)
{
	struct hf_replica_status s;

	if (p->failed)
		return -1;
	if (!p->storm->store || hf_store_replicas(p->storm->store, &s, 1) != 1)
		return 0;
	if (s.acked_tid > p->copy.promised.tid)
		return storm_fail(p->storm,
				  "the primary says that tid %" PRIu64 " is on the node, which said %" PRIu64,
				  s.acked_tid, p->copy.promised.tid);
	if (s.regressed_ns)
		return storm_fail(p->storm, "the node is said to have forgotten: %s", s.error);
	return 0;
}

static int fsynced(struct storm *s, bool fsync)
{
	struct shelter *shelter = s->arg;
	struct pair *p = (struct pair *)(void *)((char *)shelter - offsetof(struct pair, shelter));

	if (!fsync || !s->sync_receipts || p->copy.promised.tid >= s->durable_tid)
		return 0;
	return storm_fail(s, "fsync returned at tid %" PRIu64 ", and the node has said no more than %" PRIu64,
			  s->durable_tid, p->copy.promised.tid);
}

/* An fsync that waits for receipts may wait in vain. */
static bool pair_excuses(struct storm *s, int64_t code)
{
	return shelter_excuses(s->arg, code) ||
	       (s->sync_receipts && code == -EIO && strcmp(s->doing, "fsync") == 0);
}

/* --- events */

static void trouble_disk(struct pair *p)
{
	struct storm *s = p->storm;
	const unsigned calls[] = { SIM_ANY, SIM_ANY_CHANGE, SIM_PWRITE, SIM_SYNC, SIM_PREAD, SIM_TRUNCATE };
	const int codes[] = { -EIO, -ENOSPC, -EDQUOT };
	const struct arm arm = {
		.kind = storm_chance(s, 50) ? ARM_CUT : ARM_FAIL,
		.calls = calls[storm_random(s, 6)],
		.at = 1 + storm_random(s, CALLS_OF_SLICE),
		.more = storm_chance(s, 60) ? storm_random(s, 5) : UINT64_MAX,
		.code = codes[storm_random(s, 3)],
	};

	machine_arm(p->there, &arm);
}

static int restart_node(struct pair *p, bool cut)
{
	p->o->totals->node_cuts += cut;
	if (p->node)
		node_down(p, cut);
	if (storm_chance(p->storm, 20)) { /* its disk fails while it starts */
		machine_mend(p->there);
		trouble_disk(p);
		if (node_up(p) < 0)
			return -1;
		if (p->node)
			node_down(p, storm_chance(p->storm, 50));
	}
	return node_again(p);
}

static int event(struct pair *p)
{
	struct storm *s = p->storm;
	const uint64_t chance = storm_random(s, 100);

	if (!p->node || !sim_power_is_on(p->there->sim))
		return restart_node(p, true);
	if (chance < 15)
		return restart_node(p, true);
	if (chance < 22)
		return restart_node(p, false);
	if (chance < 40)
		trouble_disk(p);
	else if (chance < 50)
		link_up(false);
	else if (chance < 70)
		link_up(true);
	else if (chance < 80)
		link_trouble((unsigned)storm_random(s, 3) * 20);
	else if (chance < 90)
		sched_sleep(storm_random(s, 60) * 1000000000);
	else
		sim_short_io(p->there->sim, (unsigned)storm_random(s, 2) * 100);
	return 0;
}

static int slice(struct pair *p)
{
	struct storm *s = p->storm;

	if (shelter_work(&p->shelter, 1 + storm_random(s, SLICE_OPS)) < 0 || event(p) < 0)
		return -1;
	sched_sleep(storm_random(s, STEP_MS) * 1000000);
	return check_belief(p);
}

static int session(struct pair *p)
{
	struct storm *s = p->storm;
	const struct arm nothing = { .kind = ARM_NONE };
	struct arm arm = { .kind = storm_chance(s, 50) ? ARM_CUT : ARM_FAIL,
			   .calls = storm_chance(s, 50) ? SIM_ANY : SIM_ANY_CHANGE,
			   .at = 1 + storm_random(s, 4 * CALLS_OF_SLICE),
			   .code = storm_chance(s, 70) ? -EIO : -ENOSPC,
			   .more = storm_chance(s, 50) ? 0 : UINT64_MAX };
	int r;

	s->sync_receipts = storm_chance(s, 30);
	shelter_arm(&p->shelter, storm_chance(s, 40) ? &nothing : &arm);
	link_trouble((unsigned)storm_random(s, 4) * 15);
	r = shelter_open(&p->shelter);
	for (uint64_t k = 0; r == 1 && k < SLICES && s->ops < p->o->ops && sim_power_is_on(p->here->sim); k++)
		if (slice(p) < 0)
			r = -1;
	if (r == 1) {
		const bool cut = storm_chance(s, 40);

		p->o->totals->primary_cuts += cut || !sim_power_is_on(p->here->sim);
		r = shelter_close(&p->shelter, cut);
	}
	if (r < 0 || p->failed)
		return -1;
	if (storm_chance(s, 20))
		sim_set_now(p->here->sim, os_posix()->now_ns(os_posix()->state) +
						  (storm_random(s, 2 * SKEW_S) - SKEW_S) * 1000000000);
	return shelter_look(&p->shelter);
}

/* --- the end: all is mended */

static int drain(struct pair *p)
{
	struct hf_error err = HF_ERROR_INIT;

	(void)snprintf(p->storm->doing, sizeof(p->storm->doing), "drain, with all mended");
	if (hf_store_drain(p->storm->store, DRAIN_MS, &err) < 0)
		return storm_fail(p->storm, "the node does not get the rest: %s", err.text);
	if (copy_check(&p->copy, true) < 0)
		return storm_fail(p->storm, "%s", p->copy.words);
	return check_belief(p);
}

static void say_fault(void *arg, const char *what)
{
	(void)arg;
	fprintf(stderr, "node check: %s\n", what);
}

static int check_node(struct pair *p)
{
	struct machine *before = machine_enter(p->there);
	struct hf_node_check_summary sum;
	struct hf_error err = HF_ERROR_INIT;
	long n = hf_node_check(p->node_dir, NULL, say_fault, NULL, &sum, NULL, &err);

	(void)machine_enter(before);
	return n == 0 && sum.bytes > 0 ? 0 :
					 storm_fail(p->storm, "node check finds %ld faults: %s", n, err.text);
}

/* On a third machine, from the node and the kit alone. */
static int recover_at(struct pair *p, const char *url, const char *path)
{
	const struct hf_open_options o = { .flags = HF_OPEN_NO_REPLICATION };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_recovery got;
	struct hf_store *store;
	struct hf_view head = { NULL, HF_TID_HEAD };
	uint64_t random = p->o->seed;
	int r;

	r = hf_recover(url, p->kit, path, NULL, &got, &err);
	if (r < 0 || got.tid != p->copy.promised.tid)
		return storm_fail(p->storm, "recovery: %d %s, tid %" PRIu64 " of %" PRIu64, r, err.text,
				  got.tid, p->copy.promised.tid);
	r = hf_store_open(path, &o, &store, &err);
	if (r < 0)
		return storm_fail(p->storm, "what was recovered does not open: %d %s", r, err.text);
	head.store = store;
	r = compare_trees(&head, p->storm->now, NULL, COMPARE_LOOSE, &random);
	(void)hf_store_close(store, NULL);
	return r < 0 ? storm_fail(p->storm, "what was recovered is another tree") : 0;
}

static int recover(struct pair *p, const char *url)
{
	struct machine *third = machine_new("c", p->o->seed + 2), *before = machine_enter(third);
	char path[MACHINE_PATH_BYTES + 16];
	int r;

	p->o->totals->recoveries++;
	(void)snprintf(path, sizeof(path), "%s/store", third->dir);
	(void)mkdir(path, 0700);
	(void)snprintf(p->storm->doing, sizeof(p->storm->doing), "recover");
	r = recover_at(p, url, path);
	(void)machine_enter(before);
	if (r == 0)
		machine_free(third);
	return r;
}

static int last_session(struct pair *p)
{
	const struct arm nothing = { .kind = ARM_NONE };
	struct storm *s = p->storm;
	struct hf_replica_status status;
	int r;

	shelter_arm(&p->shelter, &nothing);
	link_trouble(0);
	link_up(true);
	if (p->node)
		node_down(p, !sim_power_is_on(p->there->sim));
	if (node_again(p) < 0)
		return -1;
	s->ops_max += LAST_OPS;
	s->sync_receipts = 0;
	r = shelter_open(&p->shelter);
	if (r == 1)
		r = shelter_work(&p->shelter, LAST_OPS);
	if (r == 0)
		r = drain(p);
	if (r < 0)
		return -1;
	(void)hf_store_replicas(s->store, &status, 1);
	s->now = model_without_orphans(s->now, storm_has_ref, s);
	r = shelter_close(&p->shelter, false);
	if (r == 0)
		r = shelter_look(&p->shelter);
	if (r == 0)
		r = check_node(p);
	if (r == 0 && storm_chance(s, 40))
		r = recover(p, status.url);
	if (p->node)
		node_down(p, false);
	return r;
}

/* --- a life */

static int make(struct pair *p)
{
	struct hf_error err = HF_ERROR_INIT;
	char *line = NULL;
	int r;

	if (make_node(p, &line) < 0)
		return -1;
	r = hf_kit_generate(&p->kit, &err);
	if (r == 0)
		r = hf_store_init(p->storm->path, p->kit, &err);
	if (r == 0)
		r = copy_begin(&p->copy, p->here, p->there, p->storm->path, p->node_dir, p->kit, &err);
	if (r == 0)
		r = hf_replica_add(p->storm->path, line, "node", &err);
	free(line);
	return r < 0 ? storm_fail(p->storm, "the beginning: %d %s", r, err.text) : 0;
}

static int live(struct pair *p)
{
	sim_faults_off(p->here->sim);
	sim_faults_off(p->there->sim);
	if (make(p) < 0)
		return -1;
	sim_faults_on(p->here->sim);
	sim_faults_on(p->there->sim);
	sim_lie(p->here->sim, p->o->lie, lie_permille(p->o->lie));
	sim_lie(p->there->sim, p->o->node_lie, lie_permille(p->o->node_lie));
	while (p->storm->ops < p->o->ops)
		if (session(p) < 0)
			return -1;
	return last_session(p);
}

static void mark(struct pair *p, struct life_mark *ret)
{
	*ret = (struct life_mark){ sim_trace(p->here->sim) ^ sim_trace(p->there->sim), sched_switches(),
				   sim_calls(p->here->sim) + sim_calls(p->there->sim),
				   sim_changes(p->here->sim) + sim_changes(p->there->sim), p->storm->ops };
}

int life_pair(const struct life_options *o, struct life_mark *ret)
{
	struct pair p = { .o = o };
	char path[MACHINE_PATH_BYTES + 16];
	int r;

	sched_begin(o->seed, machines_pass, NULL);
	p.here = machine_new("a", o->seed);
	p.there = machine_new("b", o->seed + 1);
	(void)machine_enter(p.here);
	(void)snprintf(path, sizeof(path), "%s/store", p.here->dir);
	(void)mkdir(path, 0700);
	p.storm = storm_new(path, o->seed, o->ops + LAST_OPS);
	p.storm->ops_max = o->ops;
	p.storm->seed_name = "FAULT_SEED";
	p.storm->replicates = true;
	shelter_begin(&p.shelter, p.here, p.storm, o->totals);
	p.storm->excused = pair_excuses;
	p.storm->committed = fsynced;
	link_begin(p.there, o->totals, see_receipt, &p);
	r = live(&p);
	if (ret)
		mark(&p, ret);
	o->totals->lives++;
	o->totals->switches += sched_switches();
	totals_add_sim(o->totals, p.here->sim);
	totals_add_sim(o->totals, p.there->sim);
	if (r < 0 || p.failed) /* threads run still; the process ends */
		return -1;
	(void)machine_enter(NULL);
	link_end();
	copy_end(&p.copy);
	hf_kit_free(p.kit);
	machine_free(p.here);
	machine_free(p.there);
	sched_end();
	return 0;
}
