/* SPDX-License-Identifier: MIT */
/* What doctor makes of facts: of the store, its keys, the machine, the disk, the mount and alarms. */
#include <errno.h>
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

#define SET(field, words) (void)snprintf(field, sizeof(field), "%s", words)

#define CASE(id, verdict, words, ...)                          \
	do {                                                   \
		struct facts *f = doctor_facts();              \
                                                               \
		__VA_ARGS__;                                   \
		doctor_expect(f, id, DOCTOR_##verdict, words); \
		doctor_facts_free(f);                          \
	} while (0)

/* What is to be done is no one command, or not this user's to give. */
#define NO_COMMAND(id, ...)                                 \
	do {                                                \
		struct facts *f = doctor_facts();           \
		struct doctor_finding got;                  \
                                                            \
		__VA_ARGS__;                                \
		doctor_judge(doctor_find(id), f, &got);     \
		assert_true(got.verdict >= DOCTOR_WARNING); \
		assert_string_equal(got.command, "");       \
		doctor_facts_free(f);                       \
	} while (0)

static void the_kit(void **state)
{
	(void)state;
	CASE("kit-checked", OK, "10 days ago", );
	CASE("kit-checked", DANGER, "holdfast kit check - /var/lib/volume", f->store.r.kit_ns = 0);
	CASE("kit-checked", WARNING, "200 days ago", f->store.r.kit_ns = DOCTOR_NOW_NS - 200 * DOCTOR_DAY_NS);
	CASE("kit-away", DANGER, "shred -u /home/alice/volume.kit",
	     SET(f->store.kit, "/home/alice/volume.kit"));
}

static void drills(void **state)
{
	(void)state;
	CASE("drill", OK, "it passed 10 days ago, the newest files back in 10 minutes", );
	CASE("drill", DANGER, "never rehearsed", f->rehearsal.drill_code = -ENODATA);
	CASE("drill", UNKNOWN, "damaged", f->rehearsal.drill_code = -EUCLEAN;
	     SET(f->rehearsal.drill_text, "damaged"));
	CASE("drill", DANGER, "failed at: chain", f->rehearsal.drill_passed = false;
	     f->rehearsal.drill_passed_ns = 0; SET(f->rehearsal.drill_failed_step, "chain"));
	CASE("drill", DANGER, "failed at: delete", f->rehearsal.drill_passed = false;
	     SET(f->rehearsal.drill_failed_step, "delete"));
	CASE("drill", OK, "", f->rehearsal.drill_passed = false); /* a sample in between says nothing */
	CASE("drill", WARNING, "overdue", f->rehearsal.drill_overdue = true);
	CASE("drill", WARNING, "overdue", f->rehearsal.drill_passed_ns = DOCTOR_NOW_NS - 100 * DOCTOR_DAY_NS);
	CASE("drill", OK, "", f->rehearsal.drill_passed_ns = DOCTOR_NOW_NS - 100 * DOCTOR_DAY_NS;
	     f->rehearsal.drill_limit_s = 1);
	CASE("drill-timer", WARNING, "neither systemd nor cron", f->machine.drill_timer = FACT_NO);
	CASE("drill-timer", UNKNOWN, "", f->machine.drill_timer = FACT_UNKNOWN);
}

static void the_log(void **state)
{
	(void)state;
	CASE("head-saved", WARNING, "no head was ever", f->store.r.head_ns = 0);
	CASE("head-saved", WARNING, "40 days ago", f->store.r.head_ns = DOCTOR_NOW_NS - 40 * DOCTOR_DAY_NS);
	CASE("writer-epoch", WARNING, "holdfast rekey",
	     f->store.r.log.epoch_created_ns = DOCTOR_NOW_NS - 1500 * DOCTOR_DAY_NS);
	CASE("writer-epoch", UNKNOWN, "", f->store.r.log.code = -EIO);
	CASE("log-end", DANGER, "segment 3 is gone", f->store.r.log.code = -EUCLEAN;
	     SET(f->store.r.log.text, "segment 3 is gone"));
	CASE("log-end", UNKNOWN, "no", f->store.r.log.code = -EACCES; SET(f->store.r.log.text, "no"));
	CASE("log-verified", OK, "10 days ago", );
	CASE("log-verified", DANGER, "1 place is known", f->store.r.damaged = 1);
	CASE("log-verified", DANGER, "holdfast check /var/lib/volume --repair", f->store.r.damaged = 2);
	CASE("log-verified", WARNING, "100 days ago",
	     f->store.r.verified_ns = DOCTOR_NOW_NS - 100 * DOCTOR_DAY_NS);
	CASE("log-verified", WARNING, "never verified", f->store.r.verified_ns = 0;
	     f->store.r.created_ns = DOCTOR_NOW_NS - 100 * DOCTOR_DAY_NS);
	CASE("log-verified", OK, "", f->store.r.verified_ns = 0; f->store.r.created_ns = DOCTOR_NOW_NS);
	CASE("log-format", WARNING, "still take version 1, and this program writes 2",
	     f->store.r.format_newest = 2);
	CASE("log-format", UNKNOWN, "", f->store.r.log.code = -EIO);
	CASE("index", WARNING, "there is none", f->store.r.index = false);
	CASE("index", WARNING, "damage was found in it", f->store.r.index_damaged = true);
}

static void who_can_get_at_it(void **state)
{
	(void)state;
	CASE("store-permissions", OK, "0700", );
	CASE("store-permissions", WARNING, "0750: others may see", f->store.mode = S_IFDIR | 0750);
	CASE("store-permissions", DANGER, "0770: others may remove", f->store.mode = S_IFDIR | 0770);
	CASE("store-parents", DANGER, "chmod go-w /var/lib", SET(f->store.open_parent.path, "/var/lib"));
	CASE("store-parents", DANGER, "chmod go-w '/var/it'\\''s'",
	     SET(f->store.open_parent.path, "/var/it's"));
	CASE("store-parents", DANGER,
	     "somebody else owns /var/lib: ", SET(f->store.open_parent.path, "/var/lib");
	     f->store.open_parent.anothers = true);
	NO_COMMAND("store-parents", SET(f->store.open_parent.path, "/var/lib");
		   f->store.open_parent.anothers = true);
	CASE("key-permissions", DANGER, "chmod -R go= /var/lib/volume/keys",
	     SET(f->store.loose_key, "/var/lib/volume/keys/volume.key"));
	CASE("secret-permissions", DANGER, "socket", SET(f->store.loose_secret, "/var/lib/volume/socket"));
	CASE("key-kept", OK, "passphrase", );
	CASE("key-kept", OK, "not in the store", f->store.r.key.how = HF_KEY_ELSEWHERE);
	CASE("key-kept", OK, "encrypted disk", f->store.r.key.how = HF_KEY_PLAIN;
	     f->disk.encrypted = FACT_YES);
	CASE("key-kept", WARNING, "is not encrypted", f->store.r.key.how = HF_KEY_PLAIN);
	CASE("key-kept", WARNING, "may not be", f->store.r.key.how = HF_KEY_PLAIN;
	     f->disk.encrypted = FACT_UNKNOWN);
	CASE("key-kept", UNKNOWN, "", f->store.r.key_code = -EACCES);
}

static void add_swap(struct facts *f, enum fact encrypted)
{
	f->machine.n_swaps = 1;
	SET(f->machine.swaps[0].name, "/dev/sda2");
	f->machine.swaps[0].encrypted = encrypted;
}

static void memory(void **state)
{
	(void)state;
	CASE("swap", OK, "0", );
	CASE("swap", OK, "1", add_swap(f, FACT_YES));
	CASE("swap", WARNING, "/dev/sda2 is not encrypted", add_swap(f, FACT_NO));
	CASE("swap", WARNING, "swapoff /dev/sda2", add_swap(f, FACT_UNKNOWN));
	CASE("swap", UNKNOWN, "", f->machine.swaps_known = FACT_NO);
	CASE("core-dumps", DANGER, "|/usr/lib/systemd/systemd-coredump",
	     f->machine.process.core_bytes = INT64_MAX;
	     SET(f->machine.core_pattern, "|/usr/lib/systemd/systemd-coredump"));
	CASE("core-dumps", UNKNOWN, "4711", f->machine.process.core_bytes = FACTS_NUMBER_UNKNOWN);
	CASE("core-dumps", UNKNOWN, "does not answer", f->live.answers = false;
	     f->machine.process.core_bytes = 9);
	CASE("core-dumps", OK, "itself", f->live.mounted = f->live.answers = false;
	     f->machine.process.core_bytes = 9);
	CASE("memory-lock", WARNING, "64 KiB", f->machine.process.memlock_bytes = 65536);
	CASE("memory-lock", OK, "", f->machine.process.memlock_bytes = 0;
	     f->machine.process.locks_any = FACT_YES);
	CASE("memory-lock", OK, "", f->machine.process.memlock_bytes = INT64_MAX);
	CASE("memory-lock", UNKNOWN, "", f->machine.process.memlock_bytes = FACTS_NUMBER_UNKNOWN);
}

static void the_machine(void **state)
{
	(void)state;
	CASE("time-sync", OK, "by chronyd", );
	CASE("time-sync", WARNING, "though there is chronyd", f->machine.synchronized = FACT_NO);
	CASE("time-sync", WARNING, "timedatectl", f->machine.synchronized = FACT_NO;
	     f->machine.timekeeper[0] = 0);
	CASE("time-sync", WARNING, "off by 11 s", f->machine.clock_error_us = 11000000);
	/* what timesyncd's clock has grown to when it asks again, after 34 minutes */
	CASE("time-sync", OK, "to 1.", f->machine.clock_error_us = 1024000);
	CASE("time-sync", UNKNOWN, "", f->machine.synchronized = FACT_UNKNOWN);
	CASE("clock", WARNING, "in the future", f->store.r.log.time_ns = DOCTOR_NOW_NS + DOCTOR_DAY_NS);
	CASE("clock", UNKNOWN, "", f->store.r.log.code = -EIO);
	CASE("kernel", WARNING, "before 5.10", f->machine.kernel_major = 5; f->machine.kernel_minor = 4);
	CASE("kernel", OK, "", f->machine.kernel_major = 5; f->machine.kernel_minor = 10);
	CASE("kernel", UNKNOWN, "", f->machine.kernel_major = 0);
	CASE("libraries", WARNING, "libfuse 3.10.5", SET(f->machine.process.fuse, "3.10.5"));
	CASE("libraries", WARNING, "RocksDB 6.11.4", SET(f->machine.process.rocksdb, "6.11.4"));
	CASE("libraries", OK, "3.18", SET(f->machine.process.fuse, "3.18.1"));
	CASE("libraries", UNKNOWN, "", f->machine.process.fuse[0] = f->machine.process.rocksdb[0] = 0);
	CASE("running", WARNING, "runs 0.0.9, and installed is 0.1.0", SET(f->live.version, "0.0.9"));
	CASE("running", WARNING, "librocksdb", f->machine.process.outdated = FACT_YES;
	     SET(f->machine.process.outdated_what, "/usr/lib/librocksdb.so.7.8.3"));
	CASE("running", UNKNOWN, "", f->machine.process.outdated = FACT_UNKNOWN);
	CASE("running", UNKNOWN, "does not answer", f->live.answers = false; f->live.version[0] = 0);
	CASE("running", WARNING, "holdfast unmount '/srv/my files'", SET(f->live.version, "0.0.9");
	     SET(f->live.dir, "/srv/my files"));
	CASE("running", OK, "nothing runs", f->live.mounted = f->live.answers = false);
	CASE("open-files", WARNING, "at most 256", f->machine.process.open_files = 256);
	CASE("open-files", WARNING, "900 of 1024 are in use", f->machine.process.open_files = 1024;
	     f->machine.process.open_files_used = 900);
	CASE("open-files", OK, "524288", f->machine.process.open_files_used = FACTS_NUMBER_UNKNOWN);
	CASE("open-files", UNKNOWN, "", f->machine.process.open_files = FACTS_NUMBER_UNKNOWN);
}

static void the_disk(void **state)
{
	(void)state;
	CASE("disk-room", OK, "500 GiB of 1000 GiB", );
	CASE("disk-room", WARNING, "90 GiB", f->disk.free_bytes = UINT64_C(90) << 30);
	CASE("disk-room", DANGER, "only deleted", f->disk.free_bytes = 256 << 20);
	CASE("disk-room", UNKNOWN, "", f->disk.total_bytes = 0);
	CASE("disk-inodes", WARNING, "10 of 1000", f->disk.free_inodes = 10);
	CASE("disk-inodes", OK, "without a limit", f->disk.free_inodes = f->disk.total_inodes = 0);
	CASE("disk-kind", DANGER, "in memory", f->disk.memory = true; SET(f->disk.type, "tmpfs"));
	CASE("disk-kind", WARNING, "network", f->disk.network = true; SET(f->disk.type, "nfs4"));
	CASE("disk-kind", WARNING, "container", f->disk.overlay = true);
	CASE("disk-kind", WARNING, "not known", f->disk.fuse = true);
	CASE("disk-kind", UNKNOWN, "", f->disk.type[0] = 0);
	CASE("disk-options", DANGER, "nobarrier", SET(f->disk.options, "rw,nobarrier"));
	CASE("disk-options", DANGER, "volatile", SET(f->disk.options, "rw,volatile,relatime"));
	CASE("disk-options", OK, "", SET(f->disk.options, "rw,nobarriers,data=ordered"));
	/* with these a sync is one: what they leave open is the order of what was not synced */
	CASE("disk-options", OK, "", SET(f->disk.options, "rw,data=writeback,relatime"));
	CASE("disk-options", OK, "", SET(f->disk.options, "rw,nodatacow"));
	CASE("disk-errors", OK, "has counted none", );
	CASE("disk-errors", OK, "none were seen", f->disk.errors = FACTS_NUMBER_UNKNOWN);
	CASE("disk-errors", DANGER, "counted 3 errors", f->disk.errors = 3);
	CASE("disk-errors", DANGER, "read-only", f->disk.read_only = true);
	CASE("store-place", DANGER, "inside its own mount", f->disk.inside_own_mount = true);
	CASE("store-place", DANGER, "another holdfast", f->disk.holdfast = true);
}

static void the_mount(void **state)
{
	(void)state;
	CASE("mounted", OK, "on /srv/files", );
	CASE("mounted", OK, "at rest", f->live.mounted = f->live.answers = false);
	CASE("mounted", DANGER, "is gone", f->live.mounted = f->live.answers = false; f->live.dead = true);
	CASE("mounted", UNKNOWN, "another user", f->live.answers = false;
	     SET(f->live.why, "it is another user's"));
	CASE("mounted", WARNING, "read-only", f->live.read_only = true);
	CASE("mount-health", DANGER, "the disk failed", SET(f->live.failed, "the disk failed"));
	CASE("mount-options", WARNING, "nosuid", f->live.suid = FACT_YES);
	CASE("mount-options", WARNING, "nodev", f->live.dev = FACT_YES);
	CASE("mount-options", DANGER, "default_permissions", f->live.default_permissions = FACT_NO);
	CASE("mount-options", OK, "at rest", f->live.mounted = false);
	CASE("mount-options", UNKNOWN, "no mount of it here", f->live.suid = FACT_UNKNOWN);
	CASE("mount-at-boot", OK, "fstab", );
	CASE("mount-at-boot", WARNING,
	     "echo '/var/lib/volume /srv/files fuse.holdfast nosuid,nodev,_netdev,nofail,"
	     "x-systemd.mount-timeout=infinity 0 0' >> /etc/fstab",
	     f->machine.at_boot = FACT_NO);
	NO_COMMAND("mount-at-boot", f->machine.at_boot = FACT_NO; SET(f->live.dir, "/srv/my files"));
	NO_COMMAND("mount-at-boot", f->machine.at_boot = FACT_NO; SET(f->store.path, "/var/it's"));
	CASE("mount-at-boot", UNKNOWN, "", f->machine.at_boot = FACT_UNKNOWN);
}

static void alarms(void **state)
{
	(void)state;
	CASE("alarms-open", DANGER, "2 open, the newest: lag, replica far", f->watch.open = 2;
	     SET(f->watch.newest, "lag, replica far"));
	CASE("alarms-open", UNKNOWN, "", f->watch.alarms_code = -EACCES);
	CASE("alarm-settings", WARNING, "damaged", f->watch.settings_code = -EUCLEAN;
	     SET(f->watch.settings_text, "damaged"));
	CASE("alarm-settings", WARNING, "behind", f->watch.settings.lag_s = 0);
	CASE("alarm-settings", WARNING, "holdfast alarms set /var/lib/volume lag=10m unreachable=1h",
	     f->watch.settings.lag_s = f->watch.settings.unreachable_s = 0);
	CASE("alarm-settings", WARNING, "mass deletion", f->watch.settings.deletion_percent = 0);
	CASE("alarm-settings", WARNING, "mass overwriting; no alarm is raised of files being encrypted",
	     f->watch.settings.overwrite_percent = f->watch.settings.encryption_files = 0);
	CASE("alarm-settings", WARNING, "set /var/lib/volume drill=30d", f->watch.settings.drill_s = 0);
	CASE("alarm-receivers", OK, "tell-me", );
	CASE("alarm-receivers", WARNING, "nobody is told", f->watch.settings.hook[0] = 0);
	CASE("alarm-receivers", OK, "webhook", f->watch.settings.hook[0] = 0;
	     SET(f->watch.settings.url, "https://example.org/x"));
	CASE("alarm-receivers", UNKNOWN, "", f->watch.settings_code = -EUCLEAN);
	CASE("alarm-hook", DANGER, "chmod 755 /usr/local/bin/tell-me", f->watch.hook_runs = FACT_NO);
	CASE("alarm-hook", DANGER, "tell-me is not there", f->watch.hook_runs = FACT_NO;
	     f->watch.hook_there = false);
	NO_COMMAND("alarm-hook", f->watch.hook_runs = FACT_NO; f->watch.hook_there = false);
	CASE("alarm-hook", DANGER, "chmod go-w /usr/local/bin",
	     SET(f->watch.hook_open.path, "/usr/local/bin"));
	CASE("alarm-hook", DANGER, "which is theirs", SET(f->watch.hook_open.path, "/usr/local/bin");
	     f->watch.hook_open.anothers = true);
	NO_COMMAND("alarm-hook", SET(f->watch.hook_open.path, "/usr/local/bin");
		   f->watch.hook_open.anothers = true);
	CASE("alarm-hook", OK, "none", f->watch.settings.hook[0] = 0);
	CASE("alarm-tested", OK, "10 days ago", );
	CASE("alarm-tested", WARNING, "holdfast alarms test /var/lib/volume", f->store.r.alarm_test_ns = 0);
	CASE("alarm-tested", DANGER, "no such program", f->store.r.alarm_test_passed = false;
	     SET(f->store.r.alarm_test_text, "no such program"));
	CASE("alarm-tested", WARNING, "200 days ago",
	     f->store.r.alarm_test_ns = DOCTOR_NOW_NS - 200 * DOCTOR_DAY_NS);
	CASE("alarm-tested", OK, "nobody", f->watch.settings.hook[0] = 0; f->store.r.alarm_test_ns = 0);
	CASE("alarm-delivered", DANGER, "1 open", f->watch.open = f->watch.undelivered = 1);
	CASE("alarm-delivered", UNKNOWN, "", f->watch.alarms_code = -EACCES);
	CASE("alarm-delivered", OK, "", f->watch.undelivered = 1; f->watch.settings.hook[0] = 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kit),  cmocka_unit_test(drills),
		cmocka_unit_test(the_log),  cmocka_unit_test(who_can_get_at_it),
		cmocka_unit_test(memory),   cmocka_unit_test(the_machine),
		cmocka_unit_test(the_disk), cmocka_unit_test(the_mount),
		cmocka_unit_test(alarms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
