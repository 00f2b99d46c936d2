/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/doctor_helper.h"

#define TEXT(field, words) (void)snprintf(field, sizeof(field), "%s", words)

static void make_store(struct facts_store *s)
{
	TEXT(s->path, "/var/lib/volume");
	s->mode = S_IFDIR | 0700;
	s->r = (struct hf_readiness){
		.volume_id = "60bd2e02a1b2f4e6f3a9b05cb46ba5de",
		.created_ns = DOCTOR_NOW_NS - 100 * DOCTOR_DAY_NS,
		.log = { .tid = 5000,
			 .time_ns = DOCTOR_NOW_NS - 1000000000,
			 .segment = 2,
			 .offset = 4711,
			 .epoch = 1,
			 .epoch_created_ns = DOCTOR_NOW_NS - 100 * DOCTOR_DAY_NS,
			 .format_floor = 1 },
		.key = { .how = HF_KEY_PASSPHRASE },
		.index = true,
		.kit_ns = DOCTOR_NOW_NS - 10 * DOCTOR_DAY_NS,
		.verified_ns = DOCTOR_NOW_NS - 10 * DOCTOR_DAY_NS,
		.head_ns = DOCTOR_NOW_NS - DOCTOR_DAY_NS,
		.alarm_test_ns = DOCTOR_NOW_NS - 10 * DOCTOR_DAY_NS,
		.alarm_test_passed = true,
		.format_newest = 1,
	};
}

static void make_live(struct facts_live *l)
{
	*l = (struct facts_live){ .mounted = true,
				  .dir = "/srv/files",
				  .answers = true,
				  .version = "0.1.0",
				  .pid = 4711,
				  .suid = FACT_NO,
				  .dev = FACT_NO,
				  .allow_other = FACT_YES,
				  .default_permissions = FACT_YES };
}

static void make_replica(struct facts_replica *p, enum hf_place_kind kind, const char *name, const char *host,
			 const char *address)
{
	TEXT(p->r.name, name);
	TEXT(p->r.host, host);
	p->r.kind = kind;
	p->r.acked_tid = 5000;
	p->r.acked_time_ns = DOCTOR_NOW_NS - 1000000000;
	TEXT(p->state, "current");
	p->knocked = true;
	TEXT(p->knock.address, address);
	p->knock.has_clock = true;
	p->here = p->near = FACT_NO;
	if (kind == HF_PLACE_NODE) {
		p->r.told_ns = DOCTOR_NOW_NS;
		TEXT(p->r.software, "0.1.0");
		p->r.used_bytes = 10;
		p->r.free_bytes = 1000;
		p->r.budget_bytes = UINT64_MAX;
	} else if (kind == HF_PLACE_BUCKET) {
		p->knock.certificate_ends_ns = DOCTOR_NOW_NS + 60 * DOCTOR_DAY_NS;
		TEXT(p->r.url, "s3://bucket/a?endpoint=https://s3.example.net&region=eu-1");
		TEXT(p->r.account, "AKIAONE");
		p->r.probed_ns = p->r.first_probed_ns = DOCTOR_NOW_NS - 100 * DOCTOR_DAY_NS;
		p->r.n_probed = 3;
		p->r.probed[0] = (struct hf_probed){ HF_FINDING_GOOD, "object lock", "COMPLIANCE" };
		p->r.probed[1] = (struct hf_probed){ HF_FINDING_GOOD, "default retention", "3650 days" };
		p->r.probed[2] = (struct hf_probed){ HF_FINDING_GOOD, "deleting", "refused" };
	}
}

