/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <syslog.h>

#include "fs/cli/cli.h"
#include "fs/cli/control_server.h"
#include "fs/cli/daemon.h"
#include "fs/cli/log.h"
#include "fs/cli/mountinfo.h"
#include "fs/cli/location.h"
#include "fs/cli/unlock.h"
#include "fs/metrics/metrics.h"
#include "fs/mount/mount.h"

/* A mount that has just been taken off still writes its last commit: umount(8) does not wait for that. */
#define BUSY_WAIT_MS 10000

struct mounting {
	char *store, *dir; /* absolute */
	struct mount_options options;
	struct daemon daemon;
};

/*
 * Whether the store is mounted by a process that lives; says where, and of what was at a moment, where that
 * can be seen.
 */
static bool is_mounted(const char *store, const char *at, struct hf_error *err)
{
	struct mountinfo mounted = { .dir = NULL };
	struct statvfs st; /* always asked of the process, never of a cache */
	bool alive;

	if (mountinfo_find_store(store, &mounted) < 0)
		return false;
	alive = statvfs(mounted.dir, &st) == 0 || errno != ENOTCONN;
	if (alive && *at)
		hf_error_set(err, -EBUSY,
			     "%s is mounted on %s already, and a store is mounted once at a time; the moment "
			     "can be seen there: %s/.history/at/%s",
			     store, mounted.dir, mounted.dir, at);
	else if (alive)
		hf_error_set(err, -EBUSY, "%s is mounted on %s already", store, mounted.dir);
	mountinfo_release(&mounted);
	return alive;
}

