/* SPDX-License-Identifier: MIT */
/* One store, one disk. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/fault.h"
#include "tests/sim/sched.h"

enum {
	SHORT_LIFE_OPS = 12,
	SESSION_OPS = 80,
	CALLS_OF_SESSION = 120, /* about; faults come somewhere within */
	LAST_OPS = 5,
	JUMP_S = 3600,
};

struct life {
	const struct life_options *o;
	struct shelter shelter;
	struct storm *storm;
	struct machine *m;
};

/* What is to fail in a session: mostly something. */
static struct arm arm_by_chance(struct storm *s)
{
	static const unsigned calls[] = { SIM_ANY,
					  SIM_ANY,
					  SIM_ANY_CHANGE,
					  SIM_ANY_CHANGE,
					  SIM_PWRITE,
					  SIM_SYNC,
					  SIM_TRUNCATE,
					  SIM_ALLOCATE,
					  SIM_PREAD,
					  SIM_OPEN,
					  SIM_SYNC_DIR | SIM_RENAME | SIM_UNLINK };
	static const int codes[] = { -EIO, -EIO, -EIO, -ENOSPC, -ENOSPC, -EDQUOT };
	struct arm a = { .kind = ARM_FAIL, .at = 1 + storm_random(s, CALLS_OF_SESSION) };
	const uint64_t chance = storm_random(s, 100);

	if (storm_chance(s, 30))
		a.at = 1 + storm_random(s, 30); /* while it is opened */
	if (chance < 35)
		a.kind = ARM_CUT;
	else if (chance < 50)
		a.kind = ARM_NONE;
	a.calls = calls[storm_random(s, sizeof(calls) / sizeof(calls[0]))];
	a.code = codes[storm_random(s, sizeof(codes) / sizeof(codes[0]))];
	a.more = storm_chance(s, 50) ? 0 : storm_chance(s, 50) ? storm_random(s, 10) : UINT64_MAX;
	return a;
}

/* 1: there is a store; 0: the disk did not let it be made; -1. */
static int make(struct life *l)
{
	struct hf_error err = HF_ERROR_INIT;
	int r;

	(void)snprintf(l->storm->doing, sizeof(l->storm->doing), "init");
	r = storm_init(l->storm, &err);
	if (r == 0)
		return 1;
	if (!shelter_excuses(&l->shelter, r) || err.code != r || !err.text[0])
		return storm_fail(l->storm, "fails: %d %s", r, err.text);
	return 0;
}

/* By chance the disk fails as well while the store is opened after what has failed before. */
static int open_badly(struct life *l)
{
	const struct hf_open_options o = { .flags = HF_OPEN_NO_REPLICATION, .segment_bytes = 256 << 10 };
	struct arm arm = arm_by_chance(l->storm);
	struct hf_error err = HF_ERROR_INIT;
	int r;

	machine_mend(l->m);
	arm.at = 1 + storm_random(l->storm, 40);
	shelter_arm(&l->shelter, &arm);
	(void)snprintf(l->storm->doing, sizeof(l->storm->doing), "open again");
	l->shelter.t->reopenings++;
	r = hf_store_open(l->storm->path, &o, &l->storm->store, &err);
	if (r == 0)
		(void)hf_store_close(l->storm->store, &err);
	l->storm->store = NULL;
	if (r < 0 && !shelter_excuses(&l->shelter, r))
		return storm_fail(l->storm, "fails: %d %s", r, err.text);
	l->shelter.unsure = l->shelter.unsure || r < 0;
	if (storm_chance(l->storm, 50))
		sim_power_cut(l->m->sim);
	if (!sim_power_is_on(l->m->sim))
		l->shelter.unsure = false;
	return 0;
}

static int end_session(struct life *l)
{
	struct storm *s = l->storm;
	const uint64_t chance = storm_random(s, 100);

	if (!s->store)
		return 0;
	if (!l->o->only && chance < 20 && !machine_was_hit(l->m)) {
		const struct arm arm = { .kind = ARM_CUT, .at = 1 + storm_random(s, 20) };

		shelter_arm(&l->shelter, &arm);
	}
	return shelter_close(&l->shelter, chance >= 55);
}