static void make_machine(struct facts_machine *m)
{
	*m = (struct facts_machine){
		.hostname = "files",
		.vendor = "QEMU",
		.kernel = "Linux 6.1.0-18-amd64",
		.kernel_major = 6,
		.kernel_minor = 1,
		.synchronized = FACT_YES,
		.clock_error_us = 1500,
		.timekeeper = "chronyd",
		.swaps_known = FACT_YES,
		.core_pattern = "core",
		.process = { .pid = 4711,
			     .memlock_bytes = 8 << 20,
			     .open_files = 524288,
			     .open_files_used = 60,
			     .locks_any = FACT_NO,
			     .outdated = FACT_NO,
			     .fuse = "3.14.0",
			     .rocksdb = "7.8.3",
			     .zstd = "1.5.4" },
		.at_boot = FACT_YES,
		.at_boot_by = "/etc/fstab, on /srv/files",
		.drill_timer = FACT_YES,
		.drill_timer_name = "holdfast-drill@var-lib-volume.timer",
	};
}

static void make_disk(struct facts_disk *d)
{
	*d = (struct facts_disk){ .type = "ext4",
				  .device = "/dev/sda1",
				  .dir = "/",
				  .options = "rw,relatime,errors=remount-ro",
				  .encrypted = FACT_NO,
				  .free_bytes = UINT64_C(500) << 30,
				  .total_bytes = UINT64_C(1000) << 30,
				  .free_inodes = 900,
				  .total_inodes = 1000 };
}

struct facts *doctor_facts(void)
{
	struct facts *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->now_ns = DOCTOR_NOW_NS;
	TEXT(f->version, "0.1.0");
	make_store(&f->store);
	make_live(&f->live);
	f->replicas = calloc(3, sizeof(*f->replicas));
	assert_non_null(f->replicas);
	f->n_replicas = 2;
	make_replica(&f->replicas[0], HF_PLACE_NODE, "far", "backup.example.org", "203.0.113.7");
	make_replica(&f->replicas[1], HF_PLACE_BUCKET, "vault", "s3.example.net", "198.51.100.9");
	make_replica(&f->replicas[2], HF_PLACE_DIRECTORY, "near", "", "");
	TEXT(f->replicas[2].r.path, "/mnt/disk");
	f->replicas[2].here = FACT_YES;
	f->replicas[2].same_disk = FACT_NO;
	make_machine(&f->machine);
	make_disk(&f->disk);
	f->watch.settings = (struct hf_alarm_settings){ .hook = "/usr/local/bin/tell-me",
							.lag_s = 600,
							.unreachable_s = 3600,
							.window_s = 300,
							.files = 1000,
							.deletion_percent = 20,
							.overwrite_percent = 50,
							.encryption_files = 50,
							.drill_s = 30 * 86400 };
	f->watch.hook_runs = FACT_YES;
	f->watch.hook_there = true;
	f->rehearsal = (struct facts_rehearsal){ .drill_ns = DOCTOR_NOW_NS - 10 * DOCTOR_DAY_NS,
						 .drill_passed = true,
						 .drill_passed_ns = DOCTOR_NOW_NS - 10 * DOCTOR_DAY_NS,
						 .drill_rto_seconds = 600 };
	return f;
}

void doctor_facts_free(struct facts *f)
{
	facts_release(f);
	free(f);
}

void doctor_expect(const struct facts *f, const char *id, enum doctor_verdict verdict, const char *words)
{
	const struct doctor_check *check = doctor_find(id);
	struct doctor_finding got;

	if (!check)
		fail_msg("there is no check %s", id);
	doctor_judge(check, f, &got);
	if (got.verdict != verdict)
		fail_msg("%s is %s (%s), not %s", id, doctor_verdict_name(got.verdict), got.reason,
			 doctor_verdict_name(verdict));
	if (!strstr(got.reason, words) && !strstr(got.remedy, words) && !strstr(got.command, words))
		fail_msg("%s says \"%s\", \"%s\", \"%s\", and not \"%s\"", id, got.reason, got.remedy,
			 got.command, words);
	/* what is wrong has a remedy; what is well needs none; and every one has a reason */
	assert_true(got.reason[0]);
	if (verdict == DOCTOR_OK)
		assert_true(!got.remedy[0] && !got.command[0]);
	if (verdict >= DOCTOR_WARNING && !got.remedy[0])
		fail_msg("%s has no remedy", id);
}
