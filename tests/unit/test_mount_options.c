/* SPDX-License-Identifier: MIT */
/* What may stand behind -o, and what is said of what may not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/mount/mount.h"

static struct mount_options parsed(const char *text)
{
	struct mount_options o;
	struct hf_error err = HF_ERROR_INIT;

	memset(&o, 0xa5, sizeof(o));
	if (mount_parse_options(text, &o, &err) < 0)
		fail_msg("\"%s\": %s", text, err.text);
	return o;
}

static void refused(const char *text, const char *word)
{
	struct mount_options o;
	struct hf_error err = HF_ERROR_INIT;

	assert_int_equal(mount_parse_options(text, &o, &err), -EINVAL);
	if (!strstr(err.text, word))
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, err.text, word);
}

static void test_defaults(void **state)
{
	struct mount_options o = parsed("");

	(void)state;
	assert_int_equal(o.allow_other, geteuid() == 0);
	assert_false(o.read_only || o.allow_root || o.suid || o.dev || o.noexec || o.sync || o.dirsync ||
		     o.history_visible || o.coalesce || o.rebuild || o.debug);
	assert_int_equal(o.cache_bytes, 0);
	assert_int_equal(o.commit_interval_ms, 0);
}

static void test_switches(void **state)
{
	struct mount_options o;

	(void)state;
	o = parsed("ro,suid,dev,noexec,noatime,sync,dirsync,history=visible,coalesce,rebuild,debug");
	assert_true(o.read_only && o.suid && o.dev && o.noexec && o.sync && o.dirsync && o.history_visible &&
		    o.coalesce && o.rebuild && o.debug);
	o = parsed("ro,rw,suid,nosuid,dev,nodev,noexec,exec,history=visible,history=hidden,allow_other,"
		   "noallow_other");
	assert_false(o.read_only || o.suid || o.dev || o.noexec || o.history_visible || o.allow_other);
	assert_true(parsed("remount,rw").remount);
	o = parsed("allow_other,allow_root");
	assert_true(o.allow_root && !o.allow_other);
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(parsed("cache=1048576").cache_bytes, 1048576);
	assert_int_equal(parsed("cache=512M").cache_bytes, UINT64_C(512) << 20);
	assert_int_equal(parsed("cache=2g").cache_bytes, UINT64_C(2) << 30);
	assert_int_equal(parsed("cache=1GiB").cache_bytes, UINT64_C(1) << 30);
	assert_int_equal(parsed("commit=5").commit_interval_ms, 5000);
	assert_int_equal(parsed("commit=0.25").commit_interval_ms, 250);
	assert_string_equal(parsed("log=warning").log, "warning"); /* what levels there are says who asked */
	assert_string_equal(parsed("ro").log, "");
	refused("log=", "level");
	refused("log=a-word-that-is-no-level", "level");
	refused("cache=", "size");
	refused("cache=0", "size");
	refused("cache=-1", "size");
	refused("cache=5X", "size");
	refused("cache=5MM", "size");
	refused("cache=99999999999T", "size");
	refused("cache=99999999999999999999", "size");
	refused("commit=", "seconds");
	refused("commit=0", "seconds");
	refused("commit=1e9", "seconds");
	refused("commit=5x", "seconds");
	refused("commit=nan", "seconds");
}

static void test_moment(void **state)
{
	char text[256] = "at=";
	struct mount_options o = parsed("at=2026-11-21T101530Z,rw");

	(void)state;
	assert_string_equal(o.at, "2026-11-21T101530Z");
	assert_true(o.read_only);
	assert_string_equal(parsed("ro").at, "");
	refused("at=", "at=");
	memset(text + 3, 'x', sizeof(text) - 4);
	refused(text, "at=");
}

static void test_metrics(void **state)
{
	char text[128] = "metrics=";

	(void)state;
	assert_string_equal(parsed("ro").metrics, "");
	assert_string_equal(parsed("metrics=9480,ro").metrics, "9480");
	assert_string_equal(parsed("metrics=[::1]:9480").metrics, "[::1]:9480");
	refused("metrics=", "metrics=9480");
	refused("metrics", "unknown");
	memset(text + 8, '1', sizeof(text) - 9);
	refused(text, "metrics=9480");
}

static void test_receipts(void **state)
{
	struct mount_options o = parsed("sync");

	(void)state;
	assert_true(o.sync && o.sync_receipts == 0 && o.sync_timeout_ms == 0);
	o = parsed("sync=replica");
	assert_true(!o.sync && o.sync_receipts == 1 && o.sync_timeout_ms == 0);
	o = parsed("sync=replica:2,replica-timeout=0.5,sync");
	assert_true(o.sync && o.sync_receipts == 2 && o.sync_timeout_ms == 500);
	assert_int_equal(parsed("sync=replica:64").sync_receipts, 64);
	refused("sync=", "sync=replica");
	refused("sync=replica:", "sync=replica");
	refused("sync=replica:0", "sync=replica");
	refused("sync=replica:-1", "sync=replica");
	refused("sync=replica:65", "sync=replica");
	refused("sync=replica:4294967297", "sync=replica");
	refused("sync=replica:1x", "sync=replica");
	refused("sync=replicas", "sync=replica");
	refused("sync=node", "sync=replica");
	assert_int_equal(parsed("").scrub_s, 30 * 86400);
	assert_int_equal(parsed("scrub=off").scrub_s, 0);
	assert_int_equal(parsed("scrub=90s").scrub_s, 90);
	assert_int_equal(parsed("scrub=12h").scrub_s, 12 * 3600);
	assert_int_equal(parsed("scrub=2w").scrub_s, 14 * 86400);
	refused("scrub=", "scrub=30d");
	refused("scrub=0d", "scrub=30d");
	refused("scrub=30", "scrub=30d");
	refused("scrub=30days", "scrub=30d");
	refused("scrub=-1d", "scrub=30d");
	refused("scrub=99999999999999999999d", "scrub=30d");
	refused("replica-timeout=0", "seconds");
	refused("replica-timeout=", "seconds");
}

static void test_of_fstab(void **state)
{
	(void)state;
	assert_true(parsed("defaults,auto,nofail,_netdev,user,x-systemd.automount,x-gvfs-show,,ro,relatime,"
			   "user_id=0,"
			   "group_id=0,default_permissions,comment=mine")
			    .read_only);
}

static void test_unknown(void **state)
{
	(void)state;
	refused("bogus", "bogus");
	refused("rw,Ro", "Ro");
	refused("history=yes", "history=visible");
	refused("ro ", "ro ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_switches),
		cmocka_unit_test(test_values),   cmocka_unit_test(test_moment),
		cmocka_unit_test(test_of_fstab), cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_metrics),  cmocka_unit_test(test_receipts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
