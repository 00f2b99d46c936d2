/* SPDX-License-Identifier: MIT */
#include "fs/cli/operations.h"

#include <errno.h>
#include <string.h>

#include "fs/cli/check_request.h"
#include "fs/cli/extract.h"
#include "fs/cli/output.h"
#include "fs/cli/past.h"
#include "fs/cli/present.h"
#include "fs/cli/progress.h"
#include "fs/cli/put_back.h"
#include "fs/cli/replica_request.h"
#include "fs/cli/status.h"
#include "fs/cli/target.h"
#include "fs/mount/mount.h"
#include "fs/web/web.h"
#include "holdfast/alarm.h"
#include "holdfast/head.h"
#include "holdfast/moment.h"
#include "holdfast/op.h"
#include "holdfast/readiness.h"

#define DRAIN_STEP_MS 200
#define DRAIN_LONGEST_MS (24u * 3600 * 1000)

bool operation_is_stopped(const struct operation_listener *listener)
{
	return listener->stopped && listener->stopped(listener->arg);
}

static json_t *no_memory(struct hf_error *err)
{
	hf_error_set(err, -ENOMEM, "no memory");
	return NULL;
}

static json_t *do_status(struct hf_store *store, const json_t *request,
			 const struct operation_listener *listener, struct hf_error *err)
{
	json_t *answer = status_of_store(store);
	struct hf_point moment;

	(void)request;
	(void)listener;
	if (answer && mount_moment(&moment))
		json_object_set_new(answer, "mounted_at", point_to_json(&moment));
	return answer ? answer : no_memory(err);
}

static json_t *do_commit(struct hf_store *store, const json_t *request,
			 const struct operation_listener *listener, struct hf_error *err)
{
	(void)request;
	(void)listener;
	return hf_store_commit(store, err) < 0 ? NULL : json_object();
}

/* In short steps, so that a store that is being closed does not wait for a replica. */
static json_t *do_drain(struct hf_store *store, const json_t *request,
			const struct operation_listener *listener, struct hf_error *err)
{
	uint64_t asked_ms = output_get_number(request, "timeout_ms");
	double end =
		progress_now() + (double)(asked_ms < DRAIN_LONGEST_MS ? asked_ms : DRAIN_LONGEST_MS) / 1000;
	json_t *answer;
	double left;
	int r;

	do {
		left = (end - progress_now()) * 1000;
		r = hf_store_drain(store,
				   left < DRAIN_STEP_MS ? left > 0 ? (unsigned)left : 0 : DRAIN_STEP_MS, err);
	} while (r == -ETIMEDOUT && progress_now() < end && !operation_is_stopped(listener));
	if (r < 0 && r != -ETIMEDOUT)
		return NULL;
	answer = json_pack("{s:b, s:s}", "drained", r == 0, "left", r == 0 ? "" : err->text);
	return answer ? answer : no_memory(err);
}

static int point_of_moment(struct hf_store *store, const char *moment, struct hf_point *ret,
			   struct hf_error *err)
{
	struct hf_status status;

	if (*moment)
		return hf_moment_find(store, moment, ret, err);
	hf_store_status(store, &status);
	*ret = (struct hf_point){ status.head_tid, status.head_time_ns };
	return 0;
}

static json_t *do_tag(struct hf_store *store, const json_t *request,
		      const struct operation_listener *listener, struct hf_error *err)
{
	const char *name = output_get_text(request, "name");
	struct hf_point point;
	json_t *answer;
	int r;

	(void)listener;
	if (point_of_moment(store, output_get_text(request, "moment"), &point, err) < 0)
		return NULL;
	r = hf_tag(store, name, point.tid, err);
	if (r == 0)
		r = hf_store_commit(store, err);
	if (r < 0)
		return NULL;
	answer = point_to_json(&point);
	if (!answer || json_object_set_new(answer, "name", json_string(name)) < 0) {
		json_decref(answer);
		return no_memory(err);
	}
	return answer;
}

static json_t *do_untag(struct hf_store *store, const json_t *request,
			const struct operation_listener *listener, struct hf_error *err)
{
	int r = hf_untag(store, output_get_text(request, "name"), err);

	(void)listener;
	if (r == 0) {
		mount_changed_tag(output_get_text(request, "name"));
		r = hf_store_commit(store, err);
	}
	return r < 0 ? NULL : json_object();
}

static int add_tag(void *arg, const char *name, const struct hf_point *point)
{
	json_t *tag = point_to_json(point);

	if (!tag || json_object_set_new(tag, "name", json_string(name)) < 0 ||
	    json_array_append(arg, tag) < 0) {
		json_decref(tag);
		return -ENOMEM;
	}
	json_decref(tag);
	return 0;
}

static json_t *do_tags(struct hf_store *store, const json_t *request,
		       const struct operation_listener *listener, struct hf_error *err)
{
	json_t *tags = json_array();

	(void)request;
	(void)listener;
	if (!tags)
		return no_memory(err);
	if (hf_tags_list(store, add_tag, tags, err) < 0) {
		json_decref(tags);
		return NULL;
	}
	return json_pack("{s:o}", "tags", tags);
}