/* What can be said at once, before anything is opened. */
static int check_paths(const struct mounting *m, struct hf_error *err)
{
	struct stat st;
	int r = m->options.metrics[0] ? metrics_check(m->options.metrics, err) : 0;

	if (r < 0)
		return hf_error_prefix(err, r, "option metrics=%s", m->options.metrics);
	if (!location_is_store(m->store))
		return location_no_store(m->store, m->store, "is not a store; make one with holdfast init",
					 err);
	r = mount_clear_dead(m->dir, m->store, err);
	if (r < 0)
		return r;
	if (stat(m->dir, &st) < 0)
		return hf_error_set(err, -errno, "%s: %s", m->dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return hf_error_set(err, -ENOTDIR, "%s is not a folder", m->dir);
	if (cli_is_inside(m->store, m->dir))
		return hf_error_set(
			err, -EINVAL,
			"mounted on %s the volume would hide its own store %s; choose another folder", m->dir,
			m->store);
	return is_mounted(m->store, m->options.at, err) ? -EBUSY : 0;
}

static void ready(void *arg)
{
	struct mounting *m = arg;

	log_words(LOG_INFO, "%s is mounted on %s", m->store, m->dir);
	daemon_ready(&m->daemon, "");
}

/* With the store open: serve until unmounted. */
static int run_mount(struct mounting *m, struct hf_store *store, struct hf_error *err)
{
	struct control_server *control = NULL;
	struct metrics *metrics = NULL;
	int r = 0;

	if (m->options.metrics[0])
		r = metrics_of_mount(m->options.metrics, store, m->dir, &metrics, err);
	if (metrics_are_reachable(metrics))
		log_words(LOG_WARNING,
			  "others than this machine can read the metrics, which are not encrypted");
	if (r == 0)
		r = control_server_start(store, m->dir, metrics_address(metrics), &control, err);
	if ((m->options.read_only || m->options.at[0]) && (r == -EROFS || r == -ENOSPC || r == -EDQUOT)) {
		log_words(LOG_NOTICE, "%s: commands open the store for themselves", err->text);
		r = 0;
	}
	if (r == 0)
		r = mount_run(store, m->dir, &m->options, ready, m, err);
	daemon_stopping(&m->daemon, "unmounted; writing what is left");
	control_server_stop(control);
	metrics_stop(metrics);
	return r;
}

/*
 * Data passes through buffers of some hundred KiB that live for a second: they are taken from the heap, which
 * keeps them, and not from the kernel page by page each time. One arena: only the first is of huge pages
 * (main.c).
 */
static void keep_memory(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
	(void)mallopt(M_ARENA_MAX, 1);
}

static int mount_store(struct mounting *m)
{
	struct hf_error err = HF_ERROR_INIT, close_err = HF_ERROR_INIT;
	char holder[HF_ERROR_TEXT_BYTES];
	struct hf_open_options open = {
		.flags = (m->options.read_only ? HF_OPEN_READ_ONLY : 0) |
			 (m->options.at[0] ? HF_OPEN_NO_REPLICATION : 0) |
			 (m->options.rebuild ? HF_OPEN_REBUILD : 0),
		.cache_bytes = m->options.cache_bytes,
		.commit_interval_ms = m->options.commit_interval_ms,
		.sync_receipts = m->options.sync_receipts,
		.sync_timeout_ms = m->options.sync_timeout_ms,
		.scrub_s = m->options.scrub_s,
		.busy_wait_ms = BUSY_WAIT_MS,
		.holder = holder,
		.progress = daemon_progress(&m->daemon),
	};
	struct hf_store *store;
	int r;

	keep_memory();
	daemon_take_log(&m->daemon);
	if (m->options.at[0])
		snprintf(holder, sizeof(holder), "mounted on %s as it was at %s", m->dir, m->options.at);
	else
		snprintf(holder, sizeof(holder), "mounted on %s", m->dir);
	r = hf_store_open(m->store, &open, &store, &err);
	unlock_end();
	if (r < 0)
		return daemon_failed(&m->daemon, &err);
	r = run_mount(m, store, &err);
	if (hf_store_close(store, &close_err) < 0 && r == 0) {
		r = close_err.code;
		err = close_err;
	}
	if (r == 0)
		log_words(LOG_INFO, "%s is unmounted from %s, and closed", m->store, m->dir);
	return r < 0 ? daemon_failed(&m->daemon, &err) : CLI_FINE;
}

/*
 * -o remount. The kernel does not tell the process of it. So what was opened to be read only cannot become
 * writable, and what is not durable when nothing may be written any more is made so from here.
 */
static int remount(const struct mounting *m, struct hf_error *err)
{
	struct mountinfo mounted = { .dir = NULL };
	bool opened_read_only;
	json_t *answer;
	int r = mountinfo_find_store(m->store, &mounted);

	mountinfo_release(&mounted);
	if (r < 0)
		return hf_error_set(err, -EINVAL, "%s is not mounted", m->store);
	if (m->options.at[0])
		return hf_error_set(err, -EINVAL,
				    "another moment cannot be mounted by remount; unmount %s first", m->dir);
	answer = location_ask_take(m->store, json_pack("{s:s}", "do", "status"), err);
	opened_read_only = json_is_true(json_object_get(answer, "read_only"));
	if (!answer)
		return err->code;
	json_decref(answer);
	if (opened_read_only && !m->options.read_only)
		return hf_error_set(err, -EROFS,
				    "%s was opened to be read only; unmount it and mount it again", m->store);
	r = mount_again(m->store, m->dir, &m->options, err);
	if (r < 0 || opened_read_only || !m->options.read_only)
		return r;
	answer = location_ask_take(m->store, json_pack("{s:s}", "do", "commit"), err);
	if (!answer)
		return err->code;
	json_decref(answer);
	return 0;
}

/* --at: as -o at, but a moment may have commas. */
static int take_moment(struct mounting *m, const char *at, struct hf_error *err)
{
	if (!at)
		return 0;
	if (!*at || strlen(at) >= sizeof(m->options.at))
		return hf_error_set(err, -EINVAL, "--at takes a moment, as 2026-11-21T101530Z, 2h or a tag");
	memcpy(m->options.at, at, strlen(at) + 1);
	m->options.read_only = true;
	return 0;
}

static int mount_volume(const char *store, const char *dir, char *options, const char *at, bool foreground)
{
	struct hf_error err = HF_ERROR_INIT;
	struct mounting m = { .store = NULL };
	int r, code = CLI_FAILED;

	r = cli_absolute(store, &m.store, &err);
	if (r == 0)
		r = cli_absolute(dir, &m.dir, &err);
	if (r == 0 && options)
		r = unlock_take_options(options, &err);
	if (r == 0)
		r = mount_parse_options(options ? options : "", &m.options, &err);
	if (r == 0)
		r = log_set_level(m.options.log, &err);
	if (r == 0)
		r = take_moment(&m, at, &err);
	if (r == 0 && m.options.remount) {
		r = remount(&m, &err);
		code = r < 0 ? cli_fail_error(&err) : CLI_FINE;
		r = 1;
	}
	if (r == 0)
		r = check_paths(&m, &err);
	if (r == 0)
		r = unlock_prepare(m.store, &err);
	if (r == 0)
		r = daemon_start(&m.daemon, foreground, &code, &err);
	if (r < 0)
		code = cli_fail_error(&err);
	else if (r == 0)
		code = mount_store(&m);
	free(m.store);
	free(m.dir);
	return code;
}

/* Options one after another, as -o given several times. */
static int add_options(char **options, const char *more)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", *options ? *options : "", *options && **options ? "," : "", more) < 0)
		return cli_fail("no memory");
	free(*options);
	*options = joined;
	return CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "options", 1, NULL, 'o' },
					       { "at", 1, NULL, 'a' },
					       { "foreground", 0, NULL, 'f' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	CLEANUP(cli_cleanup_free) char *options = NULL;
	const char *at = NULL;
	bool foreground = false;
	int o;

	while ((o = cli_option(self, argc, argv, "o:fh", longs)) != -1) {
		if (o == 'o' && add_options(&options, optarg) == CLI_FINE)
			continue;
		if (o == 'a') {
			at = optarg;
			continue;
		}
		if (o != 'f')
			return cli_option_code(o);
		foreground = true;
	}
	if (!cli_operands(self, argc, 2, 2))
		return CLI_FAILED;
	return mount_volume(argv[optind], argv[optind + 1], options, at, foreground);
}

