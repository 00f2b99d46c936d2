/* SPDX-License-Identifier: MIT */
/* What doctor makes of facts: of replicas, where they are, and buckets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/doctor_helper.h"

#define SET(field, words) (void)snprintf(field, sizeof(field), "%s", words)

/* With facts of its own, spoiled by what comes first, a check comes to a verdict. */
#define CASE(id, verdict, words, ...)                          \
	do {                                                   \
		struct facts *f = doctor_facts();              \
		struct facts_replica *far = &f->replicas[0];   \
		struct facts_replica *vault = &f->replicas[1]; \
		struct facts_replica *near = &f->replicas[2];  \
                                                               \
		(void)far, (void)vault, (void)near;            \
		__VA_ARGS__;                                   \
		doctor_expect(f, id, DOCTOR_##verdict, words); \
		doctor_facts_free(f);                          \
	} while (0)

static void all_is_well(void **state)
{
	struct facts *f = doctor_facts();
	size_t n;
	const struct doctor_check *const *all = doctor_checks(&n);

	(void)state;
	assert_true(n >= 30);
	for (size_t i = 0; i < n; i++) {
		doctor_expect(f, all[i]->id, DOCTOR_OK, "");
		for (size_t j = 0; j < i; j++) /* an id is one check's */
			assert_string_not_equal(all[i]->id, all[j]->id);
	}
	assert_null(doctor_find("no-such-check"));
	doctor_facts_free(f);
}

static void no_replicas(void **state)
{
	(void)state;
	CASE("replica-count", DANGER, "holdfast replica add /var/lib/volume INVITATION", f->n_replicas = 0);
	CASE("replica-count", UNKNOWN, "cannot read", SET(f->replicas_text, "cannot read the folder"));
	CASE("replica-count", DANGER, "replica add '/a b/it'\\''s'", f->n_replicas = 0;
	     SET(f->store.path, "/a b/it's"));
	CASE("replica-elsewhere", DANGER, "no replica is on another machine", f->n_replicas = 0);
	CASE("replica-elsewhere", UNKNOWN, "cannot read", f->n_replicas = 0;
	     SET(f->replicas_text, "cannot read the folder"));
	CASE("replica-independent", UNKNOWN, "cannot read", f->n_replicas = 0;
	     SET(f->replicas_text, "cannot read the folder"));
	CASE("replica-independent", DANGER, "none", f->n_replicas = 0);
	CASE("replica-reachable", OK, "0 of 0", f->n_replicas = 0);
	CASE("replica-lag", OK, "", f->n_replicas = 0);
	CASE("replica-provider", OK, "", f->n_replicas = 0);
}

static void each_answers(void **state)
{
	(void)state;
	CASE("replica-config", DANGER, "far: damaged", far->r.code = -EUCLEAN; SET(far->r.text, "damaged"));
	CASE("replica-reachable", OK, "1 of 2", far->r.code = -EUCLEAN);
	CASE("replica-reachable", DANGER, "far: no route", far->knock.code = -EHOSTUNREACH;
	     SET(far->knock.text, "no route"));
	CASE("replica-reachable", DANGER, "far: refused it", SET(far->state, "unreachable");
	     SET(far->error, "refused it"));
	CASE("replica-reachable", UNKNOWN, "far was not asked", far->knocked = false; far->state[0] = 0);
	CASE("replica-reachable", OK, "2 of 2",
	     far->knock.code = -EKEYREJECTED); /* that is another check's */
	CASE("replica-accepts", DANGER, "RUNBOOK", SET(far->state, "refused"); SET(far->error, "diverged"));
	CASE("replica-accepts", DANGER, "node budget", SET(far->state, "full"));
	CASE("replica-accepts", UNKNOWN, "at rest", f->live.answers = f->live.mounted = false);
	CASE("replica-whole", DANGER, "holdfast replica acknowledge /var/lib/volume far",
	     far->r.regressed_ns = DOCTOR_NOW_NS - 3 * DOCTOR_DAY_NS);
	CASE("replica-whole", DANGER, "3 days ago", far->r.regressed_ns = DOCTOR_NOW_NS - 3 * DOCTOR_DAY_NS);
}

static void how_far_behind(void **state)
{
	(void)state;
	CASE("replica-lag", OK, "at most 9 minutes behind", far->lag_seconds = 590; far->lag_bytes = 100);
	CASE("replica-lag", WARNING, "far is behind by 11 minutes, 5.0 MiB", far->lag_seconds = 700;
	     far->lag_bytes = 5 << 20);
	CASE("replica-lag", OK, "", far->lag_seconds = 700; f->watch.settings.lag_s = 3600);
	CASE("replica-lag", WARNING, "", far->lag_seconds = 700; f->watch.settings.lag_s = 0);
	CASE("replica-lag", DANGER, "25 hours", far->lag_seconds = 90000);
	CASE("replica-lag", DANGER, "nothing yet", far->r.acked_tid = 0; far->lag_bytes = 7);
	CASE("replica-lag", WARNING, "at rest", far->lag_seconds = 700;
	     f->live.answers = f->live.mounted = false);
	CASE("replica-lag", UNKNOWN, "the log's end could not be read", f->store.r.log.code = -EIO;
	     f->live.answers = f->live.mounted = false; far->state[0] = vault->state[0] = 0);
	CASE("replica-lag", OK, "", f->store.r.log.code = -EIO); /* the mount knows it */
}

static void who_they_are(void **state)
{
	(void)state;
	CASE("replica-identity", DANGER, "another TLS key", far->knock.code = -EKEYREJECTED;
	     SET(far->knock.text, "another TLS key"));
	CASE("replica-identity", UNKNOWN, "far did not answer", far->knock.code = -ETIMEDOUT);
	CASE("replica-certificate", WARNING, "ends in 3 days",
	     vault->knock.certificate_ends_ns = DOCTOR_NOW_NS + 3 * DOCTOR_DAY_NS);
	CASE("replica-certificate", DANGER, "is over",
	     vault->knock.certificate_ends_ns = DOCTOR_NOW_NS - DOCTOR_DAY_NS);
	CASE("replica-certificate", UNKNOWN, "no certificate", vault->knock.certificate_ends_ns = 0);
	CASE("replica-certificate", OK, "",
	     far->knock.certificate_ends_ns = 1); /* nothing hangs on a node's */
	CASE("replica-clock", OK, "this machine and 2 agree", far->knock.clock_ahead_s = -5);
	CASE("replica-clock", WARNING, "far has it 60 seconds earlier", far->knock.clock_ahead_s = -60);
	CASE("replica-clock", DANGER, "later", far->knock.clock_ahead_s = 400);
	CASE("replica-clock", OK, "0 have told", far->knock.has_clock = vault->knock.has_clock = false);
}

static void what_they_have(void **state)
{
	(void)state;
	CASE("replica-room", UNKNOWN, "far does not tell", far->r.told_ns = 0);
	CASE("replica-room", OK, "", far->r.budget_bytes = 100; far->r.used_bytes = 89);
	CASE("replica-room", WARNING, "95 bytes of 100 bytes", far->r.budget_bytes = 100;
	     far->r.used_bytes = 95);
	CASE("replica-room", DANGER, "holdfast node budget NODE-DIR 60bd", far->r.budget_bytes = 100;
	     far->r.used_bytes = 100);
	CASE("replica-room", WARNING, "", far->r.free_bytes = 10;
	     far->r.used_bytes = 1000); /* its disk, without a budget */
	CASE("replica-room", WARNING, "", far->r.free_bytes = 10; far->r.used_bytes = 1000;
	     far->r.budget_bytes = 1 << 30);
	CASE("replica-version", UNKNOWN, "too old to", far->r.told_ns = 0);
	CASE("replica-version", WARNING, "far runs 0.1.0, and this is 0.2.0", SET(f->version, "0.2.0"));
	CASE("replica-version", WARNING, "", SET(f->version, "1.0"); SET(far->r.software, "0.10.4"));
	CASE("replica-version", OK, "", SET(far->r.software, "0.10.0"); SET(f->version, "0.9.9"));
	CASE("sync-mode", OK, "no fsync waits", );
	CASE("sync-mode", OK, "waits for 1 of 2", f->live.sync_receipts = 1);
	CASE("sync-mode", WARNING, "waits for 2 of 2", f->live.sync_receipts = 2);
	CASE("sync-mode", DANGER, "timed out", f->live.sync_receipts = 1;
	     SET(f->live.sync_error, "timed out"));
	CASE("sync-mode", OK, "at rest", f->live.answers = f->live.mounted = false);
}

static void are_they_elsewhere(void **state)
{
	(void)state;
	CASE("replica-elsewhere", OK, "1 on other", far->here = FACT_YES);
	CASE("replica-elsewhere", DANGER, "", far->here = vault->here = FACT_YES);
	CASE("replica-elsewhere", UNKNOWN, "not known where", far->here = FACT_YES;
	     vault->here = FACT_UNKNOWN);
	CASE("replica-elsewhere", DANGER, "", far->here = FACT_YES; vault->r.code = -EUCLEAN;
	     f->n_replicas = 3);
	CASE("replica-folder", OK, "1 on other disks", f->n_replicas = 3);
	CASE("replica-folder", WARNING, "near (/mnt/disk) is on the disk of the store", f->n_replicas = 3;
	     near->same_disk = FACT_YES);
	CASE("replica-folder", UNKNOWN, "cannot be seen", f->n_replicas = 3; near->same_disk = FACT_UNKNOWN);
}

static void do_two_hang_on_one(void **state)
{
	(void)state;
	CASE("replica-independent", WARNING, "all hangs on one", f->n_replicas = 1);
	CASE("replica-independent", WARNING, "all hangs on one", vault->here = FACT_YES);
	CASE("replica-independent", WARNING, "at one owner's", SET(vault->r.host, "other.example.org"));
	CASE("replica-independent", OK, "", SET(far->r.host, "a.one.co.uk");
	     SET(vault->r.host, "b.two.co.uk"));
	CASE("replica-independent", WARNING, "", SET(far->r.host, "a.one.co.uk");
	     SET(vault->r.host, "b.one.co.uk"));
	CASE("replica-independent", WARNING, "in one network", SET(vault->knock.address, "203.0.113.200"));
	CASE("replica-independent", OK, "", SET(vault->knock.address, "203.0.114.7"));
	CASE("replica-independent", WARNING, "", SET(far->knock.address, "2001:db8:1::7");
	     SET(vault->knock.address, "2001:db8:1:9::1"));
	CASE("replica-independent", OK, "", SET(far->knock.address, "2001:db8:1::7");
	     SET(vault->knock.address, "2001:db8:2::1"));
	/* addresses have no owner's name in them */
	CASE("replica-independent", OK, "", SET(far->r.host, "203.0.113.7");
	     SET(vault->r.host, "198.51.113.7"));
	CASE("replica-independent", WARNING, "", SET(far->r.host, "10.0.0.1");
	     SET(vault->r.host, "10.0.0.1"));
}

static void is_one_at_another_provider(void **state)
{
	(void)state;
	CASE("replica-provider", OK, "1 of 2", far->near = FACT_YES);
	CASE("replica-provider", WARNING, "far (203.0.113.7) is in a network of this machine",
	     far->near = FACT_YES;
	     f->n_replicas = 1);
	CASE("replica-provider", WARNING, "both Amazon's", SET(f->machine.vendor, "Amazon EC2");
	     f->n_replicas = 1; SET(far->r.host, "s3.eu-1.amazonaws.com"));
	CASE("replica-provider", OK, "", SET(f->machine.vendor, "Hetzner");
	     SET(far->r.host, "s3.eu-1.amazonaws.com"); f->n_replicas = 1);
	CASE("replica-provider", WARNING, "of one domain", SET(f->machine.hostname, "files.example.org");
	     f->n_replicas = 1);
	CASE("replica-account", WARNING, "far and vault are under one", SET(far->r.account, "AKIAONE"));
	CASE("replica-account", WARNING, "/home/alice/.aws/credentials",
	     SET(f->store.cloud, "/home/alice/.aws/credentials"));
	CASE("replica-account", UNKNOWN, "may not look", SET(f->store.why, "this user may not look"));
}

static void are_buckets_locked(void **state)
{
	(void)state;
	CASE("bucket-lock", UNKNOWN, "holdfast doctor /var/lib/volume --probe",
	     vault->r.probed_ns = vault->r.n_probed = 0);
	CASE("bucket-lock", DANGER, "vault: object lock: GOVERNANCE",
	     vault->r.probed[0].finding = HF_FINDING_DANGER;
	     SET(vault->r.probed[0].words, "GOVERNANCE"));
	CASE("bucket-lock", WARNING, "tried last", vault->r.probed_ns = DOCTOR_NOW_NS - 400 * DOCTOR_DAY_NS);
	CASE("bucket-lock", UNKNOWN, "could not be tried now: timeout", SET(vault->probe_text, "timeout"));
	CASE("bucket-retention", OK, "", vault->r.retention_days = 90);
	CASE("bucket-retention", WARNING, "locks for 30 days", vault->r.retention_days = 30);
	CASE("bucket-retention", DANGER, "locks for 1 days", vault->r.retention_days = 1);
	CASE("bucket-retention", WARNING, "locks for 60 days", SET(vault->r.probed[1].words, "60 days"));
	CASE("bucket-retention", UNKNOWN, "may not be asked", vault->r.probed[1].what[0] = 0);
	CASE("bucket-retention", WARNING, "locks for 30 days", vault->r.probed[1].what[0] = 0;
	     vault->r.probed_ns = DOCTOR_NOW_NS;
	     SET(vault->r.probed[0].words,
		 "COMPLIANCE, for what is put now until 2026-12-23T05:45:30, by the bucket's default"));
	CASE("bucket-retention", UNKNOWN, "may not be asked", vault->r.probed[1].what[0] = 0;
	     vault->r.probed_ns = DOCTOR_NOW_NS;
	     SET(vault->r.probed[0].words, "COMPLIANCE, for what is put now until 2026-10-01T00:00:00"));
	CASE("bucket-retention", UNKNOWN, "never tried", vault->r.probed_ns = 0);
	CASE("bucket-renewal", WARNING, "end in 20 days", vault->r.retention_days = 120);
	CASE("bucket-renewal", DANGER, "ended 10 days ago", vault->r.retention_days = 90);
	CASE("bucket-renewal", UNKNOWN, "never tried", vault->r.first_probed_ns = 0);
	CASE("bucket-renewal", DANGER,
	     "holdfast replica renew 's3://bucket/a?endpoint=https://s3.example.net&region=eu-1' --volume "
	     "60bd",
	     vault->r.retention_days = 90);
	CASE("bucket-credentials", WARNING, "may delete", vault->r.probed[2].finding = HF_FINDING_NOTE);
	CASE("bucket-credentials", UNKNOWN, "never tried", vault->r.probed_ns = 0);
	CASE("bucket-lock", OK, "0 buckets", f->n_replicas = 1);
}

/* Of several replicas all are named, the worst first, and the words never run over. */
static void many_replicas(void **state)
{
	enum { MANY = 64 };
	struct facts *f = doctor_facts();
	struct facts_replica *all = calloc(MANY, sizeof(*all));
	struct doctor_finding got;

	(void)state;
	assert_non_null(all);
	for (size_t i = 0; i < MANY; i++) {
		all[i] = f->replicas[0];
		(void)snprintf(all[i].r.name, sizeof(all[i].r.name), "replica-number-%zu", i);
		all[i].lag_seconds = i == MANY - 1 ? 100000 : 1000;
	}
	free(f->replicas);
	f->replicas = all;
	f->n_replicas = MANY;
	doctor_judge(doctor_find("replica-lag"), f, &got);
	assert_int_equal(got.verdict, DOCTOR_DANGER);
	assert_int_equal(strncmp(got.reason, "replica-number-63 is behind by 27 hours", 39), 0);
	assert_non_null(strstr(got.reason, "replica-number-0 is behind"));
	assert_true(strlen(got.reason) < DOCTOR_TEXT_BYTES);
	doctor_facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_well),
		cmocka_unit_test(no_replicas),
		cmocka_unit_test(each_answers),
		cmocka_unit_test(how_far_behind),
		cmocka_unit_test(who_they_are),
		cmocka_unit_test(what_they_have),
		cmocka_unit_test(are_they_elsewhere),
		cmocka_unit_test(do_two_hang_on_one),
		cmocka_unit_test(is_one_at_another_provider),
		cmocka_unit_test(are_buckets_locked),
		cmocka_unit_test(many_replicas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