/* Of all that was acknowledged, where more can become durable. */
static json_t *do_head(struct hf_store *store, const json_t *request,
		       const struct operation_listener *listener, struct hf_error *err)
{
	struct hf_status status;
	struct hf_head head;
	json_t *answer;
	char *line;

	(void)request;
	(void)listener;
	hf_store_status(store, &status);
	if (!status.read_only && hf_store_commit(store, err) < 0)
		return NULL;
	if (hf_store_head(store, &line, &head, err) < 0)
		return NULL;
	(void)hf_note_head(hf_store_path(store), NULL); /* it reminds, and no more */
	answer = head_to_json(line, &head);
	free(line);
	return answer ? answer : no_memory(err);
}

/* Here, since it is this process that will tell them when it comes to it. */
static json_t *do_alarm_test(struct hf_store *store, const json_t *request,
			     const struct operation_listener *listener, struct hf_error *err)
{
	(void)request;
	(void)listener;
	return hf_alarm_test(hf_store_path(store), err) < 0 ? NULL : json_object();
}

static json_t *do_check(struct hf_store *store, const json_t *request,
			const struct operation_listener *listener, struct hf_error *err)
{
	return check_request(NULL, store, request, listener, err);
}

static json_t *do_restore(struct hf_store *store, const json_t *request,
			  const struct operation_listener *listener, struct hf_error *err)
{
	struct extract_summary sum;
	struct target_at at;
	struct hf_attr what;
	const char *name;
	json_t *answer;
	int r;

	if (target_resolve(store, request, &at, err) < 0)
		return NULL;
	name = strrchr(at.path, '/');
	r = target_walk(store, &at, &what, err);
	if (r == 0)
		r = extract_tree(&(struct hf_view){ store, at.point.tid }, &what, name ? name + 1 : at.path,
				 output_get_text(request, "to"), listener, &sum, err);
	target_at_release(&at);
	if (r < 0)
		return NULL;
	answer = point_to_json(&at.point);
	if (!answer || json_object_set_new(answer, "files", output_number(sum.files)) < 0 ||
	    json_object_set_new(answer, "folders", output_number(sum.folders)) < 0 ||
	    json_object_set_new(answer, "others", output_number(sum.others)) < 0 ||
	    json_object_set_new(answer, "bytes", output_number(sum.bytes)) < 0 ||
	    json_object_set_new(answer, "failed", output_number(sum.failed)) < 0 ||
	    json_object_set_new(answer, "owners", json_boolean(sum.owners)) < 0) {
		json_decref(answer);
		return no_memory(err);
	}
	return answer;
}

/* tells: of what was, maybe until now. */
enum { CHANGES = 1, TELLS = 2 };

static const struct operation {
	const char *name;
	unsigned kind;
	json_t *(*run)(struct hf_store *store, const json_t *request,
		       const struct operation_listener *listener, struct hf_error *err);
} operations[] = {
	{ "status", 0, do_status },
	{ "commit", 0, do_commit },
	{ "drain", 0, do_drain },
	{ "tag", CHANGES | TELLS, do_tag },
	{ "untag", CHANGES, do_untag },
	{ "tags", 0, do_tags },
	{ "head", TELLS, do_head },
	{ "check", 0, do_check },
	{ "restore", TELLS, do_restore },
	{ "log", TELLS, past_log },
	{ "diff", TELLS, past_diff },
	{ "cat", TELLS, past_cat },
	{ "gone", TELLS, past_gone },
	{ "cost", TELLS, past_cost },
	{ "what", TELLS, past_what },
	{ "put-back", CHANGES, put_back },
	{ "last-change", 0, put_back_last_change },
	{ "alarm-test", 0, do_alarm_test },
};

static const struct operation *find(const json_t *request)
{
	const char *name = output_get_text(request, "do");

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	return NULL;
}

bool operation_changes(const json_t *request)
{
	const struct operation *operation = find(request);

	return operation && operation->kind & CHANGES && !json_is_true(json_object_get(request, "dry"));
}

/* The page is told what is durable: that it can be shown as it is, where it can. */
static json_t *do_web(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	struct hf_status status;

	if (present_is_meant(store, request)) {
		mount_write_out();
		hf_store_status(store, &status);
		if (!status.read_only)
			(void)hf_store_commit(store, NULL);
	}
	return web_answer(store, request, err);
}

json_t *operation_do(struct hf_store *store, const json_t *request, const struct operation_listener *listener,
		     struct hf_error *err)
{
	const struct operation *operation = find(request);

	if (replica_is_request(request))
		return replica_request(store, hf_store_path(store), request, listener, err);
	if (web_is_request(request))
		return do_web(store, request, err);
	if (!operation) {
		hf_error_set(err, -EINVAL, "a request for '%s', which this version does not know",
			     output_get_text(request, "do"));
		return NULL;
	}
	if (operation->kind & TELLS && present_is_meant(store, request))
		mount_write_out();
	return operation->run(store, request, listener, err);
}
