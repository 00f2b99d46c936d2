/* SPDX-License-Identifier: MIT */
#include "fs/cli/web_restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/mountinfo.h"
#include "fs/cli/output.h"
#include "fs/cli/restore_print.h"
#include "fs/web/percent.h"

#define CHANGES_BYTES_MAX (200u << 10) /* of their paths, which may be long */

bool web_restore_is_request(const json_t *request)
{
	return !strcmp(output_get_text(request, "do"), "web-restore");
}

/* --- what is told */

struct gathered {
	json_t *changes;
	size_t bytes;
	uint64_t more;
};

static json_t *escaped(const json_t *change, const char *key)
{
	CLEANUP(cli_cleanup_free) char *path = output_get_path(change, key);
	CLEANUP(cli_cleanup_free) char *text = path ? percent_encode(path) : NULL;

	return text ? json_string(text) : NULL;
}

static void gather(void *arg, const char *what)
{
	struct gathered *g = arg;
	json_t *change = json_loads(what, 0, NULL), *line = NULL;
	const size_t len = strlen(what);

	if (change && g->more == 0 && json_array_size(g->changes) < WEB_RESTORE_CHANGES_MAX &&
	    len <= CHANGES_BYTES_MAX - g->bytes)
		line = json_pack("{s:s, s:s, s:o, s:o*}", "kind", output_get_text(change, "kind"), "type",
				 output_get_text(change, "type"), "path", escaped(change, "path"), "before",
				 escaped(change, "before"));
	if (line && json_array_append_new(g->changes, line) == 0)
		g->bytes += len;
	else
		g->more++;
	json_decref(change);
}

/* --- what is asked */

/* The page's request as it is to be asked; path, moment: what of it is in there. */
static json_t *put_back_request(const json_t *request, struct target *target, struct hf_error *err)
{
	const bool dry = !json_is_false(json_object_get(request, "dry"));
	json_t *asked;

	if (!*output_get_text(request, "at")) {
		hf_error_set(err, -EINVAL, "say of which moment");
		return NULL;
	}
	if (percent_decode_path(output_get_text(request, "path"), &target->path, err) < 0 ||
	    target_moment(output_get_text(request, "at"), &target->moment, err) < 0)
		return NULL;
	asked = json_pack("{s:s, s:b, s:b}", "do", "put-back", "dry", dry, "tell", dry);
	if (asked && target_to_request(target, asked, err) == 0)
		return asked;
	json_decref(asked);
	hf_error_set(err, -ENOMEM, "no memory");
	return NULL;
}

/* The store, and where it is mounted now: while the page is open, that changes. */
static void find_mount(const struct location *location, struct target *target)
{
	struct mountinfo m = { .dir = NULL };

	target->location.store = strdup(location->store);
	if (mountinfo_find_store(location->store, &m) == 0) {
		target->location.mount = m.dir;
		target->location.root = m.root;
		m.dir = m.root = NULL;
	}
	mountinfo_release(&m);
}

/* Paths as the page has them. */
static void escape_held(json_t *answer)
{
	json_t *paths = json_array();
	const json_t *line;
	size_t i;

	json_array_foreach(json_object_get(answer, "held"), i, line) {
		json_t *path = escaped(line, "path");

		if (path)
			(void)json_array_append_new(paths, path);
	}
	(void)json_object_set_new(answer, "held", paths);
}

static void add_undo(const struct target *target, json_t *answer)
{
	CLEANUP(cli_cleanup_free) char *undo = restore_undo_command(target, target->path, answer);

	if (undo && restore_count(answer) > 0)
		(void)json_object_set_new(answer, "undo", json_string(undo));
}

json_t *web_restore(const struct location *location, const json_t *request, web_restore_ask_fn *ask,
		    void *arg, struct hf_error *err)
{
	CLEANUP(target_release) struct target target = { .path = NULL };
	struct gathered g = { .changes = json_array() };
	const struct operation_listener listener = { .found = gather, .arg = &g };
	json_t *asked = put_back_request(request, &target, err), *answer = NULL;

	if (asked)
		find_mount(location, &target);
	if (asked && (!g.changes || !target.location.store)) {
		hf_error_set(err, -ENOMEM, "no memory");
	} else if (asked) {
		answer = ask(arg, asked, &listener, err);
	}
	if (answer && json_is_true(json_object_get(asked, "dry"))) {
		(void)json_object_set(answer, "changes", g.changes);
		(void)json_object_set_new(answer, "more", output_number(g.more));
	} else if (answer) {
		escape_held(answer);
		add_undo(&target, answer);
	} else if (err->code == -EROFS) {
		hf_error_set(err, -EROFS,
			     "the store is open for reading only, and nothing can be restored in it: mount "
			     "it for writing, or unmount it, and try again");
	}
	json_decref(asked);
	json_decref(g.changes);
	return answer;
}