static int session(struct life *l, uint64_t ops, const struct arm *arm)
{
	struct storm *s = l->storm;
	int r;

	if (arm)
		shelter_arm(&l->shelter, arm);
	if (!l->o->only && storm_chance(s, 30))
		sim_short_io(l->m->sim, (unsigned)storm_random(s, 200));
	r = shelter_open(&l->shelter);
	if (r == 1)
		r = shelter_work(&l->shelter, ops);
	if (r == 0)
		r = end_session(l);
	if (r < 0)
		return -1;
	if (storm_chance(s, 20))
		sim_set_now(l->m->sim, l->m->os.now_ns(l->m->os.state) +
					       (storm_random(s, 2 * JUMP_S) - JUMP_S) * 1000000000);
	r = shelter_look(&l->shelter);
	if (r == 0 && !l->o->only && storm_chance(s, 20)) {
		r = open_badly(l);
		if (r == 0)
			r = shelter_look(&l->shelter);
	}
	return r;
}

/* It goes on: written to, closed, opened; and all that ever was is there still. */
static int last_session(struct life *l)
{
	const struct arm nothing = { .kind = ARM_NONE };
	struct storm *s = l->storm;
	int r;

	shelter_arm(&l->shelter, &nothing);
	s->ops_max += LAST_OPS;
	r = shelter_open(&l->shelter);
	if (r == 1)
		r = shelter_work(&l->shelter, LAST_OPS);
	if (r == 0 && !l->o->only)
		r = storm_check_all(s);
	if (r == 0)
		r = shelter_close(&l->shelter, false);
	if (r == 0 && !s->closed)
		r = storm_fail(s, "it cannot be closed, and nothing is wrong");
	return r < 0 ? r : shelter_look(&l->shelter);
}

static int live(struct life *l)
{
	struct storm *s = l->storm;
	struct arm arm;
	int r;

	if (l->o->only)
		shelter_arm(&l->shelter, l->o->only);
	else if (storm_chance(s, 10)) {
		arm = arm_by_chance(s);
		arm.at = 1 + storm_random(s, 60);
		shelter_arm(&l->shelter, &arm);
	}
	r = make(l);
	if (r <= 0)
		return r;
	sim_lie(l->m->sim, l->o->lie, lie_permille(l->o->lie));
	if (l->o->only)
		r = session(l, l->o->ops, NULL);
	while (!l->o->only && r >= 0 && s->ops < l->o->ops) {
		const bool armed = s->sessions == 0 && l->shelter.was_armed;

		arm = arm_by_chance(s);
		r = session(l, 1 + storm_random(s, SESSION_OPS), armed ? NULL : &arm);
	}
	return r < 0 ? -1 : last_session(l);
}

static void mark(struct life *l, struct life_mark *ret)
{
	*ret = (struct life_mark){ sim_trace(l->m->sim), sched_switches(), l->shelter.calls,
				   l->shelter.changes, l->storm->ops };
}

int life_store(const struct life_options *o, struct life_mark *ret)
{
	struct life l = { .o = o };
	char path[MACHINE_PATH_BYTES + 16];
	int r;

	sched_begin(o->seed, machines_pass, NULL);
	l.m = machine_new("a", o->seed);
	(void)machine_enter(l.m);
	(void)snprintf(path, sizeof(path), "%s/store", l.m->dir);
	(void)mkdir(path, 0700);
	l.storm = storm_new(path, o->seed, o->ops + LAST_OPS);
	l.storm->ops_max = o->ops;
	l.storm->seed_name = "FAULT_SEED";
	shelter_begin(&l.shelter, l.m, l.storm, o->totals);
	r = live(&l);
	if (ret)
		mark(&l, ret);
	o->totals->lives++;
	o->totals->switches += sched_switches();
	totals_add_sim(o->totals, l.m->sim);
	if (r < 0) /* threads of a store that is open still; the process ends */
		return r;
	(void)machine_enter(NULL);
	machine_free(l.m);
	sched_end();
	return 0;
}
