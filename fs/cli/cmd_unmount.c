/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "fs/cli/cli.h"
#include "fs/cli/control.h"
#include "fs/cli/mountinfo.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"

#define TIMEOUT_DEFAULT_S 10
#define TIMEOUT_LONGEST_S 86400
#define GONE_TIMEOUT_MS 60000 /* for the last commit, on a slow disk */

/* Of one replica that has not everything: why, and whether waiting helps. */
static void say_lacking(const json_t *replica, const char *store)
{
	const char *state = output_get_text(replica, "state"), *why = output_get_text(replica, "error");
	const char *name = output_get_text(replica, "name");
	const unsigned long long lacks = (unsigned long long)output_get_number(replica, "lag_bytes");

	if (!strcmp(state, "refused"))
		fprintf(stderr,
			"holdfast: replica %s refuses this log: %s; nothing is sent to it at the next mount either "
			"until that is seen to. When it never will be: holdfast replica remove %s %s\n",
			name, why, store, name);
	else if (strcmp(state, "current") != 0)
		fprintf(stderr,
			"holdfast: not everything has reached every replica yet: replica %s still lacks %llu bytes "
			"(%s)%s%s; it is sent %s\n",
			name, lacks, state, *why ? ": " : "", why,
			strcmp(state, "full") ? "at the next mount" :
						"when it has room, while the store is mounted");
}

/* False: nobody told which they are. */
static bool say_who_lacks(struct control *control, const char *store)
{
	struct operation_listener listener = { .found = NULL };
	struct hf_error err = HF_ERROR_INIT;
	json_t *request = json_pack("{s:s}", "do", "status"), *replica;
	json_t *status = control_ask(control, request, &listener, &err);
	const bool told = status;
	size_t i;

	json_array_foreach(json_object_get(status, "replicas"), i, replica)
		say_lacking(replica, store);
	json_decref(request);
	json_decref(status);
	return told;
}

/*
 * What was acknowledged is made durable and sent; words about what did not get there go to stderr. A volume
 * whose process is dead, or whose disk failed, must come off nonetheless.
 */
static void drain(struct control *control, const char *store, unsigned timeout_ms)
{
	struct operation_listener listener = { .found = NULL };
	struct hf_error err = HF_ERROR_INIT;
	json_t *request = json_pack("{s:s, s:i}", "do", "drain", "timeout_ms", (int)timeout_ms);
	json_t *answer = control_ask(control, request, &listener, &err);

	json_decref(request);
	if (!answer)
		cli_fail("%s; what was written last may not be durable", err.text);
	else if (!json_is_true(json_object_get(answer, "drained")) && !say_who_lacks(control, store))
		fprintf(stderr, "holdfast: not everything has reached every replica: %s\n",
			output_get_text(answer, "left"));
	json_decref(answer);
}

/* An ordinary user unmounts by way of fusermount3, which is setuid; its words are ours. */
static int unmount_as_user(const char *dir, struct hf_error *err)
{
	char *argv[] = { "fusermount3", "-u", "--", (char *)dir, NULL };
	char words[HF_ERROR_TEXT_BYTES] = "";
	posix_spawn_file_actions_t actions;
	int fds[2], status = 0, r;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return hf_error_set(err, -errno, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
	r = -posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	n = read(fds[0], words, sizeof(words) - 1);
	close(fds[0]);
	if (r < 0)
		return hf_error_set(err, r, "fusermount3: %s; install the package fuse3", strerror(-r));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	words[n > 0 ? n : 0] = '\0';
	words[strcspn(words, "\n")] = '\0';
	return hf_error_set(err, strstr(words, "busy") ? -EBUSY : -EPERM, "%s", words);
}

static int unmount(const char *dir, struct hf_error *err)
{
	int r;

	if (geteuid() == 0)
		r = umount2(dir, UMOUNT_NOFOLLOW) < 0 ?
			    hf_error_set(err, -errno, "%s: %s", dir, strerror(errno)) :
			    0;
	else
		r = unmount_as_user(dir, err);
	if (r == -EBUSY)
		return hf_error_set(
			err, r,
			"%s is busy: a file in it is open, or somebody's working directory is there; "
			"see who: fuser -vm %s",
			dir, dir);
	return r;
}

/* The innermost mount at exactly this path. */
static int find_mount(const char *path, struct mountinfo *ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *absolute = NULL;
	int r = cli_absolute(path, &absolute, err);

	if (r < 0)
		return r;
	if (mountinfo_find(absolute, ret) == 0 && !strcmp(ret->dir, absolute)) {
		if (!*ret->root)
			return 0;
		hf_error_set(err, -EINVAL,
			     "%s is a folder of the volume mounted once more; umount(8) takes it away", path);
		mountinfo_release(ret);
		return -EINVAL;
	}
	mountinfo_release(ret);
	if (mountinfo_find_store(absolute, ret) == 0)
		return 0;
	return hf_error_set(err, -EINVAL, "no volume is mounted on %s", path);
}

static int unmount_volume(const char *path, unsigned timeout_ms)
{
	struct operation_listener listener = { .found = NULL };
	struct hf_error err = HF_ERROR_INIT, no_control = HF_ERROR_INIT;
	struct mountinfo m = { .dir = NULL };
	struct control control = { NULL, -1 };
	json_t *request, *lingers = NULL;
	int r;

	r = find_mount(path, &m, &err);
	if (r < 0)
		return cli_fail_error(&err);
	if (control_connect(m.store, &control, &no_control) == 0) {
		drain(&control, m.store, timeout_ms);
		request = json_pack("{s:s}", "do", "linger");
		lingers = control_ask(&control, request, &listener, &no_control);
		json_decref(request);
	}
	r = unmount(m.dir, &err);
	if (r == 0 && lingers && control_wait_gone(&control, GONE_TIMEOUT_MS) == -ETIMEDOUT)
		r = hf_error_set(&err, -ETIMEDOUT,
				 "%s is unmounted, but its process still has the store %s open after %d s",
				 m.dir, m.store, GONE_TIMEOUT_MS / 1000);
	json_decref(lingers);
	control_close(&control);
	mountinfo_release(&m);
	return r < 0 ? cli_fail_error(&err) : CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "timeout", 1, NULL, 't' }, { "help", 0, NULL, 'h' }, { 0 } };
	unsigned long timeout_s = TIMEOUT_DEFAULT_S;
	char *end;
	int o;

	while ((o = cli_option(self, argc, argv, "t:h", longs)) != -1) {
		if (o != 't')
			return cli_option_code(o);
		timeout_s = strtoul(optarg, &end, 10);
		if (*end || end == optarg || timeout_s > TIMEOUT_LONGEST_S)
			return cli_fail("unmount: --timeout takes seconds, 0 to %d", TIMEOUT_LONGEST_S);
	}
	if (!cli_operands(self, argc, 1, 1))
		return CLI_FAILED;
	return unmount_volume(argv[optind], (unsigned)timeout_s * 1000);
}

const struct command command_unmount = {
	.name = "unmount",
	.summary = "commit, let the replicas catch up, unmount",
	.usage = "holdfast unmount DIR [--timeout SECONDS]\n"
		 "\n"
		 "Make everything durable, give the replicas time to get it (10 s when not said),\n"
		 "unmount, and return when the store is free. Says what had not reached a replica:\n"
		 "that is sent at the next mount, but to one that refuses this log, and why it does.\n"
		 "umount(8) unmounts too, without waiting for replicas or for the store.\n"
		 "\n"
		 "  holdfast unmount /srv/git --timeout 60\n",
	.run = run,
};