int mount_as_helper(int argc, char **argv)
{
	CLEANUP(cli_cleanup_free) char *options = NULL;
	bool fake = false;
	int o;

	/* What mount(8) means when it says neither: it hands on nosuid and nodev, but never suid and dev. */
	if (geteuid() == 0 && add_options(&options, "suid,dev") != CLI_FINE)
		return CLI_FAILED;
	while ((o = getopt(argc, argv, "o:t:N:sfnvw")) != -1) {
		switch (o) {
		case 'o':
			if (add_options(&options, optarg) != CLI_FINE)
				return CLI_FAILED;
			break;
		case 'f': /* of mount(8): do everything but the mounting itself, which here is nothing */
			fake = true;
			break;
		case '?':
			return CLI_FAILED;
		default:
			break;
		}
	}
	if (argc - optind != 2)
		return cli_fail("usage: mount -t fuse.holdfast STORE DIR [-o options]");
	if (fake)
		return CLI_FINE;
	return mount_volume(argv[optind], argv[optind + 1], options, NULL, false);
}

const struct command command_mount = {
	.name = "mount",
	.summary = "mount a volume",
	.usage = "holdfast mount STORE DIR [--at MOMENT] [-o OPTIONS] [-f]\n"
		 "\n"
		 "Mount the volume in the folder STORE on the folder DIR. Returns when DIR can be\n"
		 "used; the past is in DIR/.history (see DIR/.history/README).\n"
		 "\n"
		 "  --at MOMENT        the volume as it was at a moment, read-only: a time, a date, 2h\n"
		 "                       (ago), tid-N or a tag; and nothing else of it, without .history.\n"
		 "                       A store is mounted once at a time: of one that is mounted, see\n"
		 "                       DIR/.history/at/MOMENT instead\n"
		 "  -o OPTIONS         separated by commas\n" MOUNT_OPTIONS_HELP
		 "                       passphrase-fd=N, key-fd=N, key-file=FILE: see holdfast key\n"
		 "                       --help; a passphrase is else asked for\n"
		 "  -f, --foreground   stay in front; systemd is told when it is mounted (Type=notify)\n"
		 "\n"
		 "  holdfast mount /var/lib/volume /srv/git\n"
		 "  holdfast mount --at 2026-11-21T101530Z /var/lib/volume /mnt\n"
		 "  mount -t fuse.holdfast /var/lib/volume /srv/git\n"
		 "  /var/lib/volume /srv/git fuse.holdfast nosuid,nodev,_netdev 0 0  in /etc/fstab\n",
	.run = run,
	.takes_keys = true,
};
