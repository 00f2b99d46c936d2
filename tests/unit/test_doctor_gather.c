/* SPDX-License-Identifier: MIT */
/* What doctor sees of a machine: of one made up, below a folder, and of this one. */
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/doctor/gather.h"
#include "tests/unit/doctor_helper.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

#define SET(field, words) (void)snprintf(field, sizeof(field), "%s", words)

/* ROOT/path with these words, and all folders above. */
static void put_file(const char *root, const char *path, const char *words)
{
	char full[600];
	FILE *f;

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		(void)mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "we");
	assert_non_null(f);
	assert_true(fputs(words, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct facts *blank(void)
{
	struct facts *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	SET(f->store.path, "/var/lib/volume");
	SET(f->live.dir, "/srv/files");
	return f;
}

/* --- what runs by itself */

static void expect_boot(const char *path, const char *words, enum fact at_boot, enum fact drill,
			const char *by)
{
	char *root = scratch_make();
	struct facts *f = blank();

	put_file(root, "/etc/fstab", "# nothing\n");
	put_file(root, "/etc/systemd/system/multi-user.target.wants/other.service", "ExecStart=/bin/true\n");
	put_file(root, path, words);
	gather_boot(root, f);
	if (f->machine.at_boot != at_boot || f->machine.drill_timer != drill)
		fail_msg("%s, %s: at boot %d, drill %d", path, words, f->machine.at_boot,
			 f->machine.drill_timer);
	assert_non_null(strstr(f->machine.at_boot_by, by));
	free(f);
	scratch_remove(&root);
}

static void who_mounts_it(void **state)
{
	(void)state;
	expect_boot("/etc/fstab", "/var/lib/volume /srv/files fuse.holdfast defaults,_netdev 0 0\n", FACT_YES,
		    FACT_NO, "/etc/fstab, on /srv/files");
	expect_boot("/etc/fstab", "holdfast#/var/lib/volume /srv/files fuse defaults 0 0\n", FACT_YES,
		    FACT_NO, "/srv/files");
	expect_boot("/etc/fstab", "/var/lib/volume /srv/files fuse.holdfast noauto 0 0\n", FACT_NO, FACT_NO,
		    "");
	expect_boot("/etc/fstab", "/var/lib/volume2 /srv/files fuse.holdfast defaults 0 0\n", FACT_NO,
		    FACT_NO, "");
	expect_boot("/etc/fstab", "#/var/lib/volume /srv/files fuse.holdfast defaults 0 0\n", FACT_NO,
		    FACT_NO, "");
	expect_boot("/etc/systemd/system/multi-user.target.wants/mine.service",
		    "[Service]\nExecStart=/usr/bin/holdfast mount /var/lib/volume /srv/files -f\n", FACT_YES,
		    FACT_NO, "mine.service");
	expect_boot("/etc/systemd/system/multi-user.target.wants/mine.service",
		    "[Service]\n#ExecStart=/usr/bin/holdfast mount /var/lib/volume /srv/files -f\n", FACT_NO,
		    FACT_NO, "");
	expect_boot("/etc/systemd/system/mine.service", /* it is there, and not enabled */
		    "[Service]\nExecStart=/usr/bin/holdfast mount /var/lib/volume /srv/files -f\n", FACT_NO,
		    FACT_NO, "");
	expect_boot("/etc/systemd/system/multi-user.target.wants/mine.service",
		    "ExecStart=/usr/bin/holdfast mount /var/lib/volume-two /srv/files\n", FACT_NO, FACT_NO,
		    "");
	expect_boot("/etc/systemd/system/multi-user.target.wants/mine.service",
		    "Environment=STORE=/var/lib/volume\nExecStart=/usr/bin/holdfast mount -f ${STORE} "
		    "/srv/files\n",
		    FACT_YES, FACT_NO, "mine.service");
	expect_boot("/etc/systemd/system/multi-user.target.wants/page.service", /* it looks at it */
		    "ExecStart=/usr/bin/holdfast web /var/lib/volume\n", FACT_NO, FACT_NO, "");
	expect_boot("/etc/systemd/system/local-fs.target.wants/var-lib-volume.mount", /* its disk */
		    "[Mount]\nWhat=/dev/sdb1\nWhere=/var/lib/volume\n", FACT_NO, FACT_NO, "");
	expect_boot("/etc/systemd/system/remote-fs.target.wants/srv-files.mount",
		    "[Mount]\nWhat=/var/lib/volume\n", FACT_YES, FACT_NO, "srv-files.mount");
}

static void by_an_instance(void **state)
{
	char *root = scratch_make();
	struct facts *f = blank();

	(void)state;
	put_file(root, "/etc/systemd/system/multi-user.target.wants/holdfast-mount@one.service",
		 "ExecStart=x ${STORE}\n");
	put_file(root, "/etc/holdfast/one.conf", "STORE=/var/lib/volume\nDIR=/srv/files\n");
	gather_boot(root, f);
	assert_int_equal(f->machine.at_boot, FACT_YES);
	assert_string_equal(f->machine.at_boot_by, "holdfast-mount@one.service");
	free(f);
	scratch_remove(&root);
}

/* A user's own units, which name their settings below his home. */
static void by_a_user(void **state)
{
	const struct passwd *pw = getpwnam("nobody");
	char *root = scratch_make(), path[300];
	struct facts *f = blank();

	(void)state;
	if (!pw || pw->pw_uid == 0)
		skip();
	f->store.uid = pw->pw_uid;
	(void)snprintf(path, sizeof(path),
		       "%s/.config/systemd/user/default.target.wants/holdfast-mount@one.service", pw->pw_dir);
	put_file(root, path, "ExecStart=x ${STORE}\n");
	put_file(root, "/etc/holdfast/one.conf", "STORE=/var/lib/anothers\n");
	(void)snprintf(path, sizeof(path), "%s/.config/holdfast/one.conf", pw->pw_dir);
	put_file(root, path, "STORE=/var/lib/volume\n");
	gather_boot(root, f);
	assert_int_equal(f->machine.at_boot, FACT_YES);
	assert_string_equal(f->machine.at_boot_by, "holdfast-mount@one.service");
	free(f);
	scratch_remove(&root);
}

static void who_rehearses(void **state)
{
	(void)state;
	expect_boot("/etc/systemd/system/timers.target.wants/holdfast-drill@var-lib-volume.timer", "",
		    FACT_NO, FACT_YES, "");
	expect_boot("/etc/systemd/system/timers.target.wants/holdfast-drill@srv-files.timer", "", FACT_NO,
		    FACT_YES, "");
	expect_boot("/etc/systemd/system/timers.target.wants/holdfast-drill@var-lib-volume\\x2dtwo.timer", "",
		    FACT_NO, FACT_NO, ""); /* another store's */
	expect_boot("/etc/systemd/system/timers.target.wants/holdfast-drills.timer", "", FACT_NO, FACT_YES,
		    "");
	expect_boot("/etc/crontab", "5 4 1 * * root holdfast drill /var/lib/volume\n", FACT_NO, FACT_YES, "");
	expect_boot("/etc/cron.d/drill", "5 4 1 * * root holdfast drill /var/lib/volume\n", FACT_NO, FACT_YES,
		    "");
	expect_boot("/etc/cron.monthly/drill", "#!/bin/sh\n# holdfast drill\n", FACT_NO, FACT_NO, "");
	expect_boot("/etc/crontab", "5 4 1 * * root holdfast drill /var/lib/other > /dev/null\n", FACT_NO,
		    FACT_NO, "");
	expect_boot("/etc/crontab", "5 4 1 * * root holdfast drill --dir /data\n", FACT_NO, FACT_YES, "");
}

static void nothing_can_be_read(void **state)
{
	char *root = scratch_make();
	struct facts *f = blank();

	(void)state;
	gather_boot(root, f);
	assert_int_equal(f->machine.at_boot, FACT_UNKNOWN);
	assert_int_equal(f->machine.drill_timer, FACT_UNKNOWN);
	gather_machine(root, f);
	assert_int_equal(f->machine.swaps_known, FACT_NO);
	assert_int_equal(f->machine.process.open_files, FACTS_NUMBER_UNKNOWN);
	assert_int_equal(f->machine.process.outdated, FACT_UNKNOWN);
	assert_int_equal(f->live.suid, FACT_UNKNOWN);
	gather_disk(root, f);
	assert_string_equal(f->disk.type, "");
	assert_int_equal(f->disk.encrypted, FACT_UNKNOWN);
	assert_int_equal(f->disk.errors, FACTS_NUMBER_UNKNOWN);
	free(f);
	scratch_remove(&root);
}

/* --- the process and the machine */

static const char limits[] =
	"Limit                     Soft Limit           Hard Limit           Units     \n"
	"Max core file size        0                    unlimited            bytes     \n"
	"Max open files            1024                 524288               files     \n"
	"Max locked memory         unlimited            unlimited            bytes     \n";
static const char maps[] =
	"7f0000000000-7f0000001000 r--p 00000000 08:01 11 /usr/lib/x86_64-linux-gnu/libfuse3.so.3.14.0\n"
	"7f0000000000-7f0000001000 r--p 00000000 08:01 11 /usr/lib/x86_64-linux-gnu/librocksdb.so.7.8.3 "
	"(deleted)\n"
	"7f0000000000-7f0000001000 rw-s 00000000 00:01 11 /memfd:x (deleted)\n"
	"7f0000000000-7f0000001000 r--p 00000000 08:01 11 /usr/lib/x86_64-linux-gnu/libzstd.so.1.5.4\n";
static const char mountinfo[] =
	"30 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
	"40 30 0:50 / /srv/files rw,nosuid,relatime - fuse.holdfast /var/lib/volume "
	"rw,user_id=0,group_id=0,allow_other\n"
	"41 30 0:51 / /srv/other rw,nodev - fuse.holdfast /var/lib/other rw,default_permissions\n";

static void the_process(void **state)
{
	char *root = scratch_make(), program[600];
	struct facts *f = blank();
	const struct facts_process *p = &f->machine.process;

	(void)state;
	f->live.mounted = f->live.answers = true;
	f->live.pid = 4711;
	put_file(root, "/proc/4711/limits", limits);
	put_file(root, "/proc/4711/maps", maps);
	put_file(root, "/proc/4711/status", "Name:\tholdfast\nCapEff:\t0000000000004000\n");
	put_file(root, "/proc/4711/comm", "holdfast\n");
	put_file(root, "/proc/4711/fd/0", "");
	put_file(root, "/proc/4711/fd/1", "");
	put_file(root, "/proc/99/comm", "systemd-timesyn\n");
	(void)snprintf(program, sizeof(program), "%s/proc/4711/exe", root);
	assert_int_equal(symlink("/usr/bin/holdfast", program), 0);
	put_file(root, "/proc/swaps",
		 "Filename\t\t\t\tType\t\tSize\n/dev/zram0 partition 1 0 5\n/swap\\040file file 2 0 -2\n");
	put_file(root, "/proc/sys/kernel/core_pattern", "|/bin/handler %p\n");
	put_file(root, "/sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
	put_file(root, "/proc/self/mountinfo", mountinfo);
	gather_machine(root, f);
	assert_int_equal(p->pid, 4711);
	assert_int_equal(p->core_bytes, 0);
	assert_int_equal(p->open_files, 1024);
	assert_int_equal(p->open_files_used, 2);
	assert_true(p->memlock_bytes == INT64_MAX);
	assert_int_equal(p->locks_any, FACT_YES);
	assert_int_equal(p->outdated, FACT_YES);
	assert_non_null(strstr(p->outdated_what, "librocksdb.so.7.8.3"));
	assert_string_equal(p->fuse, "3.14.0");
	assert_string_equal(p->rocksdb, "7.8.3");
	assert_string_equal(p->zstd, "1.5.4");
	assert_string_equal(f->machine.timekeeper, "systemd-timesyncd");
	assert_int_equal(f->machine.n_swaps, 2);
	assert_int_equal(f->machine.swaps[0].encrypted, FACT_YES);
	assert_string_equal(f->machine.swaps[1].name, "/swap file");
	assert_int_equal(f->machine.swaps[1].encrypted, FACT_UNKNOWN); /* it is not there */
	assert_string_equal(f->machine.core_pattern, "|/bin/handler %p");
	assert_string_equal(f->machine.vendor, "Amazon EC2");
	assert_int_equal(f->live.suid, FACT_NO);
	assert_int_equal(f->live.dev, FACT_YES);
	assert_int_equal(f->live.allow_other, FACT_YES);
	assert_int_equal(f->live.default_permissions, FACT_NO);
	free(f);
	scratch_remove(&root);
}

/* A process that does not say who it is is not taken for this one. */
static void a_process_that_does_not_answer(void **state)
{
	struct facts *f = blank();

	(void)state;
	f->live.mounted = true;
	gather_machine("", f);
	assert_int_equal(f->machine.process.open_files, FACTS_NUMBER_UNKNOWN);
	assert_int_equal(f->machine.process.core_bytes, FACTS_NUMBER_UNKNOWN);
	assert_int_equal(f->machine.process.outdated, FACT_UNKNOWN);
	assert_string_equal(f->machine.process.rocksdb, "");
	free(f);
}

/* --- the disk */

static void file_systems(void **state)
{
	static const char mounts[] = "/dev/sda1 / ext4 rw,relatime 0 0\n"
				     "tmpfs /var tmpfs rw 0 0\n"
				     "host:/x /var/lib nfs4 rw,nosuid 0 0\n"
				     "over /var/lib/volumes overlay rw 0 0\n"
				     "/store /mnt/a\\040b fuse.holdfast rw 0 0\n"
				     "sshfs /mnt/s fuse.sshfs rw 0 0\n";
	char *root = scratch_make();
	struct facts_disk d = { .type = "" };

	(void)state;
	put_file(root, "/proc/self/mounts", mounts);
	gather_filesystem(root, "/var/lib/volume", &d);
	assert_string_equal(d.type, "nfs4");
	assert_string_equal(d.options, "rw,nosuid");
	assert_true(d.network && !d.memory && !d.fuse);
	memset(&d, 0, sizeof(d));
	gather_filesystem(root, "/var/x", &d);
	assert_true(d.memory && !d.network);
	memset(&d, 0, sizeof(d));
	gather_filesystem(root, "/mnt/a b/store", &d);
	assert_true(d.holdfast && d.fuse);
	memset(&d, 0, sizeof(d));
	gather_filesystem(root, "/mnt/s", &d);
	assert_true(d.network && d.fuse && !d.holdfast);
	memset(&d, 0, sizeof(d));
	gather_filesystem(root, "/srv", &d);
	assert_string_equal(d.type, "ext4");
	assert_string_equal(d.device, "/dev/sda1");
	scratch_remove(&root);
}

static void link_below(const char *root, const char *target, const char *name)
{
	char full[600], to[600], *slash;

	(void)snprintf(full, sizeof(full), "%s%s", root, name);
	(void)snprintf(to, sizeof(to), "%s%s", root, target);
	slash = strrchr(full, '/');
	*slash = 0;
	(void)mkdir(full, 0700);
	*slash = '/';
	assert_int_equal(symlink(to, full), 0);
}

/* 8:1 is a partition; 254:0 is LUKS on it; 254:1 is a volume of LVM on that; 254:2 one of LVM on two, one
 * not. */
static void encrypted_devices(void **state)
{
	char *root = scratch_make(), name[64];

	(void)state;
	put_file(root, "/sys/block/sda1/partition", "1\n");
	put_file(root, "/sys/block/dm-0/dm/uuid", "CRYPT-LUKS2-abc\n");
	put_file(root, "/sys/block/dm-0/slaves/sda1/partition", "1\n");
	put_file(root, "/sys/block/dm-1/dm/uuid", "LVM-abc\n");
	put_file(root, "/sys/block/dm-1/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-abc\n");
	put_file(root, "/sys/block/dm-2/dm/uuid", "LVM-abc\n");
	put_file(root, "/sys/block/dm-2/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-abc\n");
	put_file(root, "/sys/block/dm-2/slaves/sda1/partition", "1\n");
	put_file(root, "/sys/block/loop0/size", "1\n");
	put_file(root, "/sys/dev/block/x", "");
	link_below(root, "/sys/block/sda1", "/sys/dev/block/8:1");
	link_below(root, "/sys/block/dm-0", "/sys/dev/block/254:0");
	link_below(root, "/sys/block/dm-1", "/sys/dev/block/254:1");
	link_below(root, "/sys/block/dm-2", "/sys/dev/block/254:2");
	link_below(root, "/sys/block/loop0", "/sys/dev/block/7:0");
	assert_int_equal(gather_encrypted(root, makedev(8, 1)), FACT_NO);
	assert_int_equal(gather_encrypted(root, makedev(254, 0)), FACT_YES);
	assert_int_equal(gather_encrypted(root, makedev(254, 1)), FACT_YES);
	assert_int_equal(gather_encrypted(root, makedev(254, 2)), FACT_NO);
	assert_int_equal(gather_encrypted(root, makedev(7, 0)), FACT_UNKNOWN);
	assert_int_equal(gather_encrypted(root, makedev(0, 40)), FACT_UNKNOWN);
	assert_true(gather_device_name(root, makedev(254, 1), name, sizeof(name)));
	assert_string_equal(name, "dm-1");
	scratch_remove(&root);
}

/* 8:1 and 8:2 are parts of sda; 8:16 is sdb; 254:0 is LVM on parts of both, 254:1 LUKS on one of sdb; 7:0 is
 * a loop, 254:2 LVM on that and a part of sda. */
static void disks_that_are_shared(void **state)
{
	char *root = scratch_make();

	(void)state;
	put_file(root, "/sys/block/sda/sda1/partition", "1\n");
	put_file(root, "/sys/block/sda/sda2/partition", "2\n");
	put_file(root, "/sys/block/sdb/sdb1/partition", "1\n");
	put_file(root, "/sys/block/dm-0/size", "1\n");
	put_file(root, "/sys/block/dm-1/size", "1\n");
	put_file(root, "/sys/block/dm-2/size", "1\n");
	put_file(root, "/sys/block/loop0/size", "1\n");
	put_file(root, "/sys/dev/block/x", "");
	link_below(root, "/sys/block/sda/sda2", "/sys/block/dm-0/slaves/sda2");
	link_below(root, "/sys/block/loop0", "/sys/block/dm-2/slaves/loop0");
	link_below(root, "/sys/block/sda/sda2", "/sys/block/dm-2/slaves/sda2");
	link_below(root, "/sys/block/dm-2", "/sys/dev/block/254:2");
	link_below(root, "/sys/block/sdb/sdb1", "/sys/block/dm-0/slaves/sdb1");
	link_below(root, "/sys/block/sdb/sdb1", "/sys/block/dm-1/slaves/sdb1");
	link_below(root, "/sys/block/sda/sda1", "/sys/dev/block/8:1");
	link_below(root, "/sys/block/sda/sda2", "/sys/dev/block/8:2");
	link_below(root, "/sys/block/sdb", "/sys/dev/block/8:16");
	link_below(root, "/sys/block/dm-0", "/sys/dev/block/254:0");
	link_below(root, "/sys/block/dm-1", "/sys/dev/block/254:1");
	link_below(root, "/sys/block/loop0", "/sys/dev/block/7:0");
	assert_int_equal(gather_share_disk(root, makedev(8, 1), makedev(8, 2)), FACT_YES);
	assert_int_equal(gather_share_disk(root, makedev(8, 1), makedev(8, 16)), FACT_NO);
	assert_int_equal(gather_share_disk(root, makedev(8, 1), makedev(254, 0)), FACT_YES);
	assert_int_equal(gather_share_disk(root, makedev(254, 1), makedev(254, 0)), FACT_YES);
	assert_int_equal(gather_share_disk(root, makedev(254, 1), makedev(8, 1)), FACT_NO);
	assert_int_equal(gather_share_disk(root, makedev(7, 0), makedev(8, 1)), FACT_UNKNOWN);
	assert_int_equal(gather_share_disk(root, makedev(254, 2), makedev(8, 1)), FACT_YES);
	assert_int_equal(gather_share_disk(root, makedev(254, 2), makedev(8, 16)), FACT_UNKNOWN);
	assert_int_equal(gather_share_disk(root, makedev(0, 40), makedev(8, 1)), FACT_UNKNOWN);
	scratch_remove(&root);
}

/* --- folders above */

static void folders_that_others_may_write(void **state)
{
	char *dir = scratch_make(), above[300], path[600];
	struct facts_open found;

	(void)state;
	(void)snprintf(above, sizeof(above), "%s/above", dir);
	(void)snprintf(path, sizeof(path), "%s/store", above);
	assert_int_equal(mkdir(above, 0755), 0);
	gather_open_parent(path, getuid(), &found);
	assert_string_equal(found.path, "");
	assert_int_equal(chmod(above, 0777), 0);
	gather_open_parent(path, getuid(), &found);
	assert_string_equal(found.path, above);
	assert_false(found.anothers);
	assert_int_equal(chmod(above, 01777), 0); /* as /tmp is: what is another's stays */
	gather_open_parent(path, getuid(), &found);
	assert_string_equal(found.path, "");
	if (getuid() == 0) {
		assert_int_equal(chmod(above, 0755), 0);
		assert_int_equal(chown(above, 65534, 0), 0);
		gather_open_parent(path, 0, &found);
		assert_string_equal(found.path, above);
		assert_true(found.anothers);
	}
	scratch_remove(&dir);
}

/* --- the store */

static void expect_open(const struct facts *f, enum fact runs, bool there, const char *path)
{
	assert_int_equal(f->watch.hook_runs, runs);
	assert_int_equal(f->watch.hook_there, there);
	assert_string_equal(f->watch.hook_open.path, path);
}

static void the_hook(void **state)
{
	char folder[300], hook[400], setting[420];
	const char *change = setting;
	struct store_fixture s;
	struct facts *f = blank();

	(void)state;
	store_fixture_init(&s, NULL);
	SET(f->store.path, s.path);
	f->store.uid = getuid();
	(void)snprintf(folder, sizeof(folder), "%s/programs", s.dir);
	(void)snprintf(hook, sizeof(hook), "%s/hook", folder);
	(void)snprintf(setting, sizeof(setting), "hook=%s", hook);
	assert_int_equal(mkdir(folder, 0755), 0);
	put_file(folder, "/hook", "#!/bin/sh\n");
	assert_int_equal(chmod(hook, 0755), 0);
	assert_int_equal(hf_alarm_set(s.path, &change, 1, NULL), 0);
	gather_watch(f);
	expect_open(f, FACT_YES, true, "");
	assert_int_equal(chmod(hook, 0775), 0);
	gather_watch(f);
	expect_open(f, FACT_YES, true, hook);
	assert_int_equal(chmod(folder, 0777), 0); /* what is to be closed first */
	gather_watch(f);
	expect_open(f, FACT_YES, true, folder);
	assert_int_equal(chmod(hook, 0644), 0);
	gather_watch(f);
	expect_open(f, FACT_NO, true, folder);
	assert_int_equal(unlink(hook), 0); /* who may write there may put one there */
	gather_watch(f);
	expect_open(f, FACT_NO, false, folder);
	free(f);
	store_fixture_release(&s);
}

/* --- this machine: whatever it is like, it can be looked at */

static void this_machine(void **state)
{
	struct facts *f = blank();
	char here[FACTS_PATH_BYTES];

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	SET(f->store.path, here);
	gather_machine("", f);
	assert_true(f->machine.kernel_major > 0);
	assert_true(f->machine.process.open_files > 0);
	assert_true(f->machine.process.rocksdb[0] != 0);
	assert_int_equal(f->machine.process.outdated, FACT_NO);
	gather_disk("", f);
	assert_true(f->disk.type[0] != 0);
	assert_true(f->disk.total_bytes > 0);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_mounts_it),
		cmocka_unit_test(by_an_instance),
		cmocka_unit_test(by_a_user),
		cmocka_unit_test(who_rehearses),
		cmocka_unit_test(nothing_can_be_read),
		cmocka_unit_test(the_process),
		cmocka_unit_test(a_process_that_does_not_answer),
		cmocka_unit_test(file_systems),
		cmocka_unit_test(encrypted_devices),
		cmocka_unit_test(disks_that_are_shared),
		cmocka_unit_test(folders_that_others_may_write),
		cmocka_unit_test(the_hook),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
