/* SPDX-License-Identifier: MIT */
#include "fs/cli/location.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fs/cli/check_request.h"
#include "fs/cli/cli.h"
#include "fs/cli/control.h"
#include "fs/cli/mountinfo.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "fs/cli/replica_request.h"
#include "holdfast/op.h"

#define BUSY_WAIT_MS 3000

/* 0, or the errno that keeps it from being looked at. */
static int look_for(const char *path, const char *name, struct stat *ret)
{
	CLEANUP(cli_cleanup_free) char *full = NULL;

	if (asprintf(&full, "%s/%s", path, name) < 0) {
		full = NULL;
		return ENOMEM;
	}
	return stat(full, ret) < 0 ? errno : 0;
}

static bool has_folder(const char *path, const char *name)
{
	struct stat st;

	return look_for(path, name, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_descriptor(const char *path)
{
	CLEANUP(cli_cleanup_free) char *name = NULL;
	CLEANUP(cli_cleanup_fd) int fd = -1;
	char magic[8];

	if (asprintf(&name, "%s/volume", path) < 0) {
		name = NULL;
		return false;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 && pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       !memcmp(magic, "HFVOLUME", 8);
}

/* A descriptor that is damaged or gone makes no less of a store: it is made anew (holdfast check --repair).
 */
bool location_is_store(const char *path)
{
	struct stat st;

	return has_descriptor(path) || (has_folder(path, "log") && has_folder(path, "keys") &&
					look_for(path, "recovery", &st) == ENOENT);
}

int location_no_store(const char *path, const char *said, const char *otherwise, struct hf_error *err)
{
	struct stat st;
	int r = look_for(path, "recovery", &st);

	if (r == 0 && has_folder(path, "log") && has_folder(path, "keys"))
		return hf_error_set(err, -ENOENT,
				    "%s is no store yet: a recovery into it was begun and not finished; run "
				    "holdfast recover again, as before, and it goes on",
				    said);
	if (r == EACCES)
		return hf_error_set(err, -EACCES,
				    "%s: Permission denied: a store is for its owner and root alone", said);
	if (access(path, F_OK) < 0)
		return hf_error_set(err, -errno,
				    errno == ENOENT ? "%s does not exist" : "%s cannot be looked at", said);
	return hf_error_set(err, -ENOENT, "%s %s", said, otherwise);
}

static int find_default(struct location *ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *here = getcwd(NULL, 0);
	struct mountinfo m = { .dir = NULL };
	int r;

	r = here ? mountinfo_find(here, &m) : -ENOENT;
	if (r == -ENOENT && here && location_is_store(here)) {
		*ret = (struct location){ .store = here };
		here = NULL;
		return 0;
	}
	if (r == -ENOENT)
		r = mountinfo_find(NULL, &m);
	if (r == -ENOTUNIQ)
		return hf_error_set(err, -ENOENT,
				    "several volumes are mounted; say which, by its STORE or DIR");
	if (r < 0)
		return hf_error_set(err, -ENOENT, "no volume is mounted; name a STORE");
	if (!here || !cli_is_inside(here, m.dir)) /* it was not even stood in */
		fprintf(stderr, "holdfast: of the volume mounted on %s, the only one\n", m.dir);
	*ret = location_take_mount(&m);
	return 0;
}

int location_check_here(struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *here = getcwd(NULL, 0);
	struct mountinfo m = { .dir = NULL };
	const bool inside = here && (mountinfo_find(here, &m) == 0 || location_is_store(here));

	mountinfo_release(&m);
	return inside ? 0 :
			hf_error_set(
				err, -ENOENT,
				"which volume? What changes one is not done to whatever is mounted: name its "
				"STORE or DIR, or stand in it");
}

struct location location_take_mount(struct mountinfo *m)
{
	struct location p;
	struct mountinfo all;

	if (*m->root && mountinfo_find_store(m->store, &all) == 0) {
		mountinfo_release(m);
		*m = all;
	}
	p = (struct location){ .store = m->store, .mount = m->dir, .root = m->root };
	*m = (struct mountinfo){ .dir = NULL };
	return p;
}

char *location_path(const struct location *p, const char *path)
{
	const size_t len = p->root ? strlen(p->root) : 0;
	char *seen;

	if (!p->mount || (len > 0 && (strncmp(path, p->root, len) != 0 || (path[len] && path[len] != '/'))))
		return NULL;
	path += len;
	path += strspn(path, "/");
	if (asprintf(&seen, "%s%s%s", strcmp(p->mount, "/") || !*path ? p->mount : "", *path ? "/" : "",
		     path) < 0)
		return NULL;
	return seen;
}

int location_find(const char *path, struct location *ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *absolute = NULL;
	struct mountinfo m = { .dir = NULL };
	int r;

	if (!path)
		return find_default(ret, err);
	r = cli_absolute(path, &absolute, err);
	if (r < 0)
		return r;
	if (location_is_store(absolute)) {
		(void)mountinfo_find_store(absolute, &m);
		*ret = (struct location){ .store = absolute, .mount = m.dir, .root = m.root };
		absolute = NULL;
		free(m.store);
		return 0;
	}
	if (mountinfo_find(absolute, &m) < 0)
		return location_no_store(absolute, path,
					 "is neither a store nor inside a mounted volume; make a store with "
					 "holdfast init",
					 err);
	*ret = location_take_mount(&m);
	return 0;
}

void location_release(struct location *p)
{
	free(p->store);
	free(p->mount);
	free(p->root);
	p->store = p->mount = p->root = NULL;
}

static json_t *ask_at_rest(const char *store, const json_t *request,
			   const struct operation_listener *listener, struct hf_error *err)
{
	struct hf_open_options options = {
		.flags = HF_OPEN_NO_REPLICATION | (operation_changes(request) ? 0u : HF_OPEN_READ_ONLY),
		.busy_wait_ms = BUSY_WAIT_MS,
		.holder = "in use by the holdfast command",
		.progress = listener->progress,
	};
	struct hf_error close_err = HF_ERROR_INIT;
	struct hf_store *s;
	json_t *answer;

	/* Checking needs no index, and must work where opening does not. */
	if (!strcmp(output_get_text(request, "do"), "check"))
		return check_request(store, NULL, request, listener, err);
	if (replica_is_request(request))
		return replica_request(NULL, store, request, listener, err);
	if (hf_store_open(store, &options, &s, err) < 0)
		return NULL;
	hf_act_for(getuid());
	answer = operation_do(s, request, listener, err);
	if (hf_store_close(s, &close_err) < 0 && answer) {
		*err = close_err;
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

/* Its process lives. */
static bool is_served(const char *mount)
{
	struct statvfs st;

	return statvfs(mount, &st) == 0 || errno != ENOTCONN;
}

json_t *location_ask(const struct location *p, const json_t *request,
		     const struct operation_listener *listener, struct hf_error *err)
{
	struct control control = { NULL, -1 };
	json_t *answer;
	int r;

	r = control_connect(p->store, &control, err);
	if (r == -EACCES)
		return NULL;
	if (r < 0) {
		answer = ask_at_rest(p->store, request, listener, err);
		/* Who serves a mount and let us read beside him cannot be reached: each reads for himself. */
		if (answer && p->mount && !strcmp(output_get_text(request, "do"), "status") &&
		    is_served(p->mount))
			json_object_set_new(answer, "mounted_on", json_string(p->mount));
		return answer;
	}
	answer = control_ask(&control, request, listener, err);
	control_close(&control);
	return answer;
}

int location_talk_begin(const struct location *p, struct hf_progress progress, struct location_talk *ret,
			struct hf_error *err)
{
	struct hf_open_options options = {
		.flags = HF_OPEN_NO_REPLICATION | HF_OPEN_READ_ONLY,
		.busy_wait_ms = BUSY_WAIT_MS,
		.holder = "in use by the holdfast command",
		.progress = progress,
	};
	int r;

	*ret = (struct location_talk){ .control = { NULL, -1 } };
	r = control_connect(p->store, &ret->control, err);
	if (r == 0 || r == -EACCES)
		return r;
	return hf_store_open(p->store, &options, &ret->store, err);
}

json_t *location_talk_ask(struct location_talk *t, const json_t *request,
			  const struct operation_listener *listener, struct hf_error *err)
{
	return t->store ? operation_do(t->store, request, listener, err) :
			  control_ask(&t->control, request, listener, err);
}

void location_talk_end(struct location_talk *t)
{
	if (t->store)
		(void)hf_store_close(t->store, NULL); /* it was opened to read */
	control_close(&t->control);
	t->store = NULL;
}

json_t *location_ask_take(const char *path, json_t *request, struct hf_error *err)
{
	struct progress progress;
	struct operation_listener listener = { .progress = progress_begin(&progress) };
	struct location location = { .store = NULL };
	json_t *answer = NULL;

	if (!request)
		hf_error_set(err, -ENOMEM, "no memory");
	else if (location_find(path, &location, err) == 0)
		answer = location_ask(&location, request, &listener, err);
	progress_end(&progress);
	location_release(&location);
	json_decref(request);
	return answer;
}
